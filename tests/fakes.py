"""A scripted HTTP/1.1 service on a real socket, a clock that does not wait, and the ways to ask a client.

The conftest of a folder loads this file under the name `fakes`, and takes its fixtures from it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, settings

from azureai_core import (
    AzureAIError,
    Completion,
    Delta,
    InferenceClient,
    RetryPolicy,
    ToolCall,
    Usage,
    reset_deployments,
)

# An example may take as long as it likes: no test depends on the machine's speed, and each run is the same.
settings.register_profile(
    "azureai", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("azureai")

KEY = "canary-key-0123456789abcdef"
HANG, RESET, CUT = "hang", "reset", "cut"
"""Pieces of a body: wait until the client leaves; reset the connection; close it in the middle."""


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `pieces` are sent as chunks: bytes, seconds to pause, or one of the faults."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[Any] | None = None
    fault: str | None = None
    """Instead of an answer: `HANG`, `RESET`, or `CUT` (close without a byte)."""
    hang_up: bool = False
    """Close the connection after the answer without announcing it."""
    late: bytes = b""
    """Bytes that nobody asked for, a moment after the answer."""

    def head(self) -> bytes:
        body = self.content()
        headers = {"content-type": "application/json" if isinstance(self.body, dict | list) else "text/plain"}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        length = {"transfer-encoding": "chunked"} if self.pieces is not None else {"content-length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} Because", *(f"{k}: {v}" for k, v in {**headers, **length}.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Request:
    """One request as it left the client."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: Any
    connection: int

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        assert len(found) <= 1, f"{name} was sent {len(found)} times"
        return found[0] if found else None


class FakeService:
    """Plays scripted replies, then `default`; `answer` decides from the request instead, if set."""

    def __init__(self) -> None:
        self.script: deque[Reply] = deque()
        self.default = chat()
        self.answer: Callable[[Request], Reply] | None = None
        self.requests: list[Request] = []
        self.connections = 0
        self.open = self.late = 0
        self.port = 0
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)

    def start(self) -> FakeService:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plays(self, *replies: Reply) -> None:
        self.script.extend(replies)

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for something the service sees, such as a connection that the client closed."""
        with self._changed:
            assert self._changed.wait_for(condition, 10), f"open connections: {self.open}"

    async def _run(self) -> None:
        self._stopping = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        writers: list[asyncio.StreamWriter] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            writers.append(writer)
            await self._serve(reader, writer)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**26, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        await stop_accepting(server)
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:  # one that was closed before waits for a client that may be gone
            writer.transport.abort()
        await _turns()  # an aborted transport is closed in a later turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            self.connections += 1
            self.open += 1
            number = self.connections
            self._changed.notify_all()
        try:
            while (request := await _read(reader, number)) is not None:
                with self._changed:
                    self.requests.append(request)
                    reply = self.answer(request) if self.answer else self._next()
                    self._changed.notify_all()
                if not await _play(reply, reader, writer):
                    break
                if reply.late:
                    await asyncio.sleep(0.05)
                    writer.write(reply.late)
                    await writer.drain()
                    with self._changed:
                        self.late += 1
                        self._changed.notify_all()
                if reply.hang_up:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # closing would wait for a client that is gone
        finally:
            writer.close()
            with self._changed:
                self.open -= 1
                self._changed.notify_all()

    def _next(self) -> Reply:
        return self.script.popleft() if self.script else self.default


async def stop_accepting(server: asyncio.Server) -> None:
    """Lets what was accepted become a connection: asyncio leaves it open when the server closes in between."""
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    await _turns()


async def _turns() -> None:
    """A few turns of the event loop; no time, which tests may have stopped."""
    for _ in range(10):
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader, number: int) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    body = await reader.readexactly(length)
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return Request(method, parts.path, query, headers, json.loads(body) if body else None, number)


async def _play(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection may be used again."""
    if reply.fault:
        return await _fault(reply.fault, reader, writer)
    writer.write(reply.head())
    if reply.pieces is None:
        writer.write(reply.content())
        await writer.drain()
        return True
    for piece in reply.pieces:
        if isinstance(piece, str):
            return await _fault(piece, reader, writer)
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        elif piece:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            if reader.at_eof():
                return False
            await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _fault(fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    await writer.drain()
    if fault == HANG:
        await reader.read()
    if fault == RESET:
        await asyncio.sleep(0.02)  # lets what was sent arrive: a reset may discard it
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    return False


# ---------------------------------------------------------------------------- bodies


def chat(content: Any = "Hello", finish: str | None = "stop", **message: Any) -> Reply:
    """A plain answer of a chat model."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return Reply(body=body)


def frame(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def delta(content: Any = None, *, finish: str | None = None, usage: Any = None, **more: Any) -> bytes:
    """One frame of a streamed answer."""
    inner = {**({} if content is None else {"content": content}), **more}
    choice = {"index": 0, "delta": inner, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "served-model"}
    return frame({**head, "choices": [choice], **({"usage": usage} if usage else {})})


DONE = frame(b"[DONE]")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def events(*pieces: Any, status: int = 200) -> Reply:
    """A streamed answer, one chunk for each piece."""
    return Reply(status=status, headers={"content-type": "text/event-stream"}, pieces=pieces)


def streamed(*texts: str) -> Reply:
    """A whole streamed answer."""
    return events(*(delta(text) for text in texts), delta(finish="stop", usage=USAGE), DONE)


def vectors(*rows: Any, order: Iterable[int] | None = None, **more: Any) -> Reply:
    """An embeddings answer; `order` shuffles the items."""
    items = [{"index": n, "object": "embedding", "embedding": row} for n, row in enumerate(rows)]
    picked = [items[n] for n in order] if order is not None else items
    usage = {"prompt_tokens": len(rows), "total_tokens": len(rows)}
    return Reply(body={"object": "list", "data": picked, "model": "embed", "usage": usage, **more})


# ---------------------------------------------------------------------------- time


class FakeClock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)

    def policy(self, **options: Any) -> RetryPolicy:
        return RetryPolicy(sleep=self.sleep, asleep=self.asleep, clock=self, **options)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


# ---------------------------------------------------------------------------- the ways to ask


class Sync:
    """Calls the methods of a client."""

    name = "sync"

    def call(self, client: InferenceClient, method: str, *args: Any, **options: Any) -> Any:
        return getattr(client, method)(*args, **options)

    def each(self, client: InferenceClient, method: str, *args: Any, **options: Any) -> list[Any]:
        return list(getattr(client, method)(*args, **options))


class Async:
    """Calls their `a…` twins, each in an event loop of its own."""

    name = "async"

    def call(self, client: InferenceClient, method: str, *args: Any, **options: Any) -> Any:
        async def run() -> Any:
            return await getattr(client, "a" + method)(*args, **options)

        return asyncio.run(run())

    def each(self, client: InferenceClient, method: str, *args: Any, **options: Any) -> list[Any]:
        async def run() -> list[Any]:
            items: AsyncIterator[Any] = getattr(client, "a" + method)(*args, **options)
            return [item async for item in items]

        return asyncio.run(run())


COLOURS = (Sync(), Async())


@dataclass(frozen=True)
class Mode:
    """One of four ways to ask a chat model: sync or async, whole or streamed."""

    colour: Any
    streams: bool

    def __str__(self) -> str:
        return f"{self.colour.name}-{'stream' if self.streams else 'plain'}"

    def ask(self, client: InferenceClient, payload: Any = None, route: str = "") -> Completion:
        """The answer; a streamed one is put together as a caller would do it."""
        asked = {"messages": [{"role": "user", "content": "hi"}]} if payload is None else payload
        if not self.streams:
            return self.colour.call(client, "complete" + route, asked)
        return gathered(self.colour.each(client, "stream" + route, asked))

    def reply(self, content: str = "Hello") -> Reply:
        """A good answer in this mode."""
        return streamed(content) if self.streams else chat(content)


MODES = tuple(Mode(colour, streams) for colour in COLOURS for streams in (False, True))


def gathered(deltas: list[Delta]) -> Completion:
    """The answer that deltas add up to; tool calls grouped by `index`."""
    calls: dict[int, ToolCall] = {}
    for fragment in (call for d in deltas for call in d.tool_calls):
        old = calls.get(fragment.index, ToolCall(None, None, "", fragment.index))
        calls[fragment.index] = replace(
            old, id=old.id or fragment.id, name=old.name or fragment.name, arguments=old.arguments + fragment.arguments
        )
    usages: list[Usage] = [d.usage for d in deltas if d.usage]
    assert len(usages) <= 1
    first = deltas[0] if deltas else Delta()
    return Completion(
        content="".join(d.content for d in deltas),
        tool_calls=tuple(calls.values()),
        finish_reason=next((d.finish_reason for d in reversed(deltas) if d.finish_reason), None),
        usage=usages[0] if usages else None,
        model=next((d.raw["model"] for d in deltas if d.raw.get("model")), None),
        id=next((d.raw["id"] for d in deltas if d.raw.get("id")), None),
        reasoning="".join(d.reasoning for d in deltas),
        request_id=first.meta.request_id if first.meta else None,
        meta=first.meta or Completion("").meta,
    )


def until_error(colour: Any, client: InferenceClient, payload: Any = None) -> tuple[list[str], AzureAIError]:
    """The texts that a stream yields before it fails, and the error."""
    texts: list[str] = []
    asked = {"messages": []} if payload is None else payload

    async def read() -> None:
        async for d in client.astream(asked):
            texts.append(d.content)  # noqa: PERF401  what came before the error counts

    with pytest.raises(AzureAIError) as caught:  # noqa: PT012  one of two loops runs
        if colour.name == "async":
            asyncio.run(read())
        for d in client.stream(asked):
            texts.append(d.content)  # noqa: PERF401  what came before the error counts
    return texts, caught.value


# ---------------------------------------------------------------------------- fixtures


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No recording of bodies that a test did not ask for, and no pause from the test before."""
    for name in ("AZUREAI_LOG_BODIES", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"):
        monkeypatch.delenv(name, raising=False)
    reset_deployments()


@pytest.fixture
def fake_service() -> Iterator[FakeService]:
    """A scripted service on 127.0.0.1."""
    service = FakeService().start()
    yield service
    service.stop()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only sleeping moves."""
    return FakeClock()


@pytest.fixture
def make_client(fake_service: Any, clock: Any) -> Iterator[Callable[..., InferenceClient]]:
    """Makes clients of the fake service: `make_client(path, **arguments)`; they are closed after the test."""
    made: list[InferenceClient] = []

    def make(path: str = "/serverless/m", **arguments: Any) -> InferenceClient:
        arguments = {"credential": KEY, "retry": clock.policy(), **arguments}
        made.append(InferenceClient(fake_service.url + path, **arguments))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> Any:
    """Each of sync and async, whole and streamed."""
    return request.param


@pytest.fixture(params=COLOURS, ids=lambda colour: colour.name)
def colour(request: pytest.FixtureRequest) -> Any:
    """Each of sync and async."""
    return request.param
