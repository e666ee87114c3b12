"""The endpoint as an argument: a URL or an `Endpoint`, and how it may be shown and written out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from azureai_core.endpoints import ENDPOINT_VARIABLES, Endpoint, EndpointKind, first_variable
from azureai_core.errors import ConfigurationError


def endpoint_argument(value: Any) -> str | Endpoint | None:
    """A URL or an `Endpoint`, which keeps its kind; also in the form of `plain_endpoint`.

    Raises `ConfigurationError` for anything else, and for what looks like a model's name.

    >>> endpoint_argument({"kind": "openai-v1", "base_url": "https://gateway.example.com/llm"})
    Endpoint(kind='openai-v1', base_url='https://gateway.example.com/llm', api_version=None)
    """
    if value is None or isinstance(value, Endpoint):
        return value
    if isinstance(value, Mapping) and {"kind", "base_url"} <= set(value):
        return Endpoint(EndpointKind(value["kind"]), value["base_url"], value.get("api_version"))
    if isinstance(value, str):
        _check_is_no_model(value)
        return value
    return Endpoint.parse(value)  # raises: it takes a string only


def _check_is_no_model(text: str) -> None:
    """Raises `ConfigurationError` for a name without scheme, path and top-level domain, as `gpt-4.1` is."""
    name = text.strip()
    if re.fullmatch(r"[\w.-]+", name) and not re.search(r"\.[A-Za-z]{2,}$", name) and name != "localhost":
        raise ConfigurationError(
            f"The endpoint {name!r} is not a URL, but looks like a model's name: the first argument is the endpoint, "
            f"such as 'https://NAME.services.ai.azure.com/models'; pass the name as model={name!r}."
        )


def endpoint_of_environment() -> str | None:
    """The URL that the environment names, as it stands there; `None` where it names none."""
    return first_variable(ENDPOINT_VARIABLES)


def public_url(endpoint: str | Endpoint | None) -> str | None:
    """The URL without its query, which may hold a gateway's key; only the api-version stays.

    >>> public_url("https://gateway.example.com/models?code=secret&api-version=2024-10-21")
    'https://gateway.example.com/models?api-version=2024-10-21'
    """
    url = endpoint.url("") if isinstance(endpoint, Endpoint) else endpoint
    if url is None or "?" not in url:
        return url
    base, _, query = url.partition("?")
    versions = [part for part in query.split("&") if part.lower().startswith("api-version=")]
    return "?".join([base, *versions])


def plain_endpoint(endpoint: str | Endpoint | None) -> str | dict[str, str | None] | None:
    """The endpoint as it is written out, without a secret: its URL, or a dict where the URL does not tell its kind.

    >>> plain_endpoint(Endpoint(EndpointKind.V1, "https://gateway.example.com/llm", None))
    {'kind': 'openai-v1', 'base_url': 'https://gateway.example.com/llm', 'api_version': None}
    """
    url = public_url(endpoint)
    if url is None or not isinstance(endpoint, Endpoint):
        return url
    found = Endpoint.parse(url)
    if (found.kind, found.base_url, found.api_version) == (endpoint.kind, endpoint.base_url, endpoint.api_version):
        return url
    return {"kind": str(endpoint.kind), "base_url": endpoint.base_url, "api_version": endpoint.api_version}
