"""A faulty service for many clients: seeded 429s and 500s, a refusal of poison rows, and a count of what was answered.

`python server.py` prints its port. Texts and prompts are `document N …`; the vector and the answer of one tell its
number. `GET /stats` says how many requests came, how many were refused, and how often each number was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import re
import struct
from collections import Counter
from typing import Any

DIMENSIONS = 64
POISON = "POISON"


def number_of(text: str) -> int:
    """The number in a text."""
    return int(re.search(r"document (\d+)", text)[1])


def vector_of(number: int) -> list[float]:
    """The vector of a number; float32 holds it exactly."""
    return [float(number), float(number % 97), *[0.5] * (DIMENSIONS - 2)]


class Service(asyncio.Protocol):
    """One connection. The class attributes belong to the service."""

    chance = random.Random(7)
    shares = (0.0, 0.0)
    latency = 0.0
    statuses: Counter[int] = Counter()
    answered: Counter[int] = Counter()
    connections = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        Service.connections += 1
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        length = int((re.search(rb"content-length: *(\d+)", head, re.IGNORECASE) or [0, 0])[1])
        if found and len(rest) >= length:
            self.buffer = rest[length:]
            asyncio.get_running_loop().call_later(self.latency, self.answer, head, rest[:length])

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /stats"):
            return self.send(200, stats())
        status, content, headers = self.judged(json.loads(body))
        Service.statuses[status] += 1
        return self.send(status, content, headers)

    def judged(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
        busy, broken = self.shares
        chance = self.chance.random()
        if chance < busy:
            return 429, {"error": {"message": "Rate limit is exceeded."}}, "Retry-After: 1\r\nretry-after-ms: 200\r\n"
        if chance < busy + broken:
            return 500, {"error": {"message": "The server had an error."}}, ""
        texts = asked.get("input") or [asked["messages"][-1]["content"]]
        if any(POISON in text for text in texts):
            return 400, {"error": {"message": "The input cannot be processed."}}, ""
        numbers = [number_of(text) for text in texts]
        Service.answered.update(numbers)
        return 200, embedded(numbers) if "input" in asked else said(numbers[0]), ""

    def send(self, status: int, content: dict[str, Any], headers: str = "") -> None:
        data = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len(data)}\r\n\r\n"
        self.transport.write(head.encode() + data)


def embedded(numbers: list[int]) -> dict[str, Any]:
    """The answer to texts; ten tokens each."""
    packed = [base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector_of(n))).decode() for n in numbers]
    data = [{"object": "embedding", "index": place, "embedding": item} for place, item in enumerate(packed)]
    tokens = 10 * len(numbers)
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}


def said(number: int) -> dict[str, Any]:
    """The answer to a prompt; ten tokens in, five out."""
    message = {"role": "assistant", "content": f"answer {number}"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def stats() -> dict[str, Any]:
    """What has come so far."""
    return {
        "requests": Service.statuses.total(),
        "statuses": {str(status): count for status, count in sorted(Service.statuses.items())},
        "answered": Service.answered.total(),
        "distinct": len(Service.answered),
        "repeated": Service.answered.total() - len(Service.answered),
        "connections": Service.connections - 1,  # the one that asks
    }


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", type=float, default=0.0, help="share of 429s")
    parser.add_argument("--broken", type=float, default=0.0, help="share of 500s")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    given = parser.parse_args()
    Service.shares, Service.latency = (given.busy, given.broken), given.latency
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
