"""From an HTTP request to a request for a deployment: key, api-version, JSON, model routing, extra parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import _auth, _errors
from ._deployments import OPENAI_EXTRAS
from ._errors import Refusal, ServiceError, Style
from ._profiles import OPENAI_KINDS, Catalog, Deployment, Kind, Profile

Json = Any

MAX_BODY = 100 * 1024 * 1024
_INFERENCE_VERSIONS = frozenset({"2024-04-01-preview", "2024-05-01-preview", "2025-04-01"})
_DATED = re.compile(r"20\d\d-\d\d-\d\d(-preview)?\Z")
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


@dataclass(frozen=True)
class Incoming:
    """An HTTP request as it came. Header names are in lower case; `route` has no leading slash."""

    kind: Kind
    route: str
    name: str | None
    method: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    raw: bytes


@dataclass(frozen=True)
class Task:
    """A request that reached a deployment."""

    kind: Kind
    route: str
    deployment: Deployment
    body: Json
    api_version: str
    model_given: bool

    @property
    def profile(self) -> Profile:
        """The deployment's profile."""
        return self.deployment.profile

    @property
    def openai(self) -> bool:
        """Whether the endpoint is of an Azure OpenAI kind."""
        return self.kind in OPENAI_KINDS

    @property
    def style(self) -> Style:
        """How this endpoint words its refusals."""
        return "openai" if self.openai else self.profile.error_style

    @property
    def served_name(self) -> str:
        """The `model` of the answer: the requested or deployed name, unless the profile serves another.

        Source: recorded answers of GitHub Models, which name the model without its publisher.
        """
        asked = None if self.kind == "github" else self.body.get("model")
        return self.profile.served_name or asked or self.deployment.name


def check_key(incoming: Incoming, key: str) -> None:
    """Refuse a caller without the key."""
    reply = _auth.refusal(incoming.kind, incoming.headers, key)
    if reply is not None:
        raise ServiceError(reply)


def listing_refusal(headers: Mapping[str, str], key: str) -> _errors.Reply | None:
    """The 401 for a caller without the key who asks for the list of deployments, or `None`."""
    return _auth.refusal("models", headers, key)


def with_body(task: Task, body: Json) -> Task:
    """The task with the fields that were accepted."""
    return task if body is task.body else replace(task, body=body)


def api_version(incoming: Incoming) -> str:
    """The accepted `api-version`, or an empty string where none is needed."""
    given = [value for name, value in incoming.query if name == "api-version"]
    if len(given) > 1:
        raise ServiceError(_errors.bad_request("The api-version query parameter was given more than once."))
    version = given[0] if given else ""
    _VERSION_RULES[incoming.kind](version)
    return version


def _inference_version(version: str) -> None:
    if not version:
        raise ServiceError(_errors.bad_request("The api-version query parameter (?api-version=) is required."))
    if version not in _INFERENCE_VERSIONS:
        raise ServiceError(_errors.bad_request("API version not supported"))


def _github_version(version: str) -> None:
    if version:
        _inference_version(version)


def _deployment_version(version: str) -> None:
    if not _DATED.match(version):
        raise ServiceError(_errors.resource_not_found())


def _v1_version(version: str) -> None:
    if version not in ("", "preview", "latest", "v1"):
        raise ServiceError(_errors.bad_request("API version not supported"))


_VERSION_RULES = {
    "serverless": _inference_version,
    "models": _inference_version,
    "openai-deployment": _deployment_version,
    "openai-v1": _v1_version,
    "github": _github_version,
}


_NOT_CUSTOM = re.compile(
    r"(x-ms-|x-stainless-|sec-|accept|content-|x-emulator-|x-forwarded-)|"
    r"(host|connection|user-agent|authorization|api-key|cookie|origin|referer|expect|transfer-encoding|te|pragma|"
    r"cache-control|extra-parameters|traceparent|tracestate|baggage|priority|idempotency-key|azureml-model-deployment)\Z"
)
_MOST_CUSTOM_HEADERS = 10


def check_headers(incoming: Incoming) -> None:
    """Refuse more custom headers than Foundry takes. Source: Azure AI Foundry, 'Quotas and limits'."""
    if incoming.kind in ("serverless", "github") or len(incoming.headers) <= _MOST_CUSTOM_HEADERS:
        return
    if sum(not _NOT_CUSTOM.match(name) for name in incoming.headers) > _MOST_CUSTOM_HEADERS:
        raise ServiceError(_errors.too_many_headers(_MOST_CUSTOM_HEADERS))


def parse_body(incoming: Incoming) -> Json:
    """The request's JSON object."""
    media_type = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise _unreadable(incoming.kind, f"Unsupported content type '{media_type}'; expected application/json.")
    try:
        body = json.loads(incoming.raw)
    except (ValueError, RecursionError) as error:
        raise _unreadable(incoming.kind, "We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise _unreadable(incoming.kind, "The JSON body of the request has to be an object.")
    return body


def _unreadable(kind: Kind, message: str) -> ServiceError:
    if kind in OPENAI_KINDS:
        return ServiceError(_errors.refusal_reply(Refusal(message), "openai"))
    return ServiceError(_errors.bad_request(message))


def find_deployment(incoming: Incoming, body: Json, catalog: Catalog) -> Deployment:
    """The deployment that is named in the path, or in the body where the endpoint serves many."""
    name = incoming.name or _model_name(incoming.kind, body)
    found = catalog.find(name, incoming.kind)
    if found is None:
        raise ServiceError(_unknown_deployment(incoming.kind, name))
    return found


def _model_name(kind: Kind, body: Json) -> str:
    model = body.get("model")
    if isinstance(model, str) and model:
        return model
    message = "you must provide a model parameter" if model is None else "Invalid type for 'model': expected a string."
    raise ServiceError(
        _errors.refusal_reply(Refusal(message, param="model"), "openai")
        if kind in OPENAI_KINDS
        else _errors.bad_request(message)
    )


def _unknown_deployment(kind: Kind, name: str) -> _errors.Reply:
    if kind in ("models", "github"):
        return _errors.unknown_model(name)
    return _errors.resource_not_found() if kind == "serverless" else _errors.deployment_not_found()


_SINCE = {"stream_options": "2024-09-01", "max_completion_tokens": "2024-09-01", "reasoning_effort": "2024-12-01"}
"""Fields of Azure OpenAI deployments and the api-version that brought them.

Source: Azure OpenAI, 'API version lifecycle' and 'Reasoning models'.
"""


def check_field_versions(task: Task) -> None:
    """Refuse a field that is newer than the api-version (E22)."""
    if task.kind == "openai-deployment":
        for name, since in _SINCE.items():
            if task.body.get(name) is not None and task.api_version < since:
                raise ServiceError(_errors.field_too_new(name))


def accepted_fields(incoming: Incoming, body: Json, profile: Profile) -> Json:
    """The body without the fields that the endpoint drops; a refusal for those it does not take."""
    if incoming.kind in OPENAI_KINDS:
        return _openai_fields(incoming.route, body)
    policy = incoming.headers.get("extra-parameters", "error")
    if policy not in ("error", "drop", "pass-through"):
        raise ServiceError(
            _errors.bad_request(f"Invalid value '{policy}' for header extra-parameters: error, drop or pass-through.")
        )
    extras = [name for name in body if name not in STANDARD_FIELDS[incoming.route]]
    if not extras:
        return body
    if policy == "drop":
        return {name: value for name, value in body.items() if name not in extras}
    if policy == "error":
        raise ServiceError(_errors.extras_refused(extras))
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
    """Containers name the innermost field: `stream_options.include_usage`."""
    return f"{name}.{next(iter(value))}" if isinstance(value, dict) and value else name
