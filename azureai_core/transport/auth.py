"""From what users have as a credential to the headers of a request."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet

from azureai_core.endpoints import CREDENTIAL_VARIABLES, Endpoint
from azureai_core.errors import ConfigurationError
from azureai_core.masking import MASK

REFRESH_MARGIN = 300.0
"""Seconds before its expiry at which a token is fetched anew."""


class KeyAuth:
    """Sends a key in both headers, since kinds disagree on which one they read.

    Serverless, managed compute and GitHub read `Authorization`, Foundry and Azure OpenAI `api-key`; sending both is
    accepted everywhere. A header that the caller set is left alone. Source: azure-ai-inference and recorded traffic.
    """

    def __init__(self, credential: Any) -> None:
        self._credential = credential

    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text."""
        return (self._key(),)

    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        key = self._key()
        return {"authorization": f"Bearer {key}", "api-key": key}

    def sign(self, _headers: MutableMapping[str, str]) -> bool:
        """Nothing is missing: `headers` holds the credential. `False`: no other one is to be had."""
        return False

    def _key(self) -> str:
        """The key as it is now: an `AzureKeyCredential` may be given a new one at any time."""
        return key_of(self._credential) or ""

    async def asign(self, _headers: MutableMapping[str, str]) -> bool:
        """The same."""
        return False

    def forget(self, headers: Mapping[str, str]) -> None:
        """Nothing: a key is the caller's to change."""


class TokenAuth:
    """Sends a bearer token, kept until shortly before it expires; one fetch serves all who wait for it."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch
        self._token: str | None = None
        self._fresh_until = 0.0
        self.renew_lock()
        _token_auths.add(self)

    def renew_lock(self) -> None:
        """At first, and in a forked child: a thread that fetches there is not here to go on."""
        self._lock = threading.Lock()
        self._pending: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[str]] = WeakKeyDictionary()

    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any text."""
        return (self._token,) if self._token else ()

    def headers(self) -> dict[str, str]:
        """None: the token is fetched when it is needed."""
        return {}

    def sign(self, headers: MutableMapping[str, str]) -> bool:
        """Puts a fresh token into a request's headers, where they have no credential; fetches one if need be.

        Whether the token was kept from before, and may have been revoked since.
        """
        if "authorization" in headers:
            return False
        kept = self._current()
        headers["authorization"] = f"Bearer {kept or self._refresh()}"
        return kept is not None

    async def asign(self, headers: MutableMapping[str, str]) -> bool:
        """The same without blocking the event loop."""
        if "authorization" in headers:
            return False
        kept = self._current()
        headers["authorization"] = f"Bearer {kept or await self._shared_refresh()}"
        return kept is not None

    def forget(self, headers: Mapping[str, str]) -> None:
        """Keeps the token no longer that a refused request carried; one that was fetched meanwhile stays."""
        if headers.get("authorization") == f"Bearer {self._token}":
            self._fresh_until = 0.0

    def _current(self) -> str | None:
        return self._token if time.time() < self._fresh_until else None

    def _refresh(self) -> str:
        with self._lock:
            current = self._current()
            if current is None:
                with _fetch_errors():
                    token = self._fetch()
                    token = _BackgroundLoop.run(token) if inspect.isawaitable(token) else token
                return self._keep(token)
            return current

    async def _shared_refresh(self) -> str:
        """The refresh that is under way in this loop, or a new one; a caller that is cancelled leaves it running."""
        loop = asyncio.get_running_loop()
        pending = self._pending.get(loop)
        if pending is None:
            pending = self._pending[loop] = asyncio.ensure_future(self._arefresh())
            pending.add_done_callback(self._fetched)
        return await asyncio.shield(pending)

    def _fetched(self, pending: asyncio.Future[str]) -> None:
        self._pending.pop(pending.get_loop(), None)  # it refers to its loop
        if not pending.cancelled():
            pending.exception()  # asyncio would log one that nobody waits for any more

    async def _arefresh(self) -> str:
        with _fetch_errors():
            if inspect.iscoroutinefunction(self._fetch):
                token = await self._fetch()
            else:
                token = await asyncio.to_thread(self._fetch)  # may block, so not in the event loop
                token = await token if inspect.isawaitable(token) else token
        return self._keep(token)

    def _keep(self, token: Any) -> str:
        """Takes a plain string, which is asked for anew each time, or an object with `token` and `expires_on`."""
        text, expires = getattr(token, "token", token), _seconds(getattr(token, "expires_on", None))
        text = text.removeprefix("Bearer ") if isinstance(text, str) else text
        if not isinstance(text, str) or not is_header_value(text):
            raise ConfigurationError(
                f"The token provider gave {type(token).__name__}, not a token: return a string, or an object with "
                "`token` and `expires_on` (seconds since 1970)."
            )
        self._token, self._fresh_until = text, expires - REFRESH_MARGIN
        return text


@contextmanager
def _fetch_errors() -> Iterator[None]:
    """Raises what a credential raises as an error that says what to do."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a user's credential raises
        said = _SECRET.sub(rf"\1{MASK}", str(error))
        raise ConfigurationError(
            f"The credential gave no token: {type(error).__name__}: {said}. Check that it is signed in and may ask "
            "for this scope (credential_scopes=), or pass a key."
        ) from (error if said == str(error) else None)


# What looks like a secret in the words of somebody else: `client_secret=…`, `"password": "…"`, a JSON web token.
_SECRET = re.compile(
    r"""((?:secret|password|assertion|token|key|sig)(?:["']?\s*=\s*["']?|["']\s*:\s*["']))[^\s&,;'"]+"""
    r"|\beyJ[\w-]{10,}\.[\w.-]+",
    re.IGNORECASE,
)


def _seconds(expires: object) -> float:
    """When a token expires; 0 where that is not said."""
    try:
        return float(cast("float", expires or 0))
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"The token's expires_on is {expires!r}: give the seconds since 1970 as a number."
        ) from None


def _check_scopes(scopes: object) -> None:
    given = [scopes] if isinstance(scopes, str) else scopes
    if scopes is not None and not (isinstance(given, list | tuple) and all(isinstance(scope, str) for scope in given)):
        raise ConfigurationError(
            f"credential_scopes={scopes!r}: pass a string such as 'https://…/.default', or a list."
        )


class _BackgroundLoop:
    """One event loop in a thread, for async credentials that are used from sync code."""

    _lock = threading.Lock()
    _loop: asyncio.AbstractEventLoop | None = None
    _pid = 0

    @classmethod
    def run(cls, awaitable: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await awaitable

        future: Future[Any] = asyncio.run_coroutine_threadsafe(wait(), cls._get())
        return future.result()

    @classmethod
    def renew_lock(cls) -> None:
        """In a forked child, as `TokenAuth.renew_lock`."""
        cls._lock = threading.Lock()

    @classmethod
    def _get(cls) -> asyncio.AbstractEventLoop:
        with cls._lock:
            if cls._loop is None or cls._pid != os.getpid():  # a fork has the loop, but not its thread
                cls._loop, cls._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=cls._loop.run_forever, name="azureai-credential", daemon=True).start()
            return cls._loop


_token_auths: WeakSet[TokenAuth] = WeakSet()


def _after_fork() -> None:
    """In the child: a thread that held one of the locks is not there to release it."""
    _BackgroundLoop.renew_lock()
    for auth in _token_auths:
        auth.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def auth_for(credential: Any, endpoint: Endpoint, scopes: Sequence[str] | str | None) -> KeyAuth | TokenAuth:
    """The auth of a credential in any of its forms; see `InferenceClient`. No I/O."""
    if key_of(credential) is not None:
        return KeyAuth(credential)
    if credential is None:
        credential = _default_credential()
    return TokenAuth(_fetcher(credential, endpoint, scopes))


def key_of(credential: Any) -> str | None:
    """The key in a string, a `SecretStr` or an object with `.key`; `None` for the other forms."""
    get_secret = getattr(credential, "get_secret_value", None)
    value = get_secret() if callable(get_secret) else getattr(credential, "key", credential)
    if not isinstance(value, str):
        return None
    key = value.strip()
    if not is_header_value(key):
        raise ConfigurationError("The credential is empty or has characters that no key has: pass the key as it is.")
    return key


def is_header_value(text: str) -> bool:
    """Whether a key or token can be sent; the HTTP library's own error would print it."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def check_credential(credential: Any, endpoint: Endpoint, scopes: object, *, allow_http_token: bool) -> None:
    """Raises `ConfigurationError` when the credential is missing, of an unknown form, or would travel unprotected."""
    _check_scopes(scopes)
    if credential is None and not _has_identity():
        raise ConfigurationError(
            "No credential was given. Pass credential='<key>' or a token credential, set the environment variable "
            f"{CREDENTIAL_VARIABLES[0]}, or install azure-identity (pip install 'azureai-adapters[identity]') "
            "to use DefaultAzureCredential."
        )
    if isinstance(credential, type):
        raise ConfigurationError(
            f"The credential is the class {credential.__name__}: pass an instance, such as {credential.__name__}()."
        )
    if key_of(credential) is not None:
        return
    if credential is not None and not hasattr(credential, "get_token") and not callable(credential):
        raise ConfigurationError(
            f"The credential is {type(credential).__name__}: pass the key as a string, a SecretStr or an object with "
            "`.key`, a token credential with `get_token`, or a function that returns a token."
        )
    if endpoint.is_plain_http and not (endpoint.is_loopback and allow_http_token):
        raise ConfigurationError(
            f"A token must not be sent over plain http to {endpoint.base_url}: use https://"
            + (" or, for this machine only, pass allow_http_token=True." if endpoint.is_loopback else ".")
        )


def _has_identity() -> bool:
    try:
        return find_spec("azure.identity") is not None
    except ModuleNotFoundError:
        return False


def _default_credential() -> Any:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415  loading it costs 0.2 s

    return DefaultAzureCredential()


def _fetcher(credential: Any, endpoint: Endpoint, scopes: Sequence[str] | str | None) -> Callable[[], Any]:
    get_token = getattr(credential, "get_token", None)
    if get_token is None:
        return cast("Callable[[], Any]", credential)
    asked = (scopes,) if isinstance(scopes, str) else tuple(scopes or ()) or (endpoint.token_scope,)
    if asked[0] is None:
        raise ConfigurationError(
            f"{endpoint.base_url} has no Entra ID scope of its own: pass a key, or credential_scopes=['…/.default']."
        )
    if inspect.iscoroutinefunction(get_token):

        async def fetch() -> Any:
            return await get_token(*asked)

        return fetch
    return lambda: get_token(*asked)
