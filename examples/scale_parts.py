"""Part files for the scale examples: Parquet files named by the id range of their rows, each complete or missing.

A file that exists is done, so a second run only does what is missing. Nothing here depends on an engine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PART = 1000
"""Rows per file: the most that is lost if a worker dies."""

# Not inferred: in a part without errors, the error column would get the type null, unlike in other parts.
DOCUMENTS = pa.schema([("id", pa.int64()), ("text", pa.string())])
EMBEDDED = pa.schema(
    [*DOCUMENTS, ("embedding", pa.list_(pa.float32())), ("prompt_tokens", pa.int64()), ("error", pa.string())]
)


def part_name(frame: Any) -> str:
    """`000001000-000001999.parquet`: the range of the rows' ids."""
    return f"{frame['id'].min():09}-{frame['id'].max():09}.parquet"


def write_part(frame: Any, folder: str | Path, schema: pa.Schema = EMBEDDED) -> str:
    """Write the rows to their file; returns its name. The file appears only when it is complete."""
    path = Path(folder) / part_name(frame)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), unfinished)
    unfinished.replace(path)
    return path.name


def read_part(name: str, folder: str | Path) -> Any:
    """The rows of a file."""
    return pq.read_table(Path(folder) / name).to_pandas()


def missing_parts(source: str | Path, target: str | Path) -> list[str]:
    """The names of the source files that are missing in the target."""
    Path(target).mkdir(parents=True, exist_ok=True)
    done = {path.name for path in Path(target).glob("*.parquet")}
    return sorted(path.name for path in Path(source).glob("*.parquet") if path.name not in done)


def write_documents(texts: list[str], folder: str | Path) -> None:
    """Split texts into source files; a text's id is its position."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for start in range(0, len(texts), PART):
        part = texts[start : start + PART]
        frame = pd.DataFrame({"id": range(start, start + len(part)), "text": part})
        write_part(frame, folder, DOCUMENTS)


def embed_part(name: str, embed: Any, source: str | Path, target: str | Path) -> dict[str, Any]:
    """Embed the rows of one file; returns the numbers of rows and of errors."""
    path = Path(target) / name
    if not path.exists():  # an engine repeats a finished task if its worker dies
        write_part(embed(read_part(name, source)), target)
    errors = pq.read_table(path, columns=["error"])["error"]
    return {"part": name, "rows": len(errors), "errors": len(errors) - errors.null_count}


def summary(reports: list[dict[str, Any]], target: str | Path) -> str:
    """The result of a run, in a sentence."""
    rows, errors = (sum(report[name] for report in reports) for name in ("rows", "errors"))
    return f"{len(reports)} parts, {rows} rows embedded in {target}; {errors} rows have an error"


def demo_folders() -> tuple[str, str]:
    """The folders that DOCUMENTS and EMBEDDED name, or small demo folders."""
    source = Path(os.environ.get("DOCUMENTS", "scale-demo/documents")).resolve()
    target = Path(os.environ.get("EMBEDDED", "scale-demo/embedded")).resolve()
    if not source.exists():
        write_documents([f"This is document {n} of a small collection." for n in range(2 * PART)], source)
    return str(source), str(target)
