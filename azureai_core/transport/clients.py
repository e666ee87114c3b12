"""Which transport a call goes through: one for sync code, one per running event loop, both made on first use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from threading import Lock
from typing import Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary, finalize

from azureai_core.endpoints import Endpoint
from azureai_core.errors import ConfigurationError

from .http import Answer, Request
from .lazy import httpx
from .pool import AsyncPoolTransport, PoolTransport, shared_ssl_context
from .retry import RetryPolicy, RetryTransport


class ClientTransport:
    """Sends through an httpx client, sync or async, and never follows a redirect."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, request: Request) -> Answer:
        """The answer, its body still to be read."""
        built = self._built(request)
        return Answer.of(self._client.send(built, stream=True, follow_redirects=False), request)

    async def asend(self, request: Request) -> Answer:
        """The same without blocking the event loop."""
        built = self._built(request)
        return Answer.of(await self._client.send(built, stream=True, follow_redirects=False), request)

    def _built(self, request: Request) -> httpx.Request:
        """The request with the client's own headers and cookies."""
        if self._client.is_closed:
            raise ConfigurationError(
                "The httpx client given as http_client is closed: keep it open while it is in use."
            )
        url = request.target.url
        built: httpx.Request = self._client.build_request(
            request.method,
            url,
            params=url.params or None,  # its own would replace the URL's
            headers=request.headers,
            content=request.content,
            extensions={"timeout": request.timeout},
        )
        return built

    def close(self) -> None:
        """Closes the client."""
        self._client.close()

    async def aclose(self) -> None:
        """Closes the client."""
        await self._client.aclose()


class Transports:
    """The transports of one `InferenceClient`. A caller's own httpx client is used as it is and never closed."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy, http_client: Any, async_http_client: Any) -> None:
        self._endpoint = endpoint
        self._policy = policy
        self.http_client, self.async_http_client = http_client, async_http_client
        self._lock = Lock()
        self._sync: RetryTransport | None = self._wrap(http_client)
        self._theirs: RetryTransport | None = self._wrap(async_http_client)
        self._owns_sync = self._sync is None
        self._close_sync: Callable[[], object] | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Opened] = WeakKeyDictionary()
        self._pid = os.getpid()
        self._inherited: list[Any] = []

    def sync(self) -> RetryTransport:
        """The transport of sync code, shared by all threads."""
        self._after_fork()
        made = self._sync
        if made is None:
            with self._lock:
                made = self._sync = self._sync or self._new_sync()
        return made

    def _new_sync(self) -> RetryTransport:
        inner = self._new_client("Client") or PoolTransport(resend=self._policy.retry_broken)
        self._close_sync = finalize(self, inner.close)
        return RetryTransport(inner, self._policy)

    async def current(self) -> RetryTransport:
        """The transport of the running event loop. It is closed with the loop, or when nobody refers to it."""
        if self._theirs is not None:
            return self._theirs
        self._after_fork()
        loop = asyncio.get_running_loop()
        opened = self._by_loop.get(loop)
        if opened is None:
            inner = self._new_client("AsyncClient") or AsyncPoolTransport(resend=self._policy.retry_broken)
            opened = _Opened(RetryTransport(inner, self._policy))
            with self._lock:
                for old in [old for old in self._by_loop if old.is_closed()]:
                    del self._by_loop[old]
                self._by_loop[loop] = opened
            await opened.arm()
        return opened.transport

    def close(self) -> None:
        """Closes the sync transport; a later call makes a new one."""
        if self._owns_sync:
            with self._lock:
                close, self._close_sync, self._sync = self._close_sync, None, None
            if close is not None:
                close()

    async def aclose(self) -> None:
        """Closes the transport of the running event loop, and the sync one."""
        with self._lock:
            opened = self._by_loop.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened.closer.aclose()
        self.close()

    def _wrap(self, client: Any) -> RetryTransport | None:
        return None if client is None else RetryTransport(ClientTransport(client), self._policy)

    def _new_client(self, kind: str) -> ClientTransport | None:
        """A client of httpx's own where a proxy stands between us and the endpoint: its transport knows proxies."""
        scheme = "http" if self._endpoint.is_plain_http else "https"
        proxies = getproxies()
        if not (proxies.get(scheme) or proxies.get("all")) or proxy_bypass(self._endpoint.host):
            return None
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=60)
        client = getattr(httpx, kind)(verify=shared_ssl_context(), limits=limits)
        client.headers.clear()  # the request has its own
        return ClientTransport(client)

    def _after_fork(self) -> None:
        """Leaves the parent's connections alone: two processes must not speak on one socket."""
        if self._pid == os.getpid():
            return
        self._inherited += [self._sync if self._owns_sync else None, *self._by_loop.values()]
        self._lock, self._by_loop = Lock(), WeakKeyDictionary()
        if self._owns_sync:
            self._sync = self._close_sync = None
        self._pid = os.getpid()  # last: another thread of the child must find all else done


class _Opened:
    """An async transport that closes itself.

    An event loop finalises the async generators that were started in it: when it shuts down (`asyncio.run` sees to
    that) and when one of them is garbage-collected. So the closing stands in a generator that waits for just that.
    """

    def __init__(self, transport: RetryTransport) -> None:
        self.transport = transport
        self.closer = _close_with_loop(transport)

    async def arm(self) -> None:
        await self.closer.__anext__()


async def _close_with_loop(transport: RetryTransport) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await transport.aclose()
