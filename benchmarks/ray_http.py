"""2,000 chats on Ray Data: `BatchChat` and Ray's own HTTP processor, side by side, without and with faults.

Needs ray[data] and aiohttp. Ray listens on every interface there is, so run it where there is but the loopback one:
`make bench-ray-http` does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
for folder in ("examples", "tests/scale"):
    sys.path.insert(0, str(ROOT / folder))
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])  # for the workers
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import pandas as pd  # noqa: E402  the paths come first
import ray  # noqa: E402
from ray.data.llm import HttpRequestProcessorConfig, build_processor  # noqa: E402
from scale_ray import CPUS, ask  # noqa: E402
from scenario import CHATS, KEY, POISONED_CHAT, service, stats, texts  # noqa: E402

from azureai_core import BatchChat  # noqa: E402

WORKERS = 2


def ours(url: str, frame: pd.DataFrame) -> tuple[int, int]:
    """`(rows with an answer, rows with an error)`."""
    made = ask(BatchChat, {"endpoint": f"{url}/serverless/m", "on_error": "column", "concurrency": 16}, frame)
    return int(made["answer"].notna().sum()), int(made["error"].notna().sum())


def rays(retries: int) -> Callable[[str, pd.DataFrame], tuple[int, int]]:
    """The HTTP processor with so many repeats."""

    def run(url: str, frame: pd.DataFrame) -> tuple[int, int]:
        config = HttpRequestProcessorConfig(
            url=f"{url}/serverless/m/chat/completions",
            headers={"api-key": KEY},
            max_retries=retries,
            batch_size=50,
            concurrency=WORKERS,
            http_request_stage={"num_cpus": CPUS},
        )
        processor = build_processor(
            config,
            preprocess=lambda row: {
                "id": row["id"],
                "payload": {"messages": [{"role": "user", "content": row["prompt"]}]},
            },
            postprocess=lambda row: {
                "id": row["id"],
                "has_answer": row["http_response"].get("choices") is not None,  # else it is an error's body
            },
        )
        made = processor(ray.data.from_pandas(frame).repartition(4 * WORKERS)).to_pandas()
        return int(made["has_answer"].sum()), int((~made["has_answer"]).sum())

    return run


def measure(name: str, faults: list[str], run: Callable[[str, pd.DataFrame], tuple[int, int]]) -> None:
    """Prints one row of the table."""
    frame = pd.DataFrame({"id": range(CHATS), "prompt": texts(CHATS, POISONED_CHAT if faults else -1)})
    with service("--latency", "0.05", *faults) as url:
        start = time.monotonic()
        try:
            answers, errors = run(url, frame)
            outcome = f"{answers:,} answers, {errors:,} rows without"
        except Exception as error:  # noqa: BLE001  a failed job is a result
            outcome = f"the job fails ({type(error).__name__})"
        seconds, counted = time.monotonic() - start, stats(url)
    calls = f"{counted['answered']:,} | {counted['requests']:,} | {counted['connections']:,}"
    print(f"| {name} | {'yes' if faults else 'no'} | {seconds:.1f} | {outcome} | {calls} |", flush=True)


def main() -> None:
    os.environ["AZURE_INFERENCE_CREDENTIAL"] = KEY
    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", num_cpus=2)
    ray.data.DataContext.get_current().enable_progress_bars = False
    contenders: dict[str, Any] = {"BatchChat": ours, "HTTP processor": rays(0), "HTTP processor, 6 retries": rays(6)}
    print("| contender | faults | seconds | outcome | rows answered by the service | requests | connections |")
    print("|---|---|---|---|---|---|---|")
    measure("(warm-up)", [], ours)
    for faults in ([], ["--busy", "0.01", "--broken", "0.01"]):
        for name, run in contenders.items():
            if faults or not name.endswith("retries"):
                measure(name, faults, run)
    ray.shutdown()


if __name__ == "__main__":
    main()
