"""The connection pool: a stack per client, O(1), one owner per connection.

httpx's own pool asks every connection for its state at each start and end of a request, so it costs more the more
connections there are, and it hands a connection to a request while another thread may still close it. Here the last
connection given back is the first taken, only that one is looked at, and nobody else holds it.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import lru_cache
from threading import BoundedSemaphore, Lock
from typing import Any

import certifi
import h11
import httpcore

from .http import HTTPX_ERRORS, Answer, CoreRequest, Request, Timeout
from .lazy import httpx
from .network import AsyncioBackend, SocketBackend

_BROKEN = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)

MAX_IDLE = 60.0
"""Seconds that a connection may wait for its next request."""
MAX_CONNECTIONS = 1000
"""Open connections of one client, in one event loop or over all threads; a request beyond that waits."""
PIECE = 65_536
"""Bytes of a body that are asked for at once."""
_ALL_IN_USE = "all connections of the client are in use"


def _is_stale(error: Exception) -> bool:
    """Whether a kept connection failed as one does that the server closed while it lay idle: before any answer.

    A malformed answer is none of these: there the server has read the request.
    """
    if isinstance(error, httpcore.ReadError | httpcore.WriteError):
        return True
    return isinstance(error, httpcore.RemoteProtocolError) and "without sending a response" in str(error)


class _Stack:
    """The idle connections of either colour, the latest on top. What it hands out has one owner, who closes it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: deque[tuple[Any, float]] = deque()
        self._closed = False

    def pop(self) -> Any | None:
        """The connection given back last; `None` where there is none."""
        with self._lock:
            return self._idle.pop()[0] if self._idle else None

    def pop_outdated(self) -> Any | None:
        """A connection that has been idle for too long; they lie at the bottom. After `shut`, any."""
        with self._lock:
            old = self._idle and (self._closed or self._idle[0][1] < time.monotonic() - MAX_IDLE)
            return self._idle.popleft()[0] if old else None

    def give(self, connection: Any) -> bool:
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


class PoolTransport:
    """Sends requests of one origin over kept connections; `resend` as in `RetryPolicy.retry_broken`."""

    def __init__(self, *, resend: bool = True) -> None:
        self._resend = resend
        self._stack = _Stack()
        self._network = SocketBackend()
        self._slots = BoundedSemaphore(MAX_CONNECTIONS)

    def send(self, request: Request) -> Answer:
        """The answer, its body still to be read; closing it gives the connection back."""
        if not self._slots.acquire(timeout=request.timeout["pool"]):
            raise httpx.PoolTimeout(_ALL_IN_USE)
        try:
            with HTTPX_ERRORS:
                connection, answer = self._exchange(CoreRequest(request))
        except BaseException:
            self._slots.release()
            raise
        body = _Body(answer, request.timeout, lambda: self._done(connection))
        return Answer(request, answer.status, answer.headers, body)

    def _exchange(self, request: httpcore.Request) -> tuple[httpcore.HTTPConnection, httpcore.Response]:
        connection = self._kept()
        if connection is not None:
            try:
                return connection, self._send(connection, request)
            except _BROKEN as error:
                if not (self._resend and _is_stale(error)):
                    raise
        fresh = httpcore.HTTPConnection(
            request.url.origin, ssl_context=_ssl_context(request), network_backend=self._network
        )
        return fresh, self._send(fresh, request)

    def _send(self, connection: httpcore.HTTPConnection, request: httpcore.Request) -> httpcore.Response:
        try:
            return connection.handle_request(request)
        except BaseException:  # interrupted, maybe before httpcore would close it itself
            connection.close()
            raise

    def _kept(self) -> httpcore.HTTPConnection | None:
        """The latest connection that still works; closes the others it comes across."""
        self._close_outdated()
        while (connection := self._stack.pop()) is not None and connection.has_expired():
            connection.close()
        return connection

    def _done(self, connection: httpcore.HTTPConnection) -> None:
        try:
            if not self._stack.give(connection):
                connection.close()
        finally:
            self._slots.release()

    def close(self) -> None:
        """Closes the idle connections, and those in use when they are given back."""
        self._stack.shut()
        self._close_outdated()

    def _close_outdated(self) -> None:
        while (old := self._stack.pop_outdated()) is not None:
            old.close()


class AsyncPoolTransport:
    """The same within one event loop."""

    def __init__(self, *, resend: bool = True) -> None:
        self._resend = resend
        self._stack = _Stack()
        self._network = AsyncioBackend()
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def asend(self, request: Request) -> Answer:
        """The answer, its body still to be read; closing it gives the connection back."""
        if self._slots.locked():
            await self._wait_for_slot(request.timeout["pool"])
        else:
            await self._slots.acquire()
        try:
            with HTTPX_ERRORS:
                connection, answer = await self._exchange(CoreRequest(request))
        except BaseException:
            self._slots.release()
            raise
        body = _AsyncBody(answer, request.timeout, lambda: self._done(connection))
        return Answer(request, answer.status, answer.headers, body)

    async def _wait_for_slot(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(_ALL_IN_USE) from None

    async def _exchange(self, request: httpcore.Request) -> tuple[httpcore.AsyncHTTPConnection, httpcore.Response]:
        connection = await self._kept()
        if connection is not None:
            try:
                return connection, await self._send(connection, request)
            except _BROKEN as error:
                if not (self._resend and _is_stale(error)):
                    raise
        fresh = httpcore.AsyncHTTPConnection(
            request.url.origin, ssl_context=_ssl_context(request), network_backend=self._network
        )
        return fresh, await self._send(fresh, request)

    async def _send(self, connection: httpcore.AsyncHTTPConnection, request: httpcore.Request) -> httpcore.Response:
        try:
            return await connection.handle_async_request(request)
        except BaseException:  # cancelled, maybe before httpcore would close it itself
            await connection.aclose()
            raise

    async def _kept(self) -> httpcore.AsyncHTTPConnection | None:
        """The latest connection that still works; closes the others it comes across."""
        await self._aclose_outdated()
        while (connection := self._stack.pop()) is not None and connection.has_expired():
            await connection.aclose()
        return connection

    async def _done(self, connection: httpcore.AsyncHTTPConnection) -> None:
        try:
            if not self._stack.give(connection):
                await connection.aclose()
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """Cuts all connections; at once, since an event loop that ends has no time to close one after the other."""
        self._stack.shut()
        self._network.abort()
        await asyncio.sleep(0)

    async def _aclose_outdated(self) -> None:
        while (old := self._stack.pop_outdated()) is not None:
            await old.aclose()


class _Body:
    """The body of an answer; closing it gives the connection back.

    httpcore's own loop enters two context managers for each event, a seventh of what a stream costs: so the events are
    taken from h11, where httpcore's connection has it at hand.
    """

    def __init__(self, answer: httpcore.Response, timeout: Timeout, done: Callable[[], None]) -> None:
        self._stream: Any = answer.stream
        self._network = answer.extensions["network_stream"]
        self._timeout = timeout
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        state = _state_of(self._stream)
        return iter(self._stream) if state is None else self._pieces(state)

    def _pieces(self, state: h11.Connection) -> Iterator[bytes]:
        while True:
            event = state.next_event()
            if event is h11.NEED_DATA:
                state.receive_data(self._network.read(PIECE, self._timeout["read"]))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    def close(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            try:
                self._stream.close()
            finally:
                done()


class _AsyncBody:
    """The same of an async answer."""

    def __init__(self, answer: httpcore.Response, timeout: Timeout, done: Callable[[], Awaitable[None]]) -> None:
        self._stream: Any = answer.stream
        self._network = answer.extensions["network_stream"]
        self._timeout = timeout
        self._done: Callable[[], Awaitable[None]] | None = done

    def __aiter__(self) -> AsyncIterator[bytes]:
        state = _state_of(self._stream)
        return aiter(self._stream) if state is None else self._pieces(state)

    async def _pieces(self, state: h11.Connection) -> AsyncIterator[bytes]:
        while True:
            event = state.next_event()
            if event is h11.NEED_DATA:
                state.receive_data(await self._network.read(PIECE, self._timeout["read"]))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    async def aclose(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            try:
                await self._stream.aclose()
            finally:
                await done()


def _state_of(stream: object) -> h11.Connection | None:
    """h11's side of a connection whose answer is being read; `None` where httpcore does not keep it there any more."""
    state = getattr(getattr(stream, "_connection", None), "_h11_state", None)
    return state if isinstance(state, h11.Connection) else None


def _ssl_context(request: httpcore.Request) -> ssl.SSLContext | None:
    return shared_ssl_context() if request.url.scheme == b"https" else None


@lru_cache(maxsize=1)
def shared_ssl_context() -> ssl.SSLContext:
    """The one TLS context of the process: making one costs about 20 ms. It trusts whom httpx trusts."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())
