"""How a scenario is run inside a contender's process: first proven, which also warms up, then timed.

Each measure returns CPU (user + system, all threads) and wall seconds per unit, and what else the scenario is about.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage
from typing import Any, Self
from urllib.parse import urlsplit

from contenders import Contender, Unable, prepared_answer

Result = dict[str, float]
THREADS = 64
WARM_TEXTS = 300
ALIGNMENT = 16


@dataclass(frozen=True)
class Job:
    """What to run: so many units, streams of so many words, vectors of so many dimensions."""

    scenario: str
    url: str
    count: int
    words: int = 0
    dimensions: int = 1024

    @property
    def prompt(self) -> str:
        """The prompt that makes the server send so many events."""
        return f"Write {self.words} words."


class Timer:
    """CPU and wall seconds since it was made, and for who looks for a reason, page faults and system time."""

    def __init__(self) -> None:
        self.usage = getrusage(RUSAGE_SELF)
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def per(self, units: float) -> Result:
        """Seconds and faults per unit until now."""
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        usage = getrusage(RUSAGE_SELF)
        system, faults = usage.ru_stime - self.usage.ru_stime, usage.ru_minflt - self.usage.ru_minflt
        return {"cpu": cpu / units, "wall": wall / units, "system": system / units, "faults": faults / units}


class Counter:
    """Asks the mock server over a connection of its own what it has seen."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def now(self) -> dict[str, int]:
        """Connections, requests and bytes of bodies so far."""
        self.socket.sendall(b"GET /count HTTP/1.1\r\n\r\n")
        found: dict[str, int] = json.loads(self.socket.recv(4096).partition(b"\r\n\r\n")[2])
        return found


def texts(count: int) -> list[str]:
    """Different short texts."""
    return [f"text number {n} with a few more words" for n in range(count)]


def expect(found: object, wanted: object, what: str) -> None:
    """Raises `Unable` unless the contender delivered what the server sent."""
    if found != wanted:
        raise Unable(f"{what}: got {str(found)[:60]!r}, not {str(wanted)[:60]!r}")


# ---------------------------------------------------------------------------- one after the other


async def chat(contender: Contender, job: Job) -> Result:
    for _ in range(max(3, job.count // 10)):
        expect(contender.chat(), prepared_answer(), "the answer")
    timer = Timer()
    for _ in range(job.count):
        contender.chat()
    return timer.per(job.count)


async def achat(contender: Contender, job: Job) -> Result:
    for _ in range(max(3, job.count // 10)):
        expect(await contender.achat(), prepared_answer(), "the answer")
    timer = Timer()
    for _ in range(job.count):
        await contender.achat()
    return timer.per(job.count)


async def history(contender: Contender, job: Job) -> Result:
    contender.prepare_history()
    expect(contender.history(), prepared_answer(), "the answer")
    timer = Timer()
    for _ in range(job.count):
        contender.history()
    return timer.per(job.count)


async def retry(contender: Contender, job: Job) -> Result:
    """Answers got although some requests are refused with `retry-after: 0`; the slowest tells who waited anyway."""
    expect(contender.chat(), prepared_answer(), "the answer")
    failed, slowest, timer = 0, 0.0, Timer()
    for _ in range(job.count):
        start = time.perf_counter()
        try:
            contender.chat()
        except Exception:  # noqa: BLE001  any error is a failed call
            failed += 1
        slowest = max(slowest, time.perf_counter() - start)
    return {**timer.per(max(1, job.count - failed)), "failed": failed, "slowest": slowest}


# ---------------------------------------------------------------------------- streams


def words(count: int) -> str:
    """The text of a stream."""
    return "".join(f"word{n} " for n in range(count))


async def stream(contender: Contender, job: Job) -> Result:
    found = "".join(contender.text_of(item) for item in contender.stream(job.prompt))
    expect(found, words(job.words), "the text")
    timer = Timer()
    for _ in range(job.count):
        for _item in contender.stream(job.prompt):
            pass
    return timer.per(job.count * job.words)


async def astream(contender: Contender, job: Job) -> Result:
    found = "".join([contender.text_of(item) async for item in await contender.astream(job.prompt)])
    expect(found, words(job.words), "the text")
    timer = Timer()
    for _ in range(job.count):
        async for _item in await contender.astream(job.prompt):
            pass
    return timer.per(job.count * job.words)


async def tools(contender: Contender, job: Job) -> Result:
    items = list(contender.tools(job.prompt))
    arguments = contender.arguments_of(items)
    # The floors make fragments of their own, which are no JSON.
    if "word" not in arguments:
        raise Unable("it drops streamed tool calls")
    del items
    timer = Timer()
    for _ in range(job.count):
        for _item in contender.tools(job.prompt):
            pass
    return timer.per(job.count * job.words)


async def first_chunk(contender: Contender, job: Job) -> Result:
    """From the call to the first text; the rest of the stream is read outside of the clock."""
    for _ in range(5):
        _first(contender, job)
    timer = Timer()
    times = [_first(contender, job) for _ in range(job.count)]
    return {**timer.per(job.count), "wall": sorted(times)[len(times) // 2]}


def _first(contender: Contender, job: Job) -> float:
    start = time.perf_counter()
    items = iter(contender.stream(job.prompt))
    for item in items:
        if contender.text_of(item):
            break
    else:
        raise Unable("its streams have no text")
    taken = time.perf_counter() - start
    for _item in items:
        pass
    return taken


# ---------------------------------------------------------------------------- embeddings


def check_vectors(vectors: list[Any], count: int, dimensions: int) -> None:
    """All there, of the right length."""
    expect((len(vectors), len(vectors[0])), (count, dimensions), "texts and dimensions")


def touch(job: Job) -> None:
    """Writes to as much memory as the vectors will need, and gives it back.

    A virtual machine returns memory that nobody uses to its host, in seconds; who needs it next pays up to five times
    as much for a page. That would be the contender that follows a slow one which needs little.
    """
    bytearray(job.count * job.dimensions * 48)


async def embed(contender: Contender, job: Job) -> Result:
    contender.dimensions = job.dimensions
    warm = min(WARM_TEXTS, job.count)
    check_vectors(contender.embed(texts(warm)), warm, job.dimensions)
    touch(job)
    corpus, timer = texts(job.count), Timer()
    vectors = contender.embed(corpus)
    return _taken(timer, vectors, job)


async def aembed(contender: Contender, job: Job) -> Result:
    contender.dimensions = job.dimensions
    warm = min(WARM_TEXTS, job.count)
    check_vectors(await contender.aembed(texts(warm)), warm, job.dimensions)
    touch(job)
    corpus, timer = texts(job.count), Timer()
    vectors = await contender.aembed(corpus)
    return _taken(timer, vectors, job)


def _taken(timer: Timer, vectors: list[Any], job: Job) -> Result:
    """The time of the call alone: the vectors are still there, and what it costs to free them is not in it."""
    found = timer.per(job.count)
    check_vectors(vectors, job.count, job.dimensions)
    return found


async def memory(contender: Contender, job: Job) -> Result:
    """Peak resident memory above the floor while embedding, in bytes, over the floats returned."""
    contender.embed(texts(WARM_TEXTS))
    corpus = texts(job.count)
    with Peak() as peak:
        vectors = contender.embed(corpus)
    check_vectors(vectors, job.count, job.dimensions)
    return {"peak": peak.bytes, "ratio": peak.bytes / size_of(vectors)}


def size_of(vectors: list[list[float]]) -> float:
    """The memory of lists of floats, which hold no float twice.

    A float has 24 bytes, but Python's allocator gives it 32, and the list 8 more for its place.
    """
    rounded = -(-sys.getsizeof(0.5) // ALIGNMENT) * ALIGNMENT
    return float(sum(sys.getsizeof(vector) + rounded * len(vector) for vector in vectors))


async def batches(contender: Contender, job: Job) -> Result:
    """The same for a large job whose vectors are taken batch by batch and dropped."""
    list(contender.embed_batches(iter(texts(WARM_TEXTS))))
    seen = 0
    with Peak() as peak:
        for batch in contender.embed_batches(texts_lazily(job.count)):
            seen += len(batch)
    expect(seen, job.count, "texts")
    return {"peak": peak.bytes}


def texts_lazily(count: int) -> Iterator[str]:
    """As `texts`, never all there."""
    return (f"text number {n} with a few more words" for n in range(count))


class Peak:
    """The most memory that a block had, above what it started with. Linux keeps the peak and lets it be forgotten."""

    bytes = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123  not a path but a switch
            file.write("5")
        self.before = memory_of("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes = memory_of("VmHWM") - self.before


def memory_of(field: str) -> float:
    """A figure of this process, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith(field))
    return float(line.split()[1]) * 1024


# ---------------------------------------------------------------------------- many at once


async def concurrent(contender: Contender, job: Job) -> Result:
    """Two bursts of async chats; the second is measured."""

    async def burst() -> int:
        answers = await asyncio.gather(*(contender.achat() for _ in range(job.count)), return_exceptions=True)
        return sum(answer != prepared_answer() for answer in answers)

    return await _second(burst, job)


async def threads(contender: Contender, job: Job) -> Result:
    """Two bursts of chats by 64 threads; the second is measured."""
    with ThreadPoolExecutor(THREADS) as pool:

        def one(_: int) -> bool:
            try:
                return contender.chat() != prepared_answer()
            except Exception:  # noqa: BLE001  any error is a failed call
                return True

        async def burst() -> int:
            return sum(pool.map(one, range(job.count)))

        return await _second(burst, job)


async def _second(burst: Callable[[], Awaitable[int]], job: Job) -> Result:
    counter = Counter(job.url)
    expect(await burst() < job.count, True, "the first burst, whether any call succeeded")
    before, timer = counter.now(), Timer()
    failed = await burst()
    found = timer.per(job.count)
    opened = counter.now()["connections"] - before["connections"]
    return {**found, "wall": found["wall"] * job.count, "failed": failed, "opened": opened}


# ---------------------------------------------------------------------------- growth

GROWTH = 10


async def growth(contender: Contender, job: Job) -> Result:
    """CPU per unit of a job ten times as large, over that of the job; streams are longer, not more."""
    measure = MEASURES[job.scenario.removeprefix("growth-")]
    small = job
    if job.words:
        large = Job(job.scenario, job.url, max(1, job.count // GROWTH), job.words * GROWTH, job.dimensions)
    else:
        large = Job(job.scenario, job.url, job.count * GROWTH, 0, job.dimensions)
    one = await measure(contender, small)
    gc.collect()
    ten = await measure(contender, large)
    return {"small": one["cpu"], "cpu": ten["cpu"], "ratio": ten["cpu"] / one["cpu"]}


MEASURES: dict[str, Callable[[Contender, Job], Awaitable[Result]]] = {
    "chat": chat,
    "achat": achat,
    "stream": stream,
    "astream": astream,
    "stream-paced": stream,
    "astream-paced": astream,
    "ttfc": first_chunk,
    "tools": tools,
    "history": history,
    "embed": embed,
    "aembed": aembed,
    "embed3072": embed,
    "aembed3072": aembed,
    "embed-refused": embed,
    "concurrent": concurrent,
    "threads": threads,
    "retry": retry,
    "memory": memory,
    "batches": batches,
    "growth-chat": growth,
    "growth-embed": growth,
    "growth-stream": growth,
    "growth-tools": growth,
}


async def run(contender: Contender, job: Job) -> Result:
    """One measurement, with the bytes of a request's body, to see that contenders send the same."""
    gc.collect()
    counter = Counter(job.url)
    before = counter.now()
    found = await MEASURES[job.scenario](contender, job)
    seen = counter.now()
    if requests := seen["requests"] - before["requests"]:
        found["body"] = (seen["bytes"] - before["bytes"]) / requests
    return found
