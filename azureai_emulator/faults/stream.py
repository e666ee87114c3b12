"""A stream as bytes, with the fault that was asked for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from azureai_emulator.wire.json_text import encode_json
from azureai_emulator.wire.sse import ERROR_FRAME, event, final_event
from azureai_emulator.wire.stream import Stream

from .fault import Fault

Json = Any
Note = Callable[[Json], None]


async def write_stream(stream: Stream, fault: Fault, note: Note) -> AsyncIterator[bytes | None]:
    """The stream in chunks; `note` is called with each frame. A final `None` asks to cut the connection."""
    chunks = _chunks(stream, fault, note)
    if fault.split_bytes:
        chunks = _resized(chunks, fault.split_bytes)
    async for chunk in chunks:
        yield chunk


async def _chunks(stream: Stream, fault: Fault, note: Note) -> AsyncIterator[bytes | None]:
    try:
        number = -1
        async for frame in stream:
            number += 1
            if number == fault.cut_stream_after:
                yield None
                return
            if number == fault.error_frame_after:
                error = fault.body or ERROR_FRAME
                note(error)
                yield event(encode_json(error), fault.framing)
                return
            if fault.frame_latency:
                await asyncio.sleep(fault.frame_latency)
            data = frame.encode() if isinstance(frame, str) else encode_json(frame)
            if number == fault.malformed_frame_after:
                data = data[: len(data) // 2]
                note(data.decode("utf-8", "replace"))
            else:
                note(frame)
            yield event(data, fault.framing)
    finally:
        stream.ended()
    if stream.done and not fault.without_done:
        yield final_event(fault.framing)


async def _resized(chunks: AsyncIterator[bytes | None], size: int) -> AsyncIterator[bytes | None]:
    async for chunk in chunks:
        if chunk is None:
            yield None
            return
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]
