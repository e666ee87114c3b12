"""Frames to bytes, undisturbed or with the faults that were asked for; and bytes to frames."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from ._errors import openai_body
from ._faults import Fault, Framing
from ._service import Stream, encode_json
from ._slow import one_by_one

Json = Any

_FRAMES: dict[Framing, tuple[bytes, bytes]] = {
    "lf": (b"data: ", b"\n\n"),
    "crlf": (b"data: ", b"\r\n\r\n"),
    "comments": (b": keep-alive\n\ndata: ", b"\n\n"),
    "no-space": (b"data:", b"\n\n"),
    "events": (b"event: message\nid: 1\nretry: 1000\ndata: ", b"\n\n"),
    "no-final-newline": (b"data: ", b"\n\n"),
}
ERROR_FRAME = openai_body("The server had an error while processing your request.", code="server_error")


Note = Callable[[Json], None]


async def write_stream(stream: Stream, fault: Fault, note: Note) -> AsyncIterator[bytes | None]:
    """The stream piece by piece, each frame told to `note`. A final `None` asks to cut the connection."""
    pieces = _pieces(stream, fault, note)
    if fault.split_bytes:
        pieces = _resized(pieces, fault.split_bytes)
    async for piece in pieces:
        yield piece


async def _pieces(stream: Stream, fault: Fault, note: Note) -> AsyncIterator[bytes | None]:
    try:
        number = -1
        async for frame in one_by_one(stream.frames, slow=stream.slow):
            number += 1
            if number == fault.cut_stream_after:
                yield None
                return
            if number == fault.error_frame_after:
                error = fault.body or ERROR_FRAME
                note(error)
                yield _frame(encode_json(error), fault.framing)
                return
            if fault.frame_latency:
                await asyncio.sleep(fault.frame_latency)
            data = frame.encode() if isinstance(frame, str) else encode_json(frame)
            if number == fault.malformed_frame_after:
                data = data[: len(data) // 2]
                note(data.decode("utf-8", "replace"))
            else:
                note(frame)
            yield _frame(data, fault.framing)
    finally:
        stream.ended()
    if stream.done and not fault.without_done:
        yield _last(fault.framing)


def _frame(data: bytes, framing: Framing) -> bytes:
    before, after = _FRAMES[framing]
    return before + data + after


def _last(framing: Framing) -> bytes:
    whole = _frame(b"[DONE]", framing)
    return whole.rstrip() if framing == "no-final-newline" else whole


async def _resized(pieces: AsyncIterator[bytes | None], size: int) -> AsyncIterator[bytes | None]:
    async for piece in pieces:
        if piece is None:
            yield None
            return
        for start in range(0, len(piece), size):
            yield piece[start : start + size]


class EventReader:
    """The data of server-sent events, from bytes in pieces of any size.

    Source: HTML standard, 'Server-sent events'.
    """

    def __init__(self) -> None:
        self.done = False
        """Whether `[DONE]` was read."""
        self._rest = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[str]:
        """The data of the events that are complete with this piece, `[DONE]` left out."""
        lines = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        return [event for line in lines for event in self._line(line.decode("utf-8", "replace"))]

    def end(self) -> list[str]:
        """The data of a last event that no empty line ended."""
        return [*self.feed(b"\n"), *self._line("")]

    def _line(self, line: str) -> list[str]:
        if line.startswith("data:"):
            self._data.append(line.removeprefix("data:").removeprefix(" "))
        if line or not self._data:
            return []
        event, self._data = "\n".join(self._data), []
        self.done = self.done or event == "[DONE]"
        return [] if event == "[DONE]" else [event]
