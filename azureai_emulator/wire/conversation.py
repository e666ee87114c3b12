"""One request and its answer: sent to the client and logged."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from .asgi import Receive, Scope, Send, send_reply, start_message
from .errors import Reply
from .exchange import Exchange

Json = Any
_EVENTS = "text/event-stream; charset=utf-8"


@dataclass
class Conversation:
    """One request being answered: its connection, its entry in the log, the headers of its answer."""

    scope: Scope
    receive: Receive
    send: Send
    key: str
    """The key of the session that the request belongs to; recordings mask it."""
    exchange: Exchange
    headers: dict[str, str]
    started: float

    async def reply(self, reply: Reply) -> None:
        """Log a whole answer, then send it."""
        self.exchange.status, self.exchange.response = reply.status, reply.body
        self.exchange.response_headers = {**self.headers, **reply.headers}
        self.note_time()
        await send_reply(self.send, reply, self.headers)

    async def raw(self, status: int, headers: Mapping[str, str], body: bytes, decoded: Json) -> None:
        """Log an answer and send its bytes unchanged."""
        self.exchange.status, self.exchange.response = status, decoded
        self.exchange.response_headers = dict(headers)
        self.note_time()
        await self.send(start_message(status, {**headers, "content-length": str(len(body))}))
        await self.send({"type": "http.response.body", "body": body})

    async def stream(self, chunks: AsyncIterator[bytes | None], status: int = 200) -> bool:
        """Send a stream; true when the connection must be cut."""
        self.exchange.status = status
        self.exchange.response_headers = self.headers
        await self.send(start_message(status, {"content-type": _EVENTS, **self.headers}))
        cut = await _send_chunks(self.send, chunks)
        self.note_time()
        if not cut:
            await self.send({"type": "http.response.body", "body": b""})
        return cut

    def note_frame(self, frame: Json) -> None:
        """Log a stream frame and the time it was sent."""
        self.exchange.response.append(frame)
        self.exchange.frame_times.append(time.perf_counter() - self.started)

    def note_time(self) -> None:
        """Log how long the answer took."""
        self.exchange.elapsed = time.perf_counter() - self.started


async def _send_chunks(send: Send, chunks: AsyncIterator[bytes | None]) -> bool:
    """Send each chunk as its own message; true when a `None` asks to cut the connection."""
    async for chunk in chunks:
        if chunk is None:
            return True
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(0)  # lets other streams send
    return False
