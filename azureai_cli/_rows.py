"""The rows of an input file, and the part file from which an interrupted job is resumed. No requests."""

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
    """One text to embed, or the reason why there is none."""

    line: int
    """The number of its line in the file, from 1."""
    text: str = ""
    id: Any = None
    error: str = ""


@dataclass(frozen=True)
class Source:
    """A file of texts: one per line, or JSON Lines with the text in a field. `-` is stdin."""

    path: str
    field: str | None
    id_field: str

    @property
    def is_stdin(self) -> bool:
        """Whether the texts come from a pipe, which can be read only once."""
        return self.path == "-"

    def measure(self) -> tuple[int | None, str]:
        """The number of lines and their hash, `None` and `""` for stdin. Reads the file once, block by block."""
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
        """The rows in file order, without blank lines and without the first `skip` rows."""
        with _open(self.path) as file:
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
            return Row(line, error=f"not JSON: {error}")
        if not isinstance(value, dict):
            return Row(line, error="not a JSON object")
        found, key = value.get(field), value.get(self.id_field)
        if not isinstance(found, str) or not found:
            return Row(line, id=key, error=f"the field {field!r} is {'empty' if found == '' else 'not text'}")
        return Row(line, found, key)


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:  # noqa: PTH123  lines end only at \n, as JSON Lines requires
        yield file


def source(path: str, field: str | None, id_field: str) -> Source:
    """The input of a job. Raises `ConfigurationError` if the file does not exist."""
    if path != "-" and not Path(path).is_file():
        raise ConfigurationError(f"There is no file {path!r}.")
    wants_json = field is not None or Path(path).suffix.lower() in JSON_LINES
    return Source(path, (field or "text") if wants_json else None, id_field)


@dataclass(frozen=True)
class JobSettings:
    """Everything that determines what a job writes. A part file is resumed only with equal settings."""

    input: str
    """SHA-256 of the input file."""
    field: str | None
    id_field: str
    endpoint: str
    model: str | None
    dimensions: int | None
    input_type: str | None


class PartFile:
    """The finished rows, as JSON Lines beside the output, and the settings of their job."""

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(output.name + ".part")
        self._settings_path = output.with_name(output.name + ".part.json")
        self._file: BinaryIO | None = None

    def begin(self, settings: JobSettings, *, restart: bool) -> int:
        """Open the file; the number of rows that are finished already.

        Raises `ConfigurationError`, naming the difference, if the part file has other settings.
        """
        self._file = self.path.open("ab")
        _lock(self._file, self.path)
        if self._settings_path.exists() and not restart:
            self._check(settings)
            return self._repair()
        self._file.truncate(0)
        _write_atomically(self._settings_path, json.dumps(asdict(settings)).encode())
        return 0

    def _check(self, settings: JobSettings) -> None:
        before, now = json.loads(self._settings_path.read_bytes()), asdict(settings)
        for name, value in now.items():
            if before.get(name) != value:
                other = "input file" if name == "input" else f"{name} ({before.get(name)!r}, now {value!r})"
                raise ConfigurationError(
                    f"{self.path} was written with another {other}: pass --restart to start over, "
                    "or choose another --output."
                )

    def _repair(self) -> int:
        """Remove an incomplete last line; the number of complete lines."""
        lines, end = 0, 0
        with self.path.open("r+b") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                lines, end = lines + 1, end + len(raw)
            file.truncate(end)
        return lines

    def write(self, lines: list[str]) -> None:
        """Append finished rows; they are kept if the process ends."""
        assert self._file is not None
        self._file.write("".join(line + "\n" for line in lines).encode())
        self._file.flush()

    def close(self) -> None:
        """Close the file and keep it."""
        if self._file is not None:
            with suppress(OSError):  # the failed write was reported before
                self._file.close()

    def finish(self, output: Path) -> None:
        """Turn the part file into the output, in one step."""
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        if output.suffix.lower() == ".parquet":
            _to_parquet(self.path, output)
            self.path.unlink()
        else:
            self.path.replace(output)
        self._settings_path.unlink(missing_ok=True)


def _lock(file: BinaryIO, path: Path) -> None:
    """Lock the part file for this process. Raises `ConfigurationError` if another job holds the lock."""
    try:
        import fcntl  # noqa: PLC0415  not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigurationError(
            f"Another job is writing {path}: wait until it ends, or choose another --output."
        ) from None


def _write_atomically(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.replace(path)


def output_line(row: Row, vector: list[float] | None, error: str = "") -> str:
    """A row of the output as JSON. Nine digits represent each float32 exactly."""
    head: dict[str, Any] = {"line": row.line, **({"id": row.id} if row.id is not None else {})}
    if vector is None:
        return json.dumps({**head, "error": error or row.error}, ensure_ascii=False)
    numbers = ",".join([f"{value:.9g}" for value in vector])
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "embedding": [{numbers}]}}'


_GROUP = 2000
"""Rows of one row group: at 3,072 dimensions, 25 MB."""


def check_parquet() -> None:
    """Raises `ConfigurationError` if pyarrow is missing: better now than after an hour of embedding."""
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
