"""LlamaIndex models that answer from memory: what the framework itself costs, with its validating constructors."""

# What the base classes hand over is not needed here.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from contenders import prepared_answer, words_asked
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, TextBlock, ToolCallBlock
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback

ANSWER = prepared_answer()


class FloorLLM(CustomLLM):
    """A chat model without a service."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True)

    @llm_chat_callback()
    def chat(self, messages: Any, **_: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER))

    @llm_chat_callback()
    async def achat(self, messages: Any, **_: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content=ANSWER))

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        return items(words_asked(messages[-1].content), kwargs.get("tools"))

    @llm_chat_callback()
    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        async def later() -> AsyncIterator[ChatResponse]:
            for item in items(words_asked(messages[-1].content), kwargs.get("tools")):
                yield item

        return later()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


def items(count: int, tools: Any) -> Iterator[ChatResponse]:
    """So many words, or fragments of a tool call; each item has the whole text so far, as the framework wants it."""
    text = ""
    for n in range(count):
        word = f"word{n} "
        text += word
        block = ToolCallBlock(tool_call_id="1", tool_name="f", tool_kwargs=text) if tools else TextBlock(text=text)
        yield ChatResponse(message=ChatMessage(role="assistant", blocks=[block]), delta="" if tools else word)


class FloorEmbeddings(BaseEmbedding):
    """Embeddings without a service: always the same vector."""

    vector: list[float]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self.vector

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.vector

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [self.vector] * len(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._get_text_embeddings(texts)
