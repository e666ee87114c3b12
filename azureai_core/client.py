"""The client: each route, sync and async. A pair stands together, differs only in `async`/`await`, decides nothing."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

from .deployments import Deployment, deployment_for
from .embedding_batches import Batches
from .endpoints import CREDENTIAL_VARIABLES, Endpoint, first_variable
from .errors import ConfigurationError
from .inputs import ImageInput, check_texts, image_items
from .limits import RateLimit
from .negotiation import Call, ExtraParameters, UnsupportedParameters, prepare
from .protocols.base import Answer, WireProtocol
from .protocols.chat_completions import CHAT
from .protocols.embeddings import EMBEDDINGS, IMAGE_EMBEDDINGS, EncodedEmbeddings
from .protocols.info import INFO
from .protocols.text_completions import TEXT
from .streams import AsyncDeltaStream, DeltaStream
from .transport.auth import auth_for, check_credential
from .types import Completion, Embeddings, ModelInfo, Usage

if TYPE_CHECKING:
    import httpx

    from .flow import RequestExecutor
    from .transport.retry import RetryPolicy


class InferenceClient:
    """A client of the Azure AI Model Inference API and its neighbours.

    Args:
        endpoint: URL as the portal shows it, of any kind (`Endpoint.parse`); else from the environment.
        credential: a key (`str`, `SecretStr` or an object with `.key`), a sync or async token credential with
            `get_token`, or a function, plain or `async`, that returns a token; else from the environment; else
            `DefaultAzureCredential` where azure-identity is installed.
        model: sent as `model` with each payload that names none; the deployment name where one URL serves many models.
        base_model: the catalogue's name of the model, where the deployment's name does not tell: a hint, never sent.
        api_version: wins over one in the URL.
        credential_scopes: Entra scope(s) instead of the endpoint kind's own.
        timeout: seconds for connecting, reading and writing each, or an `httpx.Timeout`. The read part bounds the gap
            between two reads, and between two events of a stream. Default: 10 s to connect, 600 s otherwise.
        max_retries: retries after the first attempt.
        retry: a `RetryPolicy` for everything about retries; it wins over `max_retries`.
        extra_parameters: what the service does with fields outside its schema: `"error"`, `"drop"` or `"pass-through"`.
            By default they are passed through.
        unsupported_parameters: `"error"` raises when the model refuses a parameter; `"drop"` warns, sends the request
            once more without it, and remembers that.
        headers: sent with each request, such as a gateway's subscription key.
        http_client: your own `httpx.Client`, used as it is and never closed here.
        async_http_client: your own `httpx.AsyncClient`, likewise.
        limits: requests and tokens per minute that this process may send to the deployment.
        allow_http_token: allow a token (not a key) over plain http to this machine.
        negotiate: whether a call may differ from its payload: our own additions (`stream_options`, base64,
            `input_type`), the other spelling of the output limit, and a second request without what was refused.
            `False` sends each payload as it is, and once, so that the service's own answer is seen.

    Nothing is opened and no HTTP library imported until the first call. Safe to share between threads and event loops,
    to pickle and to fork. Raises `ConfigurationError` for wrong arguments.
    """

    def __init__(
        self,
        endpoint: str | Endpoint | None = None,
        credential: Any = None,
        *,
        model: str | None = None,
        base_model: str | None = None,
        api_version: str | None = None,
        credential_scopes: Sequence[str] | str | None = None,
        timeout: float | httpx.Timeout | None = None,
        max_retries: int = 2,
        retry: RetryPolicy | None = None,
        extra_parameters: ExtraParameters | None = None,
        unsupported_parameters: UnsupportedParameters = "error",
        headers: Mapping[str, str] | None = None,
        http_client: Any = None,
        async_http_client: Any = None,
        limits: RateLimit | None = None,
        allow_http_token: bool = False,
        negotiate: bool = True,
    ) -> None:
        self._options = {name: value for name, value in locals().items() if name != "self"}
        self.endpoint = _endpoint(endpoint, api_version)
        self.model, self.base_model = model, base_model
        self._credential = credential if credential is not None else first_variable(CREDENTIAL_VARIABLES)
        check_credential(self._credential, self.endpoint, credential_scopes, allow_http_token=allow_http_token)
        _check_choices(extra_parameters, unsupported_parameters, max_retries)
        _check_kinds(timeout, retry, limits)
        _check_http_clients(http_client, async_http_client)
        _check_headers(headers or {}, self.endpoint)
        self._unsupported = unsupported_parameters
        self._exact = not negotiate
        self._made: RequestExecutor | None = None

    def deployment(self, model: str | None = None) -> Deployment:
        """What is known of a deployment, by default the client's own: its profile, and what it has refused so far.

        `base_model` stands for the client's own model only.
        """
        if model is not None and not isinstance(model, str):
            raise ConfigurationError(f"model={model!r}: pass the deployment's name as a string.")
        own = model is None or model == self.model
        return deployment_for(self.endpoint, self.model if own else model, self.base_model if own else None)

    # ------------------------------------------------------------------ chat and text

    def complete(self, payload: Mapping[str, Any]) -> Completion:
        """The answer to a payload in wire form (`ChatPayload` and any extra parameters), which is never changed.

        Raises `ContentFilterError` when the prompt was refused, and the other errors of `APIStatusError` by status.
        """
        return self._executor().send(self._call(CHAT, payload))

    async def acomplete(self, payload: Mapping[str, Any]) -> Completion:
        """`complete` without blocking the event loop."""
        return await self._executor().asend(self._call(CHAT, payload))

    def stream(self, payload: Mapping[str, Any]) -> DeltaStream:
        """The answer in deltas; `completion` of what comes back is the whole of it once the stream is over.

        A loop over it that is left early closes the connection; a stream that is kept in a variable is closed by its
        `close()` or a `with` block.

        Raises `StreamError` on an error inside the stream and `StreamInterruptedError` when it is cut, each with the
        `partial` answer; `APITimeoutError` when it stalls for longer than the read timeout.
        """
        return self._executor().stream(self._call(CHAT, payload, stream=True))

    def astream(self, payload: Mapping[str, Any]) -> AsyncDeltaStream:
        """`stream` without blocking the event loop: an async generator, to be used with `async for`."""
        return self._executor().astream(self._call(CHAT, payload, stream=True))

    def complete_text(self, payload: Mapping[str, Any]) -> Completion:
        """The continuation of a prompt (`TextPayload`), from the route `/completions`."""
        return self._executor().send(self._call(TEXT, payload))

    async def acomplete_text(self, payload: Mapping[str, Any]) -> Completion:
        """`complete_text` without blocking the event loop."""
        return await self._executor().asend(self._call(TEXT, payload))

    def stream_text(self, payload: Mapping[str, Any]) -> DeltaStream:
        """The continuation of a prompt in deltas; errors as in `stream`."""
        return self._executor().stream(self._call(TEXT, payload, stream=True))

    def astream_text(self, payload: Mapping[str, Any]) -> AsyncDeltaStream:
        """`stream_text` without blocking the event loop."""
        return self._executor().astream(self._call(TEXT, payload, stream=True))

    # ------------------------------------------------------------------ embeddings

    def embed(
        self,
        texts: Iterable[str],
        *,
        dimensions: int | None = None,
        input_type: str | None = None,
        encoding_format: str | None = None,
        extra: Mapping[str, Any] | None = None,
        default_input_type: str | None = None,
    ) -> Embeddings:
        """The vectors of texts, from one request.

        Args:
            texts: non-empty strings.
            dimensions: length of the vectors, where the model can shorten them.
            input_type: `"query"`, `"document"` or `"text"`. By default `"document"` where the model's profile knows
                the difference, else nothing.
            encoding_format: `"float"`, `"base64"`, `"int8"`, `"uint8"`, `"binary"` or `"ubinary"`. By default base64 is
                asked for, and withdrawn where the service refuses it; the vectors are the same floats.
            extra: further fields of the body.
            default_input_type: an `input_type` that is asked for, and withdrawn where the model refuses it.
        """
        call = self._embed_call(texts, dimensions, input_type, encoding_format, extra, default_input_type)
        return self._executor().send(call).decoded()

    async def aembed(
        self,
        texts: Iterable[str],
        *,
        dimensions: int | None = None,
        input_type: str | None = None,
        encoding_format: str | None = None,
        extra: Mapping[str, Any] | None = None,
        default_input_type: str | None = None,
    ) -> Embeddings:
        """`embed` without blocking the event loop."""
        call = self._embed_call(texts, dimensions, input_type, encoding_format, extra, default_input_type)
        return (await self._executor().asend(call)).decoded()

    def embed_many(
        self,
        texts: Iterable[str],
        *,
        batch_size: int | None = None,
        max_concurrency: int | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
        **options: Any,
    ) -> Iterator[Embeddings]:
        """The `Embeddings` of one batch after the other, in input order, a few requests in flight.

        Args:
            texts: any iterable of non-empty strings; it is read as far as the requests in flight need.
            batch_size: texts of one request; by default what the model's profile or its refusals allow, at most 256.
            max_concurrency: requests in flight, 1 to 64; default 4.
            on_progress: called after each batch with the number of texts done and, if known, of all texts.
            options: as `embed` takes them.

        An error of a batch carries `first_index` and `batch_size`: resume from there.
        """
        return self._batches(texts, batch_size, max_concurrency, on_progress, options).run()

    def aembed_many(
        self,
        texts: Iterable[str],
        *,
        batch_size: int | None = None,
        max_concurrency: int | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
        **options: Any,
    ) -> AsyncIterator[Embeddings]:
        """`embed_many` without blocking the event loop: an async generator."""
        return self._batches(texts, batch_size, max_concurrency, on_progress, options).arun()

    def embed_all(
        self,
        texts: Iterable[str],
        *,
        batch_size: int | None = None,
        max_concurrency: int | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
        on_usage: Callable[[Usage], object] | None = None,
        **options: Any,
    ) -> list[list[float]]:
        """One vector per text, in input order: what `embed_many` gives, at once, and at up to a third less CPU time.

        Args:
            texts: non-empty strings.
            batch_size: as `embed_many` takes it.
            max_concurrency: as `embed_many` takes it.
            on_progress: as `embed_many` takes it.
            on_usage: called after each request with its `Usage`.
            options: as `embed` takes them.
        """
        job = self._batches(texts, batch_size, max_concurrency, on_progress, options, on_usage)
        return job.run_all()

    async def aembed_all(
        self,
        texts: Iterable[str],
        *,
        batch_size: int | None = None,
        max_concurrency: int | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
        on_usage: Callable[[Usage], object] | None = None,
        **options: Any,
    ) -> list[list[float]]:
        """`embed_all` without blocking the event loop."""
        job = self._batches(texts, batch_size, max_concurrency, on_progress, options, on_usage)
        return await job.arun_all()

    def _batches(self, texts: Iterable[str], *given: Any) -> Batches:
        return Batches(self.deployment, self._encoded, self._aencoded, texts, *given)

    def _encoded(self, texts: Sequence[str], **options: Any) -> EncodedEmbeddings:
        """`embed`, up to its last step: finished batches that wait for their turn take a fifth of the memory so."""
        return self._executor().send(self._embed_call(texts, **options))

    async def _aencoded(self, texts: Sequence[str], **options: Any) -> EncodedEmbeddings:
        return await self._executor().asend(self._embed_call(texts, **options))

    def embed_images(
        self,
        images: Sequence[ImageInput],
        *,
        dimensions: int | None = None,
        input_type: str | None = None,
        encoding_format: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Embeddings:
        """The vectors of images, from one request to `/images/embeddings`.

        Each image is a data URL, a path, bytes, an open file, or `{"image": one of these, "text": str}`.
        """
        given = {"dimensions": dimensions, "input_type": input_type, "encoding_format": encoding_format}
        call = self._call(IMAGE_EMBEDDINGS, {"input": image_items(images), **given, **(extra or {})})
        return self._executor().send(call).decoded()

    async def aembed_images(
        self,
        images: Sequence[ImageInput],
        *,
        dimensions: int | None = None,
        input_type: str | None = None,
        encoding_format: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Embeddings:
        """`embed_images` without blocking the event loop."""
        items = await asyncio.to_thread(image_items, images)  # it may read files
        given = {"dimensions": dimensions, "input_type": input_type, "encoding_format": encoding_format}
        call = self._call(IMAGE_EMBEDDINGS, {"input": items, **given, **(extra or {})})
        return (await self._executor().asend(call)).decoded()

    # ------------------------------------------------------------------ info and life cycle

    def info(self) -> ModelInfo:
        """What model stands behind a single-model endpoint. Raises `NotFoundError` where the route does not exist."""
        return self._executor().send(Call(self.deployment(), INFO, {}))

    async def ainfo(self) -> ModelInfo:
        """`info` without blocking the event loop."""
        return await self._executor().asend(Call(self.deployment(), INFO, {}))

    def close(self) -> None:
        """Closes the connections of sync code; a later call opens new ones."""
        if self._made is not None:
            self._made.clients.close()

    async def aclose(self) -> None:
        """Closes the connections of the running event loop and of sync code."""
        if self._made is not None:
            await self._made.clients.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the arguments, not the connections."""
        for name in ("http_client", "async_http_client"):
            if self._options[name] is not None:
                raise TypeError(f"An InferenceClient with its own {name} cannot be pickled: an httpx client cannot.")
        return _rebuild, (type(self), self._options)

    def __repr__(self) -> str:
        return f"InferenceClient({self.endpoint!r}, model={self.model!r})"

    # ------------------------------------------------------------------ what every call needs

    def _call(
        self, protocol: WireProtocol[Answer], payload: Mapping[str, Any], *, stream: bool = False
    ) -> Call[Answer]:
        if not isinstance(payload, Mapping):
            raise ConfigurationError(
                f"The payload is {payload!r:.100}: pass a dict, such as "
                "{'messages': [{'role': 'user', 'content': 'Hello'}]}."
            )
        named = {**payload, "model": payload.get("model") or self.model}
        defaults: dict[str, Any] = {}
        if stream:
            named["stream"] = True
            if self.endpoint.streams_usage_when_asked and "stream_options" not in payload:
                defaults["stream_options"] = {"include_usage": True}
        elif named.get("stream"):
            raise ConfigurationError("The payload asks for a stream: use stream() or astream().")
        deployment = self.deployment(named["model"])
        return prepare(deployment, protocol, named, defaults, self._unsupported, exact=self._exact)

    def _embed_call(
        self,
        texts: Iterable[str],
        dimensions: int | None = None,
        input_type: str | None = None,
        encoding_format: str | None = None,
        extra: Mapping[str, Any] | None = None,
        default_input_type: str | None = None,
    ) -> Call[EncodedEmbeddings]:
        """The call of `embed`: base64 asked for unless the caller chose, `input_type` where the profile says so."""
        model = (extra or {}).get("model") or self.model
        given = {"dimensions": dimensions, "input_type": input_type, "encoding_format": encoding_format}
        deployment = self.deployment(model)
        known = "document" if deployment.profile.input_type else None
        defaults = {"encoding_format": "base64", "input_type": default_input_type or known}
        payload = {"input": list(check_texts(texts)), "model": model, **given, **(extra or {})}
        return prepare(deployment, EMBEDDINGS, payload, defaults, self._unsupported, exact=self._exact)

    def _executor(self) -> RequestExecutor:
        """What sends the calls, made on first use: httpx is imported here, and not before."""
        if self._made is None:
            with _making:
                if self._made is None:
                    self._made = self._make()
        return self._made

    def _make(self) -> RequestExecutor:
        from .answers import AnswerReader  # noqa: PLC0415  loads httpx
        from .flow import RequestExecutor  # noqa: PLC0415
        from .transport.clients import Clients  # noqa: PLC0415
        from .transport.requests import RequestBuilder  # noqa: PLC0415
        from .transport.retry import RetryPolicy  # noqa: PLC0415

        given = self._options
        policy = given["retry"] or RetryPolicy(max_retries=given["max_retries"])
        auth = auth_for(self._credential, self.endpoint, given["credential_scopes"])
        users = given["http_client"], given["async_http_client"]
        clients = Clients(self.endpoint, *users, resend=policy.retry_broken)
        requests = RequestBuilder(self.endpoint, auth, given["headers"] or {}, given["timeout"])
        return RequestExecutor(
            clients,
            requests,
            AnswerReader(self.endpoint.base_url, requests, clients),
            policy,
            auth=auth,
            extra_parameters=given["extra_parameters"],
            unsupported=self._unsupported,
            limits=given["limits"],
        )


_making = Lock()


def _after_fork() -> None:
    """In the child: a thread that held the lock is not there to release it."""
    global _making  # noqa: PLW0603
    _making = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _rebuild(kind: type[InferenceClient], options: dict[str, Any]) -> InferenceClient:
    return kind(**options)


def _endpoint(endpoint: str | Endpoint | None, api_version: str | None) -> Endpoint:
    if endpoint is None:
        return Endpoint.from_environment(api_version)
    if isinstance(endpoint, Endpoint):
        return endpoint.with_api_version(api_version) if api_version else endpoint
    return Endpoint.parse(endpoint, api_version)


def _check_choices(extra: object, unsupported: object, max_retries: object) -> None:
    """Raises `ConfigurationError` for a value that is none of the choices."""
    if extra is not None and extra not in get_args(ExtraParameters):
        raise ConfigurationError(f"extra_parameters={extra!r}: use 'error', 'drop' or 'pass-through'.")
    if unsupported not in get_args(UnsupportedParameters):
        raise ConfigurationError(f"unsupported_parameters={unsupported!r}: use 'error' or 'drop'.")
    if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
        raise ConfigurationError(f"max_retries={max_retries!r}: use 0 or a greater whole number.")


def _check_kinds(timeout: object, retry: object, limits: object) -> None:
    """Raises `ConfigurationError` for what is no timeout, policy or limit; httpx is not loaded to tell."""
    seconds = isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0
    if timeout is not None and not seconds and not hasattr(timeout, "as_dict"):
        raise ConfigurationError(
            f"timeout={timeout!r}: pass seconds as a number above 0, or an httpx.Timeout(30, connect=5)."
        )
    if retry is not None and not hasattr(retry, "wait_after_answer"):
        raise ConfigurationError(f"retry={retry!r}: pass a RetryPolicy, such as RetryPolicy(max_retries=3).")
    if limits is not None and not isinstance(limits, RateLimit):
        raise ConfigurationError(f"limits={limits!r}: pass a RateLimit, such as RateLimit(requests_per_minute=60).")
    for name, value in vars(limits).items() if limits is not None else ():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
            raise ConfigurationError(f"limits has {name}={value!r}: pass a number above 0.")


def _check_http_clients(sync: Any, asynchronous: Any) -> None:
    _check_http_client("http_client", sync, "httpx.Client")
    _check_http_client("async_http_client", asynchronous, "httpx.AsyncClient")


def _check_http_client(name: str, client: Any, wanted: str) -> None:
    """Raises `ConfigurationError` for a client of another kind, or a closed one."""
    if client is None:
        return
    if type(client).__module__.split(".")[0] == "httpx2":
        raise ConfigurationError(f"{name} is a client of httpx2, which is another package: pass an {wanted}.")
    if not hasattr(client, "build_request") or hasattr(client, "aclose") != wanted.endswith("AsyncClient"):
        raise ConfigurationError(f"{name}={type(client).__name__}: pass an {wanted}.")
    if client.is_closed:
        raise ConfigurationError(f"{name} is closed: pass an {wanted} that stays open while it is in use.")


def _check_headers(headers: Mapping[str, str], endpoint: Endpoint) -> None:
    """Raises `ConfigurationError` for more headers than the service takes (it would answer 431), or impossible ones."""
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers is {type(headers).__name__}: pass a dict of names and values.")
    for name, value in headers.items():
        if isinstance(name, str) and name.lower() in _OF_THE_BODY:
            raise ConfigurationError(f"The header {name!r} says how the body is sent, which is decided here.")
        if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ConfigurationError(f"The header name {name!r} cannot be sent: use letters, digits and hyphens.")
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise ConfigurationError(f"The header {name!r} has a value that is no line of ASCII text.")
    limit = endpoint.header_limit
    if limit is not None and len(headers) > limit:
        raise ConfigurationError(
            f"{len(headers)} custom headers were given, and {endpoint.host} takes {limit}: leave some out."
        )


_OF_THE_BODY = {"content-length", "transfer-encoding"}
