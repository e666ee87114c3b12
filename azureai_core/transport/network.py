"""The network under httpcore, by its public interface: a request leaves in one write instead of two.

Synchronous: httpcore's own sockets, with half of its system calls. Asynchronous: a protocol of asyncio's, at half the
cost of httpcore's own, whose connections can be cut without waiting: an event loop that ends gives what is left open
two or three more turns, too few to close connections one by one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterable
from typing import Any, cast
from weakref import WeakSet

import httpcore

MAX_JOINED = 65_536
"""Bytes up to which the head and the body of a request are joined."""
LARGE_READ = 262_144
"""Bytes read at once of a large answer: each recv re-acquires the GIL, so read more per call."""


class _Outgoing:
    """What is to be sent, until the request's end, which httpcore marks by writing nothing."""

    __slots__ = ("_chunks", "_size")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> bytes:
        """What is to be sent now; empty while more is to come."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        return b"" if chunk and self._size < MAX_JOINED else self.take()

    def take(self) -> bytes:
        """All that waits."""
        chunks, self._chunks, self._size = self._chunks, [], 0
        return b"".join(chunks)


class SocketBackend(httpcore.NetworkBackend):
    """Opens connections for sync code."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection, by httpcore's own backend."""
        return SocketStream(httpcore.SyncBackend().connect_tcp(host, port, timeout, local_address, socket_options))


class SocketStream(httpcore.NetworkStream):
    """One connection."""

    def __init__(self, opened: httpcore.NetworkStream) -> None:
        self._opened = opened
        self._socket: socket.socket = opened.get_extra_info("socket")
        self._timeout = self._socket.gettimeout()
        self._outgoing = _Outgoing()
        self._more_waits = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes; empty at the end. More than was asked for after a chunk that was full."""
        with _READING:
            self._set_timeout(timeout)
            data = self._socket.recv(LARGE_READ if self._more_waits else max_bytes)
        self._more_waits = len(data) >= max_bytes
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends bytes, or keeps them for what follows."""
        rest = memoryview(self._outgoing.add(buffer))
        with _WRITING:
            while rest:
                self._set_timeout(timeout)
                rest = rest[self._socket.send(rest) :]

    def _set_timeout(self, timeout: float | None) -> None:
        """Only where it changes: each time is a system call."""
        if timeout != self._timeout:
            self._socket.settimeout(timeout)
            self._timeout = timeout

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        return SocketStream(self._opened.start_tls(ssl_context, server_hostname, timeout))

    def close(self) -> None:
        """Closes the connection."""
        self._opened.close()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection."""
        return self._opened.get_extra_info(info)


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Opens connections in the running event loop."""

    def __init__(self) -> None:
        self._connections: WeakSet[_Incoming] = WeakSet()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002  asyncio sets TCP_NODELAY itself
    ) -> httpcore.AsyncNetworkStream:
        """A connection; a name's addresses are tried one after the other.

        Racing them (`happy_eyeballs_delay`) leaks the winner's socket when a caller is cancelled just then, at least
        in CPython 3.11.
        """
        local = None if local_address is None else (local_address, 0)
        loop = asyncio.get_running_loop()
        with _CONNECTING:
            async with asyncio.timeout(timeout):
                _, protocol = await loop.create_connection(_Incoming, host, port, local_addr=local)
        self._connections.add(protocol)  # which its transport holds for as long as it is open
        return AsyncioStream(protocol)

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)

    def abort(self) -> None:
        """Cuts all connections at once."""
        for connection in list(self._connections):
            connection.transport.abort()


class _Incoming(asyncio.Protocol):
    """What has come on one connection and was not taken yet, and who waits for more."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_over = False
        """Whether nothing more will come."""
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self.can_write = asyncio.Event()
        self.can_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection; called once more when it is encrypted."""
        self.transport = cast("asyncio.Transport", transport)  # other loops have classes of their own

    def data_received(self, data: bytes) -> None:
        """Keeps the bytes; takes no more from the network while much waits here."""
        self.buffer += data
        if len(self.buffer) > LARGE_READ and not self._is_paused:
            self.transport.pause_reading()
            self._is_paused = True
        self._wake()

    def eof_received(self) -> bool:
        """Nothing more will come; the connection is closed by its owner."""
        self.is_over = True
        self._wake()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Keeps the reason for who reads or writes next."""
        self.is_over, self._error = True, error
        self.can_write.set()
        self._wake()

    def pause_writing(self) -> None:
        """The network takes no more for now."""
        self.can_write.clear()

    def resume_writing(self) -> None:
        """The network takes more again."""
        self.can_write.set()

    def check(self) -> None:
        """Raises why the connection was lost, if it was for a reason."""
        if self._error is not None:
            raise self._error

    async def wait(self) -> None:
        """Returns when something has come, or nothing more will come."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self) -> bytes:
        """All that has come."""
        taken = bytes(self.buffer)
        self.buffer.clear()
        if self._is_paused:
            self.transport.resume_reading()
            self._is_paused = False
        return taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class AsyncioStream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, incoming: _Incoming) -> None:
        self._incoming = incoming
        self._outgoing = _Outgoing()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109
        """The next bytes, all that have come; empty at the end."""
        incoming = self._incoming
        with _READING:
            if not (incoming.buffer or incoming.is_over):
                async with asyncio.timeout(timeout):
                    await incoming.wait()
            if not incoming.buffer:
                incoming.check()
            return incoming.take()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Sends bytes, or keeps them for what follows; waits where the network cannot take more."""
        data = self._outgoing.add(buffer)
        if not data:
            return
        incoming = self._incoming
        with _WRITING:
            incoming.check()
            incoming.transport.write(data)
            if not incoming.can_write.is_set():
                async with asyncio.timeout(timeout):
                    await incoming.can_write.wait()
                incoming.check()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """The same connection, encrypted."""
        incoming, loop = self._incoming, asyncio.get_running_loop()
        with _CONNECTING:
            async with asyncio.timeout(timeout):
                encrypted = await loop.start_tls(
                    incoming.transport, incoming, ssl_context, server_hostname=server_hostname
                )
        if encrypted is None:
            raise httpcore.ConnectError("the connection was closed during the TLS handshake")
        incoming.connection_made(encrypted)
        return self

    async def aclose(self) -> None:
        """Closes the connection at once: what is left to send would go to somebody who does not read it."""
        self._incoming.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection; an idle one is readable when hung up, or when something came."""
        incoming = self._incoming
        if info == "is_readable":  # some gateways say 408 before they hang up
            return bool(incoming.buffer) or incoming.is_over or incoming.transport.is_closing()
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return incoming.transport.get_extra_info(names.get(info, info))


class _HttpcoreErrors:
    """A context in which the system's errors are raised as httpcore's; it keeps no state of a call."""

    def __init__(self, timeout: type[httpcore.TimeoutException], failed: type[httpcore.NetworkError]) -> None:
        self._timeout, self._failed = timeout, failed

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise self._timeout("timed out") from error
        if isinstance(error, OSError):
            raise self._failed(_reason(error)) from error


_CONNECTING = _HttpcoreErrors(httpcore.ConnectTimeout, httpcore.ConnectError)
_READING = _HttpcoreErrors(httpcore.ReadTimeout, httpcore.ReadError)
_WRITING = _HttpcoreErrors(httpcore.WriteTimeout, httpcore.WriteError)


def _reason(error: OSError) -> str:
    """The system's own words, as sync sockets give them; asyncio puts its own in their place."""
    if isinstance(error, ssl.SSLError) or not error.errno or error.errno < 0:
        return str(error)
    return f"[Errno {error.errno}] {os.strerror(error.errno)}"
