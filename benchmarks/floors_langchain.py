"""LangChain models that answer from memory: what the framework itself costs, with its validating constructors."""

# What the base classes hand over is not needed here.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from contenders import prepared_answer, words_asked
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

ANSWER = prepared_answer()
USAGE = {"input_tokens": 11, "output_tokens": 32, "total_tokens": 43}
FRAGMENT = {"name": None, "args": "word", "id": None, "index": 0}


class FloorModel(BaseChatModel):
    """A chat model without a service."""

    @property
    def _llm_type(self) -> str:
        return "floor"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        return answered()

    async def _agenerate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        return answered()

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Iterator[Any]:
        return chunks(words_asked(messages[-1].content), kw.get("tools"))

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> AsyncIterator[Any]:
        for chunk in chunks(words_asked(messages[-1].content), kw.get("tools")):
            yield chunk


def answered() -> ChatResult:
    """An answer with usage."""
    return ChatResult(generations=[ChatGeneration(message=AIMessage(ANSWER, usage_metadata=USAGE))])


def chunks(count: int, tools: Any) -> Iterator[ChatGenerationChunk]:
    """So many words, or fragments of a tool call."""
    for n in range(count):
        if tools:
            message = AIMessageChunk("", tool_call_chunks=[FRAGMENT], id="run-1")
        else:
            message = AIMessageChunk(f"word{n} ", id="run-1")
        yield ChatGenerationChunk(message=message)


class FloorEmbeddings(Embeddings):
    """Embeddings without a service: always the same vector."""

    def __init__(self, dimensions: int) -> None:
        self.vector = [0.25] * dimensions

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vector] * len(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.vector
