"""From a call to the httpx request that leaves, and what of it must never be seen."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import uuid4

import httpx

from azureai_core._version import __version__
from azureai_core.endpoints import Endpoint
from azureai_core.masking import may_be_secret

from .auth import KeyAuth, TokenAuth

CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 600.0
"""Seconds. The service itself may think for up to 29 minutes. Source: 'Foundry Models quotas and limits'."""

_PHASES = ("connect", "read", "write", "pool")
Timeout = dict[str, float | None]
"""Seconds for `connect`, `read`, `write` and `pool`."""
_DEFAULT_TIMEOUTS: Timeout = {**dict.fromkeys(_PHASES, READ_TIMEOUT), "connect": CONNECT_TIMEOUT}


class RequestBuilder:
    """Builds the requests of one `InferenceClient`."""

    def __init__(
        self,
        endpoint: Endpoint,
        auth: KeyAuth | TokenAuth,
        headers: Mapping[str, str],
        timeout: float | httpx.Timeout | None,
    ) -> None:
        self._endpoint = endpoint
        self._auth = auth
        self._given = {name.lower(): value for name, value in headers.items()}
        self._timeout = timeout
        self._default_timeouts = _DEFAULT_TIMEOUTS if timeout is None else _by_phase(timeout)
        self._urls: dict[tuple[str, bool], httpx.URL] = {}

    def build(
        self, route: str, content: bytes | None, extra_parameters: str | None, user_client: Any = None
    ) -> httpx.Request:
        """The request of a call, for our own client or with what the user's adds to it; a token is still to come.

        Args:
            route: such as `/chat/completions`.
            content: the body; `None` for a GET.
            extra_parameters: the header of that name, unless the user's headers have one.
            user_client: the user's httpx client, sync or async.
        """
        url = self._url(route, is_public=user_client is None)
        headers = self._headers(user_client)
        if extra_parameters is not None:
            headers.setdefault("extra-parameters", extra_parameters)
        headers.setdefault("x-ms-client-request-id", str(uuid4()))
        method = "GET" if content is None else "POST"
        if content is not None:
            headers.setdefault("content-type", "application/json")
        extensions = {"timeout": self._timeouts(user_client)}
        if user_client is None:
            headers.setdefault("host", url.netloc.decode("ascii"))
            return _request(method, url, headers, content, extensions)
        params = url.params or None  # its own would replace the URL's
        built: httpx.Request = user_client.build_request(
            method, url, params=params, headers=headers, content=content, extensions=extensions
        )
        return built

    def secrets(self, user_clients: tuple[Any, ...]) -> tuple[str, ...]:
        """What must not appear in any text: the credential, and what headers and queries may hold besides."""
        given = [*self._given.items(), *self._endpoint.query]
        for client in user_clients:
            if client is not None:
                given += [*client.headers.items(), *client.params.multi_items()]
        return (*self._auth.secrets(), *(value for name, value in given if may_be_secret(name.lower(), value)))

    def _headers(self, user_client: Any) -> dict[str, str]:
        """The headers that all requests have. What the user set wins, also a credential of their own client's."""
        headers = {"accept": "application/json", "user-agent": _user_agent(), **self._auth.headers()}
        if user_client is not None:
            names = ("authorization", "api-key")
            headers |= {name: user_client.headers[name] for name in names if name in user_client.headers}
        return headers | self._given

    def _timeouts(self, user_client: Any) -> Timeout:
        """Seconds by phase; those of the user's own client where none were given."""
        if user_client is None or self._timeout is not None:
            return dict(self._default_timeouts)
        return _by_phase(user_client.timeout)

    def _url(self, route: str, *, is_public: bool) -> httpx.URL:
        """The URL of a route; our own transport adds what may be secret in its query."""
        url = self._urls.get((route, is_public))
        if url is None:
            text = self._endpoint.public_url(route) if is_public else self._endpoint.url(route)
            url = self._urls[route, is_public] = httpx.URL(text)
        return url


def _request(
    method: str, url: httpx.URL, headers: dict[str, str], content: bytes | None, extensions: dict[str, Any]
) -> httpx.Request:
    """What `httpx.Request(…, content=content)` makes; by way of a stream, it need not find out what it was given."""
    if content is not None:
        headers["content-length"] = str(len(content))
    request = httpx.Request(
        method, url, headers=headers, stream=httpx.ByteStream(content or b""), extensions=extensions
    )
    request.read()
    return request


def _by_phase(timeout: float | httpx.Timeout) -> Timeout:
    return dict.fromkeys(_PHASES, timeout) if isinstance(timeout, int | float) else timeout.as_dict()


@lru_cache(maxsize=1)
def _user_agent() -> str:
    return f"azureai-adapters/{__version__} Python/{platform.python_version()} httpx/{httpx.__version__}"
