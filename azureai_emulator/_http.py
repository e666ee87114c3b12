"""HTTP as ASGI has it: request bodies in, whole answers and streams out, each noted in the record."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ._errors import Reply
from ._gate import Task
from ._log import Exchange
from ._profiles import OPENAI_KINDS, Kind
from ._service import encode_json
from ._space import Space

Json = Any
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


_EVENTS = "text/event-stream; charset=utf-8"


@dataclass
class Conversation:
    """One request being answered: its connection, its record, the headers of its answer."""

    scope: Scope
    receive: Receive
    send: Send
    space: Space
    exchange: Exchange
    headers: dict[str, str]
    started: float

    async def reply(self, reply: Reply) -> None:
        """Note a whole answer, then send it."""
        self.exchange.status, self.exchange.response = reply.status, reply.body
        self.exchange.response_headers = {**self.headers, **reply.headers}
        self.note_time()
        await send_reply(self.send, reply, self.headers)

    async def raw(self, status: int, headers: Mapping[str, str], body: bytes, decoded: Json) -> None:
        """Note an answer and send its bytes untouched."""
        self.exchange.status, self.exchange.response = status, decoded
        self.exchange.response_headers = dict(headers)
        self.note_time()
        await self.send(start_message(status, {**headers, "content-length": str(len(body))}))
        await self.send({"type": "http.response.body", "body": body})

    async def stream(self, pieces: AsyncIterator[bytes | None], status: int = 200) -> bool:
        """Send a stream; true when it has to end with a cut connection."""
        self.exchange.status = status
        self.exchange.response_headers = self.headers
        await self.send(start_message(status, {"content-type": _EVENTS, **self.headers}))
        cut = await _send_pieces(self.send, pieces)
        self.note_time()
        if not cut:
            await self.send({"type": "http.response.body", "body": b""})
        return cut

    def note_frame(self, frame: Json) -> None:
        """Note a stream frame and when it was sent."""
        self.exchange.response.append(frame)
        self.exchange.frame_times.append(time.perf_counter() - self.started)

    def note_time(self) -> None:
        """Note how long the answer took."""
        self.exchange.elapsed = time.perf_counter() - self.started


async def _send_pieces(send: Send, pieces: AsyncIterator[bytes | None]) -> bool:
    """Send each piece by itself; true when the connection has to be cut, which `None` asks for."""
    async for piece in pieces:
        if piece is None:
            return True
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)  # other streams get their turn
    return False


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The request body, or `None` when it is larger than the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if size <= limit else None


def request_headers(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def answer_headers(kind: Kind, request: Mapping[str, str]) -> dict[str, str]:
    """Headers that every answer of an endpoint kind carries. Source: recorded sessions of each kind."""
    headers = {"x-ms-region": "Emulator"}
    if kind != "models":
        headers["x-request-id"] = str(uuid4())
    if kind == "serverless":
        headers["azureml-model-session"] = "emulator"
    else:
        headers["apim-request-id"] = str(uuid4())
    if kind in OPENAI_KINDS:
        headers["x-ms-rai-invoked"] = "true"
    if "x-ms-client-request-id" in request:
        headers["x-ms-client-request-id"] = request["x-ms-client-request-id"]
    return headers


def own_headers(task: Task, headers: dict[str, str]) -> dict[str, str]:
    """The headers that this deployment sends: on Foundry only OpenAI's models repeat the client's request id.

    Source: recorded answers of Phi-3.5 on the model-inference route.
    """
    if task.kind != "models" or task.profile.provider == "OpenAI":
        return headers
    return {name: value for name, value in headers.items() if name != "x-ms-client-request-id"}


def start_message(status: int, headers: Mapping[str, str]) -> Json:
    """The ASGI message that begins an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(_encoded(headers.items()))}


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)


_BODILESS = frozenset({204, 304})


async def send_reply(send: Send, reply: Reply, headers: Mapping[str, str]) -> None:
    """Send a whole answer: text as it stands, everything else as JSON; nothing where HTTP forbids a body."""
    if reply.status in _BODILESS:
        await send(start_message(reply.status, {**headers, **reply.headers}))
        await send({"type": "http.response.body", "body": b""})
        return
    text = isinstance(reply.body, str)
    body = reply.body.encode() if text else encode_json(reply.body)
    media_type = "text/plain; charset=utf-8" if text else "application/json"
    merged = {**headers, "content-type": media_type, "content-length": str(len(body)), **reply.headers}
    await send(start_message(reply.status, merged))
    await send({"type": "http.response.body", "body": body})
