"""One connection to a service, as the pool keeps it: our own over httpcore, or one of httpx's where that is wanted.

Tools for testing and tracing put a function of their own in the place of `httpx.HTTPTransport.handle_request`
(pytest-httpx, vcrpy, OpenTelemetry, Logfire), of httpcore's pool (respx), or of their async twins. While one is there,
and where a proxy stands between, each connection is an `httpx.HTTPTransport`, so that they see what they see of any
program. Otherwise it is a connection of httpcore over sockets of our own, at half of the cost.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from types import FunctionType
from typing import Any

import httpcore
import httpx

ONE_CONNECTION = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)


def is_patched() -> bool:
    """Whether somebody has put a function in the place of a method of sync calls, in httpx or in httpcore."""
    return not (_is_own(httpx.HTTPTransport.handle_request) and _is_own(httpcore.ConnectionPool.handle_request))


def is_async_patched() -> bool:
    """The same of async calls."""
    return not (
        _is_own(httpx.AsyncHTTPTransport.handle_async_request)
        and _is_own(httpcore.AsyncConnectionPool.handle_async_request)
    )


def _is_own(method: Any) -> bool:
    """Whether a method is the plain function that httpx or httpcore defines."""
    return type(method) is FunctionType and method.__globals__["__name__"].startswith(("httpx.", "httpcore."))


class CoreConnection:
    """A connection of httpcore's."""

    is_of_httpx = False

    def __init__(self, url: httpx.URL, ssl_context: ssl.SSLContext | None, network: httpcore.NetworkBackend) -> None:
        self._connection = httpcore.HTTPConnection(_origin(url), ssl_context=ssl_context, network_backend=network)

    def send(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read. A connection that fails here is closed."""
        try:
            with HTTPX_ERRORS:
                return _response(self._connection.handle_request(_CoreRequest(request)))
        except BaseException:  # interrupted, maybe before httpcore would close it itself
            self._connection.close()
            raise

    def is_idle(self) -> bool:
        """Whether it may be used again."""
        return self._connection.is_idle()

    def has_expired(self) -> bool:
        """Whether the server has closed it, or has sent what nobody asked for."""
        return self._connection.has_expired()

    def close(self) -> None:
        """Closes it."""
        self._connection.close()


class AsyncCoreConnection:
    """The same within an event loop."""

    is_of_httpx = False

    def __init__(
        self, url: httpx.URL, ssl_context: ssl.SSLContext | None, network: httpcore.AsyncNetworkBackend
    ) -> None:
        self._connection = httpcore.AsyncHTTPConnection(_origin(url), ssl_context=ssl_context, network_backend=network)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read. A connection that fails here is closed."""
        try:
            with HTTPX_ERRORS:
                return _response(await self._connection.handle_async_request(_CoreRequest(request)))
        except BaseException:  # cancelled, maybe before httpcore would close it itself
            await self._connection.aclose()
            raise

    def is_idle(self) -> bool:
        """Whether it may be used again."""
        return self._connection.is_idle()

    def has_expired(self) -> bool:
        """Whether the server has closed it, or has sent what nobody asked for."""
        return self._connection.has_expired()

    async def close(self) -> None:
        """Closes it."""
        await self._connection.aclose()


class HttpxConnection:
    """A transport of httpx's with one connection, which httpx itself looks after."""

    is_of_httpx = True

    def __init__(self, ssl_context: ssl.SSLContext | None, proxy: str | None) -> None:
        self._transport = httpx.HTTPTransport(verify=ssl_context or False, limits=ONE_CONNECTION, proxy=proxy)

    def send(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read."""
        try:
            return self._transport.handle_request(request)
        except BaseException:
            self._transport.close()
            raise

    def is_idle(self) -> bool:
        """Whether it may be used again."""
        return True

    def has_expired(self) -> bool:
        """Never: httpx opens a new connection where the old one is closed."""
        return False

    def close(self) -> None:
        """Closes it."""
        self._transport.close()


class AsyncHttpxConnection:
    """The same within an event loop."""

    is_of_httpx = True

    def __init__(self, ssl_context: ssl.SSLContext | None, proxy: str | None) -> None:
        self._transport = httpx.AsyncHTTPTransport(verify=ssl_context or False, limits=ONE_CONNECTION, proxy=proxy)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read."""
        try:
            return await self._transport.handle_async_request(request)
        except BaseException:
            await self._transport.aclose()
            raise

    def is_idle(self) -> bool:
        """Whether it may be used again."""
        return True

    def has_expired(self) -> bool:
        """Never: httpx opens a new connection where the old one is closed."""
        return False

    async def close(self) -> None:
        """Closes it."""
        await self._transport.aclose()


def _origin(url: httpx.URL) -> httpcore.Origin:
    return httpcore.Origin(url.raw_scheme, url.raw_host, url.port or (443 if url.scheme == "https" else 80))


class _CoreRequest(httpcore.Request):
    """The same request for httpcore, whose own constructor would check each header once more."""

    def __init__(self, request: httpx.Request) -> None:
        url = request.url
        self.method = request.method.encode()
        self.url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        self.headers = request.headers.raw
        self.stream = request.stream
        self.extensions = request.extensions


def _response(answer: httpcore.Response) -> httpx.Response:
    stream: Any = answer.stream
    return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)


class _HttpxErrors:
    """A context in which the errors of httpcore are raised as httpx's of the same names. It keeps no state."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _OF_HTTPCORE):
            raise getattr(httpx, type(error).__name__)(str(error)) from error


_OF_HTTPCORE = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
HTTPX_ERRORS = _HttpxErrors()
"""The one context for all: a generator's own would cost each call its making."""


class Body(httpx.SyncByteStream):
    """The body of a response, to be read within `HTTPX_ERRORS`; closing it gives the connection back."""

    def __init__(self, stream: Any, release: Any) -> None:
        self._stream = stream
        self._release = release

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)  # httpcore's own: a generator around it would cost each chunk a step more

    def close(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end; once."""
        release, stream = self._release, self._stream
        self._release, self._stream = None, ()  # httpx's response refers to itself: it must not keep the connection
        if release is not None:
            try:
                stream.close()
            finally:
                release()


class AsyncBody(httpx.AsyncByteStream):
    """The same of an async response."""

    def __init__(self, stream: Any, release: Any) -> None:
        self._stream = stream
        self._release = release

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        """Gives the connection back, or closes it where the body was not read to its end; once."""
        release, stream = self._release, self._stream
        self._release, self._stream = None, ()
        if release is not None:
            try:
                await stream.aclose()
            finally:
                await release()
