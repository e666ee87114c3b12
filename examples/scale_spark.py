"""Embed a folder of Parquet files on Spark; a second run embeds only what is missing.

    pip install "azureai-adapters[spark]"      # and Java 17
    export AZURE_INFERENCE_ENDPOINT=… AZURE_INFERENCE_CREDENTIAL=… EMBEDDING_MODEL=…
    python examples/scale_spark.py

`DOCUMENTS` and `EMBEDDED` name the folders, `SPARK_MASTER` a cluster. There, the folders must be shared by all nodes,
and the two variables set on the executors (`spark.executorEnv.…`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pandas as pd
import scale_parts
from pyspark.sql import SparkSession

from azureai_core import BatchEmbed

WORKERS = 2
ANSWERED = (
    "id long, prompt string, answer string, finish_reason string, "
    "prompt_tokens long, completion_tokens long, error string"
)


def session(workers: int = WORKERS) -> SparkSession:
    """A session. The second number of `local[2,4]` is the attempts per task: with one, a lost worker ends the job."""
    spark = (
        SparkSession.builder.master(os.environ.get("SPARK_MASTER", f"local[{workers},4]"))
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100")
        .getOrCreate()
    )
    spark.sparkContext.addPyFile(scale_parts.__file__)
    return spark


def run(spark: SparkSession, embed: Any, source: str, target: str) -> list[dict[str, Any]]:
    """Embed what is missing in the target, a task for each part; one report per part."""
    parts = scale_parts.missing_parts(source, target)
    if not parts:
        return []

    def work(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            yield pd.DataFrame([scale_parts.embed_part(name, embed, source, target) for name in frame["part"]])

    rows = spark.sparkContext.parallelize([(name,) for name in parts], len(parts)).toDF("part string")
    return [row.asDict() for row in rows.mapInPandas(work, "part string, rows long, errors long").collect()]


def ask(spark: SparkSession, chat: Any, frame: pd.DataFrame, tasks: int = 8) -> pd.DataFrame:
    """Send the rows of a frame through a `BatchChat` once: Spark would repeat it for each action on the result."""
    rows = spark.createDataFrame(frame).repartition(tasks)
    answers = rows.mapInPandas(lambda frames: map(chat, frames), ANSWERED).toPandas()
    return answers.sort_values("id", ignore_index=True)


def main() -> None:
    source, target = scale_parts.demo_folders()
    embed = BatchEmbed(
        model=os.environ.get("EMBEDDING_MODEL"),
        vectors="float32",
        on_error="column",
        requests_per_second=16,  # the quota of the deployment, for all workers together
        tokens_per_minute=200_000,
        workers=WORKERS,
    )
    spark = session()
    reports = run(spark, embed, source, target)
    print(scale_parts.summary(reports, target))
    spark.stop()


if __name__ == "__main__":
    main()
