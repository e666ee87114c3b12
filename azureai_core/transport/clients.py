"""Which httpx client a call goes through: one for sync code, one per running event loop, both made on first use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from threading import Lock
from typing import Any
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary, finalize

import httpx

from azureai_core.endpoints import Endpoint
from azureai_core.errors import ConfigurationError

from .pool import AsyncPoolTransport, PoolTransport


class Clients:
    """The httpx clients of one `InferenceClient`. A caller's own client is used as it is and never closed."""

    def __init__(self, endpoint: Endpoint, user_client: Any, async_user_client: Any, *, resend: bool) -> None:
        self._endpoint = endpoint
        self._resend = resend
        self.user_client: httpx.Client | None = user_client
        self.async_user_client: httpx.AsyncClient | None = async_user_client
        self._lock = Lock()
        self._sync: httpx.Client | None = None
        self._close_sync: Callable[[], object] | None = None
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClient] = WeakKeyDictionary()
        self._proxy: str | None = None
        self._pid = os.getpid()
        self._inherited: list[Any] = []

    def sync(self) -> httpx.Client:
        """The client of sync code, shared by all threads."""
        if self.user_client is not None:
            _check_open(self.user_client, "http_client")
            return self.user_client
        self._after_fork()
        made = self._sync
        if made is None:
            with self._lock:
                made = self._sync = self._sync or self._new_sync()
        return made

    def _new_sync(self) -> httpx.Client:
        transport = PoolTransport(**self._options())
        client = _Client(transport=transport, trust_env=False, auth=_SIGNED)
        self._close_sync = finalize(self, transport.close)  # not the client, which a call may still need to retry
        return client

    async def current(self) -> httpx.AsyncClient:
        """The client of the running event loop. It is closed with the loop, or when nobody refers to it."""
        if self.async_user_client is not None:
            _check_open(self.async_user_client, "async_http_client")
            return self.async_user_client
        self._after_fork()
        loop = asyncio.get_running_loop()
        made = self._by_loop.get(loop)
        if made is None:
            transport = AsyncPoolTransport(**self._options())
            made = _LoopClient(_AsyncClient(transport=transport, trust_env=False, auth=_SIGNED), transport)
            with self._lock:
                for old in [old for old in self._by_loop if old.is_closed()]:
                    del self._by_loop[old]
                self._by_loop[loop] = made
            await made.arm()
        return made.client

    def _options(self) -> dict[str, Any]:
        """The arguments of a transport; the environment is read when it is made."""
        self._proxy = proxy_for(self._endpoint)
        return {"resend": self._resend, "proxy": self._proxy, "query": urlencode(self._endpoint.query)}

    @property
    def shown_proxy(self) -> str | None:
        """The proxy that is used, without a user name and password."""
        if self._proxy is None:
            return None
        url = httpx.URL(self._proxy)
        return str(url.copy_with(username=None, password=None))

    def close(self) -> None:
        """Closes the sync client; a later call makes a new one."""
        with self._lock:
            close, self._close_sync, self._sync = self._close_sync, None, None
        if close is not None:
            close()

    async def aclose(self) -> None:
        """Closes the client of the running event loop, and the sync one."""
        with self._lock:
            made = self._by_loop.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await made.closer.aclose()
        self.close()

    def _after_fork(self) -> None:
        """Leaves the parent's connections alone: two processes must not speak on one socket."""
        if self._pid == os.getpid():
            return
        self._inherited += [self._sync, *self._by_loop.values()]
        self._lock, self._by_loop = Lock(), WeakKeyDictionary()
        self._sync = self._close_sync = None
        self._pid = os.getpid()  # last: another thread of the child must find all else done


class _NoCookies(httpx.Cookies):
    """Keeps no cookie: calls are to have nothing to do with each other. Looking for them costs a tenth of a call."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keeps none of a response's cookies."""


_NO_COOKIES = _NoCookies()
_SIGNED = httpx.Auth()
"""Adds nothing: requests are signed before. Without it, httpx looks for a password in the URL of each."""


class _Client(httpx.Client):
    @property  # type: ignore[misc]  # nobody sets them
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES


class _AsyncClient(httpx.AsyncClient):
    @property  # type: ignore[misc]  # nobody sets them
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES


class _LoopClient:
    """An async client that closes itself.

    An event loop finalises the async generators that were started in it: when it shuts down (`asyncio.run` sees to
    that) and when one of them is garbage-collected. So the closing stands in a generator that waits for just that.
    """

    def __init__(self, client: httpx.AsyncClient, transport: AsyncPoolTransport) -> None:
        self.client = client
        self.closer = _close_with_loop(transport)  # not the client, which a call may still need to retry

    async def arm(self) -> None:
        await self.closer.__anext__()


async def _close_with_loop(transport: AsyncPoolTransport) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await transport.aclose()


def _check_open(client: httpx.Client | httpx.AsyncClient, name: str) -> None:
    if client.is_closed:
        raise ConfigurationError(f"The httpx client given as {name} is closed: keep it open while it is in use.")


def proxy_for(endpoint: Endpoint) -> str | None:
    """URL of the proxy that the environment sets between us and an endpoint; never one for this machine itself.

    Raises `ConfigurationError` when it is not one that httpx can use.
    """
    scheme = "http" if endpoint.is_plain_http else "https"
    proxies = getproxies()
    name = scheme if proxies.get(scheme) else "all"
    proxy = proxies.get(name)
    if not proxy or endpoint.is_loopback or proxy_bypass(endpoint.host):
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        httpx.HTTPTransport(proxy=url, verify=False).close()
    except (ValueError, httpx.InvalidURL, ImportError) as error:
        raise ConfigurationError(
            f"The proxy in the environment variable {name.upper()}_PROXY cannot be used: {error}. Correct it, or name "
            f"{endpoint.host} in NO_PROXY."
        ) from None
    return url
