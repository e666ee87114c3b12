"""Contenders in LlamaIndex: a model that answers from memory, ours, and the peers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from contenders import KEY, MODEL, PROMPT, TOOL, Contender, Unable, wire_history


class LlamaIndex(Contender):
    """What all LlamaIndex contenders have in common: the public methods of the base classes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.llm = self.make_llm()
        self.made_embeddings: Any = None

    def make_llm(self) -> Any:
        raise NotImplementedError

    def make_embeddings(self) -> Any:
        raise Unable("it has no embeddings")

    @property
    def embeddings(self) -> Any:
        """The embeddings model, made on first use."""
        if self.made_embeddings is None:
            self.made_embeddings = self.make_embeddings()
        return self.made_embeddings

    def _ask(self, prompt: str = PROMPT) -> list[Any]:
        from llama_index.core.llms import ChatMessage

        return [ChatMessage(role="user", content=prompt)]

    def chat(self) -> str:
        return self.llm.chat(self._ask()).message.content or ""

    async def achat(self) -> str:
        return (await self.llm.achat(self._ask())).message.content or ""

    def stream(self, prompt: str) -> Iterator[Any]:
        items: Iterator[Any] = self.llm.stream_chat(self._ask(prompt))
        return items

    async def astream(self, prompt: str) -> AsyncIterator[Any]:
        items: AsyncIterator[Any] = await self.llm.astream_chat(self._ask(prompt))
        return items

    def text_of(self, item: Any) -> str:
        return item.delta or ""

    def tools(self, prompt: str) -> Iterator[Any]:
        items: Iterator[Any] = self.llm.stream_chat(self._ask(prompt), tools=[TOOL])
        return items

    def arguments_of(self, items: list[Any]) -> str:
        calls = self.llm.get_tool_calls_from_response(items[-1], error_on_no_tool_call=False) if items else []
        return "".join(json.dumps(call.tool_kwargs) for call in calls)

    def prepare_history(self) -> None:
        from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock

        self.messages: list[Any] = []
        for message in wire_history():
            content, extra = message["content"], {}
            if isinstance(content, list):
                content = [TextBlock(text=content[0]["text"]), ImageBlock(url=content[1]["image_url"]["url"])]
            # The peers over azure-ai-inference read calls from here only; ours and the other take both spellings.
            extra = {name: message[name] for name in ("tool_calls", "tool_call_id") if name in message}
            self.messages.append(ChatMessage(role=message["role"], content=content, additional_kwargs=extra))

    def history(self) -> str:
        return self.llm.chat(self.messages).message.content or ""

    def embed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = self.embeddings.get_text_embedding_batch(texts)
        return vectors

    async def aembed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = await self.embeddings.aget_text_embedding_batch(texts)
        return vectors


class Ours(LlamaIndex):
    """`llamaindex_azureai`."""

    def make_llm(self) -> Any:
        from llamaindex_azureai import AzureAI

        return AzureAI(endpoint=self.url, credential=KEY, model=MODEL)

    def make_embeddings(self) -> Any:
        from llamaindex_azureai import AzureAIEmbedding

        return AzureAIEmbedding(endpoint=self.url, credential=KEY, model=MODEL)

    @staticmethod
    def load() -> None:
        import llamaindex_azureai

        _ = llamaindex_azureai.AzureAI, llamaindex_azureai.AzureAIEmbedding


class OpenAILike(LlamaIndex):
    """`llama-index-llms-openai-like` with its embeddings; it knows of a model what the user says of it."""

    def make_llm(self) -> Any:
        from llama_index.llms.openai_like import OpenAILike as Model

        return Model(model=MODEL, api_base=self.url, api_key=KEY, is_chat_model=True, is_function_calling_model=True)

    def make_embeddings(self) -> Any:
        from llama_index.embeddings.openai_like import OpenAILikeEmbedding

        return OpenAILikeEmbedding(model_name=MODEL, api_base=self.url, api_key=KEY)


class AzureInference(LlamaIndex):
    """`llama-index-llms-azure-inference` with its embeddings, on the retired SDK."""

    def make_llm(self) -> Any:
        from llama_index.llms.azure_inference import AzureAICompletionsModel

        return AzureAICompletionsModel(endpoint=self.url, credential=KEY, model_name=MODEL)

    def make_embeddings(self) -> Any:
        from llama_index.embeddings.azure_inference import AzureAIEmbeddingsModel

        return AzureAIEmbeddingsModel(endpoint=self.url, credential=KEY, model_name=MODEL)


class Floor(LlamaIndex):
    """A model that answers from memory: what the framework itself costs, with its validating constructors."""

    def make_llm(self) -> Any:
        from floors_llamaindex import FloorLLM

        return FloorLLM()

    def arguments_of(self, items: list[Any]) -> str:
        text: str = items[-1].message.blocks[0].tool_kwargs
        return text

    def make_embeddings(self) -> Any:
        from floors_llamaindex import FloorEmbeddings

        return FloorEmbeddings(vector=[0.25] * self.dimensions, embed_batch_size=1024)

    @staticmethod
    def load() -> None:
        import llama_index.core.base.embeddings.base
        import llama_index.core.llms.function_calling  # noqa: F401
