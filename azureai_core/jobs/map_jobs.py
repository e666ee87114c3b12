"""`BatchEmbed` and `BatchChat`: columns in, columns out. They run inside Ray Data, Spark, Dask or a plain loop."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, get_args
from uuid import uuid4

from azureai_core.client import InferenceClient
from azureai_core.embedding_batches import DEFAULT_CONCURRENCY, MAX_CONCURRENCY
from azureai_core.endpoints import Endpoint
from azureai_core.errors import AzureAIError, ConfigurationError
from azureai_core.inputs import DEFAULT_BATCH, batches, check_text
from azureai_core.limits import RateLimit
from azureai_core.negotiation import ExtraParameters, UnsupportedParameters
from azureai_core.protocols.embeddings import EMBEDDINGS
from azureai_core.types import Completion, Embeddings

from .columns import ColumnType, Vectors, column_names, encoded, plain, read_column, shares, with_columns
from .worker import MAX_INITIAL_REJECTIONS, Worker, is_fatal, is_of_the_content, is_surely_of_the_content, worker_for

if TYPE_CHECKING:
    import httpx

    from azureai_core.transport.retry import RetryPolicy

OnError = Literal["raise", "column"]
Batch = TypeVar("Batch")

DEFAULT_CHATS, DEFAULT_RETRIES = 8, 6
"""Chats in flight of one worker; retries of one request, more than a waiting person would like."""


class ClientOptions(TypedDict, total=False):
    """Arguments of `InferenceClient` that go along to each worker."""

    allow_http_token: bool
    api_version: str | None
    credential_scopes: Sequence[str] | str | None
    extra_parameters: ExtraParameters | None
    headers: Mapping[str, str] | None
    max_retries: int
    retry: RetryPolicy | None
    timeout: float | httpx.Timeout | None
    unsupported_parameters: UnsupportedParameters


class JobOptions(ClientOptions, total=False):
    """The arguments that both callables take by name; `BatchEmbed` describes them."""

    model: str | None
    credential_factory: Callable[[], Any] | None
    output_columns: Mapping[str, str] | None
    on_error: OnError
    concurrency: int | None
    requests_per_second: float | None
    tokens_per_minute: float | None
    workers: int


given_up: ContextVar[Event] = ContextVar("given_up", default=Event())  # noqa: B039  the default is never set
"""Set once nobody waits for the answer of this thread any more."""


class GivenUp(BaseException):
    """Ends a wait, and with it a call that nobody wants the answer of."""


def _sleep_of(policy: RetryPolicy) -> Callable[[float], object]:
    """How to sleep before a retry, no longer than the answer is wanted: else Ctrl-C would wait for all retries."""

    def sleep(seconds: float) -> None:
        stopped = given_up.get()
        if policy.sleep is time.sleep:
            stopped.wait(seconds)
        else:
            policy.sleep(seconds)
        if stopped.is_set():
            raise GivenUp

    return sleep


class _Job:
    """What both callables share: the connection, the limits, and what becomes of an error.

    An object holds arguments only, so it pickles at any time. The client stands in a table of the process.
    """

    results: Mapping[str, ColumnType]
    """Result → what its column holds."""
    in_flight: int
    """Requests in flight where `concurrency` is not given."""

    def __init__(
        self,
        endpoint: str | Endpoint | None,
        credential: Any,
        *,
        model: str | None = None,
        credential_factory: Callable[[], Any] | None = None,
        output_columns: Mapping[str, str] | None = None,
        on_error: OnError = "raise",
        concurrency: int | None = None,
        requests_per_second: float | None = None,
        tokens_per_minute: float | None = None,
        workers: int = 1,
        **client_options: Unpack[ClientOptions],
    ) -> None:
        concurrency = self.in_flight if concurrency is None else concurrency
        _check(on_error, concurrency, requests_per_second, tokens_per_minute, workers)
        _check_options(credential, credential_factory, client_options)
        self.endpoint = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint
        self.model = model
        self.on_error = on_error
        self.concurrency = concurrency
        self._columns = _renamed(self.results, output_columns or {})
        self._credential, self._credential_factory = credential, credential_factory
        self._limits = _limits(requests_per_second, tokens_per_minute, workers)
        self._client_options: dict[str, Any] = {"max_retries": DEFAULT_RETRIES, **client_options}
        self._id = uuid4().hex

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r}, model={self.model!r}, on_error={self.on_error!r})"

    def __getstate__(self) -> dict[str, Any]:
        """The arguments. Raises `TypeError` when the token credential cannot be pickled."""
        if hasattr(self._credential, "get_token"):
            _check_picklable(self._credential)
        return self.__dict__

    def _read(self, batch: Any, name: str, option: str) -> list[Any]:
        """The values to send. Raises `ConfigurationError` when a result would overwrite a column of the batch."""
        values = read_column(batch, name, option)
        taken = sorted(set(self._columns.values()) & set(column_names(batch)))
        if taken:
            raise ConfigurationError(
                f"The batch has a column {taken[0]!r} already: leave it out, or pass "
                f"output_columns={{{self._key_of(taken[0])!r}: '<another name>'}}."
            )
        return values

    def _key_of(self, name: str) -> str:
        return next(key for key, column in self._columns.items() if column == name)

    def _answered(self, batch: Batch, rows: Sequence[_Row]) -> Batch:
        """The batch with the result columns."""
        columns = {name: [getattr(row, key) for row in rows] for key, name in self._columns.items()}
        answered: Batch = with_columns(batch, columns, list(self.results.values()))
        return answered

    def _each(self, worker: Worker, work: Callable[[Any], list[_Row]], items: Iterable[Any]) -> Iterator[_Row]:
        """The rows of all items in order, a few items in threads; after an error no other item is begun."""
        failed = Event()

        def begin(item: Any) -> list[_Row]:
            given_up.set(failed)
            with worker.slots:  # an engine may call from several threads of one process
                if failed.is_set():
                    return []  # nobody will read it: the error is raised at its own item
                try:
                    return work(item)
                except GivenUp:
                    return []
                except BaseException:
                    failed.set()
                    raise

        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="azureai-batch")
        try:
            for done in [pool.submit(copy_context().run, begin, item) for item in items]:
                yield from done.result()
        finally:
            failed.set()  # also when interrupted: what waits for a retry gives up
            pool.shutdown(wait=False, cancel_futures=True)  # nobody waits for what is in flight after an error

    def _worker(self) -> Worker:
        """The client of this job in this process, and what it has met so far."""
        return worker_for(self._id, self._connect, self.concurrency)

    def _connect(self) -> InferenceClient:
        from azureai_core.transport.retry import RetryPolicy  # noqa: PLC0415  loads httpcore

        credential = self._credential if self._credential_factory is None else self._credential_factory()
        options = {**self._client_options, "limits": self._limits}
        policy = options.get("retry") or RetryPolicy(max_retries=options["max_retries"])
        if isinstance(policy, RetryPolicy):
            options["retry"] = replace(policy, sleep=_sleep_of(policy))
        return InferenceClient(self.endpoint, credential, model=self.model, **options)

    def _reason_for(self, error: AzureAIError, worker: Worker, *, alone: bool) -> str:
        """The text for the error column. Raises the error when it would hit every other row as well."""
        if self.on_error == "raise" or is_fatal(error, worker):
            raise error
        if alone and is_of_the_content(error) and not is_surely_of_the_content(error) and worker.refuse():
            error.add_note(
                f"The first {MAX_INITIAL_REJECTIONS} rows were all refused: this looks like a configuration error. "
                "Check the arguments."
            )
            raise error
        return _text(error)


class BatchEmbed(_Job):
    """Embeds a column of texts: a batch in, the same batch with result columns out. Picklable, also after use.

    A batch is a dict of columns (lists, numpy or pyarrow arrays), a pandas data frame or a pyarrow table; the result is
    of the same type, with all its columns and rows in their order, and these columns besides: `embedding` (one vector
    per row, or `None`), `prompt_tokens` (the row's share of its request's tokens, by length; 0 where none are known)
    and `error` (`None`, or the error's class and message).

    Args:
        endpoint: URL as the portal shows it; else from the environment, of the worker.
        credential: as `InferenceClient` takes it. A key given here is in the pickle; one in the workers' environment
            is not.
        model: the deployment's name, where one URL serves many models.
        credential_factory: instead of `credential`: an importable function without arguments, called once in each
            worker process, such as `DefaultAzureCredential` itself.
        text_column: the column to embed.
        output_columns: other names for result columns, such as `{"embedding": "vector"}`.
        dimensions: length of the vectors, where the model can shorten them.
        input_type: `"query"`, `"document"` or `"text"`; see `InferenceClient.embed`.
        batch_size: texts of one request; by default what the model takes, at most 256.
        vectors: `"list"` for lists of floats, 32 bytes a value; `"float32"` for numpy arrays, 4 bytes a value
            (`array.array` where numpy is not loaded). In a pyarrow table they are float32 in any case.
        on_error: `"raise"`, or `"column"`: an error that a row causes is written beside the row. A batch that the
            service refuses is bisected, so that one bad row costs one row.
        concurrency: requests in flight of one worker process, 1 to 64, over all its threads; default 4.
        requests_per_second: what all workers together may send.
        tokens_per_minute: likewise.
        workers: how many processes share the two limits; each takes its part. A 429 that asks for a wait pauses all
            requests of its process in any case, unless `max_retries=0`.
        client_options: `max_retries` (default 6), `timeout` and others, as `InferenceClient` takes them.

    With `on_error="column"`, what would hit every row is raised all the same, so that a wrong key does not go through
    the whole job: 401, 403, 404 and wrong arguments; a wait of more than 60 s asked by the service; an endpoint that
    cannot be reached at the worker's first request; 8 rows refused one by one where none has been taken yet. What
    passes, such as a 429 or 500 after all retries, or a timeout, is written beside the rows of that request.
    """

    results: Mapping[str, ColumnType] = {"embedding": "vector", "prompt_tokens": "count", "error": "text"}
    in_flight = DEFAULT_CONCURRENCY

    def __init__(
        self,
        endpoint: str | Endpoint | None = None,
        credential: Any = None,
        *,
        text_column: str = "text",
        dimensions: int | None = None,
        input_type: str | None = None,
        batch_size: int | None = None,
        vectors: Vectors = "list",
        **shared: Unpack[JobOptions],
    ) -> None:
        super().__init__(endpoint, credential, **shared)
        _check_choice("vectors", vectors, Vectors)
        if batch_size is not None and not _whole(batch_size, 1):
            raise ConfigurationError(f"batch_size={batch_size!r}: use 1 or more.")
        self.text_column = text_column
        self.vectors = vectors
        self.batch_size = batch_size
        self._options: dict[str, Any] = {"dimensions": dimensions, "input_type": input_type}

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its result columns. Raises `ConfigurationError` for a wrong batch, before any request."""
        texts = self._read(batch, self.text_column, "text_column")
        rows = [self._checked(text, index) for index, text in enumerate(texts)]
        asked = [index for index, row in enumerate(rows) if row.error is None]
        if asked:
            answers = self._embedded([texts[index] for index in asked], asked)
            for index, answer in zip(asked, answers, strict=True):
                rows[index] = answer
        return self._answered(batch, rows)

    def _checked(self, text: object, index: int) -> _Row:
        """A row to be filled; with its error when there is nothing to embed."""
        try:
            _check_sendable(check_text(text, index), index)
        except ConfigurationError as error:
            if self.on_error == "raise":
                raise
            return _Row(error=_text(error))
        return _Row()

    def _embedded(self, texts: list[str], indices: Sequence[int]) -> Iterator[_Row]:
        worker = self._worker()

        def work(chunk: tuple[int, list[str]]) -> list[_Row]:
            start, part = chunk
            return self._embed(worker, part, indices[start : start + len(part)])

        return self._each(worker, work, _chunks(texts, self._size(worker.client)))

    def _size(self, client: InferenceClient) -> int:
        """Texts of one request: what was asked for, or what the model is known to take by now."""
        deployment = client.deployment()
        known = deployment.route(EMBEDDINGS.route).max_batch
        size = self.batch_size or min(deployment.profile.max_batch or DEFAULT_BATCH, DEFAULT_BATCH)
        return min(size, known or size)

    def _embed(self, worker: Worker, texts: list[str], indices: Sequence[int]) -> list[_Row]:
        """One row per text. A refused request is sent again in halves, until the row that spoils it stands alone."""
        try:
            (embeddings,) = worker.client.embed_many(texts, batch_size=len(texts), **self._options)
            rows = _rows(embeddings, texts, self.vectors)
        except AzureAIError as error:
            error.locate(indices, "rows", " of the batch")
            reason = self._reason_for(error, worker, alone=len(texts) == 1)
            if len(texts) == 1 or not is_of_the_content(error):
                return [_Row(error=reason) for _ in texts]
        else:
            worker.taken = True
            return rows
        half = len(texts) // 2
        left = self._embed(worker, texts[:half], indices[:half])
        return left + self._embed(worker, texts[half:], indices[half:])


class BatchChat(_Job):
    """Answers a column of prompts: a batch in, the same batch with result columns out. Picklable, also after use.

    Batches, errors, limits and workers are as for `BatchEmbed`; each row is a request of its own. The result columns
    are `answer` (text, or `None`), `finish_reason` (`"length"` says that the answer was cut), `prompt_tokens`,
    `completion_tokens` and `error`.

    Args:
        endpoint: see `BatchEmbed`.
        credential: see `BatchEmbed`.
        model: see `BatchEmbed`.
        credential_factory: see `BatchEmbed`.
        prompt_column: the column of prompts, each a text or a list of messages in wire form.
        system: a system message before each prompt.
        options: further fields of each request, such as `{"temperature": 0, "max_tokens": 100}`.
        output_columns: other names for result columns, such as `{"answer": "summary"}`.
        on_error: see `BatchEmbed`.
        concurrency: see `BatchEmbed`; default 8.
        requests_per_second: see `BatchEmbed`.
        tokens_per_minute: see `BatchEmbed`; a request counts with its prompt and its `max_tokens`.
        workers: see `BatchEmbed`.
        client_options: see `BatchEmbed`.
    """

    results: Mapping[str, ColumnType] = {
        "answer": "text",
        "finish_reason": "text",
        "prompt_tokens": "count",
        "completion_tokens": "count",
        "error": "text",
    }
    in_flight = DEFAULT_CHATS

    def __init__(
        self,
        endpoint: str | Endpoint | None = None,
        credential: Any = None,
        *,
        prompt_column: str = "prompt",
        system: str | None = None,
        options: Mapping[str, Any] | None = None,
        **shared: Unpack[JobOptions],
    ) -> None:
        super().__init__(endpoint, credential, **shared)
        self.prompt_column = prompt_column
        self.system = _checked_system(system)
        self.options = _chat_options({} if options is None else options)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its result columns. Raises `ConfigurationError` for a wrong batch, before any request."""
        prompts = self._read(batch, self.prompt_column, "prompt_column")
        if not prompts:
            return self._answered(batch, [])
        prepared = [self._prepared(prompt, index) for index, prompt in enumerate(prompts)]
        worker = self._worker()

        def work(item: tuple[int, list[Any] | _Row]) -> list[_Row]:
            index, messages = item
            return [messages if isinstance(messages, _Row) else self._answer(worker, index, messages)]

        return self._answered(batch, list(self._each(worker, work, enumerate(prepared))))

    def _prepared(self, prompt: object, index: int) -> list[Any] | _Row:
        """The messages of a row, or the row with its error when there is nothing to ask."""
        try:
            return _messages(prompt, self.system, index)
        except ConfigurationError as error:
            if self.on_error == "raise":
                raise
            return _Row(error=_text(error))

    def _answer(self, worker: Worker, index: int, messages: list[Any]) -> _Row:
        try:
            completion = worker.client.complete({"messages": messages, **self.options})
        except AzureAIError as error:
            error.locate([index], "rows", " of the batch")
            return _Row(error=self._reason_for(error, worker, alone=True))
        worker.taken = True
        return _chat_row(completion)


# ---------------------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class _Row:
    """What becomes of one row; each field is a result column."""

    embedding: Any = None
    answer: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None


def _rows(embeddings: Embeddings, texts: list[str], kind: Vectors) -> list[_Row]:
    total = 0 if embeddings.usage is None else embeddings.usage.prompt_tokens
    tokens = shares(total, [len(text) for text in texts])
    vectors = encoded(embeddings.vectors, kind)
    return [_Row(embedding=v, prompt_tokens=n) for v, n in zip(vectors, tokens, strict=True)]


def _chat_row(completion: Completion) -> _Row:
    usage = completion.usage
    return _Row(
        answer=completion.content,
        finish_reason=completion.finish_reason,
        prompt_tokens=0 if usage is None else usage.prompt_tokens,
        completion_tokens=0 if usage is None else usage.completion_tokens,
    )


def _chunks(texts: list[str], size: int) -> Iterator[tuple[int, list[str]]]:
    """Each request's texts, and the place of the first."""
    start = 0
    for chunk in batches(texts, size):
        yield start, chunk
        start += len(chunk)


def _messages(prompt: object, system: str | None, index: int) -> list[dict[str, Any]]:
    """The messages of one row. Raises `ConfigurationError` that names a row without a prompt."""
    said = [{"role": "user", "content": prompt}] if isinstance(prompt, str) and prompt else _listed(prompt)
    if not said or not all(isinstance(message, Mapping) for message in said):
        kind = "empty" if prompt is None or prompt == "" else type(prompt).__name__
        raise ConfigurationError(f"Prompt {index} is {kind}: give a text, or a list of messages with role and content.")
    given = [_as_written(message) for message in said]
    from azureai_core.json_text import to_json_text  # noqa: PLC0415  loaded on first use

    try:
        to_json_text(given)
    except ValueError as error:
        raise ConfigurationError(f"Prompt {index} cannot be sent as JSON: {error}.") from None
    return given if system is None else [{"role": "system", "content": system}, *given]


def _as_written(value: Any) -> Any:
    """What stood in a message before an engine took it.

    Engines give all objects of a column the same keys, None where one had none, and make arrays of lists.
    """
    if isinstance(value, Mapping):
        return {key: _as_written(item) for key, item in value.items() if item is not None}
    if hasattr(value, "tolist"):  # an array, or one of numpy's numbers
        value = value.tolist()
    return [_as_written(item) for item in value] if isinstance(value, list | tuple) else value


def _check_sendable(text: str, index: int) -> None:
    """Raises `ConfigurationError` for a text that would spoil its whole request."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"Text {index} has half of a character at {error.start}, which is no Unicode text: replace it."
        ) from None


def _listed(prompt: object) -> list[Any]:
    """The messages of a list or array; nothing for another thing."""
    whole = isinstance(prompt, str | bytes | Mapping) or not hasattr(prompt, "__iter__")
    return [] if whole else plain(prompt)


def _text(error: AzureAIError) -> str:
    return f"{type(error).__name__}: {error.message}"


# ---------------------------------------------------------------------------- arguments


def _limits(per_second: float | None, tokens: float | None, workers: int) -> RateLimit | None:
    """The part of one process."""
    if per_second is None and tokens is None:
        return None
    return RateLimit(
        None if per_second is None else per_second * 60 / workers, None if tokens is None else tokens / workers
    )


def _renamed(results: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Result → the name of its column."""
    if not isinstance(names, Mapping) or not all(isinstance(name, str) and name for name in names.values()):
        raise ConfigurationError(f"output_columns={names!r}: pass a dict of results and the names of their columns.")
    unknown = sorted(set(names) - set(results))
    if unknown:
        raise ConfigurationError(f"output_columns has {unknown[0]!r}: the result columns are {', '.join(results)}.")
    columns = {result: names.get(result, result) for result in results}
    if len(set(columns.values())) < len(columns):
        raise ConfigurationError(f"output_columns={dict(names)!r}: two columns would have the same name.")
    return columns


def _chat_options(options: object) -> dict[str, Any]:
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"options={options!r}: pass a dict of fields, such as {{'temperature': 0}}.")
    for name, instead in (("messages", "prompt_column"), ("model", "model="), ("stream", "InferenceClient.stream")):
        if name in options:
            raise ConfigurationError(f"options has {name!r}: use {instead} for that.")
    if "tools" in options:
        raise ConfigurationError("options has 'tools': the answers are texts, use InferenceClient.complete for tools.")
    return dict(options)


def _checked_system(system: object) -> str | None:
    if system is not None and not isinstance(system, str):
        raise ConfigurationError(f"system is {type(system).__name__}: pass a text.")
    return system


def _check(on_error: object, concurrency: object, per_second: object, tokens: object, workers: object) -> None:
    _check_choice("on_error", on_error, OnError)
    if not _whole(concurrency, 1) or int(concurrency) > MAX_CONCURRENCY:  # type: ignore[call-overload]  # a whole number
        raise ConfigurationError(f"concurrency={concurrency!r}: use 1 to {MAX_CONCURRENCY}.")
    if not _whole(workers, 1):
        raise ConfigurationError(f"workers={workers!r}: pass the number of worker processes, 1 or more.")
    for name, value in (("requests_per_second", per_second), ("tokens_per_minute", tokens)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
            raise ConfigurationError(f"{name}={value!r}: pass a number above 0.")


def _check_choice(name: str, value: object, choices: Any) -> None:
    if value not in get_args(choices):
        raise ConfigurationError(f"{name}={value!r}: use {' or '.join(map(repr, get_args(choices)))}.")


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check_options(credential: object, factory: object, options: Mapping[str, Any]) -> None:
    if credential is not None and factory is not None:
        raise ConfigurationError("Both credential and credential_factory were given: pass one of them.")
    if factory is not None and not callable(factory):
        raise ConfigurationError(f"credential_factory is {type(factory).__name__}: pass a function without arguments.")
    unknown = sorted(set(options) - ClientOptions.__annotations__.keys())
    if unknown:
        raise ConfigurationError(
            f"There is no argument {unknown[0]}. Further ones: {', '.join(sorted(ClientOptions.__annotations__))}."
        )


def _check_picklable(credential: object) -> None:
    try:
        pickle.dumps(credential)
    except Exception as error:
        raise TypeError(
            f"The credential ({type(credential).__name__}) cannot be sent to a worker process: pass "
            "credential_factory=, an importable function that makes one there, such as DefaultAzureCredential itself."
        ) from error
