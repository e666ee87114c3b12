"""A request as the transports take it, and the answer that they give.

httpx's own classes are made only for the caller's own client and for what errors show: for a small chat they cost as
much as all else that the core does beside the network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import h11
import httpcore

from azureai_core.limits import Throttle

from .lazy import httpx

Timeout = dict[str, float | None]
"""Seconds for `connect`, `read`, `write` and `pool`."""


class Target:
    """The absolute URL of a route, parsed once: parsing it costs as much as building the request."""

    def __init__(self, text: str) -> None:
        if not text.isascii():  # a host may have other letters, which are spelt as RFC 5891 says
            text = str(httpx.URL(text))
        self._text = text
        self.raw = httpcore.URL(text)
        self.host = urlsplit(text).netloc.removesuffix(":80" if text.startswith("http:") else ":443")

    @cached_property
    def url(self) -> httpx.URL:
        """The same as httpx's."""
        return httpx.URL(self._text)


@dataclass(slots=True)
class Request:
    """A request of one attempt after the other."""

    method: str
    target: Target
    headers: dict[str, str]
    """By lower-case name."""
    content: bytes | None
    timeout: Timeout
    """Its own; what is changed in it holds for an answer that is being read, too."""
    throttle: Throttle
    tokens: int = 0
    """About how many tokens it costs, where a limit is set."""
    started: float | None = None
    """When the first attempt of its call began, by the retry policy's clock."""

    def as_httpx(self) -> httpx.Request:
        """The same as httpx's."""
        return httpx.Request(self.method, self.target.url, headers=self.headers, content=self.content)


class CoreRequest(httpcore.Request):
    """The same as httpcore's, whose constructor would check and copy each header once more."""

    def __init__(self, request: Request) -> None:
        self.method = request.method.encode()
        self.url = request.target.raw
        self.headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        self.stream = _Content(request.content or b"")
        self.extensions = {"timeout": request.timeout}


class _Content:
    """The body of a request, for either colour."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


class Answer:
    """The head of an answer, and its body, still to be read.

    Of our own pool: status, raw headers and a stream. Of the caller's own client: its response.
    """

    def __init__(
        self,
        request: Request,
        status: int,
        raw_headers: Sequence[tuple[bytes, bytes]],
        stream: Any,
        response: httpx.Response | None = None,
    ) -> None:
        self.request = request
        self.status_code = status
        self.headers = _texts(raw_headers)
        """By lower-case name."""
        self._raw_headers = raw_headers
        self._stream = stream
        self._response = response

    @classmethod
    def of(cls, response: httpx.Response, request: Request) -> Answer:
        """The answer that the caller's own client has got."""
        return cls(request, response.status_code, response.headers.raw, response.stream, response)

    @property
    def response(self) -> httpx.Response:
        """The same as httpx's."""
        made = self._response
        if made is None:
            from .bridge import stream_of  # noqa: PLC0415  loads httpx

            headers, stream = list(self._raw_headers), stream_of(self._stream)
            sent = self.request.as_httpx()
            made = self._response = httpx.Response(self.status_code, headers=headers, stream=stream, request=sent)
        return made

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300  # noqa: PLR2004

    @property
    def is_json(self) -> bool:
        """Whether the body is one JSON value, not a stream of events."""
        return self.headers.get("content-type", "").startswith("application/json")

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, to be read within `HTTPX_ERRORS`.

        httpx's own way of reading costs as much as parsing. It is needed for compressed bodies, and where an event
        hook of the caller's client has read the body already: the connection then waits for more for ever.
        """
        if self._is_plain():
            return iter(self._stream)
        return self.response.iter_bytes()

    def apieces(self) -> AsyncIterator[bytes]:
        """The same of an async answer."""
        if self._is_plain():
            return aiter(self._stream)
        return self.response.aiter_bytes()

    def _is_plain(self) -> bool:
        """Whether the body comes as it is, and nobody has read it."""
        return "content-encoding" not in self.headers and not (
            self._response is not None and self._response.is_stream_consumed
        )

    def close(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end."""
        (self._response or self._stream).close()

    async def aclose(self) -> None:
        """The same of an async answer."""
        await (self._response or self._stream).aclose()


def _texts(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers as text; httpx knows what to do with repeated ones, and with other characters than ASCII."""
    try:
        found = {name.lower().decode("ascii"): value.decode("ascii") for name, value in raw}
    except UnicodeDecodeError:
        return httpx.Headers(list(raw))
    return found if len(found) == len(raw) else httpx.Headers(list(raw))


class _HttpxErrors:
    """A context in which the errors of httpcore, and of h11 below it, are raised as httpx's of the same names."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _NOT_HTTPX):
            raise getattr(httpx, type(error).__name__)(str(error)) from error


_NOT_HTTPX = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, h11.ProtocolError)
HTTPX_ERRORS = _HttpxErrors()
