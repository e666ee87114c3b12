"""The rows of an input file, and the part file that an interrupted job goes on from. No requests."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from azureai_core import ConfigurationError

JSON_LINES = {".jsonl", ".ndjson", ".json"}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Row:
    """One text to embed, or why there is none."""

    line: int
    """Its line in the file, counted from 1."""
    text: str = ""
    id: Any = None
    error: str = ""


@dataclass(frozen=True)
class Source:
    """A file of texts: plain lines, or JSON Lines with the text in a field. `-` is stdin."""

    path: str
    field: str | None
    id_field: str

    @property
    def is_stdin(self) -> bool:
        """Whether the texts come through a pipe, and so only once."""
        return self.path == "-"

    def measure(self) -> tuple[int | None, str]:
        """How many lines there are, and their hash; `None` and `""` for stdin. Reads the file once, block by block."""
        if self.is_stdin:
            return None, ""
        digest, lines, last = hashlib.sha256(), 0, b"\n"
        with open(self.path, "rb") as file:  # noqa: PTH123  as `rows`
            while block := file.read(_BLOCK):
                digest.update(block)
                lines += block.count(b"\n")
                last = block[-1:]
        return lines + (last != b"\n"), digest.hexdigest()

    def rows(self, skip: int = 0) -> Iterator[Row]:
        """The rows in the file's order, blank lines left out, the first `skip` rows too."""
        with _opened(self.path) as file:
            number = 0
            for line, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                number += 1
                if number > skip:
                    yield self._row(line, raw)

    def _row(self, line: int, raw: bytes) -> Row:
        try:
            text = raw.decode("utf-8-sig" if line == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            return Row(line, error=f"not UTF-8 text: {error.reason} at byte {error.start}")
        return Row(line, text) if self.field is None else self._json_row(line, text, self.field)

    def _json_row(self, line: int, text: str, field: str) -> Row:
        try:
            value = json.loads(text)
        except ValueError as error:
            return Row(line, error=f"no JSON: {error}")
        if not isinstance(value, dict):
            return Row(line, error="no JSON object")
        found, key = value.get(field), value.get(self.id_field)
        if not isinstance(found, str) or not found:
            return Row(line, id=key, error=f"the field {field!r} is {'empty' if found == '' else 'no text'}")
        return Row(line, found, key)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:  # noqa: PTH123  lines are split at \n alone, as JSON Lines asks
        yield file


def source(path: str, field: str | None, id_field: str) -> Source:
    """The input of a job. Raises `ConfigurationError` when it cannot be read."""
    if path != "-" and not Path(path).is_file():
        raise ConfigurationError(f"There is no file {path!r}.")
    wants_json = field is not None or Path(path).suffix.lower() in JSON_LINES
    return Source(path, (field or "text") if wants_json else None, id_field)


@dataclass(frozen=True)
class Plan:
    """All that decides what a job writes. A job goes on only from a part of the same plan."""

    input: str
    """SHA-256 of the input file."""
    field: str | None
    id_field: str
    endpoint: str
    model: str | None
    dimensions: int | None
    input_type: str | None


class Part:
    """The rows that are done, as JSON Lines beside the output, and the plan they were made by."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(output.name + ".part")
        self._plan_path = output.with_name(output.name + ".part.json")
        self._file: BinaryIO | None = None

    def begin(self, plan: Plan, *, restart: bool) -> int:
        """Opens the file; the number of rows that are done already.

        Raises `ConfigurationError` that names the difference when the part was made by another plan.
        """
        self._file = self.path.open("ab")
        _lock(self._file, self.path)
        if self._plan_path.exists() and not restart:
            self._check(plan)
            return self._repair()
        self._file.truncate(0)
        _write_atomically(self._plan_path, json.dumps(asdict(plan)).encode())
        return 0

    def _check(self, plan: Plan) -> None:
        before, now = json.loads(self._plan_path.read_bytes()), asdict(plan)
        for name, value in now.items():
            if before.get(name) != value:
                was, what = ("another content", name) if name == "input" else (repr(before.get(name)), name)
                is_now = "" if name == "input" else f", and is {value!r} now"
                raise ConfigurationError(
                    f"{self.path} was begun with another {what} ({was}{is_now}): pass --restart to begin anew, "
                    "or choose another --output."
                )

    def _repair(self) -> int:
        """Cuts off a line that was being written when the job ended; the number of whole lines."""
        lines, end = 0, 0
        with self.path.open("r+b") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                lines, end = lines + 1, end + len(raw)
            file.truncate(end)
        return lines

    def write(self, lines: list[str]) -> None:
        """Adds finished rows; what is written here survives the end of the process."""
        assert self._file is not None
        self._file.write("".join(line + "\n" for line in lines).encode())
        self._file.flush()

    def close(self) -> None:
        """Closes the file and keeps it."""
        if self._file is not None:
            with suppress(OSError):  # what could not be written before cannot be written now; that was said
                self._file.close()

    def finish(self, output: Path) -> None:
        """Puts the finished rows in the output's place, in one step."""
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        if output.suffix.lower() == ".parquet":
            _to_parquet(self.path, output)
            self.path.unlink()
        else:
            self.path.replace(output)
        self._plan_path.unlink(missing_ok=True)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keeps a second job off the part while this one lives. Raises `ConfigurationError` in the second one."""
    try:
        import fcntl  # noqa: PLC0415  not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigurationError(f"Another job is writing {path}: wait for it, or choose another --output.") from None


def _write_atomically(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)


def line_of(row: Row, vector: list[float] | None, error: str = "") -> str:
    """A row of the output as JSON. Nine digits give each float32 back exactly."""
    head: dict[str, Any] = {"line": row.line, **({"id": row.id} if row.id is not None else {})}
    if vector is None:
        return json.dumps({**head, "error": error or row.error}, ensure_ascii=False)
    numbers = ",".join([f"{value:.9g}" for value in vector])
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "embedding": [{numbers}]}}'


# ------------------------------------------------------------------ Parquet

_GROUP = 2000
"""Rows of one row group: at 3,072 dimensions, 25 MB."""


def check_parquet() -> None:
    """Raises `ConfigurationError` when pyarrow is not installed: better now than after an hour of embedding."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Parquet needs pyarrow. Install it with: pip install 'azureai-adapters[parquet]', or write a .jsonl file."
        ) from error


def _to_parquet(part: Path, output: Path) -> None:
    """The rows as Parquet: line, id (text), embedding (float32), error; one row group in memory at a time."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = [("line", pa.int64()), ("id", pa.string()), ("embedding", pa.list_(pa.float32())), ("error", pa.string())]
    schema = pa.schema(columns)
    new = output.with_name(output.name + ".new")
    with pq.ParquetWriter(new, schema) as writer:
        for group in _groups(part):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
    new.replace(output)


def _groups(part: Path) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    with part.open("rb") as file:
        for raw in file:
            row = json.loads(raw)
            group.append({**row, "id": _as_text(row.get("id"))})
            if len(group) == _GROUP:
                yield group
                group = []
    if group:
        yield group


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
