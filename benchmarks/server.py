"""A fast mock of the service, in a process of its own: fixed answers, nothing checked, so that clients are measured.

`python benchmarks/server.py` prints its port and ends when its standard input is closed. What is answered follows from
the request: `/embeddings` by its number of inputs and `encoding_format`, `"stream":true` with events, `"tools"` with
tool calls; a prompt that says "Write 500 words." gets 500 events. `GET /info` describes the model, which a peer asks
first; `GET /count` tells what has come so far.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import gc
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise

EVENTS = 20
"""Content events of a stream whose prompt names no number."""
FRAGMENT = 4
"""Characters of a fragment of a tool call's arguments."""
QUIET = 0.15
"""Seconds without a new request after which a held burst is answered, complete or not."""
USAGE = {"prompt_tokens": 11, "completion_tokens": 32, "total_tokens": 43}
WORDS = re.compile(rb"Write (\d+) words")


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
    data = b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"%x\r\n%s\r\n0\r\n\r\n" % (len(b"data: [DONE]\n\n"), b"data: [DONE]\n\n")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@lru_cache(maxsize=8)
def text_events(count: int) -> list[bytes]:
    """A streamed text of so many words."""
    first = chunk({"role": "assistant", "content": ""})
    words = [chunk({"content": f"word{n} "}) for n in range(count)]
    return [HEAD + first, *words, chunk({}, "stop", USAGE) + END]


@lru_cache(maxsize=8)
def tool_events(count: int) -> list[bytes]:
    """Two streamed tool calls whose arguments come in so many fragments together."""
    pieces = [HEAD]
    for index in range(2):
        head = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": "f", "arguments": ""}}
        pieces.append(chunk({"role": "assistant", "content": None, "tool_calls": [head]}))
        arguments = json.dumps({"text": "word" * (count // 2 - 3)})
        edges = [*range(0, len(arguments), FRAGMENT), len(arguments)]
        for start, end in pairwise(edges):
            part = {"index": index, "function": {"arguments": arguments[start:end]}}
            pieces.append(chunk({"tool_calls": [part]}))
    return [*pieces, chunk({}, "tool_calls", USAGE) + END]


@lru_cache(maxsize=16)
def burst(count: int, tools: bool) -> bytes:
    """All events at once."""
    return b"".join(tool_events(count) if tools else text_events(count))


def whole(body: dict[str, object], status: str = "200 OK", headers: str = "") -> bytes:
    """A JSON answer."""
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {len(data)}\r\n\r\n"
    return head.encode() + data


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
INFO = whole({"model_name": "mock-model", "model_type": "chat-completion", "model_provider_name": "Mock"})
THROTTLED = whole(
    {"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 0 seconds."}},
    "429 Too Many Requests",
    "retry-after: 0\r\n",
)
REFUSED = whole(
    {"error": {"code": "400", "message": "encoding_format: 'base64' is not supported.", "param": "encoding_format"}},
    "400 Bad Request",
)


@lru_cache(maxsize=64)
def embeddings(count: int, packed: bool, dimensions: int) -> bytes:
    """The answer for a number of texts: float32 values, written as short as they can be."""
    exact = [((n * 7919) % 20011) / 20011 - 0.5 for n in range(dimensions)]
    floats = [float(f"{value:.8f}") for value in exact]
    value: object = base64.b64encode(struct.pack(f"<{dimensions}f", *floats)).decode() if packed else floats
    data = [{"object": "embedding", "index": n, "embedding": value} for n in range(count)]
    return whole({"object": "list", "data": data, "model": "mock-model", "usage": USAGE})


class Counts:
    """Connections opened, requests, and bytes of their bodies; asked for by `GET /count`."""

    def __init__(self) -> None:
        self.connections = self.requests = self.bytes = 0


class Together:
    """Holds the answers of the first requests until all have come, so that each has a connection of its own."""

    def __init__(self, count: int) -> None:
        self.missing = count
        self.held: list[Callable[[], None]] = []
        self.timer: asyncio.TimerHandle | None = None

    def add(self, answer: Callable[[], None]) -> None:
        """Takes an answer; lets all go when the last has come, or when none came for a while."""
        self.held.append(answer)
        self.missing -= 1
        if self.timer:
            self.timer.cancel()
        if self.missing > 0:
            self.timer = asyncio.get_running_loop().call_later(QUIET, self.let_go)
        else:
            self.let_go()

    def let_go(self) -> None:
        """Answers all that were held."""
        held, self.held = self.held, []
        for answer in held:
            answer()


class Mock(asyncio.Protocol):
    """One connection."""

    options: argparse.Namespace
    counts: Counts
    together: Together

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = bytearray()
        self.needed = 0
        self.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        # A large body comes in many pieces: what is known to be missing is not looked for again.
        while self.buffer and len(self.buffer) >= self.needed:
            end = self.buffer.find(b"\r\n\r\n") + 4
            if end == 3:  # noqa: PLR2004  not found
                return
            head = bytes(self.buffer[:end])
            length = content_length(head)
            self.needed = end + length
            if len(self.buffer) < self.needed:
                return
            body = bytes(self.buffer[end : self.needed])
            del self.buffer[: self.needed]
            self.needed = 0
            self.received(head, body)

    def received(self, head: bytes, body: bytes) -> None:
        """Answers at once, later, or together with others."""
        if head.startswith(b"GET /count"):
            self.transport.write(whole(vars(self.counts)))
            return
        self.counts.requests += 1
        self.counts.bytes += len(body)
        if self.together.missing > 0:
            self.together.add(lambda: self.answer(head, body))
        elif self.options.latency:
            asyncio.get_running_loop().call_later(self.options.latency, self.answer, head, body)
        else:
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        """Writes the answer that the request asks for."""
        route = head.split(b"\r\n", 1)[0]
        if b"/info" in route:
            self.transport.write(INFO)
        elif b"/embeddings" in route:
            self.transport.write(self.vectors(json.loads(body)))
        elif b'"stream":true' in body or b'"stream": true' in body:
            self.stream(body)
        elif self.options.throttle and self.counts.requests % self.options.throttle == 0:
            self.transport.write(THROTTLED)
        else:
            self.transport.write(CHAT)

    def vectors(self, asked: dict[str, object]) -> bytes:
        """The embeddings, or the refusal of base64."""
        texts = asked["input"]
        packed = asked.get("encoding_format") == "base64"
        if packed and self.options.refuse:
            return REFUSED
        return embeddings(len(texts) if isinstance(texts, list) else 1, packed, self.options.dimensions)

    def stream(self, body: bytes) -> None:
        """Writes the events, all at once or paced."""
        found = WORDS.search(body)
        count = int(found.group(1)) if found else EVENTS
        tools = b'"tools"' in body
        if self.options.gap:
            self.pace(iter(tool_events(count) if tools else text_events(count)))
        else:
            self.transport.write(burst(count, tools))

    def pace(self, events: Iterator[bytes]) -> None:
        """Writes one event and comes back for the next after the gap."""
        event = next(events, None)
        if event is not None and not self.transport.is_closing():
            self.transport.write(event)
            asyncio.get_running_loop().call_later(self.options.gap, self.pace, events)


def content_length(head: bytes) -> int:
    """The length of the body that a head announces."""
    low = head.lower()
    at = low.find(b"\r\ncontent-length:")
    return int(low[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def arguments() -> argparse.Namespace:
    """How the server behaves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--gap", type=float, default=0.0, help="seconds between the events of a stream; 0: all at once")
    parser.add_argument("--dimensions", type=int, default=1024, help="length of an embedding")
    parser.add_argument("--refuse", action="store_true", help="answer 400 to base64 embeddings")
    parser.add_argument("--throttle", type=int, default=0, help="answer every n-th chat with 429, retry-after: 0")
    parser.add_argument("--together", type=int, default=0, help="hold the answers of the first n requests")
    return parser.parse_args()


async def main() -> None:
    """Serves until standard input ends, that is until the process that started it is gone."""
    Mock.options = arguments()
    Mock.counts = Counts()
    Mock.together = Together(Mock.options.together)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Mock, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
