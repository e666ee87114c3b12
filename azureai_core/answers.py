"""What a response means: the answer in it, or the error that it, its stream or its connection is. No I/O."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx

from .errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AzureAIError,
    request_id_of,
    with_id,
)
from .masking import mask, public_url, shown_request
from .negotiation import Call
from .protocols.base import Answer
from .protocols.error_responses import error_from_body
from .protocols.stream import DeltaReader
from .streams import StreamState
from .telemetry import Observation
from .transport.clients import Clients
from .transport.requests import RequestBuilder
from .types import Completion, Delta, Json, ResponseMeta

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


class AnswerReader:
    """Reads the answers of one client."""

    def __init__(self, base_url: str, requests: RequestBuilder, clients: Clients) -> None:
        self._base_url, self._requests, self._clients = base_url, requests, clients

    def decode(self, response: httpx.Response, call: Call[Answer], content: bytes) -> Answer:
        """The answer in a body, as the call's protocol has it."""
        body = self._body(response, call, content)
        return call.protocol.decode(body, meta_of(response, call), call.payload)

    def _body(self, response: httpx.Response, call: Call[Any], content: bytes) -> Json:
        """The JSON object of a good answer. Raises `AzureAIError` when it is none, or lacks what was asked."""
        protocol = call.protocol
        body, field = protocol.read(content, call.payload), protocol.answer_field
        if isinstance(body, dict) and (field is None or _has_items(body, field)) and protocol.holds_answer(body):
            return body
        if isinstance(body, dict) and (body.get("error") or body.get("object") == "error"):
            raise self._named_error(response, body, content)
        lack = f"no {field!r} to read in it" if field and isinstance(body, dict) else "no JSON object"
        raise self.no_answer(response, lack, content.decode("utf-8", "replace")[:200])

    def _named_error(self, response: httpx.Response, body: Json, content: bytes) -> APIStatusError:
        headers = {name: value for name, value in response.headers.items() if name != "content-encoding"}
        whole = httpx.Response(response.status_code, headers=headers, content=content, request=response.request)
        return error_from_body(body, whole, secrets=self.secrets())

    def no_answer(self, response: httpx.Response, lack: str, text: str) -> AzureAIError:
        """The error of a response with a good status that is no answer."""
        url, tail = public_url(response.request.url), self.masked(with_id(request_id_of(response.headers)))
        return AzureAIError(
            f"{url} answered {response.status_code}, but with {lack}: {self.masked(text)!r}. "
            f"Check the endpoint URL. [{response.status_code}{tail}]"
        )

    def connection_errors(self) -> _ConnectionErrors:
        """A context in which httpx's errors are raised as ours."""
        return _ConnectionErrors(self)  # kept, the two would refer to each other, and close late

    def connection_error(self, error: Exception) -> APIConnectionError:
        """What an error of httpx means to the caller."""
        where, why = self._base_url, self.masked(str(error)) or type(error).__name__
        proxy = self._clients.shown_proxy
        if "CERTIFICATE_VERIFY_FAILED" in why:
            return APIConnectionError(
                f"{where} has a certificate that is not trusted here ({why}). Name a file with the certificate of its "
                "authority in the environment variable SSL_CERT_FILE."
            )
        if isinstance(error, httpx.ProxyError) or (proxy and isinstance(error, httpx.ConnectError)):
            return APIConnectionError(
                f"{where} could not be reached through the proxy {proxy} ({why}). Check HTTP_PROXY, HTTPS_PROXY and "
                "NO_PROXY in the environment."
            )
        if isinstance(error, httpx.ConnectTimeout):
            return APITimeoutError(
                f"{where} could not be reached in time ({why}). Check the host name and the network."
            )
        if isinstance(error, httpx.TimeoutException):
            return APITimeoutError(f"{where} did not answer in time ({why}). Raise timeout=, or ask for less at once.")
        if isinstance(error, httpx.ConnectError):
            return APIConnectionError(f"{where} could not be reached ({why}). Check the endpoint URL and the network.")
        return APIConnectionError(f"The connection to {where} broke ({why}). Send the request again.")

    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text."""
        return self._requests.secrets((self._clients.user_client, self._clients.async_user_client))

    def masked(self, text: str) -> str:
        """`text` without the credential."""
        return mask(text, self.secrets())

    def cause(self, error: Exception) -> Exception | None:
        """The error to chain to, its request without the credential; `None` where its text holds a secret."""
        if isinstance(error, httpx.RequestError):
            with suppress(RuntimeError):  # it has no request
                error.request = shown_request(error.request, self.secrets())
        return error if self.masked(str(error)) == str(error) else None


class _ConnectionErrors:
    """A context in which httpx's errors are raised as ours."""

    __slots__ = ("_reader",)

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.HTTPError | httpx.InvalidURL | httpx.StreamError):
            raise self._reader.connection_error(error) from self._reader.cause(error)


class StreamReading(DeltaReader):
    """One streamed answer being read, and the watch on its pace.

    Nobody who refers to it may be referred to by it: a stream that is dropped is to close at once.
    """

    def __init__(self, reader: AnswerReader, response: httpx.Response, call: Call[Any]) -> None:
        decoder = call.protocol.decoder
        assert decoder is not None, call.protocol.route
        super().__init__(response, decoder(), meta_of(response, call), reader.secrets)
        self._answers, self._call = reader, call
        self._first = b""
        self._read_timeout: float | None = response.request.extensions.get("timeout", {}).get("read")
        self.is_whole = response.headers.get("content-type", "").startswith("application/json")
        """Whether this host does not stream: its whole answer is the one delta."""

    def follow(self, state: StreamState, observation: Observation) -> None:
        """Has the answer so far known to who asked for the stream, and to who observes the call."""
        state.completion = self.so_far
        observation.follow(self)

    def whole(self, content: bytes, state: StreamState, observation: Observation) -> Delta:
        """The one delta of a host that does not stream."""
        answer: Completion = self._answers.decode(self._response, self._call, content)
        state.completion = lambda: answer
        observation.note(answer)
        observation.chunk()
        return Delta(
            content=answer.content,
            tool_calls=answer.tool_calls,
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            reasoning=answer.reasoning,
            raw=answer.raw,
            meta=answer.meta,
            id=answer.id,
            refusal=answer.refusal,
            logprobs=answer.logprobs,
        )

    def end(self) -> Iterator[Delta]:
        """The deltas left at the end of the body. Raises `StreamInterruptedError` when the answer is not whole."""
        yield from super().end()
        if self.is_complete:
            return
        kind = self._response.headers.get("content-type", "")
        if self._first and not self.saw_events and not kind.startswith("text/event-stream"):
            text = self._first[:200].decode("utf-8", "replace")
            raise self._answers.no_answer(self._response, "no event stream", text)
        raise self.interrupted()

    def raise_for(self, error: httpx.HTTPError) -> None:
        """Raises what a failed connection means here; nothing after the finish reason, when the answer is whole."""
        if self.is_complete:
            return
        if isinstance(error, httpx.TimeoutException):
            raise self._stalled() from self._answers.cause(error)
        why = self._answers.masked(str(error)) or type(error).__name__
        raise self.interrupted(why) from self._answers.cause(error)

    def _wait(self, chunk: bytes) -> None:
        """Raises a read timeout when only keep-alive comments have come for that long."""
        if len(self._first) < 200:  # noqa: PLR2004
            self._first += chunk[:200]
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif self._read_timeout is not None and now - self._silent_since > self._read_timeout:
            raise httpx.ReadTimeout("only keep-alive comments")

    def _stalled(self) -> APITimeoutError:
        error = APITimeoutError(
            f"The stream from {self.source} stalled: no event for {_seconds(self._read_timeout)}. "
            "What arrived is in .partial; raise timeout= if the model may think for longer."
        )
        return self.with_partial(error)


def _seconds(timeout: float | None) -> str:
    return "too long" if timeout is None else f"{timeout:g} s"


def meta_of(response: httpx.Response, call: Call[Any]) -> ResponseMeta:
    """What the head of a response says, beside the body."""
    headers: dict[str, str] = {}
    for name, value in response.headers.raw:  # httpx's own view decodes each header on each look
        key = name.lower().decode("latin-1")
        if key.startswith(_KEPT_HEADERS):
            text = value.decode("utf-8", "replace")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return ResponseMeta(request_id_of(headers), headers, call.dropped)


def _has_items(body: Json, field: str) -> bool:
    items = body.get(field)
    return isinstance(items, list) and bool(items)
