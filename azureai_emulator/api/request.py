"""From an HTTP request to a request for a deployment: key, headers, api-version, JSON, model routing."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from azureai_emulator.catalog.deployments import Catalog, Deployment
from azureai_emulator.catalog.kinds import OPENAI_KINDS, Kind
from azureai_emulator.catalog.profiles import Profile
from azureai_emulator.wire import errors
from azureai_emulator.wire.errors import Refusal, ServiceError, Style

from . import auth

Json = Any

MAX_BODY = 100 * 1024 * 1024
_INFERENCE_VERSIONS = frozenset({"2024-04-01-preview", "2024-05-01-preview", "2025-04-01"})
_DATED = re.compile(r"20\d\d-\d\d-\d\d(-preview)?\Z")


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
        """The style of error bodies of this endpoint."""
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
    reply = auth.refusal(incoming.kind, incoming.headers, key)
    if reply is not None:
        raise ServiceError(reply)


def with_body(task: Task, body: Json) -> Task:
    """The task with the accepted fields."""
    return task if body is task.body else replace(task, body=body)


def api_version(incoming: Incoming) -> str:
    """The accepted `api-version`, or an empty string where none is needed."""
    given = [value for name, value in incoming.query if name == "api-version"]
    if len(given) > 1:
        raise ServiceError(errors.bad_request("The api-version query parameter was given more than once."))
    version = given[0] if given else ""
    _VERSION_RULES[incoming.kind](version)
    return version


def _inference_version(version: str) -> None:
    if not version:
        raise ServiceError(errors.bad_request("The api-version query parameter (?api-version=) is required."))
    if version not in _INFERENCE_VERSIONS:
        raise ServiceError(errors.bad_request("API version not supported"))


def _github_version(version: str) -> None:
    if version:
        _inference_version(version)


def _deployment_version(version: str) -> None:
    if not _DATED.match(version):
        raise ServiceError(errors.resource_not_found())


def _v1_version(version: str) -> None:
    if version not in ("", "preview", "latest", "v1"):
        raise ServiceError(errors.bad_request("API version not supported"))


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
_MAX_CUSTOM_HEADERS = 10


def check_headers(incoming: Incoming) -> None:
    """Refuse more custom headers than Foundry allows. Source: Azure AI Foundry, 'Quotas and limits'."""
    if incoming.kind in ("serverless", "github") or len(incoming.headers) <= _MAX_CUSTOM_HEADERS:
        return
    if sum(not _NOT_CUSTOM.match(name) for name in incoming.headers) > _MAX_CUSTOM_HEADERS:
        raise ServiceError(errors.too_many_headers(_MAX_CUSTOM_HEADERS))


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
        return ServiceError(errors.refusal_reply(Refusal(message), "openai"))
    return ServiceError(errors.bad_request(message))


def find_deployment(incoming: Incoming, body: Json, catalog: Catalog) -> Deployment:
    """The deployment named in the path, or in the body where one URL serves many."""
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
        errors.refusal_reply(Refusal(message, param="model"), "openai")
        if kind in OPENAI_KINDS
        else errors.bad_request(message)
    )


def _unknown_deployment(kind: Kind, name: str) -> errors.Reply:
    if kind in ("models", "github"):
        return errors.unknown_model(name)
    return errors.resource_not_found() if kind == "serverless" else errors.deployment_not_found()
