"""Embed a folder of Parquet files on Ray Data; a second run embeds only what is missing.

    pip install "azureai-adapters[ray]"
    export AZURE_INFERENCE_ENDPOINT=… AZURE_INFERENCE_CREDENTIAL=… EMBEDDING_MODEL=…
    python examples/scale_ray.py

`DOCUMENTS` and `EMBEDDED` name the folders. On a cluster they must be shared by all nodes, the two variables set on
each, and `scale_parts.py` shipped with the job (`runtime_env={"py_modules": [...]}`).
"""

from __future__ import annotations

import os
from typing import Any

import ray
from scale_parts import demo_folders, embed_part, missing_parts, summary

from azureai_core import BatchEmbed

WORKERS = 2
# An actor mostly waits and needs little of a core. With the default of one core, actors on every core leave none for
# the tasks that read, and the job hangs.
CPUS = 0.25


class EmbedParts:
    """An actor: a worker process that embeds one part after the other."""

    def __init__(self, embed: Any, source: str, target: str) -> None:
        self.embed, self.source, self.target = embed, source, target

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        reports = [embed_part(str(name), self.embed, self.source, self.target) for name in batch["part"]]
        return {key: [report[key] for report in reports] for key in reports[0]}


def run(embed: Any, source: str, target: str, workers: int = WORKERS) -> list[dict[str, Any]]:
    """Embed what is missing in the target; one report per part."""
    parts = missing_parts(source, target)
    if not parts:
        return []
    rows = ray.data.from_items([{"part": name} for name in parts], override_num_blocks=len(parts))
    done = rows.map_batches(
        EmbedParts,
        fn_constructor_args=(embed, source, target),
        batch_size=1,
        num_cpus=CPUS,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    return [dict(report) for report in done.take_all()]


def ask(kind: type, options: dict[str, Any], frame: Any, workers: int = WORKERS) -> Any:
    """Send the rows of a frame through `BatchChat(**options)` or similar; the answers in row order."""
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    rows = ray.data.from_pandas(frame).repartition(4 * workers)
    answers = rows.map_batches(
        kind,
        fn_constructor_kwargs=options,
        batch_format="pyarrow",  # Ray converts numpy vectors to tensors, and fails if a row has none
        batch_size=50,
        num_cpus=CPUS,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    return answers.to_pandas()


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
    reports = run(embed, source, target)
    print(summary(reports, target))


if __name__ == "__main__":
    main()
