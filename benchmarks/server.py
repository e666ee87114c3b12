"""A fast mock of the service, in a process of its own: fixed answers, nothing checked, so that clients are measured.

`python benchmarks/server.py` prints its port. What is answered follows from the request: `/embeddings` by its number of
inputs and `encoding_format`, `"stream":true` with events, `"tools"` with tool calls; `--latency` waits before answers.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import struct
from functools import lru_cache

EVENTS = 200
"""Content events of a stream."""
DIMENSIONS = 1024
USAGE = {"prompt_tokens": 11, "completion_tokens": 32, "total_tokens": 43}


def chunk(delta: dict[str, object], finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    """One HTTP chunk with one event."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "mock-model",
        "choices": [choice],
    }
    if usage:
        body["usage"] = usage
    data = b"data: " + json.dumps(body).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def text_events() -> list[bytes]:
    """A streamed text."""
    pieces = [chunk({"role": "assistant", "content": ""})]
    pieces += [chunk({"content": f"word{n} "}) for n in range(EVENTS)]
    return [*pieces, chunk({}, "stop", USAGE)]


def tool_events() -> list[bytes]:
    """Two streamed tool calls, their arguments in small fragments."""
    pieces = []
    for index in range(2):
        head = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": "f", "arguments": ""}}
        pieces.append(chunk({"role": "assistant", "content": None, "tool_calls": [head]}))
        arguments = json.dumps({"text": "some words in an argument " * 8, "number": index})
        for at in range(0, len(arguments), 4):
            part = {"index": index, "function": {"arguments": arguments[at : at + 4]}}
            pieces.append(chunk({"tool_calls": [part]}))
    return [*pieces, chunk({}, "tool_calls", USAGE)]


END = b"%x\r\n%s\r\n0\r\n\r\n" % (len(b"data: [DONE]\n\n"), b"data: [DONE]\n\n")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT_STREAM, TOOL_STREAM = text_events(), tool_events()


def whole(body: dict[str, object]) -> bytes:
    """A JSON answer."""
    data = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data)


CHAT = whole(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "mock-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A short answer. " * 12},
                "finish_reason": "stop",
                "content_filter_results": {
                    name: {"filtered": False, "severity": "safe"}
                    for name in ("hate", "self_harm", "sexual", "violence")
                },
            }
        ],
        "usage": USAGE,
    }
)


@lru_cache(maxsize=64)
def embeddings(count: int, packed: bool) -> bytes:
    """The answer for a number of texts."""
    floats = [((n * 7919) % 20011) / 20011 - 0.5 for n in range(DIMENSIONS)]
    value: object = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *floats)).decode() if packed else floats
    data = [{"object": "embedding", "index": n, "embedding": value} for n in range(count)]
    return whole({"object": "list", "data": data, "model": "mock-model", "usage": USAGE})


class Mock(asyncio.Protocol):
    """One connection."""

    latency = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        low = head.lower()
        at = low.find(b"content-length:")
        length = int(low[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self.answer, head, rest[:length])
        else:
            self.answer(head, rest[:length])

    def answer(self, head: bytes, body: bytes) -> None:
        """Writes the answer that the request asks for."""
        if b"/embeddings" in head.split(b"\r\n", 1)[0]:
            asked = json.loads(body)
            self.transport.write(embeddings(len(asked["input"]), asked.get("encoding_format") == "base64"))
        elif b'"stream":true' in body or b'"stream": true' in body:
            events = TOOL_STREAM if b'"tools"' in body else TEXT_STREAM
            self.transport.write(HEAD)
            for event in events:
                self.transport.write(event)
            self.transport.write(END)
        else:
            self.transport.write(CHAT)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    Mock.latency = parser.parse_args().latency
    server = await asyncio.get_running_loop().create_server(Mock, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
