"""One call over the wire, in both colours: sign, send, amend where the service says how, and read the answer."""

from __future__ import annotations

import platform
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, closing
from functools import lru_cache
from typing import Any
from uuid import uuid4

import httpcore

from ._version import __version__
from .endpoints import Endpoint
from .errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AzureAIError,
    error_from_body,
    error_from_response,
    mask,
    public_url,
    request_id_of,
    shown_request,
    with_id,
)
from .json_text import from_json_text
from .limits import RateLimit, estimate_tokens
from .negotiation import (
    CHAT,
    EMBEDDINGS,
    IMAGE_EMBEDDINGS,
    INFO,
    TEXT,
    Call,
    ExtraParameters,
    UnsupportedParameters,
    amend,
    body_of,
    extra_parameters_header,
)
from .protocols.chat_completions import parse_completion, pick_choice
from .protocols.embeddings import from_encoded_json
from .protocols.stream import AsyncDeltaStream, DeltaReader, DeltaStream, StreamState
from .transport.auth import KeyAuth, TokenAuth
from .transport.clients import Transports
from .transport.http import HTTPX_ERRORS, Answer, Request, Target, Timeout
from .transport.lazy import httpx
from .transport.telemetry import Observation
from .types import Delta, Json, ResponseMeta

CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 600.0
"""Seconds. The service itself may think for up to 29 minutes. Source: 'Foundry Models quotas and limits'."""

# Answer headers that reach the caller. Source: recorded answers.
_KEPT_HEADERS = (
    "x-ratelimit-",
    "azureml-model-",
    "x-ms-region",
    "x-aml-cluster",
    "x-ms-rai-invoked",
    "x-api-warning",
    "prompt_token_len",
    "sampling_token_len",
    "num_tokens",
    "num_chars",
    "apim-request-id",
    "x-request-id",
    "x-ms-client-request-id",
)


class Exchange:
    """Sends the calls of one client."""

    def __init__(
        self,
        endpoint: Endpoint,
        auth: KeyAuth | TokenAuth,
        transports: Transports,
        *,
        headers: Mapping[str, str],
        timeout: float | httpx.Timeout | None,
        extra_parameters: ExtraParameters | None,
        unsupported: UnsupportedParameters,
        limits: RateLimit | None,
    ) -> None:
        self.transports = transports
        self._endpoint = endpoint
        self._auth = auth
        self._given = {name.lower(): value for name, value in headers.items()}
        self._timeout = timeout
        self._default_timeouts = _DEFAULT_TIMEOUTS if timeout is None else _by_phase(timeout)
        self._targets: dict[str, Target] = {}
        self._extra_parameters = extra_parameters
        self._unsupported = unsupported
        self._limits = limits

    # ------------------------------------------------------------------ whole answers

    def send(self, call: Call) -> tuple[Json, ResponseMeta]:
        """The decoded body of the answer, and what its head says."""
        answer, call = self._open(call)
        with closing(answer), _ConnectionErrors(self), HTTPX_ERRORS:
            content = b"".join(answer.pieces())
        return self._answer(answer, call, content), _meta(answer, call)

    async def asend(self, call: Call) -> tuple[Json, ResponseMeta]:
        """`send` without blocking the event loop."""
        answer, call = await self._aopen(call)
        async with aclosing(answer):
            with _ConnectionErrors(self), HTTPX_ERRORS:
                content = b"".join([piece async for piece in answer.apieces()])
        return self._answer(answer, call, content), _meta(answer, call)

    # ------------------------------------------------------------------ streams

    def stream(self, call: Call) -> DeltaStream:
        """The deltas of a streamed answer; see `InferenceClient.stream`."""
        state = StreamState()
        return DeltaStream(self._deltas(call, state), state)

    def astream(self, call: Call) -> AsyncDeltaStream:
        """`stream` without blocking the event loop."""
        state = StreamState()
        return AsyncDeltaStream(self._adeltas(call, state), state)

    def _deltas(self, call: Call, state: StreamState) -> Generator[Delta, None, None]:
        with Observation(self._endpoint, call.route, call.payload) as seen:
            answer, call = self._open(call)
            with closing(answer):
                if answer.is_json:  # this host does not stream: its whole answer is the one delta
                    with _ConnectionErrors(self), HTTPX_ERRORS:
                        content = b"".join(answer.pieces())
                    yield self._whole_as_delta(answer, call, content, seen, state)
                    return
                reading = _Reading(self, answer, call)
                state.completion = reading.so_far
                seen.follow(reading)
                try:
                    with HTTPX_ERRORS:
                        for piece in answer.pieces():
                            yield from reading.feed(piece)
                except httpx.HTTPError as error:
                    reading.judge(error)
                yield from reading.end()
                reading.check_complete()

    async def _adeltas(self, call: Call, state: StreamState) -> AsyncGenerator[Delta, None]:
        with Observation(self._endpoint, call.route, call.payload) as seen:
            answer, call = await self._aopen(call)
            async with aclosing(answer):
                if answer.is_json:  # this host does not stream: its whole answer is the one delta
                    with _ConnectionErrors(self), HTTPX_ERRORS:
                        content = b"".join([piece async for piece in answer.apieces()])
                    yield self._whole_as_delta(answer, call, content, seen, state)
                    return
                reading = _Reading(self, answer, call)
                state.completion = reading.so_far
                seen.follow(reading)
                try:
                    with HTTPX_ERRORS:
                        async for piece in answer.apieces():
                            for delta in reading.feed(piece):
                                yield delta
                except httpx.HTTPError as error:
                    reading.judge(error)
                for delta in reading.end():
                    yield delta
                reading.check_complete()

    # ------------------------------------------------------------------ one answer

    def _open(self, call: Call) -> tuple[Answer, Call]:
        """A successful answer, its body unread, and the call as it went at last."""
        started = None
        while True:
            request = self._request(call, self.transports.http_client, started)
            kept = self._auth.sign(request.headers)
            with _ConnectionErrors(self):
                answer = self.transports.sync().send(request)
                if answer.is_success:
                    return answer, call
                with closing(answer), HTTPX_ERRORS:
                    answer.response.read()
            call = self._amended(call, answer, is_old=kept and started is None)
            started = request.started

    async def _aopen(self, call: Call) -> tuple[Answer, Call]:
        started = None
        while True:
            request = self._request(call, self.transports.async_http_client, started)
            kept = await self._auth.asign(request.headers)
            with _ConnectionErrors(self):
                answer = await (await self.transports.current()).asend(request)
                if answer.is_success:
                    return answer, call
                async with aclosing(answer):
                    with HTTPX_ERRORS:
                        await answer.response.aread()
            call = self._amended(call, answer, is_old=kept and started is None)
            started = request.started

    def _amended(self, call: Call, answer: Answer, *, is_old: bool) -> Call:
        """The call as it may be sent once more. Raises the error of the answer when nothing can be changed.

        A 401 may mean that the token was revoked before its time: one that `is_old` is exchanged once, for a new one.
        """
        error = self._error(answer)
        if error.status_code == 401:  # noqa: PLR2004
            self._auth.forget(answer.request.headers)
            if is_old and not call.exact:
                return call
        return amend(call, error, self._unsupported)

    def _request(self, call: Call, client: Any, started: float | None = None) -> Request:
        """The request of a call that `started` with an earlier one, if it did; a token is still to come."""
        headers = self._constant_headers(client)
        extra = extra_parameters_header(call, self._endpoint, self._extra_parameters)
        if extra is not None:
            headers.setdefault("extra-parameters", extra)
        headers.setdefault("x-ms-client-request-id", str(uuid4()))
        target, timeout = self._target(call.route), self._timeouts_of(client)
        throttle = call.deployment.state.throttle(self._limits)
        headers.setdefault("host", target.host)
        if call.route == INFO:
            return Request("GET", target, headers, None, timeout, throttle, 0, started)
        content = body_of(call)
        headers.setdefault("content-type", "application/json")
        headers["content-length"] = str(len(content))
        tokens = 0 if self._limits is None else estimate_tokens(content, call.payload)
        return Request("POST", target, headers, content, timeout, throttle, tokens, started)

    def _constant_headers(self, client: Any) -> dict[str, str]:
        """The headers that all requests have. What the caller set wins, also a credential of their own client's."""
        headers = {"accept": "application/json", "user-agent": _user_agent(), **self._auth.headers()}
        if client is not None:
            theirs = {name: client.headers[name] for name in ("authorization", "api-key") if name in client.headers}
            return {**headers, **theirs, **self._given}
        return {**headers, **self._given}

    def _timeouts_of(self, client: Any) -> Timeout:
        """Seconds by phase; those of the caller's own client where none were given."""
        if client is None or self._timeout is not None:
            return dict(self._default_timeouts)
        return _by_phase(client.timeout)

    def _target(self, route: str) -> Target:
        target = self._targets.get(route)
        if target is None:
            target = self._targets[route] = Target(self._endpoint.url(route))
        return target

    def _error(self, answer: Answer) -> APIStatusError:
        return error_from_response(answer.response, secrets=self.secrets())

    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text: the credential, and what headers and queries may hold besides."""
        given = [*self._given.items(), *self._endpoint.query]
        for client in (self.transports.http_client, self.transports.async_http_client):
            if client is not None:
                given += [*client.headers.items(), *client.params.multi_items()]
        return (*self._auth.secrets(), *(value for name, value in given if _may_be_secret(name.lower(), value)))

    def cause(self, error: Exception) -> Exception | None:
        """The error to chain to, unless its text holds a secret; its request, if it has one, without the credential."""
        if self.masked(str(error)) != str(error):
            return None
        if isinstance(error, httpx.RequestError) and error._request is not None:  # noqa: SLF001  else `request` raises
            error.request = shown_request(error.request, self.secrets())
        return error

    def masked(self, text: str) -> str:
        """`text` without the credential."""
        return mask(text, self.secrets())

    def _answer(self, answer: Answer, call: Call, content: bytes) -> Json:
        """The JSON object of a successful answer. Raises `AzureAIError` when it is none, or lacks what was asked."""
        packed = call.payload.get("encoding_format") == "base64"
        body = from_encoded_json(content) if packed else from_json_text(content)
        wanted = _WANTED.get(call.route)
        if isinstance(body, dict) and (wanted is None or _holds(body, wanted)):
            return body
        if isinstance(body, dict) and (body.get("error") or body.get("object") == "error"):
            raise self._named_error(answer, body, content)
        lack = f"no {wanted!r} to read in it" if wanted and isinstance(body, dict) else "no JSON object"
        raise self.no_answer(answer, lack, content.decode("utf-8", "replace")[:200])

    def _named_error(self, answer: Answer, body: Json, content: bytes) -> APIStatusError:
        headers = {name: value for name, value in answer.headers.items() if name != "content-encoding"}
        sent = answer.request.as_httpx()
        response = httpx.Response(answer.status_code, headers=headers, content=content, request=sent)
        return error_from_body(body, response, secrets=self.secrets())

    def no_answer(self, answer: Answer, lack: str, text: str) -> AzureAIError:
        """The error of an answer with a good status that is none."""
        url, tail = public_url(answer.request.target.url), self.masked(with_id(request_id_of(answer.headers)))
        return AzureAIError(
            f"{url} answered {answer.status_code}, but with {lack}: {self.masked(text)!r}. "
            f"Check the endpoint URL. [{answer.status_code}{tail}]"
        )

    def _whole_as_delta(
        self, answer: Answer, call: Call, content: bytes, seen: Observation, state: StreamState
    ) -> Delta:
        whole = seen.answered(parse_completion(self._answer(answer, call, content), meta=_meta(answer, call)))
        state.completion = lambda: whole
        seen.chunk()
        return Delta(
            content=whole.content,
            tool_calls=whole.tool_calls,
            finish_reason=whole.finish_reason,
            usage=whole.usage,
            reasoning=whole.reasoning,
            raw=whole.raw,
            meta=_meta(answer, call),
            id=whole.id,
            refusal=whole.refusal,
            logprobs=whole.logprobs,
        )

    def connection_error(self, error: Exception) -> APIConnectionError:
        """What an error of httpx means to the caller."""
        where, why = self._endpoint.base_url, self.masked(str(error)) or type(error).__name__
        if isinstance(error, httpx.ConnectTimeout):
            return APITimeoutError(
                f"{where} could not be reached in time ({why}). Check the host name and the network."
            )
        if isinstance(error, httpx.TimeoutException):
            return APITimeoutError(f"{where} did not answer in time ({why}). Raise timeout=, or ask for less at once.")
        if isinstance(error, httpx.ConnectError):
            return APIConnectionError(f"{where} could not be reached ({why}). Check the endpoint URL and the network.")
        return APIConnectionError(f"The connection to {where} broke ({why}). Send the request again.")


class _ConnectionErrors:
    """A context in which httpx's errors are raised as ours."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and isinstance(error, httpx.HTTPError | httpx.InvalidURL | httpx.StreamError):
            raise self._exchange.connection_error(error) from self._exchange.cause(error)


class _Reading(DeltaReader):
    """One streamed answer being read, and the watch on its pace. No I/O."""

    def __init__(self, exchange: Exchange, answer: Answer, call: Call) -> None:
        super().__init__(answer, _meta(answer, call), exchange.secrets)
        self._exchange = exchange
        self._first = b""
        self._patience = answer.request.timeout["read"]

    def _wait(self, piece: bytes) -> None:
        """Raises a read timeout when only keep-alive comments have come for that long."""
        if len(self._first) < 200:  # noqa: PLR2004
            self._first += piece[:200]
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif self._patience is not None and now - self._silent_since > self._patience:
            raise httpx.ReadTimeout("only keep-alive comments")

    def check_complete(self) -> None:
        if self.is_complete:
            return
        kind = self._answer.headers.get("content-type", "")
        if self._first and not self.saw_events and not kind.startswith("text/event-stream"):
            text = self._first[:200].decode("utf-8", "replace")
            raise self._exchange.no_answer(self._answer, "no event stream", text)
        raise self.interrupted()

    def judge(self, error: httpx.HTTPError) -> None:
        """Raises what a failed connection means here; nothing after the finish reason, when the answer is whole."""
        if self.is_complete:
            return
        if isinstance(error, httpx.TimeoutException):
            raise self._stalled() from self._exchange.cause(error)
        why = self._exchange.masked(str(error)) or type(error).__name__
        raise self.interrupted(why) from self._exchange.cause(error)

    def _stalled(self) -> APITimeoutError:
        error = APITimeoutError(
            f"The stream from {self.source} stalled: no event for {self._patience:g} s. "
            "What arrived is in .partial; raise timeout= if the model may think for longer."
        )
        return self.with_partial(error)


_PHASES = ("connect", "read", "write", "pool")
_DEFAULT_TIMEOUTS: Timeout = {**dict.fromkeys(_PHASES, READ_TIMEOUT), "connect": CONNECT_TIMEOUT}


def _by_phase(timeout: float | httpx.Timeout) -> Timeout:
    return dict.fromkeys(_PHASES, timeout) if isinstance(timeout, int | float) else timeout.as_dict()


_PUBLIC_NAMES = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "api-version",
        "azureml-model-deployment",
        "connection",
        "content-type",
        "extra-parameters",
        "user-agent",
        "x-ms-client-request-id",
    }
)


def _may_be_secret(name: str, value: str) -> bool:
    """Whether the value of a header or query parameter is to be masked: a short one only where its name says so."""
    return name not in _PUBLIC_NAMES and (len(value) >= 8 or any(word in name for word in ("key", "auth", "token")))  # noqa: PLR2004


@lru_cache(maxsize=1)
def _user_agent() -> str:
    return f"azureai-adapters/{__version__} Python/{platform.python_version()} httpcore/{httpcore.__version__}"


def _meta(answer: Answer, call: Call) -> ResponseMeta:
    headers = {name: value for name, value in answer.headers.items() if name.startswith(_KEPT_HEADERS)}
    return ResponseMeta(request_id_of(headers), headers, call.dropped)


def _holds(body: Json, wanted: str) -> bool:
    """Whether an answer has what was asked for: any vectors, or the choice that is read, the first."""
    items = body.get(wanted)
    if not isinstance(items, list) or not items:
        return False
    first = items[0]
    return wanted != "choices" or (isinstance(first, dict) and not first.get("index")) or pick_choice(body) is not None


_WANTED = {CHAT: "choices", TEXT: "choices", EMBEDDINGS: "data", IMAGE_EMBEDDINGS: "data"}
