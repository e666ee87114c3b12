"""What to do about an error, in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azureai_core.errors import ErrorDetails
from azureai_core.types import NEVER_DROPPED

if TYPE_CHECKING:
    import httpx

_ROLE = " Check the key; with Entra ID, that the caller has the role Cognitive Services User (or higher)."
_SCOPE = re.compile(r"audience[^(]*\((https://[^)\s]+)\)", re.IGNORECASE)


def advice(details: ErrorDetails, response: httpx.Response) -> str:
    """What to do about it, as a sentence with a leading space, or nothing."""
    if details.content_filter:
        return f" The prompt was filtered{_filtered(details)}: change it, or adjust the deployment's content filter."
    if details.context_exceeded:
        return " Shorten the messages, or use a model with a larger context."
    if 300 <= response.status_code < 400:  # noqa: PLR2004
        return " Redirects are not followed, so that the credential stays here: use the final URL as the endpoint."
    return _ADVICE.get(response.status_code, _no_advice)(details, response)


def _filtered(details: ErrorDetails) -> str:
    """For which categories, where the service says so: ` for violence (medium), jailbreak`."""
    hits = {name: result for name, result in details.categories.items() if isinstance(result, dict)}
    named = [_category(name, result) for name, result in hits.items() if result.get("filtered") is True]
    return f" for {', '.join(named)}" if named else ""


def _category(name: str, result: Mapping[str, Any]) -> str:
    return f"{name} ({result['severity']})" if isinstance(result.get("severity"), str) else name


def _no_advice(_details: ErrorDetails, _response: httpx.Response) -> str:
    return ""


def _advise_auth(details: ErrorDetails, _response: httpx.Response) -> str:
    scope = _SCOPE.search(details.message)
    if scope and "Bearer" not in details.message:
        audience = scope[1].rstrip("/")
        return (
            f" With Entra ID the token audience should be {audience}/.default: "
            f"pass credential_scopes=['{audience}/.default']." + _ROLE
        )
    return _ROLE


def _advise_missing(details: ErrorDetails, response: httpx.Response) -> str:
    path = response.request.url.path
    if details.code in {"DeploymentNotFound", "unknown_model"}:
        return " Check the model= argument, or the deployment's name in the endpoint URL."
    if "ms-azureml-model-error-statuscode" in response.headers or response.status_code == 405:  # noqa: PLR2004
        return f" The route {_route(path)} is not served by this model."
    return " Check the endpoint URL: the base URL for its kind is in the table of the README."


def _route(path: str) -> str:
    parts = path.rstrip("/").split("/")
    tail = 2 if parts[-1] in {"completions", "embeddings"} and parts[-2] in {"chat", "images"} else 1
    return "/" + "/".join(parts[-tail:])


def _advise_rate(details: ErrorDetails, _response: httpx.Response) -> str:
    wait = details.retry_after
    asked = f" The service asks to wait {wait:g} seconds." if wait is not None else ""
    return asked + " Send fewer requests, raise max_retries, or raise the deployment's quota."


def _advise_request(details: ErrorDetails, _response: httpx.Response) -> str:
    if details.code == "unknown_model":
        return " Check the model= argument: it is the deployment's name."
    if "extra-parameters" in details.message:
        return " In Python: extra_parameters='pass-through' hands them to the model, 'drop' leaves them out."
    if "tool choice requires" in details.message or details.parameters == ("tools",):
        return " This deployment has no tool support: use one whose model has, or leave the tools out."
    if not details.parameters or NEVER_DROPPED & set(details.parameters):
        return ""
    names = ", ".join(_with_value(name, details) for name in details.parameters)
    if set(details.parameters) - set(details.unsupported):
        return f" Refused: {names}. Send another value, or leave it out."
    return f" Refused: {names}. Leave it out, or pass unsupported_parameters='drop' to have that done for you."


def _with_value(name: str, details: ErrorDetails) -> str:
    return f"{name}={details.values[name]!r}"[:200] if name in details.values else name


def _advise_slow(_details: ErrorDetails, _response: httpx.Response) -> str:
    return " Raise the deployment's request timeout, or shorten the request."


def _advise_container(details: ErrorDetails, response: httpx.Response) -> str:
    if details.message.lower().startswith("not found"):  # E11: the older answer for a route that a model lacks
        return f" The route {_route(response.request.url.path)} is not served by this model."
    own = response.headers.get("ms-azureml-model-error-statuscode")
    said = f" The model's own container answered {own}: see the deployment's logs." if own else ""
    return said + _advise_request(details, response)


def _advise_headers(_details: ErrorDetails, _response: httpx.Response) -> str:
    return " Send fewer or shorter headers=: a Foundry resource takes ten."


_ADVICE = {
    400: _advise_request,
    401: _advise_auth,
    404: _advise_missing,
    405: _advise_missing,
    408: _advise_slow,
    413: _advise_request,
    422: _advise_request,
    424: _advise_container,
    429: _advise_rate,
    431: _advise_headers,
    504: _advise_slow,
}
