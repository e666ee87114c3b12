"""The chat model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exported silently
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.types import PydanticProgramMode

from azureai_core import APIStatusError, Completion
from azureai_core.adapters import StructuredOutputMode, note_refusal, structured_output_modes, wire_tool_choice

from ._callbacks import instrumented
from ._calls import to_selections
from ._from_wire import promoted, to_chat_response
from ._generation import Generation, checked_body
from ._stream import Accumulator
from ._structured import Ask, Output
from ._to_wire import Json, WireRules, reads_files, to_wire

if TYPE_CHECKING:
    from llama_index.core.chat_engine.types import AgentChatResponse
    from llama_index.core.prompts import PromptTemplate
    from llama_index.core.tools.types import BaseTool

dispatcher = get_dispatcher(__name__)

_BY_PROGRAM_MODE: Mapping[PydanticProgramMode, StructuredOutputMode] = {
    PydanticProgramMode.FUNCTION: "tool",
    PydanticProgramMode.LLM: "text",
}
_REFUSALS = frozenset({400, 405, 422, 501})
"""The statuses of a deployment that does not stream."""
_SET_BY_TOOL_MODE = frozenset({"tool_required", "tool_choice", "allow_parallel_tool_calls"})
"""Arguments that would contradict the forced call of a tool."""


@dataclass(frozen=True)
class Request:
    """A request body, and whether the answer may hold one call only."""

    payload: Json
    single_call: bool


class AzureAI(Generation, FunctionCallingLLM):
    """A chat model on any Azure AI endpoint: serverless, Foundry, Azure OpenAI, GitHub Models, or compatible.

    >>> llm = AzureAI("https://NAME.services.ai.azure.com/models", "<key>", model="gpt-4o")
    >>> llm.metadata.context_window
    128000

    Args:
        endpoint: URL as the portal shows it; else from AZURE_INFERENCE_ENDPOINT.
        credential: a key, a token credential, or a function that returns a token; else from AZURE_INFERENCE_CREDENTIAL.
        options: every field below by name, or by its other names: `api_key`, `base_url`, `api_base`, `model_name`, ….

    Nothing is read, opened or sent before the first call. Raises `ConfigurationError` for wrong arguments.
    """

    is_function_calling_model: bool | None = Field(
        default=None, description="Whether the model has tools; else what is known of it, else yes."
    )
    structured_output_mode: StructuredOutputMode | None = Field(
        default=None, description="json_schema, tool, json_object or text; else the best that the model takes."
    )
    send_reasoning: bool = Field(
        default=False, description="Whether reasoning in the history goes back to the model, as reasoning_content."
    )
    promote_reasoning: bool = Field(
        default=False, description="Whether reasoning stands in for an answer that is empty; some hosts put it there."
    )
    normalize_order: bool | None = Field(
        default=None, description="Whether messages are put in the order Mistral insists on; else where that is known."
    )

    stream_by_buffering: bool = Field(
        default=False, description="Whether a deployment that refuses to stream gives its whole answer in one chunk."
    )

    _refused_streams: bool = PrivateAttr(default=False)

    @classmethod
    def class_name(cls) -> str:
        """The name in dumps and traces: the retired vendor adapter's, which dumps, caches and registries already have.

        `from_dict` takes a dump under any name.
        """
        return "AzureAICompletionsModel"

    @property
    def metadata(self) -> LLMMetadata:
        """What is known of the model; no request is made for it."""
        has_tools = self.is_function_calling_model
        return LLMMetadata(
            context_window=self._known_window(),
            num_output=self._known_output(),
            is_chat_model=True,
            is_function_calling_model=self._deployment().profile.tools if has_tools is None else has_tools,
            model_name=self._known_name(),
        )

    def to_payload(self) -> dict[str, Any]:
        """What traces show of this model: no credential, no header, no query."""
        return {"class_name": self.class_name(), **dict(self.metadata), **self._described()}

    # ------------------------------------------------------------------ requests

    def _request(self, messages: Sequence[ChatMessage], options: Mapping[str, Any]) -> Request:
        body = self._body(options)
        profile = self._deployment(body["model"]).profile
        in_order = not profile.user_after_tool if self.normalize_order is None else self.normalize_order
        rules = WireRules(profile, self._client.endpoint.is_openai, self.send_reasoning, in_order)
        single_call = body.pop("allow_parallel_tool_calls", True) is False
        payload = {"messages": to_wire(messages, rules), **checked_body(body)}
        return Request(payload, single_call)

    async def _arequest(self, messages: Sequence[ChatMessage], options: Mapping[str, Any]) -> Request:
        if reads_files(messages):
            return await asyncio.to_thread(self._request, messages, options)
        return self._request(messages, options)

    # ------------------------------------------------------------------ chat

    @instrumented(llm_chat_callback())
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The answer to the messages. Further arguments are fields of the request body.

        Raises the errors of `azureai_core`: `ContentFilterError`, `RateLimitError`, … each with `status_code`.
        """
        return self._chat(messages, **kwargs)

    @instrumented(llm_chat_callback())
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat` without blocking the event loop."""
        return await self._achat(messages, **kwargs)

    @instrumented(llm_chat_callback())
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The answer as it grows; the last response is the whole of it, with usage and an empty delta."""
        return self._stream_chat(messages, **kwargs)

    @instrumented(llm_chat_callback())
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat` without blocking the event loop."""
        return self._astream_chat(messages, **kwargs)

    # The undecorated halves: `complete` stands on them, so that one request is one event and one token count.

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request = self._request(messages, kwargs)
        return self._answered(self._client.complete(request.payload), request)

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request = await self._arequest(messages, kwargs)
        return self._answered(await self._client.acomplete(request.payload), request)

    def _answered(self, completion: Completion, request: Request) -> ChatResponse:
        whole = promoted(completion) if self.promote_reasoning else completion
        return to_chat_response(whole, single_call=request.single_call)

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        request = self._request(messages, {**self._stream_fields(), **kwargs})
        answer = self._accumulator(request)
        if self._refused_streams:
            yield self._buffered(self._client.complete(_unstreamed(request.payload)), request)
            return
        try:
            with closing(self._client.stream(request.payload)) as deltas:
                for delta in deltas:
                    if (response := answer.add(delta)) is not None:
                        yield response
        except APIStatusError as error:
            self._give_up_streams(error)
            yield self._buffered(self._client.complete(_unstreamed(request.payload)), request)
        else:
            yield answer.last(deltas.completion)

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        request = await self._arequest(messages, {**self._stream_fields(), **kwargs})
        answer = self._accumulator(request)
        if self._refused_streams:
            yield self._buffered(await self._client.acomplete(_unstreamed(request.payload)), request)
            return
        try:
            # Not within `aclosing`: an event loop that ends closes all async generators at once, each by itself.
            deltas = self._client.astream(request.payload)
            async for delta in deltas:
                if (response := answer.add(delta)) is not None:
                    yield response
        except APIStatusError as error:
            self._give_up_streams(error)
            yield self._buffered(await self._client.acomplete(_unstreamed(request.payload)), request)
        else:
            yield answer.last(deltas.completion)

    def _accumulator(self, request: Request) -> Accumulator:
        return Accumulator(single_call=request.single_call, promote_reasoning=self.promote_reasoning)

    def _give_up_streams(self, error: APIStatusError) -> None:
        """Notes that the deployment does not stream, where the user allows that; raises any other error."""
        names_it = "stream" in error.parameters or "stream" in error.message.lower()
        if not (self.stream_by_buffering and names_it and error.partial is None and error.status_code in _REFUSALS):
            raise error
        self._refused_streams = True

    def _buffered(self, completion: Completion, request: Request) -> ChatResponse:
        """The whole answer as the only chunk of a stream. Source: llama_index#18860."""
        response = self._answered(completion, request)
        thought = {"thinking_delta": completion.reasoning} if completion.reasoning else {}
        details = {**thought, **response.additional_kwargs}
        return response.model_copy(update={"delta": response.message.content or "", "additional_kwargs": details})

    # ------------------------------------------------------------------ completion

    @instrumented(llm_completion_callback())
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The answer to the prompt as a single user message."""
        return chat_to_completion_decorator(self._chat)(self._formatted(prompt, formatted), **kwargs)

    @instrumented(llm_completion_callback())
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete` without blocking the event loop."""
        return await achat_to_completion_decorator(self._achat)(self._formatted(prompt, formatted), **kwargs)

    @instrumented(llm_completion_callback())
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """`complete` as it grows."""
        return stream_chat_to_completion_decorator(self._stream_chat)(self._formatted(prompt, formatted), **kwargs)

    @instrumented(llm_completion_callback())
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete` without blocking the event loop."""

        async def stream(messages: Sequence[ChatMessage], **options: Any) -> ChatResponseAsyncGen:
            return self._astream_chat(messages, **options)

        return await astream_chat_to_completion_decorator(stream)(self._formatted(prompt, formatted), **kwargs)

    def _formatted(self, prompt: str, formatted: bool) -> str:
        return prompt if formatted or self.completion_to_prompt is None else self.completion_to_prompt(prompt)

    # ------------------------------------------------------------------ tools

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002  the framework's signature
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: str | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of `chat` for a request with tools; `tool_choice` may also be the name of a tool."""
        added = [ChatMessage(role="user", content=user_msg)] if isinstance(user_msg, str) else [user_msg or ()]
        messages = [*(chat_history or []), *(message for message in added if isinstance(message, ChatMessage))]
        if not tools:
            return {"messages": messages, **kwargs}
        specs = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        # A name is written in the spec as the API takes it, so the choice of a tool has to be, too.
        named = {tool.metadata.name: spec["function"]["name"] for tool, spec in zip(tools, specs, strict=True)}
        chosen = named.get(tool_choice, tool_choice) if isinstance(tool_choice, str) else tool_choice
        unasked = "required" if tool_required else "auto"
        return {
            "messages": messages,
            "tools": specs,
            "tool_choice": unasked if chosen is None else wire_tool_choice(chosen, specs),
            **({} if allow_parallel_tool_calls else self._one_call_only()),
            **kwargs,
        }

    def _one_call_only(self) -> Json:
        """Asks for one call where the service is known to take that wish; further calls are cut off in any case."""
        takes_it = self._client.endpoint.is_openai and self._deployment().profile.family == "gpt"
        return {"allow_parallel_tool_calls": False, **({"parallel_tool_calls": False} if takes_it else {})}

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],  # noqa: ARG002  the framework's signature
        allow_parallel_tool_calls: bool = False,  # noqa: ARG002  `chat` has cut off further calls already
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResponse:
        """The response, as `chat` gave it: streamed answers need the same cut, so it is made there."""
        return response

    def get_tool_calls_from_response(
        self,
        response: ChatResponse,
        error_on_no_tool_call: bool = True,
        **kwargs: Any,  # noqa: ARG002  the framework's signature
    ) -> list[ToolSelection]:
        """The calls of a response, which may still be streaming: arguments as far as they can be read."""
        selections = to_selections(response.message)
        if not selections and error_on_no_tool_call:
            raise ValueError(f"The answer calls no tool: {(response.message.content or '')[:200]!r}")
        return selections

    def predict_and_call(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """The result of the tool that the model picked; by ReAct prompts where the model has no tools."""
        return super().predict_and_call(tools, *args, **{**self._react_parts(), **kwargs})

    async def apredict_and_call(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> AgentChatResponse:
        """`predict_and_call` without blocking the event loop."""
        return await super().apredict_and_call(tools, *args, **{**self._react_parts(), **kwargs})

    def _react_parts(self) -> dict[str, Any]:
        """Formatter and parser for a model without tools: core 0.14.25 passes `None` for both and fails on it."""
        if self.metadata.is_function_calling_model:
            return {}
        from llama_index.core.agent.react import ReActChatFormatter, ReActOutputParser  # noqa: PLC0415  costs time

        return {"react_chat_formatter": ReActChatFormatter(), "output_parser": ReActOutputParser()}

    # ------------------------------------------------------------------ structured output

    def structured_predict(
        self,
        output_cls: type[Output],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Output:
        """An object of the class, by the best mechanism that the model takes.

        Raises `ValueError` when the answer holds no such object.
        """
        if not self._is_own_program_mode():
            other: Output = super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return other
        dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        for ask in self._attempts(output_cls, prompt, prompt_args):
            try:
                result = ask.read(self.chat(**self._asked(ask, llm_kwargs)))
            except APIStatusError as error:
                self._learn(ask, error)
            else:
                dispatcher.event(LLMStructuredPredictEndEvent(output=result))
                return result
        raise AssertionError("the last way to ask raises its error")

    async def astructured_predict(
        self,
        output_cls: type[Output],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Output:
        """`structured_predict` without blocking the event loop."""
        if not self._is_own_program_mode():
            other: Output = await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return other
        dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args)
        )
        for ask in self._attempts(output_cls, prompt, prompt_args):
            try:
                result = ask.read(await self.achat(**self._asked(ask, llm_kwargs)))
            except APIStatusError as error:
                self._learn(ask, error)
            else:
                dispatcher.event(LLMStructuredPredictEndEvent(output=result))
                return result
        raise AssertionError("the last way to ask raises its error")

    def _structured_stream_call(
        self,
        output_cls: type[Output],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        """The object as it grows; the last one is complete. `stream_structured_predict` stands on this."""
        if not self._is_own_program_mode():
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._stream_objects(self._attempts(output_cls, prompt, prompt_args), llm_kwargs)

    async def _structured_astream_call(
        self,
        output_cls: type[Output],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        """`_structured_stream_call` without blocking the event loop."""
        if not self._is_own_program_mode():
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return self._astream_objects(self._attempts(output_cls, prompt, prompt_args), llm_kwargs)

    def _stream_objects(
        self, asks: Iterator[Ask[Output]], llm_kwargs: dict[str, Any] | None
    ) -> Generator[Any, None, None]:
        for ask in asks:
            response, shown = ChatResponse(message=ChatMessage()), None
            try:
                for response in self.stream_chat(**self._asked(ask, llm_kwargs)):
                    if (part := ask.partly(response)) != shown:
                        yield part
                        shown = part
            except APIStatusError as error:
                self._learn(ask, error)
            else:
                yield ask.read(response)
                return

    async def _astream_objects(
        self, asks: Iterator[Ask[Output]], llm_kwargs: dict[str, Any] | None
    ) -> AsyncGenerator[Any, None]:
        for ask in asks:
            response, shown = ChatResponse(message=ChatMessage()), None
            try:
                async for response in await self.astream_chat(**self._asked(ask, llm_kwargs)):
                    if (part := ask.partly(response)) != shown:
                        yield part
                        shown = part
            except APIStatusError as error:
                self._learn(ask, error)
            else:
                yield ask.read(response)
                return

    def _is_own_program_mode(self) -> bool:
        return self.pydantic_program_mode in {PydanticProgramMode.DEFAULT, *_BY_PROGRAM_MODE}

    def _attempts(
        self, output_cls: type[Output], prompt: PromptTemplate, prompt_args: Mapping[str, Any]
    ) -> Iterator[Ask[Output]]:
        """The ways to ask, best first; only those that a refusal leaves over are ever reached."""
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        chosen = self.structured_output_mode or _BY_PROGRAM_MODE.get(self.pydantic_program_mode)
        modes = [chosen] if chosen else structured_output_modes(self._deployment())
        return iter([Ask(output_cls, mode, messages) for mode in modes])

    def _asked(self, ask: Ask[Any], llm_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
        """The arguments of `chat`; a choice of tools by the caller would contradict the forced one."""
        given = {name: value for name, value in (llm_kwargs or {}).items() if name not in _SET_BY_TOOL_MODE}
        if ask.mode != "tool":
            return {"messages": ask.prompt(), **ask.options(), **given}
        tool = get_function_tool(ask.output_cls)
        return self._prepare_chat_with_tools([tool], chat_history=ask.prompt(), tool_required=True, **given)

    def _learn(self, ask: Ask[Any], error: APIStatusError) -> None:
        """Remembers a mechanism that the deployment does not have; raises the error when it means something else."""
        if self.structured_output_mode or self.pydantic_program_mode in _BY_PROGRAM_MODE:
            raise error
        note_refusal(self._deployment(), ask.mode, error)


def _unstreamed(payload: Json) -> Json:
    return {name: value for name, value in payload.items() if name != "stream_options"}


AzureAICompletionsModel = AzureAI
"""The name of the retired vendor adapter."""
