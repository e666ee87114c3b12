"""From an answer with an error status, or an error inside a stream, to the exception."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from azureai_core.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContentFilterStreamError,
    ErrorDetails,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    UnprocessableEntityError,
    request_id_of,
    with_id,
)
from azureai_core.json_text import from_json_text
from azureai_core.limits import asked_wait
from azureai_core.masking import mask, shown_request

from .error_advice import advice
from .error_bodies import named_status, read_body

_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def error_from_response(response: httpx.Response, *, secrets: Iterable[str] = ()) -> APIStatusError:
    """The exception for an answer with an error status, its body read already.

    The class follows the status, except for the content filter. Text that equals one of `secrets` is masked.
    """
    clean = _without_secrets(response, _hidden(response, secrets))
    details = replace(read_body(_decoded(clean)), retry_after=asked_wait(clean.headers))
    kind = ContentFilterError if details.content_filter and response.status_code == 400 else _class_of(response)  # noqa: PLR2004
    request_id = request_id_of(clean.headers)
    message = f"{_sentence(details, clean)}{advice(details, clean)} {_where(clean, request_id)}"
    return kind(message, response=clean, details=details, request_id=request_id)


def error_from_body(body: Mapping[str, Any], response: httpx.Response, *, secrets: Iterable[str]) -> APIStatusError:
    """The exception for an error that comes under a good status, as some gateways send it: by the status it names."""
    response.status_code = named_status(body) or response.status_code
    return error_from_response(response, secrets=secrets)


def error_from_frame(frame: Mapping[str, Any], response: httpx.Response, *, secrets: Iterable[str] = ()) -> StreamError:
    """The exception for an `{"error": …}` frame inside a stream (E30)."""
    hidden = _hidden(response, secrets)
    clean = _without_secrets(response, hidden, content=b"")
    details = read_body(_masked(frame, hidden))
    request_id = request_id_of(clean.headers)
    message = f"The stream was stopped by an error: {details.message or 'no reason given'}"
    if details.content_filter:
        text = f"{message}{advice(details, clean)} {_where(clean, request_id)}"
        return ContentFilterStreamError(text, response=clean, details=details, request_id=request_id)
    error = StreamError(f"{message} The text so far is in .partial. {_where(clean, request_id)}")
    error.code, error.body = details.code, details.body
    error.status_code = int(details.code) if details.code and details.code.isdigit() else None
    return error


def _masked(value: Any, secrets: tuple[str, ...]) -> Any:
    """A JSON value without the secrets in its texts."""
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, dict):
        return {mask(name, secrets): _masked(item, secrets) for name, item in value.items()}
    return [_masked(item, secrets) for item in value] if isinstance(value, list) else value


def _hidden(response: httpx.Response, secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets, and the credential that this very request carried: a token may have been renewed meanwhile."""
    sent = response.request.headers
    return (*secrets, sent.get("authorization", "").removeprefix("Bearer "), sent.get("api-key", ""))


def _class_of(response: httpx.Response) -> type[APIStatusError]:
    status = response.status_code
    return _BY_STATUS.get(status, ServerError if status >= 500 else APIStatusError)  # noqa: PLR2004


def _decoded(response: httpx.Response) -> Any:

    body = from_json_text(response.content)
    return response.text[:2000] if body is None else body


def _without_secrets(
    response: httpx.Response, secrets: tuple[str, ...], content: bytes | None = None
) -> httpx.Response:
    """The answer, masked, with its request as `shown_request` gives it."""
    body = response.content if content is None else content
    try:
        text = mask(body.decode("utf-8"), secrets).encode() if secrets else body
    except UnicodeDecodeError:
        text = body
    dropped = {"content-encoding", "content-length", "transfer-encoding"}
    spelt = response.headers.encoding  # httpx itself would insist on ASCII
    heads = [
        (k.encode(spelt), mask(v, secrets).encode(spelt)) for k, v in response.headers.multi_items() if k not in dropped
    ]
    shown = shown_request(response.request, secrets)
    return httpx.Response(response.status_code, headers=heads, content=text, request=shown)


def _sentence(details: ErrorDetails, response: httpx.Response) -> str:
    text = details.message or f"The service answered {response.status_code} {response.reason_phrase} without a reason"
    return text if text.endswith((".", "!", "?")) else text + "."


def _where(response: httpx.Response, request_id: str | None) -> str:
    request = response.request
    return f"[{response.status_code} from {request.method} {request.url}{with_id(request_id)}]"
