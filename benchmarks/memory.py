"""Peak memory of embedding jobs, above the floor of a process that has sent one request.

`python benchmarks/memory.py` measures each job in a process of its own, against a service in another one, and prints a
table. It ends with an error when 100,000 texts taken batch by batch need more than 300 MB, or a kept result more than
its own size and a half. Very many requests in flight may need what their own answers take.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from azureai_core import BatchEmbed, InferenceClient

DIMENSIONS, BATCH = 1024, 256
LIMIT_MB = 300.0
MB = 2**20
LIST_MB, FLOAT32_MB = (DIMENSIONS * (8 + 24)) / MB, (DIMENSIONS * 4) / MB
"""Of one vector: pointers and float objects, or float32 values."""

# Job → whether the result is kept, and its options.
JOBS: dict[str, tuple[bool, dict[str, Any]]] = {
    "embed_many, 4 in flight": (False, {"max_concurrency": 4}),
    "embed_many, 16 in flight": (False, {"max_concurrency": 16}),
    "embed_many, 64 in flight": (False, {"max_concurrency": 64}),
    "BatchEmbed, 1,000 rows a call": (False, {"vectors": "list"}),
    "BatchEmbed, 1,000 rows a call, float32": (False, {"vectors": "float32"}),
    "embed_many, all kept": (True, {"max_concurrency": 4}),
    "BatchEmbed, all kept, float32": (True, {"vectors": "float32"}),
}


class Service(BaseHTTPRequestHandler):
    """Vectors in base64, the same for each text."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = answer(len(asked["input"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@lru_cache
def answer(count: int) -> bytes:
    packed = base64.b64encode(array("f", [0.1 + n for n in range(DIMENSIONS)]).tobytes()).decode()
    data = [{"object": "embedding", "index": n, "embedding": packed} for n in range(count)]
    usage = {"prompt_tokens": count, "total_tokens": count}
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode()


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    print(server.server_port, flush=True)
    server.serve_forever()


def measure(name: str, texts: int, url: str) -> None:
    """Runs one job in this process and prints its peak above the floor, in MB."""
    keep, options = JOBS[name]
    source = (f"text number {n}" for n in range(texts))
    client = InferenceClient(url, "key")
    client.embed(["floor"] * BATCH)
    floor = resident()
    results = batches(name, source, options, client, url)
    held = list(results) if keep else deque(results, maxlen=0)
    print(peak() - floor)
    del held


def batches(name: str, source: Iterator[str], options: dict[str, Any], client: Any, url: str) -> Iterator[Any]:
    """What the job hands over, piece by piece."""
    if not name.startswith("BatchEmbed"):
        yield from client.embed_many(source, **options)
        return
    embed = BatchEmbed(url, "key", **options)
    while texts := [text for _, text in zip(range(1000), source, strict=False)]:
        yield embed({"text": texts})


def resident() -> float:
    """MB in use now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def peak() -> float:
    """MB in use at most, so far. Not `ru_maxrss`: a process begins with that of the one that started it."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


@contextmanager
def service() -> Iterator[str]:
    """The URL of a service in a process of its own."""
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/serverless/m"  # type: ignore[union-attr]
        finally:
            process.terminate()


def measured(name: str, texts: int, url: str) -> float:
    """The figure of a job, from a fresh process."""
    command = [sys.executable, __file__, "--measure", name, "--texts", str(texts), "--url", url]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def allowed(name: str, texts: int) -> float:
    """MB a job may need: the bound of streaming, and for a kept result half as much again as its size."""
    keep, options = JOBS[name]
    size = FLOAT32_MB if options.get("vectors") == "float32" else LIST_MB
    return 1.5 * texts * size + LIMIT_MB / 4 if keep else LIMIT_MB


def table(texts: int, kept: int) -> bool:
    """Prints all figures; whether each is within its bound."""
    print(f"{DIMENSIONS} dimensions; MB above the floor\n\n| job | texts | peak, MB | allowed |\n|---|---|---|---|")
    good = True
    with service() as url:
        for name, (keep, _) in JOBS.items():
            for count in (kept, 2 * kept) if keep else (texts,):
                needed, most = measured(name, count, url), allowed(name, count)
                good = good and needed <= most
                print(f"| {name} | {count:,} | {needed:,.0f} | {most:,.0f} |", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000, help="of the jobs taken batch by batch")
    parser.add_argument("--kept", type=int, default=10_000, help="of the jobs whose result is kept; and twice as many")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
    elif given.measure:
        measure(given.measure, given.texts, given.url)
    elif not table(given.texts, given.kept):
        sys.exit("A job needs more memory than it may.")


if __name__ == "__main__":
    main()
