"""The names of constructor arguments: other spellings, and what to say about a name that does not exist.

A further spelling is a further name in a row of `SPELLINGS`; a further hint is a row of one of the tables below it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from azureai_core.errors import ConfigurationError

SPELLINGS: tuple[tuple[str, ...], ...] = (
    ("endpoint", "base_url", "api_base", "azure_endpoint"),
    ("credential", "api_key"),
    ("model", "model_name"),
    ("timeout", "request_timeout"),
    ("max_tokens", "max_completion_tokens"),
    ("stop", "stop_sequences"),
    ("headers", "default_headers"),
    ("async_http_client", "http_async_client"),
)
"""The names that mean the same, here and in other classes of both frameworks. A class has a field of one of them."""

CLIENT_OPTIONS = frozenset(
    {"headers", "http_client", "async_http_client", "credential_scopes", "limits", "retry", "allow_http_token"}
)
"""Arguments of `InferenceClient` that adapters have no field for: taken directly or within `client_kwargs`."""

_RENAMED: Mapping[str, str] = {
    "azure_deployment": "it is 'model'",
    "deployment_name": "it is 'model'",
    "deployment": "it is 'model'",
    "engine": "it is 'model'",
    "openai_api_key": "it is 'credential'",
    "azure_ad_token": "it is 'credential'",
    "azure_ad_token_provider": "it is 'credential'",
    "openai_api_version": "it is 'api_version'",
    "project_endpoint": "give the project's URL as 'endpoint'",
    "service": "leave it out: the kind of endpoint follows from the URL",
    "model_extras": "pass them as model_kwargs={…}",
}
"""Constructor arguments of the retired adapters, and of classes for other services, that have no twin here."""

_BODY_FIELDS = frozenset(
    {"reasoning_effort", "verbosity", "n", "user", "logprobs", "top_logprobs", "logit_bias", "service_tier", "store"}
    | {"parallel_tool_calls", "response_format", "prediction", "modalities", "audio", "prompt_cache_key"}
)
"""Fields of the request body that a class may have no argument for."""

_OWN_HTTP_CLIENT = "http_client=httpx.Client(…) and async_http_client=httpx.AsyncClient(…)"
_OWN_RETRIES = "retry=azureai_core.RetryPolicy(…)"
_SDK_CLIENT: Mapping[str, str] = {
    **{
        name: f"{name}=…, an argument of the class itself"
        for name in ("frequency_penalty", "presence_penalty", "temperature", "top_p", "max_tokens", "stop", "seed")
    },
    **{name: f"{name}=…, an argument of the embeddings class itself" for name in ("dimensions", "encoding_format")},
    "input_type": "query_input_type, or the other input types of the embeddings class",
    **dict.fromkeys(("model", "model_name"), "model of the class itself"),
    **dict.fromkeys(("model_extras", "response_format", "tools", "tool_choice"), "model_kwargs of the class itself"),
    **dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), "max_retries of the class itself"),
    **dict.fromkeys(("retry_policy", "retry_mode", "retry_backoff_factor", "retry_backoff_max"), _OWN_RETRIES),
    **dict.fromkeys(
        ("timeout", "read_timeout", "connection_timeout"), "timeout of the class itself, seconds or an httpx.Timeout"
    ),
    **dict.fromkeys(
        ("transport", "policies", "per_call_policies", "per_retry_policies", "proxies", "connection_verify"),
        _OWN_HTTP_CLIENT,
    ),
    "connection_cert": "http_client=httpx.Client(cert=…) and async_http_client",
    **dict.fromkeys(
        ("logging_enable", "logging_policy"),
        "Python's logging: the logger 'azureai_core' at level DEBUG, bodies with AZUREAI_LOG_BODIES=true",
    ),
    "user_agent": 'headers={"User-Agent": …}',
    "enforce_https": "allow_http_token",
}
"""Keys of `client_kwargs` that the clients of azure-ai-inference 1.0.0b9 took → what to use instead."""

_FURTHER = "A field of the body goes into model_kwargs={…}, an argument of the client into client_kwargs={…}."


def resolve_arguments(
    owner: str, given: Mapping[str, Any], fields: Mapping[str, str], hints: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The arguments under their fields' names; options of the client stand within `client_kwargs`.

    Args:
        owner: the class's name, for messages.
        given: the arguments as they were spelt.
        fields: each name that the class itself knows, fields and their aliases, and the field it stands for.
        hints: what to say about arguments of the class's own predecessors, beside the common table.

    Raises `ConfigurationError` for an argument that does not exist, or is given under two names: none may be lost.
    """
    accepted = _accepted(fields)
    resolved: dict[str, Any] = {}
    for name, value in given.items():
        field = accepted.get(name)
        if field is None:
            raise ConfigurationError(f"{owner} has no argument {name!r}: {_hint(name, accepted, hints or {})}")
        if field in resolved:
            raise _given_twice(owner, field, given, accepted)
        resolved[field] = value
    return _with_client_options(owner, resolved, set(fields.values()))


def _accepted(fields: Mapping[str, str]) -> dict[str, str]:
    """Each spelling that is taken, and the field or the client's option that it stands for."""
    accepted: dict[str, str] = {}
    known = {**{name: name for name in CLIENT_OPTIONS}, **fields}
    for row in SPELLINGS:
        field = next((known[name] for name in row if name in known), None)
        if field is not None:
            accepted |= dict.fromkeys(row, field)
    return {**accepted, **known}


def _given_twice(owner: str, field: str, given: Collection[str], accepted: Mapping[str, str]) -> ConfigurationError:
    names = sorted(name for name in given if accepted.get(name) == field)
    return ConfigurationError(f"{' and '.join(map(repr, names))} are the same argument of {owner}: give one.")


def _with_client_options(owner: str, resolved: dict[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """The arguments, with the client's options that were given directly moved into `client_kwargs`."""
    direct = {name for name in resolved if name in CLIENT_OPTIONS and name not in fields}
    if not direct:
        return resolved
    inside = resolved.get("client_kwargs") or {}
    if both := sorted(direct & set(inside)):
        raise ConfigurationError(f"{owner} has {both[0]!r} both directly and within client_kwargs: give one.")
    rest = {name: value for name, value in resolved.items() if name not in direct}
    return {**rest, "client_kwargs": {**inside, **{name: resolved[name] for name in direct}}}


def _hint(name: str, accepted: Collection[str], hints: Mapping[str, str]) -> str:
    known = {**_RENAMED, **hints}
    if name in known:
        return f"{known[name]}."
    if name in _BODY_FIELDS:
        return f"it is a field of the body, so pass model_kwargs={{{name!r}: …}}."
    close = get_close_matches(name, accepted, 1, cutoff=0.75)
    return f"Did you mean {close[0]!r}? {_FURTHER}" if close else _FURTHER


def check_client_kwargs(given: Collection[str], known: Collection[str], hints: Mapping[str, str] | None = None) -> None:
    """Raises `ConfigurationError` for keys of `client_kwargs` that the client does not take."""
    unknown = sorted(set(given) - set(known))
    if not unknown:
        return
    instead = {**_SDK_CLIENT, **(hints or {})}
    advice = "; ".join(f"for {name} use {instead[name]}" for name in unknown if name in instead)
    end = f": {advice}. " if advice else ". "
    raise ConfigurationError(f"client_kwargs has {', '.join(unknown)}{end}It takes {', '.join(sorted(known))}.")


def check_call_arguments(given: Collection[str], hints: Mapping[str, str]) -> None:
    """Raises `ConfigurationError` for an argument of a call that is not a field of the body; `hints` has the advice."""
    for name, hint in hints.items():
        if name in given:
            raise ConfigurationError(f"A call takes no {name!r}: {hint}.")


def stop_list(stop: str | list[str] | None) -> list[str] | None:
    """Stop sequences as the API takes them: a list, or nothing; it refuses a string, and an empty list."""
    return [stop] if isinstance(stop, str) else stop or None
