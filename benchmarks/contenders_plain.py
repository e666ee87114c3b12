"""Contenders without a framework: plain httpx, our core, Microsoft's retired SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from contenders import KEY, MODEL, PROMPT, TOOL, Contender, wire_history

MESSAGES = [{"role": "user", "content": PROMPT}]
BATCH = 256


def asking(prompt: str) -> list[dict[str, str]]:
    """One message."""
    return [{"role": "user", "content": prompt}]


class Httpx(Contender):
    """Plain httpx, as most people write it: a client kept, `json=`, `iter_lines`, floats."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import httpx

        headers = {"authorization": f"Bearer {KEY}", "api-key": KEY}
        self.client = httpx.Client(base_url=url, headers=headers, timeout=60)
        self.aclient = httpx.AsyncClient(base_url=url, headers=headers, timeout=60)

    def chat(self) -> str:
        return self._asked(MESSAGES)

    def _asked(self, messages: list[Any]) -> str:
        answer = self.client.post("/chat/completions", json={"messages": messages, "model": MODEL}).json()
        text: str = answer["choices"][0]["message"]["content"]
        return text

    async def achat(self) -> str:
        answer = (await self.aclient.post("/chat/completions", json={"messages": MESSAGES, "model": MODEL})).json()
        text: str = answer["choices"][0]["message"]["content"]
        return text

    def stream(self, prompt: str, **extra: Any) -> Iterator[Any]:
        import json

        body = {"messages": asking(prompt), "model": MODEL, "stream": True, **extra}
        with self.client.stream("POST", "/chat/completions", json=body) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])

    async def astream(self, prompt: str) -> AsyncIterator[Any]:
        return self._astream(prompt)

    async def _astream(self, prompt: str) -> AsyncIterator[Any]:
        import json

        body = {"messages": asking(prompt), "model": MODEL, "stream": True}
        async with self.aclient.stream("POST", "/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line[6:])

    def text_of(self, item: Any) -> str:
        return item["choices"][0]["delta"].get("content") or ""

    def tools(self, prompt: str) -> Iterator[Any]:
        return self.stream(prompt, tools=[TOOL])

    def arguments_of(self, items: list[Any]) -> str:
        calls = (call for item in items for call in item["choices"][0]["delta"].get("tool_calls") or [])
        return "".join(call["function"].get("arguments") or "" for call in calls)

    def prepare_history(self) -> None:
        self.messages = wire_history()

    def history(self) -> str:
        return self._asked(self.messages)

    def embed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = []
        for start in range(0, len(texts), BATCH):
            answer = self.client.post("/embeddings", json={"input": texts[start : start + BATCH], "model": MODEL})
            vectors += [item["embedding"] for item in answer.json()["data"]]
        return vectors

    async def aembed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = []
        for start in range(0, len(texts), BATCH):
            body = {"input": texts[start : start + BATCH], "model": MODEL}
            vectors += [
                item["embedding"] for item in (await self.aclient.post("/embeddings", json=body)).json()["data"]
            ]
        return vectors

    @staticmethod
    def load() -> None:
        import httpx  # noqa: F401


class Core(Contender):
    """`azureai_core` without a framework."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from azureai_core import InferenceClient

        self.client = InferenceClient(url, KEY, model=MODEL)

    def chat(self) -> str:
        return self.client.complete({"messages": MESSAGES}).content or ""

    async def achat(self) -> str:
        return (await self.client.acomplete({"messages": MESSAGES})).content or ""

    def stream(self, prompt: str) -> Iterator[Any]:
        return self.client.stream({"messages": asking(prompt)})

    async def astream(self, prompt: str) -> AsyncIterator[Any]:
        return self.client.astream({"messages": asking(prompt)})

    def text_of(self, item: Any) -> str:
        return item.content or ""

    def tools(self, prompt: str) -> Iterator[Any]:
        return self.client.stream({"messages": asking(prompt), "tools": [TOOL]})

    def arguments_of(self, items: list[Any]) -> str:
        return "".join(call.arguments or "" for item in items for call in item.tool_calls)

    def prepare_history(self) -> None:
        self.messages = wire_history()

    def history(self) -> str:
        return self.client.complete({"messages": self.messages}).content or ""

    def embed(self, texts: list[str]) -> list[Any]:
        return self.client.embed_all(texts)

    async def aembed(self, texts: list[str]) -> list[Any]:
        return await self.client.aembed_all(texts)

    def embed_batches(self, texts: Iterator[str]) -> Iterator[list[Any]]:
        return (batch.vectors for batch in self.client.embed_many(texts))

    @staticmethod
    def load() -> None:
        import azureai_core  # noqa: F401


class AzureInference(Contender):
    """`azure-ai-inference`, retired; its async half needs aiohttp."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.made: dict[str, Any] = {}

    def _client(self, name: str) -> Any:
        """A client of either colour, made on first use: the async one needs a running loop."""
        if name not in self.made:
            import azure.ai.inference as sync
            import azure.ai.inference.aio as asynchronous
            from azure.core.credentials import AzureKeyCredential

            module = asynchronous if name.startswith("a") else sync
            kind = module.EmbeddingsClient if "embed" in name else module.ChatCompletionsClient
            self.made[name] = kind(self.url, AzureKeyCredential(KEY), model=MODEL)
        return self.made[name]

    def chat(self) -> str:
        return str(self._client("chat").complete(messages=MESSAGES).choices[0].message.content)

    async def achat(self) -> str:
        return str((await self._client("achat").complete(messages=MESSAGES)).choices[0].message.content)

    def stream(self, prompt: str) -> Iterator[Any]:
        chunks: Iterator[Any] = self._client("chat").complete(messages=asking(prompt), stream=True)
        return chunks

    async def astream(self, prompt: str) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = await self._client("achat").complete(messages=asking(prompt), stream=True)
        return chunks

    def text_of(self, item: Any) -> str:
        return item.choices[0].delta.content or ""

    def tools(self, prompt: str) -> Iterator[Any]:
        chunks: Iterator[Any] = self._client("chat").complete(messages=asking(prompt), stream=True, tools=[TOOL])
        return chunks

    def arguments_of(self, items: list[Any]) -> str:
        calls = (call for item in items for call in item.choices[0].delta.tool_calls or [])
        return "".join(call.function.arguments or "" for call in calls)

    def prepare_history(self) -> None:
        self.messages = wire_history()

    def history(self) -> str:
        return str(self._client("chat").complete(messages=self.messages).choices[0].message.content)

    def embed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = []
        for start in range(0, len(texts), BATCH):
            answer = self._client("embed").embed(input=texts[start : start + BATCH])
            vectors += [item.embedding for item in answer.data]
        return vectors

    async def aembed(self, texts: list[str]) -> list[Any]:
        vectors: list[Any] = []
        for start in range(0, len(texts), BATCH):
            answer = await self._client("aembed").embed(input=texts[start : start + BATCH])
            vectors += [item.embedding for item in answer.data]
        return vectors
