"""One call as it goes over the wire, and what is changed in it when the service refuses a part. Pure, no I/O."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal

from pydantic_core import to_json

from .deployments import Deployment, RouteState
from .errors import (
    APIStatusError,
    ConfigurationError,
    ContentFilterError,
    UnsupportedParameterWarning,
    with_id,
)
from .protocols.base import Answer, WireProtocol
from .types import NEVER_DROPPED, Json

ExtraParameters = Literal["error", "drop", "pass-through"]
UnsupportedParameters = Literal["error", "drop"]

_LIMIT_SPELLINGS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSALS = {400, 422}
_GENERIC_REFUSALS = ("extra inputs", "extra_forbidden", "unrecognized", "unexpected", "unknown field")


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """A payload and its protocol, with what was added to it, renamed in it and dropped from it on the way."""

    deployment: Deployment
    protocol: WireProtocol[Answer]
    payload: Json
    added: frozenset[str] = frozenset()
    """Fields set on our own account; withdrawn without a word when the service refuses them."""
    renamed: frozenset[str] = frozenset()
    dropped: tuple[str, ...] = ()
    """Fields of the caller's that the service refused and `unsupported_parameters="drop"` left out."""
    exact: bool = False
    """Sent as the caller wrote it, and once: a refusal is the caller's to see."""

    @property
    def extras(self) -> list[str]:
        """The fields that are not part of the route's standard body."""
        return [name for name in self.payload if name not in self.protocol.fields]

    def without(self, names: set[str]) -> Call[Answer]:
        """The call without some fields; those of the caller's are listed as dropped."""
        payload = {name: value for name, value in self.payload.items() if name not in names}
        users = tuple(name for name in self.payload if name in names - self.added)
        return replace(self, payload=payload, added=self.added - names, dropped=self.dropped + users)

    def with_renamed(self, name: str) -> Call[Answer]:
        """The call with the output limit under its other spelling."""
        other = _LIMIT_SPELLINGS[name]
        payload = {(other if key == name else key): value for key, value in self.payload.items()}
        return replace(self, payload=payload, renamed=self.renamed | {name})


def prepare(
    deployment: Deployment,
    protocol: WireProtocol[Answer],
    payload: Mapping[str, Any],
    defaults: Mapping[str, Any],
    policy: UnsupportedParameters,
    *,
    exact: bool = False,
) -> Call[Answer]:
    """The call of a payload: `None` left out, our additions made, and what was refused before not sent again.

    An exact one is the payload and nothing else. Raises `ConfigurationError` when the endpoint serves many models and
    the payload names none.
    """
    body = {name: value for name, value in payload.items() if value is not None}
    endpoint = deployment.endpoint
    if endpoint.needs_model and not body.get("model"):
        raise ConfigurationError(
            f"{endpoint.base_url} serves many models: pass model='<deployment name>' (endpoint kind: {endpoint.kind})."
        )
    if exact:
        return Call(deployment, protocol, body, exact=True)
    state = deployment.route(protocol.route)
    added = {k: v for k, v in defaults.items() if v is not None and k not in body and k not in state.withdrawn}
    call = Call(deployment, protocol, {**body, **added}, frozenset(added))
    call = _with_limit_field(call, state)
    known = state.dropped & set(call.payload) if policy == "drop" else set()
    return call.without(known) if known else call


def body_of(call: Call[Any]) -> bytes:
    """The body as JSON. Raises `ConfigurationError` that names the field which is none."""
    limit = call.payload.get("max_tokens")
    if limit is not None and not isinstance(limit, int):
        raise ConfigurationError(f"max_tokens={limit!r}: pass a whole number.")
    try:
        return to_json(call.protocol.encode(call.payload))
    except ValueError as error:
        fault = _unsendable(call.payload, "")
        raise ConfigurationError(f"The payload cannot be sent as JSON: {fault or error}.") from None


def _unsendable(value: object, path: str) -> str:
    """Which part of a payload is not JSON, and why; `""` where all is well."""
    if isinstance(value, str):
        lone = next((c for c in value if "\ud800" <= c <= "\udfff"), None)
        return f"{path} has {lone!r}, half of a character, which is no Unicode text: replace it" if lone else ""
    if isinstance(value, Mapping):
        return next((f for k, v in value.items() if (f := _unsendable(v, f"{path}.{k}".lstrip(".")))), "")
    if isinstance(value, list | tuple):
        return next((f for n, v in enumerate(value) if (f := _unsendable(v, f"{path}[{n}]"))), "")
    plain = value is None or isinstance(value, bool | int | float)
    return "" if plain else f"{path} is {type(value).__name__}: pass text, a number, a list or a dict"


def extra_parameters_header(call: Call[Any], chosen: ExtraParameters | None) -> ExtraParameters | None:
    """The value of the `extra-parameters` header, or `None`; extras are passed through unless chosen otherwise."""
    endpoint = call.deployment.endpoint
    if not endpoint.takes_extra_parameters_header:
        return None
    return chosen or ("pass-through" if call.extras and not endpoint.is_openai else None)


def _with_limit_field(call: Call[Answer], state: RouteState) -> Call[Answer]:
    """The call with its output limit spelt as the service said, or else as the model family's profile says."""
    spelling = state.limit_field or call.deployment.profile.max_tokens_field
    other = _LIMIT_SPELLINGS[spelling]
    known = state.limit_field is not None or spelling != "max_tokens"
    rename = known and other in call.payload and spelling not in call.payload
    return call.with_renamed(other) if rename else call


def amend(call: Call[Answer], error: APIStatusError, policy: UnsupportedParameters) -> Call[Answer] | None:
    """The call as it may be sent once more; `None` when nothing can be changed in it.

    It does not raise the error itself: this frame, which refers to it, would be part of its traceback, and the two
    would keep the call's connection until the garbage collector comes by.
    """
    if call.exact or error.status_code not in _REFUSALS or isinstance(error, ContentFilterError):
        return None
    state = call.deployment.route(call.protocol.route)
    refused = _refused(call, error)
    if defaults := refused & call.added:
        state.withdrawn |= defaults
        return call.without(defaults)
    for name in refused & set(_LIMIT_SPELLINGS) - call.renamed:
        if _suggests(call, error, name):
            state.limit_field = _LIMIT_SPELLINGS[name]
            return call.with_renamed(name)
    users = refused & set(error.unsupported) - NEVER_DROPPED
    if policy != "drop" or not users:
        return None
    state.dropped |= users
    warnings.warn(_dropped_text(call, users, error), UnsupportedParameterWarning, stacklevel=_callers_level())
    return call.without(users)


def _callers_level() -> int:
    """Which frame above `amend` is the first outside the core: the line that a warning is about."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("azureai_core."):
        level, frame = level + 1, frame.f_back
    return level


def _refused(call: Call[Any], error: APIStatusError) -> set[str]:
    """The fields of the call that the error names, or, where it names none, our additions that it may mean."""
    named = set(error.parameters) & set(call.payload)
    if named or error.parameters:
        return named
    text = error.message.lower()
    mentioned = {name for name in call.added if name in text}
    generic = any(word in text for word in _GENERIC_REFUSALS)
    return mentioned or (set(call.added) if generic else set())


def _suggests(call: Call[Any], error: APIStatusError, name: str) -> bool:
    """Whether the service wants the other spelling: it says so, or it does not know `max_completion_tokens`."""
    other = _LIMIT_SPELLINGS[name]
    unknown = name == "max_completion_tokens" and name in error.unsupported
    return other not in call.payload and (other in error.message or unknown)


def _dropped_text(call: Call[Any], names: set[str], error: APIStatusError) -> str:
    values = ", ".join(f"{name}={call.payload[name]!r}"[:120] for name in sorted(names))
    why = f"{error.status_code}{with_id(error.request_id)}"
    return f"{values} left out, as unsupported_parameters='drop' asks: the service does not take it ({why})"
