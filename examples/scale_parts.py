"""Part files for the scale examples: rows in Parquet files named by their id range, each written whole or not at all.

A file that exists is done, so a job that is started again does what is left. Nothing here knows an engine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PART = 1000
"""Rows of one file: what is lost at most when a worker dies."""

# Said, not inferred: the error column of a part without errors would be of type null, unlike that of the others.
DOCUMENTS = pa.schema([("id", pa.int64()), ("text", pa.string())])
EMBEDDED = pa.schema(
    [*DOCUMENTS, ("embedding", pa.list_(pa.float32())), ("prompt_tokens", pa.int64()), ("error", pa.string())]
)


def part_name(frame: Any) -> str:
    """`000001000-000001999.parquet`: the range of the rows' ids."""
    return f"{frame['id'].min():09}-{frame['id'].max():09}.parquet"


def write_part(frame: Any, folder: str | Path, schema: pa.Schema = EMBEDDED) -> str:
    """Writes the rows to their file and gives its name. A reader sees the whole file or none."""
    path = Path(folder) / part_name(frame)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), unfinished)
    unfinished.replace(path)
    return path.name


def read_part(name: str, folder: str | Path) -> Any:
    """The rows of a file."""
    return pq.read_table(Path(folder) / name).to_pandas()


def missing_parts(source: str | Path, target: str | Path) -> list[str]:
    """The names of the source's files that the target does not have yet."""
    Path(target).mkdir(parents=True, exist_ok=True)
    done = {path.name for path in Path(target).glob("*.parquet")}
    return sorted(path.name for path in Path(source).glob("*.parquet") if path.name not in done)


def write_documents(texts: list[str], folder: str | Path) -> None:
    """Cuts texts into source files; their ids are their places."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for start in range(0, len(texts), PART):
        piece = texts[start : start + PART]
        frame = pd.DataFrame({"id": range(start, start + len(piece)), "text": piece})
        write_part(frame, folder, DOCUMENTS)


def embed_part(name: str, embed: Any, source: str | Path, target: str | Path) -> dict[str, Any]:
    """Embeds the rows of one file; says how many there are, and how many have an error."""
    path = Path(target) / name
    if not path.exists():  # an engine runs a task again when a worker dies that had finished it
        write_part(embed(read_part(name, source)), target)
    errors = pq.read_table(path, columns=["error"])["error"]
    return {"part": name, "rows": len(errors), "errors": len(errors) - errors.null_count}


def summary(reports: list[dict[str, Any]], target: str | Path) -> str:
    """What a run did, in a sentence."""
    rows, errors = (sum(report[name] for report in reports) for name in ("rows", "errors"))
    return f"{len(reports)} parts, {rows} rows embedded in {target}; {errors} rows have an error beside them"


def demo_folders() -> tuple[str, str]:
    """The folders in DOCUMENTS and EMBEDDED, or small ones of the example's own."""
    source = Path(os.environ.get("DOCUMENTS", "scale-demo/documents")).resolve()
    target = Path(os.environ.get("EMBEDDED", "scale-demo/embedded")).resolve()
    if not source.exists():
        write_documents([f"This is document {n} of a small collection." for n in range(2 * PART)], source)
    return str(source), str(target)
