"""One contender in one scenario, in a process of its own: prints CPU and wall seconds per unit as JSON.

A contender is a class with the methods it can do: `chat`, `achat`, `stream`, `astream`, `tools`, `embed`, `aembed`. Its
imports stand in its constructor, so that peers are needed only where they are measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

KEY, MODEL, PROMPT = "benchmark-key", "mock-model", "Say something short."
MESSAGES = [{"role": "user", "content": PROMPT}]
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "d",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
}


class Httpx:
    """Plain httpx, as most people write it."""

    def __init__(self, url: str) -> None:
        import httpx

        headers = {"authorization": f"Bearer {KEY}", "api-key": KEY}
        self.client = httpx.Client(base_url=url, headers=headers)
        self.aclient = httpx.AsyncClient(base_url=url, headers=headers)

    def chat(self) -> None:
        self.client.post("/chat/completions", json={"messages": MESSAGES, "model": MODEL}).json()

    async def achat(self) -> None:
        (await self.aclient.post("/chat/completions", json={"messages": MESSAGES, "model": MODEL})).json()

    def stream(self, **extra: Any) -> None:
        body = {"messages": MESSAGES, "model": MODEL, "stream": True, **extra}
        with self.client.stream("POST", "/chat/completions", json=body) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    json.loads(line[6:])

    async def astream(self) -> None:
        body = {"messages": MESSAGES, "model": MODEL, "stream": True}
        async with self.aclient.stream("POST", "/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    json.loads(line[6:])

    def tools(self) -> None:
        self.stream(tools=[TOOL])

    def embed(self, texts: list[str]) -> None:
        for at in range(0, len(texts), 256):
            self.client.post("/embeddings", json={"input": texts[at : at + 256], "model": MODEL}).json()

    async def aembed(self, texts: list[str]) -> None:
        for at in range(0, len(texts), 256):
            (await self.aclient.post("/embeddings", json={"input": texts[at : at + 256], "model": MODEL})).json()


class Core:
    """`azureai_core` without a framework."""

    def __init__(self, url: str) -> None:
        from azureai_core import InferenceClient

        self.client = InferenceClient(url, KEY, model=MODEL)

    def chat(self) -> None:
        self.client.complete({"messages": MESSAGES})

    async def achat(self) -> None:
        await self.client.acomplete({"messages": MESSAGES})

    def stream(self) -> None:
        for _ in self.client.stream({"messages": MESSAGES}):
            pass

    async def astream(self) -> None:
        async for _ in self.client.astream({"messages": MESSAGES}):
            pass

    def tools(self) -> None:
        for _ in self.client.stream({"messages": MESSAGES, "tools": [TOOL]}):
            pass

    def embed(self, texts: list[str]) -> None:
        for _ in self.client.embed_many(texts):
            pass

    async def aembed(self, texts: list[str]) -> None:
        async for _ in self.client.aembed_many(texts):
            pass


class _LangChain:
    """What all LangChain chat models have in common."""

    model: Any
    embeddings: Any

    def chat(self) -> None:
        self.model.invoke(PROMPT)

    async def achat(self) -> None:
        await self.model.ainvoke(PROMPT)

    def stream(self) -> None:
        for _ in self.model.stream(PROMPT):
            pass

    async def astream(self) -> None:
        async for _ in self.model.astream(PROMPT):
            pass

    def tools(self) -> None:
        for _ in self.model.bind_tools([TOOL]).stream(PROMPT):
            pass

    def embed(self, texts: list[str]) -> None:
        self.embeddings.embed_documents(texts)

    async def aembed(self, texts: list[str]) -> None:
        await self.embeddings.aembed_documents(texts)


class OursLangChain(_LangChain):
    """`langchain_azureai`."""

    def __init__(self, url: str) -> None:
        from langchain_azureai import AzureAIChatCompletionsModel, AzureAIEmbeddingsModel

        self.model = AzureAIChatCompletionsModel(endpoint=url, credential=KEY, model=MODEL)
        self.embeddings = AzureAIEmbeddingsModel(endpoint=url, credential=KEY, model=MODEL)


class LangChainOpenAI(_LangChain):
    """`langchain-openai`."""

    def __init__(self, url: str) -> None:
        from langchain_openai import ChatOpenAI, OpenAIEmbeddings

        self.model = ChatOpenAI(base_url=url, api_key=KEY, model=MODEL, use_responses_api=False)
        self.embeddings = OpenAIEmbeddings(base_url=url, api_key=KEY, model=MODEL, check_embedding_ctx_length=False)


class LangChainAzureInference(_LangChain):
    """`langchain-azure-ai[v1]`, the retired class."""

    def __init__(self, url: str) -> None:
        from langchain_azure_ai.chat_models.inference import AzureAIChatCompletionsModel

        self.model = AzureAIChatCompletionsModel(endpoint=url, credential=KEY, model=MODEL)


class _LlamaIndex:
    """What all LlamaIndex LLMs have in common."""

    llm: Any
    embeddings: Any

    def messages(self) -> list[Any]:
        from llama_index.core.llms import ChatMessage

        return [ChatMessage(role="user", content=PROMPT)]

    def chat(self) -> None:
        self.llm.chat(self.messages())

    async def achat(self) -> None:
        await self.llm.achat(self.messages())

    def stream(self) -> None:
        for _ in self.llm.stream_chat(self.messages()):
            pass

    async def astream(self) -> None:
        async for _ in await self.llm.astream_chat(self.messages()):
            pass

    def tools(self) -> None:
        for _ in self.llm.stream_chat(self.messages(), tools=[TOOL]):
            pass

    def embed(self, texts: list[str]) -> None:
        self.embeddings.get_text_embedding_batch(texts)

    async def aembed(self, texts: list[str]) -> None:
        await self.embeddings.aget_text_embedding_batch(texts)


class OursLlamaIndex(_LlamaIndex):
    """`llamaindex_azureai`."""

    def __init__(self, url: str) -> None:
        from llamaindex_azureai import AzureAICompletionsModel, AzureAIEmbeddingsModel

        self.llm = AzureAICompletionsModel(endpoint=url, credential=KEY, model=MODEL)
        self.embeddings = AzureAIEmbeddingsModel(endpoint=url, credential=KEY, model=MODEL)


class LlamaIndexOpenAILike(_LlamaIndex):
    """`llama-index-llms-openai-like`."""

    def __init__(self, url: str) -> None:
        from llama_index.embeddings.openai_like import OpenAILikeEmbedding
        from llama_index.llms.openai_like import OpenAILike

        self.llm = OpenAILike(
            model=MODEL, api_base=url, api_key=KEY, is_chat_model=True, is_function_calling_model=True
        )
        self.embeddings = OpenAILikeEmbedding(model_name=MODEL, api_base=url, api_key=KEY)


class LlamaIndexAzureInference(_LlamaIndex):
    """`llama-index-llms-azure-inference`, on the retired SDK."""

    def __init__(self, url: str) -> None:
        from llama_index.llms.azure_inference import AzureAICompletionsModel

        self.llm = AzureAICompletionsModel(endpoint=url, credential=KEY, model_name=MODEL)


CONTENDERS: dict[str, Any] = {
    "httpx": Httpx,
    "azureai_core": Core,
    "langchain_azureai": OursLangChain,
    "langchain-openai": LangChainOpenAI,
    "langchain-azure-ai[v1]": LangChainAzureInference,
    "llamaindex_azureai": OursLlamaIndex,
    "llama-index-llms-openai-like": LlamaIndexOpenAILike,
    "llama-index-llms-azure-inference": LlamaIndexAzureInference,
}
TEXTS = [f"text number {n} with a few more words" for n in range(2000)]


async def run(contender: Any, scenario: str, count: int) -> None:
    """`count` units of a scenario, one after the other; `concurrent` all at once."""
    if scenario == "concurrent":
        await asyncio.gather(*(contender.achat() for _ in range(count)))
    elif scenario == "aembed":
        await contender.aembed(TEXTS[:count])
    elif scenario == "embed":
        contender.embed(TEXTS[:count])
    elif scenario in {"achat", "astream"}:
        for _ in range(count):
            await getattr(contender, scenario)()
    else:
        for _ in range(count):
            getattr(contender, scenario)()


def main() -> None:
    """Warms up, then measures."""
    name, scenario, url, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    contender = CONTENDERS[name](url)

    async def measured() -> tuple[float, float]:
        await run(contender, scenario, max(1, count // 10))
        cpu, wall = time.process_time(), time.perf_counter()
        await run(contender, scenario, count)
        return time.process_time() - cpu, time.perf_counter() - wall

    cpu, wall = asyncio.run(measured())
    print(json.dumps({"cpu": cpu / count, "wall": wall / count}))


if __name__ == "__main__":
    main()
