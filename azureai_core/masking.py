"""What must not be seen: one list of what counts as secret, and the functions that mask it in texts and requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

MASK = "***"


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, however they are spelt; a short one counts only as a whole word."""
    for secret in {spelling for plain in secrets for spelling in _spellings_of(plain)}:
        if len(secret) >= 8:  # noqa: PLR2004
            text = text.replace(secret, MASK)
        elif secret:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def _spellings_of(plain: str) -> tuple[str, ...]:
    """A secret as it is, and as JSON, `repr` and URLs spell it."""
    quoted = [quote(plain, safe=safe, errors="replace") for safe in ("", "/")]
    lower = [re.sub("%..", lambda code: code[0].lower(), text) for text in quoted]
    return plain, json.dumps(plain)[1:-1], repr(plain)[1:-1], *quoted, *lower


def shown_request(request: httpx.Request, secrets: Iterable[str]) -> httpx.Request:
    """The request as an error may show it: the method, the URL without its query's values, and no credential."""
    import httpx  # noqa: PLC0415  loaded by now

    headers = {k: v for k, v in request.headers.items() if k in _SHOWN_HEADERS and v.isascii()}
    kept = {k: v for k, v in headers.items() if mask(v, secrets) == v}
    return httpx.Request(request.method, public_url(request.url), headers=kept)


# What an error shows of its request; any other header may be a gateway's key.
_SHOWN_HEADERS = frozenset(
    {
        "accept",
        "azureml-model-deployment",
        "content-length",
        "content-type",
        "extra-parameters",
        "host",
        "user-agent",
        "x-ms-client-request-id",
    }
)


def public_url(url: httpx.URL) -> str:
    """The URL as an error may show it: of the query, only `api-version`."""
    version = url.params.get("api-version")
    base = str(url.copy_with(query=None, fragment=None, username=None, password=None))
    return f"{base}?api-version={version}" if version else base


_PUBLIC_NAMES = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "api-version",
        "azureml-model-deployment",
        "connection",
        "content-type",
        "extra-parameters",
        "user-agent",
        "x-ms-client-request-id",
    }
)


def may_be_secret(name: str, value: str) -> bool:
    """Whether the value of a header or query parameter is to be masked: a short one only where its name says so."""
    return name not in _PUBLIC_NAMES and (len(value) >= 8 or any(word in name for word in ("key", "auth", "token")))  # noqa: PLR2004
