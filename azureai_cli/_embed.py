"""`azureai embed`: the vectors of the texts in a file, in order, as a job that can be resumed."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from azureai_core import (
    APIConnectionError,
    APIStatusError,
    AzureAIError,
    BadRequestError,
    ConfigurationError,
    Embeddings,
    InferenceClient,
    UnprocessableEntityError,
)

from . import _connect
from ._connect import ApiVersion, AsJson, Entra, ExitCode, KeyEnv, Model, Scope, Target, Timeout, UrlOption
from ._diagnosis import diagnose, service_message
from ._rows import JobSettings, PartFile, Row, Source, check_parquet, output_line, source

OnError = Literal["stop", "skip"]

File = Annotated[str, typer.Argument(help="A text per line, or JSON Lines (.jsonl); - is stdin.", metavar="FILE")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A .jsonl or .parquet file. Default: FILE.embeddings.jsonl.",
        show_default=False,
    ),
]
TextField = Annotated[
    str | None,
    typer.Option("--field", metavar="NAME", help="The text's field in JSON Lines. Default: text.", show_default=False),
]
IdField = Annotated[
    str, typer.Option(metavar="NAME", help="The field that identifies a row; it is copied to the output.")
]
Dimensions = Annotated[
    int | None, typer.Option(metavar="N", help="The length of the vectors.", min=1, show_default=False)
]
InputType = Annotated[
    Literal["query", "document", "text"] | None,
    typer.Option(help="What the texts are, if the model distinguishes that.", show_default=False),
]
AtError = Annotated[OnError, typer.Option(help="What to do with a text that cannot be embedded.")]
BatchSize = Annotated[
    int | None,
    typer.Option(metavar="N", help="Texts per request. Default: the model's maximum.", min=1, show_default=False),
]
Concurrency = Annotated[int, typer.Option(metavar="N", help="Concurrent requests, 1 to 64.", min=1, max=64)]
Restart = Annotated[bool, typer.Option("--restart", help="Start over, even if a part file or the output exists.")]


def embed(
    file: File,
    endpoint: UrlOption = None,
    model: Model = None,
    output: Output = None,
    text_field: TextField = None,
    id_field: IdField = "id",
    dimensions: Dimensions = None,
    input_type: InputType = None,
    on_error: AtError = "stop",
    batch_size: BatchSize = None,
    concurrency: Concurrency = 4,
    restart: Restart = False,
    key_env: KeyEnv = None,
    entra: Entra = False,
    scope: Scope = None,
    api_version: ApiVersion = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Embed the texts of a file: one row of output per text, in the same order.

    Finished rows are kept in OUTPUT.part: the same command resumes where the
    last one stopped. With --on-error skip, a text that cannot be embedded becomes
    a row with its error, and the exit code is 1.
    """
    target = _connect.target(
        endpoint, model=model, key_env=key_env, entra=entra, scope=scope, api_version=api_version, timeout=timeout
    )
    options = {"dimensions": dimensions, "input_type": input_type}
    sizes = {"batch_size": batch_size, "max_concurrency": concurrency}
    with _usage_errors():
        texts = source(file, text_field, id_field)
        job = _Job(target, texts, _output(texts, output), options, sizes, on_error)
        code = job.run(restart=restart)
    if as_json:
        _connect.print_json(job.summary(code))
    raise typer.Exit(code)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """End the command with status 2 if a file or an argument is invalid."""
    try:
        yield
    except ConfigurationError as error:
        raise _connect.exit_with(error.message, ExitCode.USAGE) from None
    except OSError as error:
        raise _connect.exit_with(f"{error.filename}: {error.strerror}.", ExitCode.USAGE) from None


def _output(texts: Source, output: Path | None) -> Path:
    """The output file. Raises `ConfigurationError` if it cannot be written."""
    if output is None and texts.is_stdin:
        raise ConfigurationError("For texts from stdin, name the output file: pass --output FILE.")
    found = output or Path(texts.path).with_suffix(".embeddings.jsonl")
    if found.suffix.lower() not in {".jsonl", ".ndjson", ".parquet"}:
        raise ConfigurationError(f"{found} is not a .jsonl or .parquet file; other formats are not supported.")
    if not found.parent.is_dir():
        raise ConfigurationError(f"There is no folder {found.parent}.")
    if not texts.is_stdin and Path(texts.path).resolve() in {found.resolve(), PartFile(found).path.resolve()}:
        raise ConfigurationError(f"{found} would overwrite the texts themselves: choose another --output.")
    if found.suffix.lower() == ".parquet":
        check_parquet()
    return found


@dataclass
class _Counts:
    embedded: int = 0
    errors: int = 0
    tokens: int = 0
    resumed: int = 0
    size: int | None = None
    model: str | None = None
    seconds: float = 0.0


@dataclass
class _Job:
    """One run over a file."""

    target: Target
    texts: Source
    output: Path
    options: dict[str, Any]
    sizes: dict[str, Any]
    on_error: OnError
    counts: _Counts = field(default_factory=_Counts)
    problem: str | None = None
    _pending: deque[Row] = field(default_factory=deque)
    """Rows that were read but not written yet: at most those of the concurrent requests."""

    def run(self, *, restart: bool) -> ExitCode:
        """Embed the remaining rows and write the output. Raises `ConfigurationError` before any request."""
        if self.output.exists() and not restart:
            raise ConfigurationError(
                f"{self.output} exists already: pass --restart to overwrite it, or another --output."
            )
        total, digest = self.texts.measure()
        part, started = PartFile(self.output), time.monotonic()
        try:
            self.counts.resumed = part.begin(self._settings(digest), restart=restart or self.texts.is_stdin)
            return self._embed(part, total)
        finally:
            self.counts.seconds = time.monotonic() - started
            part.close()

    def _settings(self, digest: str) -> JobSettings:
        target = self.target
        return JobSettings(
            digest, self.texts.field, self.texts.id_field, target.endpoint.base_url, target.model, **self.options
        )

    def _embed(self, part: PartFile, total: int | None) -> ExitCode:
        try:
            with self.target.client() as client, _progress() as bar:
                task = bar.add_task("embedding", total=total, completed=self.counts.resumed)
                for lines in self._lines(client):
                    part.write(lines)
                    bar.update(task, advance=len(lines))
            part.finish(self.output)
        except KeyboardInterrupt:
            return self._interrupted("Stopped.", part, ExitCode.INTERRUPTED)
        except _BadRowError as error:
            why = f"{self.texts.path}, line {error.row.line}: {error.row.error}. {_SKIPPING}"
            return self._interrupted(why, part, ExitCode.FAILED)
        except AzureAIError as error:
            return self._interrupted(self._sentence(error), part, diagnose(error, self.target).exit_code)
        except OSError as error:  # the disk is full, or was removed
            return self._interrupted(f"{error.filename or part.path}: {error.strerror}.", part, ExitCode.FAILED)
        self._print(f"{self.output}: {self._progress_text()}")
        return ExitCode.FAILED if self.counts.errors else ExitCode.SUCCESS

    def _sentence(self, error: AzureAIError) -> str:
        first = self._pending[0].line if self._pending else None
        sentence = diagnose(error, self.target).sentence()
        if first is None or not _is_text_error(error):
            return sentence
        return f"{self.texts.path}, from line {first} on: {sentence} {_SKIPPING}"

    def _interrupted(self, why: str, part: PartFile, code: ExitCode) -> ExitCode:
        self.problem = why
        _connect.print_error(why)
        if not self.texts.is_stdin:
            self._print(
                f"{part.path} has the finished rows: {self._progress_text()}. The same command resumes from there."
            )
        return code

    def _progress_text(self) -> str:
        counts = self.counts
        before = f"{_plural(counts.resumed, 'row')} from an earlier run, " if counts.resumed else ""
        return (
            f"{before}{counts.embedded:,} embedded, {counts.errors:,} with an error, {_plural(counts.tokens, 'token')}"
        )

    def _print(self, text: str) -> None:
        Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)

    def _lines(self, client: InferenceClient) -> Iterator[list[str]]:
        """The lines of the output, batch by batch, in the order of the input."""
        rows = self.texts.rows(skip=self.counts.resumed)
        done = False
        while not done:
            unwritten, self._pending = self._pending, deque()
            try:
                for batch in client.embed_many(self._valid_texts(chain(unwritten, rows)), **self.sizes, **self.options):
                    yield self._batch_lines(batch)
                done = True
            except AzureAIError as error:
                if self.on_error == "stop" or error.batch_size is None or not _is_text_error(error):
                    raise
                yield from self._halved(client, error.batch_size, error)
        if self.on_error == "stop" and self._pending:
            raise _BadRowError(self._pending[0])
        yield self._error_lines()

    def _valid_texts(self, rows: Iterator[Row]) -> Iterator[str]:
        """The texts that can be sent; every row is pending until it is written."""
        for row in rows:
            self._pending.append(row)
            if not row.error:
                yield row.text
            elif self.on_error == "stop":
                return  # the requests that were sent before still finish

    def _batch_lines(self, batch: Embeddings) -> list[str]:
        """The lines of a batch, and of the invalid rows before and between its texts."""
        self._count(batch)
        lines: list[str] = []
        for vector in batch.vectors:
            lines += self._error_lines()
            lines.append(output_line(self._pending.popleft(), vector))
        return lines

    def _error_lines(self) -> list[str]:
        """The lines of the invalid rows at the head of the pending ones."""
        lines = []
        while self._pending and self._pending[0].error:
            lines.append(output_line(self._pending.popleft(), None))
            self.counts.errors += 1
        return lines

    def _halved(self, client: InferenceClient, size: int, refusal: AzureAIError) -> Iterator[list[str]]:
        """The lines of `size` texts that were refused together: sent in halves; one refused alone gets an error row."""
        if size == 1:
            lines = self._error_lines()
            self.counts.errors += 1
            yield [*lines, output_line(self._pending.popleft(), None, service_message(refusal, 200))]
            return
        for half in (size // 2, size - size // 2):
            texts = list(islice((row.text for row in self._pending if not row.error), half))
            try:
                yield self._batch_lines(client.embed(texts, **self.options))
            except AzureAIError as error:
                if not _is_text_error(error):
                    raise
                yield from self._halved(client, half, error)

    def _count(self, batch: Embeddings) -> None:
        counts = self.counts
        counts.embedded += len(batch.vectors)
        counts.tokens += batch.usage.total_tokens if batch.usage else 0
        counts.size, counts.model = len(batch.vectors[0]), batch.model or counts.model

    def summary(self, code: ExitCode) -> dict[str, Any]:
        """The run as a JSON object."""
        counts = self.counts
        return {
            "output": str(self.output) if self.problem is None else None,
            "rows": counts.resumed + counts.embedded + counts.errors,
            "resumed": counts.resumed,
            "embedded": counts.embedded,
            "errors": counts.errors,
            "dimensions": counts.size,
            "tokens": counts.tokens,
            "model": counts.model,
            "seconds": round(counts.seconds, 3),
            "problem": self.problem,
            "exit_code": int(code),
        }


_SKIPPING = "With --on-error skip, such a text becomes a row with its error."


class _BadRowError(Exception):
    """A row of the file that has no valid text."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.error)
        self.row = row


def _plural(count: int, thing: str) -> str:
    """A count with its noun: `1 row`, `2,000 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _is_text_error(error: AzureAIError) -> bool:
    """Whether the text caused it: the same request with another text might succeed."""
    if isinstance(error, APIConnectionError | ConfigurationError):
        return False
    refused = isinstance(error, BadRequestError | UnprocessableEntityError)
    return refused or not isinstance(error, APIStatusError) or error.status_code == 413  # noqa: PLR2004


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
