"""`ChatAzureAI`: a LangChain chat model for every chat model on Azure AI."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Literal, Self, TypeVar, cast, get_args

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, model_validator

from azureai_core import Completion, ConfigurationError, __version__
from azureai_core import ModelProfile as Profile
from azureai_core.adapters import (
    StructuredOutputMode,
    repair_history,
    response_format,
    structured_output_modes,
    wire_tool_choice,
)

from . import _blocks  # noqa: F401  registers our block translator
from ._errors import model_errors
from ._from_wire import last_chunk, to_generation_chunk, to_generations
from ._generation import GenerationArguments, token_usage
from ._prompted import prompted
from ._to_wire import to_wire

Function = TypeVar("Function", bound=Callable[..., Any])
Tool = dict[str, Any] | type | Callable[..., Any] | BaseTool
StructuredOutputMethod = Literal["function_calling", "json_schema", "json_mode", "prompted"]


def _with_signature(function: Function) -> Function:
    """The function with its signature attached: the framework asks for it on each call, and reading it is slow."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function


class ChatAzureAI(GenerationArguments, BaseChatModel):
    """Chat with a model behind any Azure AI endpoint: serverless, managed compute, Foundry, Azure OpenAI, GitHub.

    Example:
        >>> model = ChatAzureAI(
        ...     endpoint="https://NAME.eastus2.models.ai.azure.com", credential="<key>", temperature=0
        ... )
        >>> model.invoke("Hello")  # doctest: +SKIP

    Raises `azureai_core.ConfigurationError` for a missing or malformed endpoint or credential. Errors of a call are
    those of `azureai_core`, each also an instance of the matching `langchain_core.exceptions.ModelError`.
    """

    model_config = ConfigDict(defer_build=False)

    stream_usage: bool | None = None
    """Whether streams ask for usage. By default on Azure OpenAI and `/openai/v1`; other services send it in any case,
    or refuse `stream_options`."""
    repair_history: bool | None = None
    """Whether histories that a model family refuses are put in order: a user message right after a tool's (Mistral), a
    system role (Phi-3). By default what the model's profile says; `True` separates tool and user messages and makes
    one system message of several, whatever the model; `False` sends all as it is."""
    send_reasoning: bool = False
    """Whether the reasoning of earlier answers is sent back; the documentation advises against it."""

    # ------------------------------------------------------------------ what LangChain asks of a model

    @model_validator(mode="after")
    def _check_azureai_connection(self) -> Self:
        self._add_version("azureai-adapters", __version__)
        _ = self.client  # raises for a missing endpoint or credential; opens nothing
        return self

    @property
    def _llm_type(self) -> str:
        return "azureai-chat"

    @classmethod
    def lc_id(cls) -> list[str]:
        """The identifier in dumps, which stays what it first was, so that dumps of every version load."""
        return [*cls.get_lc_namespace(), "AzureAIChatCompletionsModel"] if cls is ChatAzureAI else super().lc_id()

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return cast("LangSmithParams", {**super()._get_ls_params(stop=stop, **kwargs), **self._traced(kwargs)})

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """What traces show; the base class finds the same in a slow way, for the sake of a deprecated method."""
        return {**self.asdict(), "stop": stop, **kwargs}

    def _resolve_model_profile(self) -> ModelProfile | None:
        return to_langchain_profile(self.client.deployment().profile)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some arguments changed; its profile is that of its model, unless the user gave one."""
        copied = super().model_copy(update=update, deep=deep)
        if "profile" not in (update or {}) and self.profile == self._resolve_model_profile():
            copied.profile = copied._resolve_model_profile()  # noqa: SLF001  our own class
        return copied

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The cache's key, with what the environment and the headers decide, which a dump does not hold."""
        return f"{super()._get_llm_string(stop=stop, **kwargs)}---{sorted(self._identifying_params.items())}"

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        total: dict[str, int] = {}
        for output in llm_outputs:
            for name, count in ((output or {}).get("token_usage") or {}).items():
                total[name] = total.get(name, 0) + count
        return {"token_usage": total, "model_name": self.model_name}

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """The tokens of a prompt, estimated offline."""
        given = [tool if isinstance(tool, BaseTool) else convert_to_openai_tool(tool) for tool in tools or ()]
        return count_tokens_approximately(messages, tools=given or None)

    # ------------------------------------------------------------------ calls

    @_with_signature
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  core fires the callbacks
        **kwargs: Any,
    ) -> ChatResult:
        payload = self._payload(messages, stop, kwargs)
        with model_errors:
            return _to_result(self.client.complete(payload), payload["model"])

    @_with_signature
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        payload = self._payload(messages, stop, kwargs)
        with model_errors:
            return _to_result(await self.client.acomplete(payload), payload["model"])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        payload = self._stream_payload(messages, stop, kwargs)
        with model_errors:
            deltas = self.client.stream(payload)
            for delta in deltas:
                chunk = to_generation_chunk(delta)
                if chunk is None:
                    continue
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        yield last_chunk(deltas.completion, payload["model"])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        payload = self._stream_payload(messages, stop, kwargs)
        with model_errors:
            deltas = self.client.astream(payload)
            async for delta in deltas:
                chunk = to_generation_chunk(delta)
                if chunk is None:
                    continue
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        yield last_chunk(deltas.completion, payload["model"])

    def _payload(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        body = self._body(stop, kwargs)
        if body.get("tools"):
            body["tools"] = [convert_to_openai_tool(tool) for tool in body["tools"]]
            body["tool_choice"] = wire_tool_choice(body.get("tool_choice"), body["tools"])
        else:
            body = {name: value for name, value in body.items() if name not in _TOOL_FIELDS}
        if isinstance(body.get("response_format"), str):  # the retired SDK's short form of JSON mode
            body["response_format"] = {"type": body["response_format"]}
        return {"messages": self._history(messages, body["model"]), **body}

    def _history(self, messages: list[BaseMessage], model: str | None) -> list[dict[str, Any]]:
        wire = to_wire(messages, send_reasoning=self.send_reasoning)
        if self.repair_history is False:
            return wire
        return repair_history(wire, self.client.deployment(model).profile, in_order=self.repair_history)

    def _stream_payload(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        include_usage = kwargs.get("stream_usage", self.stream_usage)
        payload = self._payload(messages, stop, kwargs)
        if include_usage is not None:  # a key with `None` keeps the client from its own default
            payload["stream_options"] = {"include_usage": True} if include_usage else None
        return payload

    # ------------------------------------------------------------------ tools and structured output

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools at hand.

        Args:
            tools: functions, `BaseTool`s, Pydantic or TypedDict classes, JSON schemas, OpenAI or Anthropic dicts.
            tool_choice: `"auto"`, `"none"`, `"required"` (also `"any"` or `True`), a tool's name, or the wire's object.
            strict: ask the service to keep to the schemas exactly.
            parallel_tool_calls: whether several calls may come at once; an extra parameter on some endpoints.
            response_format: a schema, or the wire's object, that a final answer must fit.
            kwargs: further fields of the body.

        Raises `ConfigurationError` when `tool_choice` names a tool that is not among them.
        """
        wire = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        bound = {
            "tools": wire or None,
            "tool_choice": wire_tool_choice(tool_choice, wire) if wire else None,
            "parallel_tool_calls": parallel_tool_calls if wire else None,
            "response_format": to_response_format(response_format, strict=strict) if response_format else None,
        }
        return self.bind(**{name: value for name, value in bound.items() if value is not None}, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        method: StructuredOutputMethod | None = None,
        strict: bool | None = None,
        *,
        include_raw: bool = False,
        tools: Sequence[Tool] = (),
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model whose answers are objects of a schema.

        Args:
            schema: a Pydantic class (gives instances), a TypedDict, a JSON schema or an OpenAI function (give dicts).
                Optional with `json_mode`.
            method: `"function_calling"` forces a call of a tool with that schema; `"json_schema"` has the service hold
                the answer to it; `"json_mode"` asks for JSON only: name the keys in the prompt; `"prompted"` puts the
                schema into the prompt, for models with neither tools nor JSON mode (Phi-3), and asks once more when
                the answer does not fit. By default the one that the model's profile knows to work.
            strict: ask the service to keep to the schema exactly; with `json_schema` the default where the schema
                allows it.
            include_raw: give `{"raw", "parsed", "parsing_error"}` and never raise on an answer that does not fit.
            tools: further tools that the model may call; with `json_schema` only.
            kwargs: further fields of the body.
        """
        chosen = method or self._default_method()
        _check_structured_output(chosen, schema, strict, tools)
        if chosen == "function_calling":
            llm, parser = self._by_tool(schema, strict, kwargs)
        elif chosen == "json_schema":
            llm, parser = self._by_json_schema(schema, strict, tools, kwargs)
        elif chosen == "json_mode":
            llm, parser = self._by_json_mode(schema, kwargs)
        else:
            llm, parser = self._by_prompt(schema, kwargs)
        return _with_raw(llm, parser) if include_raw else llm | parser

    def _default_method(self) -> StructuredOutputMethod:
        """The best mechanism that the deployment has, by what the user's `profile` says of it, else its name."""
        deployment, known = self.client.deployment(), self.profile or {}
        profile = replace(
            deployment.profile,
            json_schema=bool(known.get("structured_output")),
            tools=bool(known.get("tool_calling", True)),
        )
        return _METHODS[structured_output_modes(replace(deployment, profile=profile))[0]]

    def _by_tool(self, schema: Any, strict: bool | None, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        from ._parsers import CheckedJsonToolsParser, CheckedPydanticToolsParser  # noqa: PLC0415  slow to load

        name = convert_to_openai_tool(schema)["function"]["name"]
        llm = self.bind_tools(
            [schema],
            tool_choice=name,
            strict=strict,
            ls_structured_output_format={"kwargs": {"method": "function_calling", "strict": strict}, "schema": schema},
            **kwargs,
        )
        if _is_pydantic(schema):
            return llm, CheckedPydanticToolsParser(tools=[schema], first_tool_only=True)
        return llm, CheckedJsonToolsParser(key_name=name, first_tool_only=True)

    def _by_json_schema(
        self, schema: Any, strict: bool | None, tools: Sequence[Tool], kwargs: dict[str, Any]
    ) -> tuple[Any, Any]:
        llm = self.bind_tools(
            tools,
            strict=strict,
            response_format=schema,
            ls_structured_output_format={
                "kwargs": {"method": "json_schema", "strict": strict},
                "schema": convert_to_openai_tool(schema),
            },
            **kwargs,
        )
        return llm, _json_parser(schema)

    def _by_json_mode(self, schema: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        llm = self.bind(
            response_format={"type": "json_object"},
            ls_structured_output_format={"kwargs": {"method": "json_mode"}, "schema": schema},
            **kwargs,
        )
        return llm, _json_parser(schema)

    def _by_prompt(self, schema: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        llm = self.bind(
            ls_structured_output_format={"kwargs": {"method": "prompted"}, "schema": convert_to_openai_tool(schema)},
            **kwargs,
        )
        parser = _json_parser(schema)
        return prompted(llm, parser, dict(convert_to_json_schema(schema))), parser


def _check_structured_output(method: str, schema: object, strict: bool | None, tools: Sequence[Tool]) -> None:
    """Raises `ConfigurationError` for a method that does not exist, or an argument that it does not have."""
    methods = get_args(StructuredOutputMethod)
    if method not in methods:
        raise ConfigurationError(f"method={method!r}: use {', '.join(map(repr, methods))}.")
    if schema is None and method != "json_mode":
        raise ConfigurationError(f"with_structured_output(method={method!r}) needs a schema.")
    if tools and method != "json_schema":
        raise ConfigurationError(f"with_structured_output(method={method!r}) takes no tools: use 'json_schema'.")
    if strict is not None and method in {"json_mode", "prompted"}:
        raise ConfigurationError(f"strict={strict} means nothing with method={method!r}: leave it out.")


_METHODS: dict[StructuredOutputMode, StructuredOutputMethod] = {
    "json_schema": "json_schema",
    "tool": "function_calling",
    "json_object": "prompted",  # JSON mode alone says nothing of the schema
    "text": "prompted",
}

_TOOL_FIELDS = {"tools", "tool_choice", "parallel_tool_calls"}


def _to_result(completion: Completion, requested_model: str | None) -> ChatResult:
    """One generation per choice."""
    output = {"token_usage": token_usage(completion.usage), "model_name": completion.model or requested_model}
    return ChatResult(generations=to_generations(completion, requested_model), llm_output=output)


def to_response_format(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """The API's `response_format` of a schema in any form, or the API's object as it is.

    Strict if `strict` says so, and by default where the schema has a strict form; else nothing is enforced.
    """
    if isinstance(schema, dict) and schema.get("type") in {"json_schema", "json_object", "text"}:
        return schema
    if isinstance(schema, dict) and "function" in schema:
        schema = schema["function"]
    return response_format(convert_to_json_schema(schema), strict=strict)


def to_langchain_profile(profile: Profile) -> ModelProfile:
    """What is known of a model family, under LangChain's names; an unknown family gives no limits."""
    known: dict[str, Any] = {
        "max_input_tokens": profile.max_input_tokens,
        "max_output_tokens": profile.max_output_tokens,
        "text_inputs": True,
        "image_inputs": profile.images,
        "image_url_inputs": profile.images,
        "audio_inputs": profile.audio,
        "text_outputs": True,
        "reasoning_output": profile.reasoning,
        "tool_calling": profile.tools,
        "structured_output": profile.json_schema,
        "temperature": profile.sampling,
    }
    if profile.family == "unknown":
        return ModelProfile()
    supported = ModelProfile.__annotations__
    return cast("ModelProfile", {k: v for k, v in known.items() if v is not None and k in supported})


def _is_pydantic(schema: Any) -> bool:
    return isinstance(schema, type) and is_basemodel_subclass(schema)


def _json_parser(schema: Any) -> Any:
    from ._parsers import CheckedJsonParser, CheckedPydanticParser  # noqa: PLC0415  slow to load

    return CheckedPydanticParser(pydantic_object=schema) if _is_pydantic(schema) else CheckedJsonParser()


def _with_raw(llm: Runnable[Any, Any], parser: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Gives the raw message, the parsed object and the parsing error, the last two as far as there are any."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")


AzureAIChatCompletionsModel = ChatAzureAI
"""The class under the retired adapter's name."""
