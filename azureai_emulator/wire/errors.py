"""Every error body in one place. The ids E1 to E31 number the shapes observed on the real services.

Model containers, gateways and Azure OpenAI have different error bodies. A `Refusal` describes once what is wrong, and
`refusal_reply` gives it the body of the service that the deployment imitates.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

Json = Any
Style = Literal["openai", "mistral", "azure", "azure-list", "vllm", "strings"]
Nature = Literal["value", "type", "extra", "unsupported"]


@dataclass(frozen=True)
class Reply:
    """A whole answer: status, body (JSON, or text that is sent unchanged) and additional headers."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


class ServiceError(Exception):
    """A refusal with the reply to send."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body}")
        self.reply = reply


class Refusal(Exception):  # noqa: N818 - a refusal, not yet an error body
    """What is wrong with a request, independent of a service's error body.

    `nature` is `value` (a rule is broken), `type` (wrong JSON type or range), `extra` (unknown field) or
    `unsupported` (the model lacks the parameter).
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        nature: Nature = "value",
        code: str | None = None,
        value: Json = None,
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.nature, self.code, self.value = message, param, nature, code, value


def _openai(refusal: Refusal) -> Reply:
    """E21. Source: recorded Azure OpenAI answer to `"response_format": "foo"`."""
    return Reply(400, openai_body(refusal.message, param=refusal.param, code=refusal.code))


def openai_body(message: str, *, param: str | None = None, code: str | None = None) -> Json:
    """The error object of Azure OpenAI."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


_PYDANTIC_TYPES = {
    "extra": "extra_forbidden",
    "unsupported": "extra_forbidden",
    "type": "type_error",
    "value": "value_error",
}
_CONTAINER_422: Mapping[str, str] = {
    "ms-azureml-model-error-reason": "model_error",
    "ms-azureml-model-error-statuscode": "422",
}


def _location(refusal: Refusal) -> list[str]:
    return ["body", *(refusal.param.split(".") if refusal.param else ())]


def _detail(refusal: Refusal) -> Json:
    kind = _PYDANTIC_TYPES[refusal.nature]
    message = "Extra inputs are not permitted" if kind == "extra_forbidden" else refusal.message
    return {"type": kind, "loc": _location(refusal), "msg": message, "input": refusal.value}


def _mistral(refusal: Refusal) -> Reply:
    """E16: JSON inside a string. Source: recorded Mistral-small answer to an extra field passed through."""
    if refusal.nature == "value":
        return Reply(400, {"error": {"code": "Invalid input", "message": refusal.message, "status": 400}})
    inner = json.dumps({"detail": [_detail(refusal)]}, ensure_ascii=False)
    return Reply(422, {"error": {"code": "Invalid input", "message": inner, "status": 422}}, _CONTAINER_422)


def _azure(refusal: Refusal) -> Reply:
    """E14: detail is an object. Source: Azure AI Model Inference REST reference, 'Extensibility'."""
    if refusal.nature == "value":
        return bad_request(refusal.message)
    body = {
        "status": 422,
        "code": "parameter_not_supported",
        "detail": {"loc": _location(refusal), "input": refusal.value},
        "message": "One of the parameters contain invalid values.",
    }
    return Reply(422, body)


def _azure_list(refusal: Refusal) -> Reply:
    """E15: detail is a list. Source: Azure AI Model Inference documentation, error handling in Python."""
    if refusal.nature == "value":
        return bad_request(refusal.message)
    return Reply(422, {"detail": [_detail(refusal)]})


def _vllm(refusal: Refusal) -> Reply:
    """E19 and E20: a Python list in the message. Source: public reports of vLLM containers on Azure."""
    if refusal.nature in ("value", "unsupported"):
        return vllm_bad_request(refusal.message)
    detail = {**_detail(refusal), "loc": tuple(_location(refusal))}
    return vllm_bad_request(f"[{detail!r}]")


def _strings(refusal: Refusal) -> Reply:
    """E18: a list of strings. Source: public report of AI21 Jamba on a serverless endpoint."""
    if refusal.nature == "value":
        return Reply(400, {"error": [refusal.message]})
    return Reply(422, {"error": [_detail(refusal)["msg"]]})


_STYLES = {
    "openai": _openai,
    "mistral": _mistral,
    "azure": _azure,
    "azure-list": _azure_list,
    "vllm": _vllm,
    "strings": _strings,
}


def refusal_reply(refusal: Refusal, style: Style) -> Reply:
    """The refusal in a service's error body."""
    return _STYLES[style](refusal)


def bad_request(message: str) -> Reply:
    """400 of the gateway in front of serverless and Foundry deployments."""
    return Reply(400, {"error": {"code": "BadRequest", "message": message}})


def vllm_bad_request(message: str) -> Reply:
    """E20, the vLLM error object."""
    return Reply(400, {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400})


def invalid_serverless_key() -> Reply:
    """E5. Source: recorded serverless answer to a wrong key."""
    message = "Auth token validation failed. Please provide a valid key or a valid AAD token"
    return Reply(401, {"statusCode": 401, "message": message}, {"x-ms-error-reason": "Invalid JWT."})


def invalid_access_token(audience: str) -> Reply:
    """E6. Source: recorded Azure OpenAI answer, sent for a wrong key as well."""
    message = f"Unauthorized. Access token is missing, invalid, audience is incorrect ({audience}), or have expired."
    return Reply(401, {"statusCode": 401, "message": message})


def bad_credentials() -> Reply:
    """401 of GitHub Models. Source: public reports for the message; the shape follows E10."""
    return _detailed(401, "unauthorized", "Bad credentials")


def _detailed(status: int, code: str, text: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": text, "details": text}})


def route_not_served() -> Reply:
    """E7. Source: recorded answer of a chat-only serverless endpoint to `/embeddings`."""
    headers = {"ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": "404"}
    return Reply(404, "NOT FOUND", headers)


def resource_not_found() -> Reply:
    """E8. Source: recorded Azure OpenAI answer to `/info`."""
    return Reply(404, {"error": {"code": "404", "message": "Resource not found"}})


def deployment_not_found() -> Reply:
    """E9. Source: public reports of Azure OpenAI."""
    message = (
        "The API deployment for this resource does not exist. If you created the deployment within the last "
        "5 minutes, please wait a moment and try again."
    )
    return Reply(404, {"error": {"code": "DeploymentNotFound", "message": message}})


def unknown_model(name: str) -> Reply:
    """E10. Source: recorded answer of the model-inference route."""
    reply = _detailed(400, "unknown_model", f"Unknown model: {name}")
    return Reply(reply.status, reply.body, {"x-ms-error-code": "unknown_model"})


def operation_not_supported(operation: str, model: str) -> Reply:
    """400 when a deployment exists but serves another kind of model. Source: public reports of Azure OpenAI."""
    message = (
        f"The {operation} operation does not work with the specified model, {model}. "
        "Please choose different model and try again."
    )
    return Reply(400, {"error": {"code": "OperationNotSupported", "message": message}})


def method_not_allowed(allowed: str) -> Reply:
    """E11. Source: documentation of the vendor's client."""
    return Reply(405, {"error": {"code": "405", "message": "Method Not Allowed"}}, {"allow": allowed})


def extras_refused(names: list[str]) -> Reply:
    """E17: detail is a string. Source: public reports of serverless endpoints."""
    detail = (
        f"Extra parameters {names} are not allowed when extra-parameters is not set or set to be 'error'. "
        "Set extra-parameters to 'pass-through' to pass to the model."
    )
    return Reply(400, {"detail": detail})


def too_many_requests(seconds: int, operation: str = "ChatCompletions_Create", api_version: str = "") -> Reply:
    """E24. Source: recorded Azure OpenAI answer, followed ten seconds later by a successful retry."""
    message = (
        f"Requests to the {operation} Operation under Azure OpenAI API version {api_version or '2024-05-01-preview'} "
        f"have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after {seconds} seconds."
    )
    headers = {"Retry-After": str(seconds), "x-ratelimit-reset-requests": str(seconds)}
    return Reply(429, {"error": {"code": "429", "message": message}}, headers)


def field_too_new(name: str) -> Reply:
    """E22: a field that came with a newer api-version. Source: public report of an Azure OpenAI web application."""
    message = f"Validation error at #/{name}: Extra inputs are not permitted"
    return Reply(400, {"error": {"requestid": str(uuid4()), "code": 400, "message": message}})


def too_many_headers(limit: int) -> Reply:
    """E28. Source: Azure AI Foundry, 'Quotas and limits'; the body is not documented."""
    message = f"The request has more than {limit} custom headers."
    return Reply(431, {"error": {"code": "431", "message": message}})


def body_too_large(limit: int) -> Reply:
    """E13. Source: code name in public reports; the shape follows E10."""
    return _detailed(413, "tokens_limit_reached", f"Request body too large. Max size: {limit} bytes.")


def too_many_tokens(model: str, limit: int) -> Reply:
    """E13 of GitHub Models. Source: public reports; the shape follows E10."""
    text = f"Request body too large for {model} model. Max size: {limit} tokens."
    return _detailed(413, "tokens_limit_reached", text)


def rate_limit_reached(seconds: int, requests: int | None) -> Reply:
    """E26. Source: code name in public clients of GitHub Models; the shape follows E10."""
    limit = f"Rate limit of {requests} per 60s" if requests else "Token limit per 60s"
    text = f"{limit} exceeded for UserByModelByMinute. Please wait {seconds} seconds before retrying."
    reply = _detailed(429, "RateLimitReached", text)
    return Reply(reply.status, reply.body, {"Retry-After": str(seconds)})


def generic(status: int) -> Reply:
    """The body observed with a status on managed endpoints (E12, E23), else a plain one (E29)."""
    if status == _TIMEOUT:
        return Reply(status, "upstream request timeout")
    if status == _CONTAINER_FAILED:
        return Reply(status, _plain_body(status), {**_CONTAINER_422, "ms-azureml-model-error-statuscode": "500"})
    return Reply(status, _plain_body(status))


_TIMEOUT = 408
_CONTAINER_FAILED = 424


def _plain_body(status: int) -> Json:
    return {"error": {"code": str(status), "message": "The service could not complete the request."}}


def upstream_failed(reason: str) -> Reply:
    """502 of the emulator itself, when the recorded endpoint cannot be reached."""
    return Reply(502, {"error": {"code": "upstream_failed", "message": f"The upstream did not answer ({reason})."}})


def recording_not_found(asked: str, nearest: Json) -> Reply:
    """404 of the emulator itself, when no recording matches a request."""
    differences = "; ".join(nearest["differences"][:3]) or "nothing but its order"
    message = f"No recorded request matches {asked}. The nearest is {nearest['file']}, which differs in {differences}."
    return Reply(404, {"error": {"code": "recording_not_found", "message": message, "nearest": nearest}})


def emulator_defect(error: Exception) -> Reply:
    """500 for a defect of the emulator itself; the message says so, since no request should cause one."""
    message = f"Defect in the Azure AI emulator: {type(error).__name__}: {error}"
    return Reply(500, {"error": {"code": "InternalServerError", "message": message}})
