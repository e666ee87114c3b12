"""What one emulator process holds: small chat requests per second, and streams kept open at the same time.

    python benchmarks/emulator.py
    python benchmarks/emulator.py --connections 32 --seconds 10 --streams 200

The emulator runs in a process of its own with its default brain; requests come over raw sockets from this process, on
connections that are kept. The table on standard output is Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

KEY = "benchmark-key"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello there"}]}
ROUNDS = 5


@contextmanager
def emulator() -> Iterator[subprocess.Popen[str]]:
    """A running emulator; its first line names its URL."""
    command = [sys.executable, "-m", "azureai_emulator", "--port", "0", "--key", KEY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(re.findall(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())[0])


def cpu_seconds(pid: int) -> float:
    """What the process has used so far. Source: /proc, so on Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(body: dict[str, object], fault: str = "") -> bytes:
    content = json.dumps(body).encode()
    lines = ["POST /openai/v1/chat/completions HTTP/1.1", "Host: emulator", f"api-key: {KEY}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"x-emulator-fault: {fault}"] if fault else []
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass
class Rate:
    """One round of small requests."""

    requests: int
    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    def milliseconds(self, share: float) -> float:
        return sorted(self.latencies)[int(share * (len(self.latencies) - 1))] * 1000


async def ask_until(port: int, end: float, latencies: list[float]) -> None:
    """One kept connection: the next request follows the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = request(BODY)
    while (started := time.perf_counter()) < end:
        writer.write(sent)
        await read_answer(reader)
        latencies.append(time.perf_counter() - started)
    writer.close()
    await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The body of a whole answer; anything but 200 ends the benchmark."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        raise RuntimeError(f"Not the answer that was expected: {head!r}")
    return await reader.readexactly(int(length[1]))


async def measure_rate(port: int, connections: int, seconds: float) -> Rate:
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(ask_until(port, started + seconds, latencies) for _ in range(connections)))
    return Rate(len(latencies), time.perf_counter() - started, latencies)


@dataclass
class Streams:
    """Streams that were open at the same time."""

    whole: int
    broken: int
    frames: int
    shortest: float
    """Seconds from the first byte sent to the last one heard, of the quickest stream."""
    longest: float
    most_open: int


class Stream:
    """One stream: what it said, and how long it lasted."""

    open_now = 0
    most_open = 0

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.seconds = 0.0

    async def listen(self, port: int, pause: float) -> None:
        """Read to the end; each frame waits `pause` seconds before it is sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = time.perf_counter()
        writer.write(request({**BODY, "stream": True}, f"frame-latency={pause}" if pause else ""))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"Not the answer that was expected: {head!r}")
        Stream.open_now += 1
        Stream.most_open = max(Stream.most_open, Stream.open_now)
        await self._read_chunks(reader)
        Stream.open_now -= 1
        self.seconds = time.perf_counter() - started
        writer.close()
        await writer.wait_closed()

    async def _read_chunks(self, reader: asyncio.StreamReader) -> None:
        content = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            content += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        self.frames = [frame.removeprefix("data: ") for frame in content.decode().split("\n\n") if frame]

    @property
    def text(self) -> str:
        """The answer, or nothing when the stream did not end as it should."""
        if not self.frames or self.frames[-1] != "[DONE]":
            return ""
        choices = [choice for frame in self.frames[:-1] for choice in json.loads(frame)["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


async def measure_streams(port: int, count: int, seconds: float) -> Streams:
    """`count` streams at once, paced so that each lasts at least `seconds`."""
    quick = Stream()
    await quick.listen(port, 0)
    Stream.most_open = 0
    pause = seconds / (len(quick.frames) - 1)
    streams = [Stream() for _ in range(count)]
    outcomes = await asyncio.gather(*(stream.listen(port, pause) for stream in streams), return_exceptions=True)
    whole = [
        stream
        for stream, outcome in zip(streams, outcomes, strict=True)
        if outcome is None and stream.text == quick.text and len(stream.frames) == len(quick.frames)
    ]
    lasted = [stream.seconds for stream in whole] or [0.0]
    frames = sum(len(stream.frames) for stream in whole)
    return Streams(len(whole), count - len(whole), frames, min(lasted), max(lasted), Stream.most_open)


def table(rates: list[Rate], connections: int, streams: Streams, cpu: float) -> str:
    middle = sorted(rates, key=lambda rate: rate.per_second)[len(rates) // 2]
    rows = {
        f"chat requests per second, {connections} kept connections (median of {len(rates)} rounds)": (
            f"{middle.per_second:,.0f}"
        ),
        "— slowest and quickest round": (
            f"{min(rate.per_second for rate in rates):,.0f} to {max(rate.per_second for rate in rates):,.0f}"
        ),
        "— latency, median and 99th percentile": (
            f"{middle.milliseconds(0.5):.1f} ms, {middle.milliseconds(0.99):.1f} ms"
        ),
        "— CPU time of the emulator per request": f"{cpu * 1000:.2f} ms",
        "streams open at the same time": f"{streams.most_open}",
        "— complete, with every frame": f"{streams.whole} ({streams.frames:,} frames)",
        "— with an error": f"{streams.broken}",
        "— each lasted": f"{streams.shortest:.1f} s to {streams.longest:.1f} s",
    }
    return "\n".join(["| measured | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def machine() -> str:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"Python {platform.python_version()}, uvicorn {version('uvicorn')}, starlette {version('starlette')}, "
        f"{os.cpu_count()} cores, {platform.machine()}, load average before {load}"
    )


def main() -> int:
    """The exit code: 1 when a stream was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round of requests (default %(default)s)")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--held", type=float, default=12.0, help="seconds that streams last (default %(default)s)")
    options = parser.parse_args()
    print(machine(), end="\n\n")
    with emulator() as process:
        port = port_of(process)
        asyncio.run(measure_rate(port, options.connections, 0.5))
        before = cpu_seconds(process.pid)
        rates = [asyncio.run(measure_rate(port, options.connections, options.seconds)) for _ in range(ROUNDS)]
        cpu = (cpu_seconds(process.pid) - before) / sum(rate.requests for rate in rates)
        streams = asyncio.run(measure_streams(port, options.streams, options.held))
    print(table(rates, options.connections, streams, cpu))
    return 1 if streams.broken else 0


if __name__ == "__main__":
    sys.exit(main())
