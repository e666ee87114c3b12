"""What one machine does without an engine: LlamaIndex's ingestion pipeline, LangChain's `abatch`, and `BatchEmbed`.

20,000 texts and 2,000 chats against a local service that answers embeddings in 20 ms and chats in 50 ms.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("examples", "tests/scale")]
os.environ["IS_TESTING"] = "1"
logging.disable()

from langchain_core.messages import AIMessage  # noqa: E402  the paths come first
from llama_index.core.ingestion import IngestionPipeline  # noqa: E402
from llama_index.core.schema import TextNode  # noqa: E402
from scenario import CHATS, KEY, ROWS, service, texts  # noqa: E402

from azureai_core import BatchChat, BatchEmbed  # noqa: E402
from langchain_azureai import AzureAIEmbeddings, ChatAzureAI  # noqa: E402
from llamaindex_azureai import AzureAIEmbedding as NodeEmbeddings  # noqa: E402

EMBEDDED, ASKED = texts(ROWS, -1), texts(CHATS, -1)


def pipeline(url: str, workers: int | None) -> int:
    """Nodes through an `IngestionPipeline`."""
    model = NodeEmbeddings(endpoint=url, credential=KEY, embed_batch_size=64)
    nodes = [TextNode(text=text) for text in EMBEDDED]
    done = IngestionPipeline(transformations=[model], disable_cache=True).run(nodes=nodes, num_workers=workers)
    return sum(node.embedding is not None for node in done)


def langchain_embeddings(url: str) -> int:
    return len(AzureAIEmbeddings(endpoint=url, credential=KEY).embed_documents(EMBEDDED))


def batch_embed(url: str) -> int:
    made = BatchEmbed(url, KEY, batch_size=64, vectors="float32")({"text": EMBEDDED})
    return sum(vector is not None for vector in made["embedding"])


def abatch(url: str, concurrency: int) -> int:
    """Prompts through LangChain's own bound."""
    model = ChatAzureAI(endpoint=url, credential=KEY)
    answers: list[AIMessage] = asyncio.run(model.abatch(list(ASKED), {"max_concurrency": concurrency}))
    return sum(answer.text.startswith("answer") for answer in answers)


def batch_chat(url: str, concurrency: int) -> int:
    made = BatchChat(url, KEY, concurrency=concurrency)({"prompt": ASKED})
    return sum(answer.startswith("answer") for answer in made["answer"])


JOBS: dict[str, tuple[str, Callable[[str], int], int]] = {
    "LlamaIndex IngestionPipeline, in this process": ("0.02", lambda url: pipeline(url, None), ROWS),
    "LlamaIndex IngestionPipeline(num_workers=2)": ("0.02", lambda url: pipeline(url, 2), ROWS),
    "LangChain embed_documents": ("0.02", langchain_embeddings, ROWS),
    "BatchEmbed, 4 in flight": ("0.02", batch_embed, ROWS),
    "LangChain abatch, max_concurrency 16": ("0.05", lambda url: abatch(url, 16), CHATS),
    "LangChain abatch, max_concurrency 64": ("0.05", lambda url: abatch(url, 64), CHATS),
    "BatchChat, concurrency 16": ("0.05", lambda url: batch_chat(url, 16), CHATS),
    "BatchChat, concurrency 64": ("0.05", lambda url: batch_chat(url, 64), CHATS),
}


def measured(latency: str, job: Callable[[str], int], rows: int) -> tuple[float, float]:
    """Seconds, and of these CPU of this process. Raises `SystemExit` when rows are lost."""
    with service("--latency", latency) as url:
        start: Any = (time.monotonic(), time.process_time())
        done = job(f"{url}/serverless/m")
        if done != rows:
            sys.exit(f"{rows - done} rows are lost.")
        return time.monotonic() - start[0], time.process_time() - start[1]


def main() -> None:
    print("| job | rows | seconds | CPU of the main process | rows/s |\n|---|---|---|---|---|")
    for name, (latency, job, rows) in JOBS.items():
        seconds, cpu = measured(latency, job, rows)
        print(f"| {name} | {rows:,} | {seconds:.1f} | {cpu:.1f} | {rows / seconds:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
