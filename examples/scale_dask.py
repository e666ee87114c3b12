"""Embed a folder of Parquet files on Dask; a second run embeds only what is missing.

    pip install "azureai-adapters[dask]"
    export AZURE_INFERENCE_ENDPOINT=… AZURE_INFERENCE_CREDENTIAL=… EMBEDDING_MODEL=…
    python examples/scale_dask.py

`DOCUMENTS` and `EMBEDDED` name the folders, `DASK_SCHEDULER` a cluster. There, the folders must be shared by all
workers, the two variables set on each, and `scale_parts.py` shipped with the job (`client.upload_file`).
"""

from __future__ import annotations

import os
from typing import Any

import dask.dataframe as dd
import pandas as pd
from dask.distributed import Client, LocalCluster
from scale_parts import demo_folders, embed_part, missing_parts, summary

from azureai_core import BatchEmbed

WORKERS = 2
# Dask needs the result's types: to infer them, it would call the function, and so the service.
REPORT = pd.DataFrame({"part": pd.Series(dtype=str), "rows": pd.Series(dtype=int), "errors": pd.Series(dtype=int)})
ANSWERED = {
    **dict.fromkeys(("prompt", "answer", "finish_reason", "error"), "object"),
    **dict.fromkeys(("id", "prompt_tokens", "completion_tokens"), "int64"),
}
ORDER = ["id", "prompt", "answer", "finish_reason", "prompt_tokens", "completion_tokens", "error"]


def cluster(workers: int = WORKERS) -> Any:
    """The cluster of DASK_SCHEDULER, or worker processes on this machine."""
    address = os.environ.get("DASK_SCHEDULER")
    return address or LocalCluster(workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)


def embed_parts(names: pd.DataFrame, embed: Any, source: str, target: str) -> pd.DataFrame:
    """One report per part. The rows are written to files, so they survive the worker."""
    return pd.DataFrame([embed_part(name, embed, source, target) for name in names["part"]])


def run(embed: Any, source: str, target: str) -> list[dict[str, Any]]:
    """Embed what is missing in the target, a partition for each part; one report per part."""
    parts = missing_parts(source, target)
    if not parts:
        return []
    names = dd.from_pandas(pd.DataFrame({"part": parts}), npartitions=len(parts), sort=False)
    done = names.map_partitions(embed_parts, embed, source, target, meta=REPORT).compute()
    return [dict(report) for report in done.to_dict("records")]


def ask(chat: Any, frame: pd.DataFrame, partitions: int = 20) -> pd.DataFrame:
    """Send the rows of a frame through a `BatchChat`; order and index are kept."""
    rows = dd.from_pandas(frame, npartitions=partitions, sort=False)
    meta = pd.DataFrame({name: pd.Series(dtype=ANSWERED[name]) for name in ORDER})
    return rows.map_partitions(chat, meta=meta).compute()


def main() -> None:
    source, target = demo_folders()
    embed = BatchEmbed(
        model=os.environ.get("EMBEDDING_MODEL"),
        vectors="float32",
        on_error="column",
        requests_per_second=16,  # the quota of the deployment, for all workers together
        tokens_per_minute=200_000,
        workers=WORKERS,
    )
    with Client(cluster()):
        reports = run(embed, source, target)
    print(summary(reports, target))


if __name__ == "__main__":
    main()
