"""Contenders in LangChain: a model that answers from memory, ours, and the peers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from contenders import KEY, MODEL, PROMPT, TOOL, Contender, Unable, wire_history


class LangChain(Contender):
    """What all LangChain contenders have in common: the public methods of the base classes."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.model = self.make_model()
        self.made_embeddings: Any = None

    def make_model(self) -> Any:
        raise NotImplementedError

    def make_embeddings(self) -> Any:
        raise Unable("it has no embeddings")

    @property
    def embeddings(self) -> Any:
        """The embeddings model, made on first use."""
        if self.made_embeddings is None:
            self.made_embeddings = self.make_embeddings()
        return self.made_embeddings

    def chat(self) -> str:
        text: str = self.model.invoke(PROMPT).content
        return text

    async def achat(self) -> str:
        text: str = (await self.model.ainvoke(PROMPT)).content
        return text

    def stream(self, prompt: str) -> Iterator[Any]:
        chunks: Iterator[Any] = self.model.stream(prompt)
        return chunks

    async def astream(self, prompt: str) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = self.model.astream(prompt)
        return chunks

    def text_of(self, item: Any) -> str:
        text: str = item.content
        return text

    def tools(self, prompt: str) -> Iterator[Any]:
        chunks: Iterator[Any] = self.model.bind_tools([TOOL]).stream(prompt)
        return chunks

    def arguments_of(self, items: list[Any]) -> str:
        return "".join(part["args"] or "" for item in items for part in item.tool_call_chunks)

    def prepare_history(self) -> None:
        from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

        self.messages: list[Any] = []
        for message in wire_history():
            if message["role"] == "user":
                self.messages.append(HumanMessage(message["content"]))
            elif message["role"] == "tool":
                self.messages.append(ToolMessage(message["content"], tool_call_id=message["tool_call_id"]))
            else:
                calls = [
                    {"id": call["id"], "name": "f", "args": json.loads(call["function"]["arguments"])}
                    for call in message.get("tool_calls", [])
                ]
                self.messages.append(AIMessage(message["content"] or "", tool_calls=calls))

    def history(self) -> str:
        text: str = self.model.invoke(self.messages).content
        return text

    def embed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = self.embeddings.embed_documents(texts)
        return vectors

    async def aembed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = await self.embeddings.aembed_documents(texts)
        return vectors


class Ours(LangChain):
    """`langchain_azureai`."""

    def make_model(self) -> Any:
        from langchain_azureai import ChatAzureAI

        return ChatAzureAI(endpoint=self.url, credential=KEY, model=MODEL)

    def make_embeddings(self) -> Any:
        from langchain_azureai import AzureAIEmbeddings

        return AzureAIEmbeddings(endpoint=self.url, credential=KEY, model=MODEL)

    @staticmethod
    def load() -> None:
        import langchain_azureai

        _ = langchain_azureai.ChatAzureAI, langchain_azureai.AzureAIEmbeddings


class OpenAI(LangChain):
    """`langchain-openai`. By default its embeddings first fetch a vocabulary to count tokens, which would cost more."""

    def make_model(self) -> Any:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(base_url=self.url, api_key=KEY, model=MODEL, use_responses_api=False)

    def make_embeddings(self) -> Any:
        from langchain_openai import OpenAIEmbeddings

        return OpenAIEmbeddings(base_url=self.url, api_key=KEY, model=MODEL, check_embedding_ctx_length=False)


class AzureOpenAI(LangChain):
    """`langchain-azure-ai`, the classes over the openai SDK."""

    def make_model(self) -> Any:
        from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel

        return AzureAIOpenAIApiChatModel(endpoint=self.url, credential=KEY, model=MODEL, use_responses_api=False)

    def make_embeddings(self) -> Any:
        from langchain_azure_ai.embeddings import AzureAIOpenAIApiEmbeddingsModel

        return AzureAIOpenAIApiEmbeddingsModel(
            endpoint=self.url, credential=KEY, model=MODEL, check_embedding_ctx_length=False
        )


class AzureInference(LangChain):
    """`langchain-azure-ai[v1]`, the retired classes over azure-ai-inference."""

    def make_model(self) -> Any:
        from langchain_azure_ai.chat_models.inference import AzureAIChatCompletionsModel

        return AzureAIChatCompletionsModel(endpoint=self.url, credential=KEY, model=MODEL)

    def make_embeddings(self) -> Any:
        from langchain_azure_ai.embeddings.inference import AzureAIEmbeddingsModel

        return AzureAIEmbeddingsModel(endpoint=self.url, credential=KEY, model=MODEL)


class Floor(LangChain):
    """A model that answers from memory: what the framework itself costs, with its validating constructors."""

    def make_model(self) -> Any:
        from floors_langchain import FloorModel

        return FloorModel()

    def make_embeddings(self) -> Any:
        from floors_langchain import FloorEmbeddings

        return FloorEmbeddings(self.dimensions)

    @staticmethod
    def load() -> None:
        import langchain_core.embeddings
        import langchain_core.language_models.chat_models  # noqa: F401
