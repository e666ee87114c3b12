"""The fields of a body that an endpoint accepts: standard ones, and others by the header `extra-parameters`."""

from collections.abc import Mapping
from typing import Any

from azureai_emulator.catalog.kinds import OPENAI_KINDS
from azureai_emulator.catalog.profiles import Profile
from azureai_emulator.catalog.shipped import OPENAI_EXTRAS
from azureai_emulator.wire import errors
from azureai_emulator.wire.errors import Refusal, ServiceError

from .request import Incoming, Task

Json = Any
_CHAT_FIELDS = frozenset(
    {"messages", "model", "frequency_penalty", "presence_penalty", "temperature", "top_p", "max_tokens", "stop"}
    | {"stream", "seed", "response_format", "tools", "tool_choice"}
)
_EMBEDDING_FIELDS = frozenset({"input", "model", "dimensions", "encoding_format", "input_type"})
STANDARD_FIELDS: Mapping[str, frozenset[str]] = {
    "chat/completions": _CHAT_FIELDS,
    "completions": _CHAT_FIELDS - {"messages", "response_format", "tools", "tool_choice"} | {"prompt"},
    "embeddings": _EMBEDDING_FIELDS,
    "images/embeddings": _EMBEDDING_FIELDS,
}
"""Fields of the Model Inference schema; everything else is an extra parameter.

Source: Azure AI Model Inference REST reference, 'Get chat completions' and 'Extensibility'.
"""
_TEXT_EXTRAS = frozenset({"best_of", "echo", "logit_bias", "logprobs", "n", "stream_options", "suffix", "user"})
_OPENAI_FIELDS: Mapping[str, frozenset[str]] = {
    "chat/completions": OPENAI_EXTRAS,
    "completions": _TEXT_EXTRAS,
    "embeddings": frozenset({"user"}),
}
_SINCE = {"stream_options": "2024-09-01", "max_completion_tokens": "2024-09-01", "reasoning_effort": "2024-12-01"}
"""Fields of Azure OpenAI deployments and the api-version that brought them.

Source: Azure OpenAI, 'API version lifecycle' and 'Reasoning models'.
"""


def check_field_versions(task: Task) -> None:
    """Refuse a field that is newer than the api-version (E22)."""
    if task.kind == "openai-deployment":
        for name, since in _SINCE.items():
            if task.body.get(name) is not None and task.api_version < since:
                raise ServiceError(errors.field_too_new(name))


def accepted_fields(incoming: Incoming, body: Json, profile: Profile) -> Json:
    """The body without dropped extra parameters; a refusal for fields that the endpoint does not take."""
    if incoming.kind in OPENAI_KINDS:
        return _openai_fields(incoming.route, body)
    policy = incoming.headers.get("extra-parameters", "error")
    if policy not in ("error", "drop", "pass-through"):
        raise ServiceError(
            errors.bad_request(f"Invalid value '{policy}' for header extra-parameters: error, drop or pass-through.")
        )
    extras = [name for name in body if name not in STANDARD_FIELDS[incoming.route]]
    if not extras:
        return body
    if policy == "drop":
        return {name: value for name, value in body.items() if name not in extras}
    if policy == "error":
        raise ServiceError(errors.extras_refused(extras))
    return _passed_through(body, extras, profile)


def _openai_fields(route: str, body: Json) -> Json:
    known = STANDARD_FIELDS[route] | _OPENAI_FIELDS.get(route, frozenset())
    for name in body:
        if name not in known:
            raise Refusal(f"Unrecognized request argument supplied: {name}", nature="extra", value=body[name])
    return body


def _passed_through(body: Json, extras: list[str], profile: Profile) -> Json:
    for name in extras:
        if name not in profile.extras:
            message = f"Unrecognized request argument supplied: {name}"
            raise Refusal(message, param=_extra_location(name, body[name]), nature="extra", value=body[name])
    return body


def _extra_location(name: str, value: Json) -> str:
    """The innermost field, as containers name it: `stream_options.include_usage`."""
    return f"{name}.{next(iter(value))}" if isinstance(value, dict) and value else name
