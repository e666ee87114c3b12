"""`azureai embed`: the vectors of a file of texts, in order, in a job that can be interrupted."""

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
from ._connect import ApiVersion, AsJson, Entra, Exit, KeyEnv, Model, Scope, Target, Timeout, UrlOption
from ._diagnosis import diagnose, said
from ._rows import Part, Plan, Row, Source, check_parquet, line_of, source

OnError = Literal["stop", "skip"]

File = Annotated[str, typer.Argument(help="Text lines, or JSON Lines (.jsonl); - is stdin.", metavar="FILE")]
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
    typer.Option(
        "--field", metavar="NAME", help="The field of the text in JSON Lines. Default: text.", show_default=False
    ),
]
IdField = Annotated[str, typer.Option(metavar="NAME", help="The field that is kept to tell the rows apart.")]
Dimensions = Annotated[
    int | None, typer.Option(metavar="N", help="The length of the vectors.", min=1, show_default=False)
]
InputType = Annotated[
    Literal["query", "document", "text"] | None,
    typer.Option(help="What the texts are, where the model knows a difference.", show_default=False),
]
AtError = Annotated[OnError, typer.Option(help="At a text that cannot be embedded.")]
BatchSize = Annotated[
    int | None,
    typer.Option(metavar="N", help="Texts of one request. Default: what the model takes.", min=1, show_default=False),
]
Concurrency = Annotated[int, typer.Option(metavar="N", help="Requests in flight, 1 to 64.", min=1, max=64)]
Restart = Annotated[bool, typer.Option("--restart", help="Begin anew, also where a part or the output is there.")]


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
    """Embed the texts of a file, one row of output each, in the same order.

    What is done is kept in OUTPUT.part: the same command goes on where the last
    one stopped. With --on-error skip, a text that cannot be embedded becomes a
    row with its error, and the exit code is 1.
    """
    target = _connect.target(
        endpoint, model=model, key_env=key_env, entra=entra, scope=scope, api_version=api_version, timeout=timeout
    )
    options = {"dimensions": dimensions, "input_type": input_type}
    sizes = {"batch_size": batch_size, "max_concurrency": concurrency}
    with _wrong_usage():
        texts = source(file, text_field, id_field)
        job = _Job(target, texts, _output(texts, output), options, sizes, on_error)
        code = job.run(restart=restart)
    if as_json:
        _connect.print_json(job.summary(code))
    raise typer.Exit(code)


@contextmanager
def _wrong_usage() -> Iterator[None]:
    """Ends the command with status 2 where a file or an argument is not as it must be."""
    try:
        yield
    except ConfigurationError as error:
        raise _connect.stop(error.message, Exit.USAGE) from None
    except OSError as error:
        raise _connect.stop(f"{error.filename}: {error.strerror}.", Exit.USAGE) from None


def _output(texts: Source, output: Path | None) -> Path:
    """Where the vectors go. Raises `ConfigurationError` for a place that cannot hold them."""
    if output is None and texts.is_stdin:
        raise ConfigurationError("Texts from stdin need a place for their vectors: pass --output FILE.")
    found = output or Path(texts.path).with_suffix(".embeddings.jsonl")
    if found.suffix.lower() not in {".jsonl", ".ndjson", ".parquet"}:
        raise ConfigurationError(f"{found} is no .jsonl or .parquet file, and no other form is written.")
    if not found.parent.is_dir():
        raise ConfigurationError(f"There is no folder {found.parent}.")
    if not texts.is_stdin and Path(texts.path).resolve() in {found.resolve(), Part(found).path.resolve()}:
        raise ConfigurationError(f"{found} would be written over the texts themselves: choose another --output.")
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
    _waiting: deque[Row] = field(default_factory=deque)
    """Rows that were read and are not written yet: no more than the requests in flight hold."""

    def run(self, *, restart: bool) -> Exit:
        """Embeds what is left, and puts the output in its place. Raises `ConfigurationError` before any request."""
        if self.output.exists() and not restart:
            raise ConfigurationError(
                f"{self.output} is there already: pass --restart to make it anew, or another --output."
            )
        total, digest = self.texts.measure()
        part, started = Part(self.output), time.monotonic()
        try:
            self.counts.resumed = part.begin(self._plan(digest), restart=restart or self.texts.is_stdin)
            return self._embed(part, total)
        finally:
            self.counts.seconds = time.monotonic() - started
            part.close()

    def _plan(self, digest: str) -> Plan:
        target = self.target
        return Plan(
            digest, self.texts.field, self.texts.id_field, target.endpoint.base_url, target.model, **self.options
        )

    def _embed(self, part: Part, total: int | None) -> Exit:
        try:
            with self.target.client() as client, _progress() as bar:
                task = bar.add_task("embedding", total=total, completed=self.counts.resumed)
                for lines in self._lines(client):
                    part.write(lines)
                    bar.update(task, advance=len(lines))
            part.finish(self.output)
        except KeyboardInterrupt:
            return self._stopped("Stopped.", part, Exit.INTERRUPTED)
        except _BadRowError as error:
            why = f"{self.texts.path}, line {error.row.line}: {error.row.error}. {_SKIPPING}"
            return self._stopped(why, part, Exit.FAILED)
        except AzureAIError as error:
            return self._stopped(self._sentence(error), part, diagnose(error, self.target).exit)
        except OSError as error:  # the disk is full, or was taken away
            return self._stopped(f"{error.filename or part.path}: {error.strerror}.", part, Exit.FAILED)
        self._say(f"{self.output}: {self._told()}")
        return Exit.FAILED if self.counts.errors else Exit.FINE

    def _sentence(self, error: AzureAIError) -> str:
        first = self._waiting[0].line if self._waiting else None
        sentence = diagnose(error, self.target).sentence()
        if first is None or not _is_of_a_text(error):
            return sentence
        return f"{self.texts.path}, in the lines from {first} on: {sentence} {_SKIPPING}"

    def _stopped(self, why: str, part: Part, code: Exit) -> Exit:
        self.problem = why
        _connect.complain(why)
        if not self.texts.is_stdin:
            self._say(f"{part.path} holds what is done: {self._told()}. The same command goes on from there.")
        return code

    def _told(self) -> str:
        counts = self.counts
        before = f"{_many(counts.resumed, 'row')} of an earlier run, " if counts.resumed else ""
        return f"{before}{counts.embedded:,} embedded, {counts.errors:,} with an error, {_many(counts.tokens, 'token')}"

    def _say(self, text: str) -> None:
        Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)

    # -------------------------------------------------------------- rows in, lines out

    def _lines(self, client: InferenceClient) -> Iterator[list[str]]:
        """The output's lines, batch by batch, in the input's order."""
        rows = self.texts.rows(skip=self.counts.resumed)
        done = False
        while not done:
            again, self._waiting = self._waiting, deque()
            try:
                for batch in client.embed_many(self._good(chain(again, rows)), **self.sizes, **self.options):
                    yield self._written(batch)
                done = True
            except AzureAIError as error:
                if self.on_error == "stop" or error.batch_size is None or not _is_of_a_text(error):
                    raise
                yield from self._salvaged(client, error.batch_size, error)
        if self.on_error == "stop" and self._waiting:
            raise _BadRowError(self._waiting[0])
        yield self._bad_lines()

    def _good(self, rows: Iterator[Row]) -> Iterator[str]:
        """The texts that can be sent; every row is remembered until it is written."""
        for row in rows:
            self._waiting.append(row)
            if not row.error:
                yield row.text
            elif self.on_error == "stop":
                return  # what was sent before it is still waited for

    def _written(self, batch: Embeddings) -> list[str]:
        """The lines of a batch, and of the bad rows before and between its texts."""
        self._count(batch)
        lines: list[str] = []
        for vector in batch.vectors:
            lines += self._bad_lines()
            lines.append(line_of(self._waiting.popleft(), vector))
        return lines

    def _bad_lines(self) -> list[str]:
        """The lines of the bad rows that are next."""
        lines = []
        while self._waiting and self._waiting[0].error:
            lines.append(line_of(self._waiting.popleft(), None))
            self.counts.errors += 1
        return lines

    def _salvaged(self, client: InferenceClient, size: int, refusal: AzureAIError) -> Iterator[list[str]]:
        """The next `size` texts, refused together, in halves; one refused alone becomes a row with its error."""
        if size == 1:
            lines = self._bad_lines()
            self.counts.errors += 1
            yield [*lines, line_of(self._waiting.popleft(), None, said(refusal, 200))]
            return
        for half in (size // 2, size - size // 2):
            texts = list(islice((row.text for row in self._waiting if not row.error), half))
            try:
                yield self._written(client.embed(texts, **self.options))
            except AzureAIError as error:
                if not _is_of_a_text(error):
                    raise
                yield from self._salvaged(client, half, error)

    def _count(self, batch: Embeddings) -> None:
        counts = self.counts
        counts.embedded += len(batch.vectors)
        counts.tokens += batch.usage.total_tokens if batch.usage else 0
        counts.size, counts.model = len(batch.vectors[0]), batch.model or counts.model

    def summary(self, code: Exit) -> dict[str, Any]:
        """The run for machines."""
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
    """A row of the file that holds no text."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.error)
        self.row = row


def _many(count: int, thing: str) -> str:
    """A number of things: `1 row`, `2,000 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _is_of_a_text(error: AzureAIError) -> bool:
    """Whether it is the text's fault: the same request with another text might go through."""
    if isinstance(error, APIConnectionError | ConfigurationError):
        return False
    refused = isinstance(error, BadRequestError | UnprocessableEntityError)
    return refused or not isinstance(error, APIStatusError) or error.status_code == 413  # noqa: PLR2004


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
