"""Many mixed calls against a service that fails on purpose: each ends in its own right answer or a typed error.

Run it by hand with `python tests/core/chaos.py --calls 3000`; the suite runs a small one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from azureai_core import APITimeoutError, AzureAIError, InferenceClient, RetryPolicy, reset_deployments

FAULTS = {"429": 6, "500": 6, "reset": 5, "reset-body": 5, "cut": 3, "drip": 5, "hang-up": 5, "none": 65}
"""Fault → its share in a hundred answers."""


class FaultyService:
    """Answers with what it was asked, unless its dice say otherwise. Runs in a thread of its own."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.connections = self.open = self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        fault = self.dice.choices(list(FAULTS), list(FAULTS.values()))[0]
        self.faults[fault] += 1
        if fault == "reset":
            return _reset(writer)
        if fault in {"429", "500"}:
            wait = b"retry-after-ms: 1\r\n" if fault == "429" else b""
            writer.write(b"HTTP/1.1 " + fault.encode() + b" X\r\n" + wait + b"content-length: 2\r\n\r\n{}")
            return True
        return await self._body(fault, body, writer)

    async def _body(self, fault: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        kind = b"text/event-stream" if body.get("stream") else b"application/json"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ntransfer-encoding: chunked\r\n\r\n")
        pieces = _pieces(_content(body), self.dice)
        stop = self.dice.randrange(len(pieces)) if fault in {"reset-body", "cut"} else len(pieces)
        for piece in pieces[:stop]:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.001 if fault == "drip" else 0)
        if fault == "reset-body":
            return _reset(writer)
        if fault == "cut":
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return fault != "hang-up"


def _reset(writer: asyncio.StreamWriter) -> bool:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def _content(body: dict[str, Any]) -> bytes:
    if "input" in body:
        return json.dumps(
            {"data": [{"index": n, "embedding": [float(t)]} for n, t in enumerate(body["input"])]}
        ).encode()
    text = body["messages"][0]["content"]
    if not body.get("stream"):
        return json.dumps({"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}).encode()
    parts = [{"delta": {"content": c}, "index": 0} for c in text] + [{"delta": {}, "index": 0, "finish_reason": "stop"}]
    return (
        b"".join(b"data: " + json.dumps({"choices": [part]}).encode() + b"\n\n" for part in parts) + b"data: [DONE]\n\n"
    )


def _pieces(content: bytes, dice: random.Random) -> list[bytes]:
    cuts = sorted(dice.sample(range(1, len(content)), min(6, len(content) - 1)))
    return [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]


class Tally:
    """What became of the calls."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.right = 0
        self.wrong: list[str] = []
        self.errors: Counter[str] = Counter()

    def note(self, number: int, got: Any, expected: Any) -> None:
        with self.lock:
            if isinstance(got, AzureAIError):
                self.errors[type(got).__name__] += 1
                partial = got.partial
                if partial is not None and not expected.startswith(partial.content):
                    self.wrong.append(f"call {number}: partial {partial.content!r} of {expected!r}")
            elif got == expected:
                self.right += 1
            else:
                self.wrong.append(f"call {number}: {got!r} instead of {expected!r}")


def _asked(number: int) -> tuple[str, dict[str, Any], str]:
    """The kind of a call, its payload, and the right answer."""
    text = f"call {number} " + "é€"[number % 2] * 5
    return ("complete", "stream", "embed")[number % 3], {"messages": [{"role": "user", "content": text}]}, text


def _call(client: InferenceClient, number: int) -> tuple[Any, Any]:
    kind, payload, text = _asked(number)
    try:
        if kind == "embed":
            parts = client.embed_many([str(number + n) for n in range(6)], batch_size=2, max_concurrency=3)
            return str([v[0] for part in parts for v in part.vectors]), str([float(number + n) for n in range(6)])
        if kind == "stream":
            return "".join(d.content for d in client.stream(payload)), text
        return client.complete(payload).content, text
    except AzureAIError as error:
        return error, text


async def _acall(client: InferenceClient, number: int) -> tuple[Any, Any]:
    kind, payload, text = _asked(number)
    try:
        if kind == "embed":
            job = client.aembed_many([str(number + n) for n in range(6)], batch_size=2, max_concurrency=3)
            vectors = [v[0] async for part in job for v in part.vectors]
            return str(vectors), str([float(number + n) for n in range(6)])
        if kind == "stream":
            return "".join([d.content async for d in client.astream(payload)]), text
        return (await client.acomplete(payload)).content, text
    except AzureAIError as error:
        return error, text


def _work(client: InferenceClient, tally: Tally, numbers: Any) -> None:
    for number in numbers:
        tally.note(number, *_call(client, number))


async def _awork(client: InferenceClient, tally: Tally, numbers: list[int], tasks: int) -> None:
    todo = iter(numbers)

    async def worker() -> None:
        for number in todo:
            tally.note(number, *await _acall(client, number))

    await asyncio.gather(*(worker() for _ in range(tasks)))
    assert len(asyncio.all_tasks()) == 1, "a task was left behind"


def run(calls: int = 300, tasks: int = 64, threads: int = 16, seed: int = 1) -> dict[str, Any]:
    """Runs half of the calls in tasks of one event loop and half in threads; gives the figures, checked."""
    reset_deployments()
    gc.collect()
    before, began, tally = _descriptors(), time.perf_counter(), Tally()
    with FaultyService(seed) as service:
        policy = RetryPolicy(max_retries=3, backoff=0.001, max_backoff=0.004)
        with InferenceClient(f"http://127.0.0.1:{service.port}", "chaos-key-1", retry=policy, timeout=60) as client:
            half = calls // 2
            with ThreadPoolExecutor(threads) as pool:
                jobs = [pool.submit(_work, client, tally, range(n, half, threads)) for n in range(threads)]
                asyncio.run(_awork(client, tally, list(range(half, calls)), tasks))
                for job in jobs:
                    job.result()
        elapsed = time.perf_counter() - began
        _wait(lambda: service.open == 0)
        figures = {
            "calls": calls,
            "right": tally.right,
            "errors": dict(tally.errors),
            "wrong": tally.wrong,
            "faults": dict(service.faults),
            "connections": service.connections,
            "left open": service.open,
            "seconds": round(elapsed, 1),
        }
    gc.collect()
    _wait(lambda: _descriptors() <= before)
    return {**figures, "descriptors leaked": max(0, _descriptors() - before)}


def check(figures: dict[str, Any]) -> None:
    """Raises when a call was lost, mixed up or left something behind."""
    assert figures["wrong"] == [], figures["wrong"][:5]
    assert figures["right"] + sum(figures["errors"].values()) == figures["calls"]
    assert figures["right"] > 0.6 * figures["calls"]
    assert APITimeoutError.__name__ not in figures["errors"]
    assert figures["left open"] == 0
    assert figures["descriptors leaked"] == 0


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112


def _wait(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("calls", 3000), ("tasks", 64), ("threads", 16), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    figures = run(**vars(parser.parse_args()))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    check(figures)


if __name__ == "__main__":
    main()
