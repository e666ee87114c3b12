"""The text-completion model, for deployments that continue a prompt instead of chatting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from llama_index.core.base.llms.generic_utils import (
    astream_completion_response_to_chat_response,
    completion_response_to_chat_response,
    stream_completion_response_to_chat_response,
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
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM

from ._callbacks import instrumented
from ._config import Json
from ._from_wire import to_chat_response, to_completion_response
from ._generation import Generation, checked_body
from ._stream import TextAccumulator


class AzureAITextCompletion(Generation, LLM):
    """A model behind the route `/completions`: prompt in, continuation out.

    Args:
        endpoint: URL as the portal shows it; else from AZURE_INFERENCE_ENDPOINT.
        credential: as for `AzureAI`.
        options: every field below by name.

    The chat methods send the messages as one prompt, written by `messages_to_prompt`.
    """

    @classmethod
    def class_name(cls) -> str:
        """The name in dumps and traces, which dumps and registries already have; `from_dict` takes any."""
        return "AzureAITextCompletionsModel"

    @property
    def metadata(self) -> LLMMetadata:
        """What is known of the model; no request is made for it."""
        return LLMMetadata(
            context_window=self._known_window(),
            num_output=self._known_output(),
            is_chat_model=False,
            model_name=self._known_name(),
        )

    def to_payload(self) -> dict[str, Any]:
        """What traces show of this model: no credential, no header, no query."""
        return {"class_name": self.class_name(), **self.metadata.model_dump(), **self._described()}

    def _payload(self, prompt: str, formatted: bool, options: Mapping[str, Any]) -> Json:
        text = prompt if formatted or self.completion_to_prompt is None else self.completion_to_prompt(prompt)
        return {"prompt": text, **checked_body(self._body(options))}

    # ------------------------------------------------------------------ completion

    @instrumented(llm_completion_callback())
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The continuation of the prompt. Further arguments are fields of the request body."""
        return self._complete(prompt, formatted, **kwargs)

    @instrumented(llm_completion_callback())
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete` without blocking the event loop."""
        return await self._acomplete(prompt, formatted, **kwargs)

    @instrumented(llm_completion_callback())
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The continuation as it grows; the last response is the whole of it, with usage and an empty delta."""
        return self._stream_complete(prompt, formatted, **kwargs)

    @instrumented(llm_completion_callback())
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """`stream_complete` without blocking the event loop."""
        return self._astream_complete(prompt, formatted, **kwargs)

    def _complete(self, prompt: str, formatted: bool, **kwargs: Any) -> CompletionResponse:
        completion = self._client.complete_text(self._payload(prompt, formatted, kwargs))
        return to_completion_response(to_chat_response(completion))

    async def _acomplete(self, prompt: str, formatted: bool, **kwargs: Any) -> CompletionResponse:
        completion = await self._client.acomplete_text(self._payload(prompt, formatted, kwargs))
        return to_completion_response(to_chat_response(completion))

    def _stream_complete(self, prompt: str, formatted: bool, **kwargs: Any) -> CompletionResponseGen:
        answer = TextAccumulator()
        payload = self._payload(prompt, formatted, {**self._stream_fields(), **kwargs})
        with closing(self._client.stream_text(payload)) as deltas:
            for delta in deltas:
                if (response := answer.add_text(delta)) is not None:
                    yield response
        yield answer.last_text(deltas.completion)

    async def _astream_complete(self, prompt: str, formatted: bool, **kwargs: Any) -> CompletionResponseAsyncGen:
        answer = TextAccumulator()
        payload = self._payload(prompt, formatted, {**self._stream_fields(), **kwargs})
        deltas = self._client.astream_text(payload)
        async for delta in deltas:  # not within `aclosing`, as in the chat model
            if (response := answer.add_text(delta)) is not None:
                yield response
        yield answer.last_text(deltas.completion)

    # ------------------------------------------------------------------ chat

    @instrumented(llm_chat_callback())
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The continuation of the messages as one prompt."""
        return completion_response_to_chat_response(self._complete(self._prompt(messages), True, **kwargs))

    @instrumented(llm_chat_callback())
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat` without blocking the event loop."""
        return completion_response_to_chat_response(await self._acomplete(self._prompt(messages), True, **kwargs))

    @instrumented(llm_chat_callback())
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """`chat` as it grows."""
        parts = self._stream_complete(self._prompt(messages), True, **kwargs)
        return stream_completion_response_to_chat_response(parts)

    @instrumented(llm_chat_callback())
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat` without blocking the event loop."""
        parts = self._astream_complete(self._prompt(messages), True, **kwargs)
        return astream_completion_response_to_chat_response(parts)

    def _prompt(self, messages: Sequence[ChatMessage]) -> str:
        return self.messages_to_prompt(messages) if self.messages_to_prompt is not None else ""


AzureAITextCompletionsModel = AzureAITextCompletion
"""The class's name before version 0.2."""
