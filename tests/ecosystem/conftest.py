"""One chat in each way that a program sends it, before and after a tool is installed, and what a mock answers."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from llama_index.core.llms import ChatMessage

from azureai_core import InferenceClient
from azureai_emulator import Endpoint
from langchain_azureai import ChatAzureAI
from llamaindex_azureai import AzureAI

MODEL, QUESTION, MOCKED = "gpt-4o", "Hello", "This answer is mocked."
PAYLOAD = {"messages": [{"role": "user", "content": QUESTION}]}


def _complete(url: str, key: str, **options: Any) -> Callable[[], str]:
    client = InferenceClient(url, key, model=MODEL, **options)
    return lambda: client.complete(PAYLOAD).content


def _stream(url: str, key: str, **options: Any) -> Callable[[], str]:
    client = InferenceClient(url, key, model=MODEL, **options)
    return lambda: "".join(delta.content for delta in client.stream(PAYLOAD))


def _acomplete(url: str, key: str, **options: Any) -> Callable[[], Awaitable[str]]:
    client = InferenceClient(url, key, model=MODEL, **options)

    async def ask() -> str:
        return (await client.acomplete(PAYLOAD)).content

    return ask


def _astream(url: str, key: str, **options: Any) -> Callable[[], Awaitable[str]]:
    client = InferenceClient(url, key, model=MODEL, **options)

    async def ask() -> str:
        return "".join([delta.content async for delta in client.astream(PAYLOAD)])

    return ask


def _langchain(url: str, key: str, *, max_retries: int = 2, **options: Any) -> Callable[[], str]:
    model = ChatAzureAI(endpoint=url, credential=key, model=MODEL, max_retries=max_retries, client_kwargs=options)
    return lambda: model.invoke(QUESTION).text


def _llamaindex(url: str, key: str, *, max_retries: int = 2, **options: Any) -> Callable[[], Awaitable[str]]:
    llm = AzureAI(url, key, model=MODEL, max_retries=max_retries, client_kwargs=options)

    async def ask() -> str:
        chunks = await llm.astream_chat([ChatMessage(QUESTION)])
        return "".join([chunk.delta or "" async for chunk in chunks])

    return ask


WAYS: dict[str, Callable[..., Callable[[], Any]]] = {
    "complete": _complete,
    "stream": _stream,
    "acomplete": _acomplete,
    "astream": _astream,
    "langchain-invoke": _langchain,
    "llamaindex-astream": _llamaindex,
}


class Chat:
    """Sends the question when called, each time by the same client and in the same event loop; gives the answer."""

    def __init__(self, runner: asyncio.Runner, way: str, url: str, key: str, **options: Any) -> None:
        self.url = f"{url}/chat/completions"
        self.key = key
        self._streams = "stream" in way
        self._runner = runner
        self._ask = WAYS[way](url, key, **options)

    def __call__(self) -> str:
        answer = self._ask()
        # The context of now: a span that is open around the call is open in it.
        return answer if isinstance(answer, str) else self._runner.run(answer, context=contextvars.copy_context())

    def body(self) -> dict[str, Any]:
        """What a mock is to answer, as arguments of `httpx.Response`."""
        if self._streams:
            return {"content": _frames(), "headers": {"content-type": "text/event-stream"}}
        choice = {"index": 0, "message": {"role": "assistant", "content": MOCKED}, "finish_reason": "stop"}
        return {"json": {"object": "chat.completion", "model": MODEL, "choices": [choice]}}

    def mocked(self) -> httpx.Response:
        """The same as a response."""
        return httpx.Response(200, **self.body())

    def is_mine(self, request: httpx.Request) -> bool:
        """Whether a request is the whole of what the client sends: route, key and question."""
        body = json.loads(request.content)
        given = {request.headers.get("authorization", "").removeprefix("Bearer "), request.headers.get("api-key")}
        return (
            (request.method, str(request.url)) == ("POST", self.url)
            and self.key in given
            and body["messages"] == PAYLOAD["messages"]
            and body.get("stream", False) == self._streams
        )


def _frames() -> bytes:
    pieces = [MOCKED[:7], MOCKED[7:]]
    choices = [{"index": 0, "delta": {"content": piece}} for piece in pieces]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    frames = [json.dumps({"object": "chat.completion.chunk", "choices": [choice]}) for choice in choices]
    return "".join(f"data: {frame}\n\n" for frame in [*frames, "[DONE]"]).encode()


@pytest.fixture(params=WAYS)
def make_chat(request: pytest.FixtureRequest) -> Iterator[Callable[..., Chat]]:
    """Makes a chat with an endpoint, in each of the ways."""
    with asyncio.Runner() as runner:
        yield lambda url, key, **options: Chat(runner, request.param, url, key, **options)


@pytest.fixture
def loopback(azureai_endpoint: Endpoint) -> tuple[str, str]:
    """URL and key of a deployment that the emulator serves, and whose requests it records."""
    return azureai_endpoint.endpoint(MODEL, "openai-v1"), azureai_endpoint.key


@pytest.fixture
def chat(make_chat: Callable[..., Chat], loopback: tuple[str, str]) -> Chat:
    """A chat with the emulator."""
    return make_chat(*loopback)


@pytest.fixture(params=[0, 1], ids=["before-first-call", "after-first-call"])
def calls_before(request: pytest.FixtureRequest, chat: Chat) -> int:
    """How many calls went out before the tool was installed. The tool's own fixture asks for this one first."""
    for _ in range(request.param):
        assert chat() != MOCKED
    return int(request.param)
