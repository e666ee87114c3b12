"""One engine through two jobs, in a process of its own: `python scenario.py ENGINE FOLDER` leaves a report there.

Each job meets a service with faults; one row is poison; one worker process is killed in mid-job with work in its hands.
Of the embeddings, three part files are removed then, and the job is started again, twice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from scale_parts import missing_parts, write_documents
from server import POISON

from azureai_core import BatchChat, BatchEmbed

ROWS, CHATS = 20_000, 2_000
POISONED, REMOVED = 12_345, 3
POISONED_CHAT = 1_234
FEW, POISONED_FEW = 400, 3
KEY = "canary-key-0123456789abcdef"


class Fragile:
    """A batch callable; the process that makes the job's call number `AFTER` is killed with its work unhanded-over."""

    AFTER = 8

    def __init__(self, job: Callable[[Any], Any], marks: str) -> None:
        self.job, self.marks = job, marks

    def __call__(self, batch: Any) -> Any:
        done = self.job(batch)
        if _next_number(Path(self.marks)) == self.AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


class FragileChat(Fragile):
    """The same, made in the worker from arguments, as Ray makes its actors."""

    def __init__(self, marks: str, **options: Any) -> None:
        super().__init__(BatchChat(**options), marks)


def _next_number(marks: Path) -> int:
    """1, 2, 3, … for the calls of all processes together."""
    number = 1
    while True:
        try:
            os.close(os.open(marks / str(number), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            number += 1
        else:
            return number


@contextmanager
def service(*arguments: str) -> Iterator[str]:
    """The URL of a faulty service in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("server.py")), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def stats(url: str) -> dict[str, Any]:
    """What the service has counted."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        return json.load(answer)


class Dask:
    """Two worker processes."""

    def __init__(self) -> None:
        import scale_dask
        from dask.distributed import Client

        self.example = scale_dask
        self.cluster = scale_dask.cluster()
        self.client = Client(self.cluster)

    def embed(self, job: Any, source: str, target: str) -> list[dict[str, Any]]:
        return self.example.run(job, source, target)

    def chat(self, options: dict[str, Any], marks: str, frame: pd.DataFrame) -> pd.DataFrame:
        return self.example.ask(Fragile(BatchChat(**options), marks), frame)

    def close(self) -> None:
        self.client.close()
        self.cluster.close()


class Ray:
    """Two actors."""

    def __init__(self) -> None:
        import ray
        import scale_ray

        self.example, self.ray = scale_ray, ray
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", num_cpus=2)
        ray.data.DataContext.get_current().enable_progress_bars = False

    def embed(self, job: Any, source: str, target: str) -> list[dict[str, Any]]:
        return self.example.run(job, source, target)

    def chat(self, options: dict[str, Any], marks: str, frame: pd.DataFrame) -> pd.DataFrame:
        return self.example.ask(FragileChat, {"marks": marks, **options}, frame)

    def close(self) -> None:
        self.ray.shutdown()


class Spark:
    """Two local task slots, four attempts."""

    def __init__(self) -> None:
        import scale_spark

        self.example = scale_spark
        self.spark = scale_spark.session()
        self.spark.sparkContext.setLogLevel("OFF")

    def embed(self, job: Any, source: str, target: str) -> list[dict[str, Any]]:
        return self.example.run(self.spark, job, source, target)

    def chat(self, options: dict[str, Any], marks: str, frame: pd.DataFrame) -> pd.DataFrame:
        return self.example.ask(self.spark, Fragile(BatchChat(**options), marks), frame)

    def close(self) -> None:
        self.spark.stop()


ENGINES = {"dask": Dask, "ray": Ray, "spark": Spark}


def texts(count: int, poisoned: int) -> list[str]:
    """`document N …`, one of them poison."""
    return [f"document {n} {POISON if n == poisoned else 'is well'}" for n in range(count)]


def embed(engine: Any, url: str, folder: Path) -> dict[str, Any]:
    """20,000 rows with a kill; again with three parts missing; again with none missing."""
    source, target = str(folder / "documents"), str(folder / "embedded")
    write_documents(texts(ROWS, POISONED), source)
    job = BatchEmbed(f"{url}/serverless/m", batch_size=64, vectors="float32", on_error="column")
    fragile = Fragile(job, str(folder / "marks"))
    start = time.monotonic()
    reports = engine.embed(fragile, source, target)
    report = {"seconds": time.monotonic() - start, "reports": len(reports), "first": stats(url)}
    for path in sorted((folder / "embedded").glob("*.parquet"))[:REMOVED]:
        path.unlink()
    engine.embed(job, source, target)
    report["second"] = stats(url)
    assert missing_parts(source, target) == []
    again = engine.embed(job, source, target)
    return {**report, "again": len(again), "third": stats(url)}


def chat(engine: Any, url: str, folder: Path) -> dict[str, Any]:
    """2,000 rows with a kill."""
    frame = pd.DataFrame({"id": range(CHATS), "prompt": texts(CHATS, POISONED_CHAT)})
    options = {"endpoint": f"{url}/serverless/m", "on_error": "column", "concurrency": 16}
    start = time.monotonic()
    answers = engine.chat(options, str(folder / "marks"), frame)
    answers.to_parquet(folder / "answers.parquet")
    return {"seconds": time.monotonic() - start, "first": stats(url)}


def rows(engine: Any, url: str, folder: Path) -> None:
    """A few embeddings through the engine's own blocks, one of them poison."""
    frame = pd.DataFrame({"id": range(FEW), "text": texts(FEW, POISONED_FEW)})
    done = engine.example.ask(BatchEmbed, {"endpoint": f"{url}/serverless/m", "on_error": "column"}, frame)
    done.to_parquet(folder / "rows.parquet")


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    os.environ["AZURE_INFERENCE_CREDENTIAL"] = KEY  # the workers inherit it; it is in no pickle
    start = time.monotonic()
    engine = ENGINES[name]()
    report: dict[str, Any] = {"started": time.monotonic() - start}
    try:
        for job, share, latency in ((embed, "0.03", "0.02"), (chat, "0.01", "0.05")):
            own = folder / job.__name__
            (own / "marks").mkdir(parents=True)
            with service("--busy", share, "--broken", share, "--latency", latency) as url:
                report[job.__name__] = {**job(engine, url, own), "calls": len(list((own / "marks").iterdir()))}
        if name == "ray":
            with service() as url:
                rows(engine, url, folder)
    finally:
        engine.close()
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
