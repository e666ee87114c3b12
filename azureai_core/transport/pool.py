"""The connection pool below our httpx clients: a stack, O(1), one owner per connection.

httpx's own pool asks every connection for its state at each start and end of a request, so it costs more the more
connections there are, and it hands a connection to a request while another thread may still close it. Here the last
connection released is the first acquired, only that one is looked at, and nobody else holds it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from functools import partial
from threading import BoundedSemaphore, Lock
from typing import Any

import httpx

from .connections import (
    AsyncBody,
    AsyncCoreConnection,
    AsyncHttpxConnection,
    Body,
    CoreConnection,
    HttpxConnection,
    is_async_patched,
    is_patched,
)
from .network import AsyncioBackend, SocketBackend
from .tls import ssl_context

_BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

MAX_IDLE = 60.0
"""Seconds that a connection may wait for its next request."""
MAX_CONNECTIONS = 1000
"""Open connections of one client, in one event loop or over all threads; a request beyond that waits."""
_ALL_IN_USE = "all connections of the client are in use"


def _is_stale(error: Exception) -> bool:
    """Whether a reused connection was closed by the server while it was idle: it failed before any answer.

    A malformed answer is not that: there the server has read the request.
    """
    if isinstance(error, httpx.ReadError | httpx.WriteError):
        return True
    return isinstance(error, httpx.RemoteProtocolError) and "without sending a response" in str(error)


class IdleConnections:
    """The idle connections, sync or async, the latest on top. What is acquired has one owner, who closes it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: deque[tuple[Any, float]] = deque()
        self._closed = False

    def acquire(self) -> Any | None:
        """The connection released last; `None` where there is none."""
        with self._lock:
            return self._idle.pop()[0] if self._idle else None

    def acquire_outdated(self) -> Any | None:
        """A connection that has been idle for too long; they lie at the bottom. After `shut`, any."""
        with self._lock:
            old = self._idle and (self._closed or self._idle[0][1] < time.monotonic() - MAX_IDLE)
            return self._idle.popleft()[0] if old else None

    def release(self, connection: Any) -> bool:
        """Takes a connection back; `False` if it may not be used again."""
        with self._lock:
            kept = not self._closed and connection.is_idle()
            if kept:
                self._idle.append((connection, time.monotonic()))
            return bool(kept)

    def shut(self) -> None:
        """Keeps no connection from now on."""
        with self._lock:
            self._closed = True


class PoolTransport(httpx.BaseTransport):
    """Sends requests of one origin over kept connections.

    Args:
        resend: as in `RetryPolicy.retry_broken`.
        proxy: URL of the proxy that stands between, if there is one.
        query: what is added to the query of each request. It may hold a gateway's key, and httpx writes the URLs that
            its clients are given to its log.
    """

    def __init__(self, *, resend: bool = True, proxy: str | None = None, query: str = "") -> None:
        self._resend, self._proxy, self._query = resend, proxy, query
        self._idle = IdleConnections()
        self._network = SocketBackend()
        self._slots = BoundedSemaphore(MAX_CONNECTIONS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read; closing it releases the connection."""
        if not self._slots.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout(_ALL_IN_USE)
        try:
            connection, response = self._send(_with_query(request, self._query))
        except BaseException:
            self._slots.release()
            raise
        _without_location(response)
        response.stream = body = Body(response.stream, partial(self._release, connection))
        if response.is_closed:  # read already, by what stands in httpx's place: nobody would close it again
            body.close()
        return response

    def _send(self, request: httpx.Request) -> tuple[CoreConnection | HttpxConnection, httpx.Response]:
        of_httpx = self._proxy is not None or is_patched()
        connection = self._acquire(of_httpx=of_httpx)
        if connection is not None:
            try:
                return connection, connection.send(request)
            except _BROKEN as error:
                if not (self._resend and _is_stale(error)):
                    raise
        context = _context_for(request.url, self._proxy)
        if of_httpx:
            connection = HttpxConnection(context, self._proxy)
        else:
            connection = CoreConnection(request.url, context, self._network)
        return connection, connection.send(request)

    def _acquire(self, *, of_httpx: bool) -> CoreConnection | HttpxConnection | None:
        """The latest idle connection that still works; closes the others it comes across."""
        self._close_outdated()
        while (connection := self._idle.acquire()) is not None and (
            connection.has_expired() or connection.is_of_httpx is not of_httpx
        ):
            connection.close()
        return connection

    def _release(self, connection: CoreConnection | HttpxConnection) -> None:
        try:
            if not self._idle.release(connection):
                connection.close()
        finally:
            self._slots.release()

    def close(self) -> None:
        """Closes the idle connections, and those in use when they are released."""
        self._idle.shut()
        self._close_outdated()

    def _close_outdated(self) -> None:
        while (old := self._idle.acquire_outdated()) is not None:
            old.close()


class AsyncPoolTransport(httpx.AsyncBaseTransport):
    """The same within one event loop."""

    def __init__(self, *, resend: bool = True, proxy: str | None = None, query: str = "") -> None:
        self._resend, self._proxy, self._query = resend, proxy, query
        self._idle = IdleConnections()
        self._network = AsyncioBackend()
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body still to be read; closing it releases the connection."""
        if self._slots.locked():
            await self._wait_for_slot(request.extensions["timeout"]["pool"])
        else:
            await self._slots.acquire()
        try:
            connection, response = await self._send(_with_query(request, self._query))
        except BaseException:
            self._slots.release()
            raise
        _without_location(response)
        response.stream = body = AsyncBody(response.stream, partial(self._release, connection))
        if response.is_closed:  # read already, by what stands in httpx's place: nobody would close it again
            await body.aclose()
        return response

    async def _wait_for_slot(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(_ALL_IN_USE) from None

    async def _send(self, request: httpx.Request) -> tuple[AsyncCoreConnection | AsyncHttpxConnection, httpx.Response]:
        of_httpx = self._proxy is not None or is_async_patched()
        connection = await self._acquire(of_httpx=of_httpx)
        if connection is not None:
            try:
                return connection, await connection.send(request)
            except _BROKEN as error:
                if not (self._resend and _is_stale(error)):
                    raise
        context = _context_for(request.url, self._proxy)
        if of_httpx:
            connection = AsyncHttpxConnection(context, self._proxy)
        else:
            connection = AsyncCoreConnection(request.url, context, self._network)
        return connection, await connection.send(request)

    async def _acquire(self, *, of_httpx: bool) -> AsyncCoreConnection | AsyncHttpxConnection | None:
        """The latest idle connection that still works; closes the others it comes across."""
        await self._close_outdated()
        while (connection := self._idle.acquire()) is not None and (
            connection.has_expired() or connection.is_of_httpx is not of_httpx
        ):
            await connection.close()
        return connection

    async def _release(self, connection: AsyncCoreConnection | AsyncHttpxConnection) -> None:
        try:
            if not self._idle.release(connection):
                await connection.close()
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """Cuts all connections; at once, since an event loop that ends has no time to close one after the other."""
        self._idle.shut()
        self._network.abort()
        await self._close_outdated()
        await asyncio.sleep(0)

    async def _close_outdated(self) -> None:
        while (old := self._idle.acquire_outdated()) is not None:
            await old.close()


def _context_for(url: httpx.URL, proxy: str | None) -> ssl.SSLContext | None:
    """The TLS context of a connection; none where nothing on the way is encrypted."""
    return ssl_context() if url.scheme == "https" or (proxy or "").startswith("https:") else None


def _without_location(response: httpx.Response) -> None:
    """Redirects are not followed; httpx would build the next request all the same, and fail where it cannot."""
    if response.is_redirect:
        response.headers.pop("location", None)


def _with_query(request: httpx.Request, query: str) -> httpx.Request:
    """The request with more in its query; the given one stays as it is."""
    if not query:
        return request
    path, _, own = request.url.raw_path.partition(b"?")
    url = request.url.copy_with(raw_path=path + b"?" + b"&".join(filter(None, (query.encode(), own))))
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
    )
