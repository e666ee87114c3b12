"""The exceptions, and how an answer becomes one.

AzureAIError
├── ConfigurationError            wrong arguments or environment; raised before any request
├── APIConnectionError            no answer: name resolution, refused or broken connection
│   └── APITimeoutError           no answer in time
├── APIStatusError                an answer with an error status
│   ├── BadRequestError           400
│   │   └── ContentFilterError    400, the content filter
│   ├── AuthenticationError       401
│   ├── PermissionDeniedError     403
│   ├── NotFoundError             404
│   ├── UnprocessableEntityError  422
│   ├── RateLimitError            429
│   └── ServerError               5xx
└── StreamError                   an error inside a stream that began well
    └── StreamInterruptedError    a stream cut before its finish reason
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

    from .protocols.error_bodies import Facts
    from .types import Completion

MASK = "***"


class AzureAIError(Exception):
    """The root of all errors of this package. `str(error)` says what failed, which value, and what to do."""

    partial: Completion | None = None
    """What a stream had delivered when it failed; `None` before the first delta."""
    first_index: int | None = None
    """Of a batch of texts that failed: the index of its first text in the job."""
    batch_size: int | None = None
    """Of a batch of texts that failed: how many it had."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def locate(self, indices: Sequence[int], what: str = "texts", rest: str = "") -> None:
        """Says which inputs of a job it is about, in `first_index`, `batch_size` and its one note."""
        self.first_index, self.batch_size = indices[0], len(indices)
        self.__notes__ = [f"In {what} {indices[0]} to {indices[-1]}{rest}."]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles with all attributes, so that errors cross process boundaries."""
        return _rebuild, (type(self), self.message, self.__dict__)


def _rebuild(kind: type[AzureAIError], message: str, state: dict[str, Any]) -> AzureAIError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigurationError(AzureAIError):
    """An argument or environment variable is missing or wrong; nothing was sent."""


class UnsupportedParameterWarning(UserWarning):
    """A parameter that the service refused was left out, as `unsupported_parameters="drop"` asks."""


class APIConnectionError(AzureAIError):
    """The service could not be reached, or the connection broke."""


class APITimeoutError(APIConnectionError):
    """The service did not answer in time, or a stream stalled."""


class APIStatusError(AzureAIError):
    """The service answered with an error status."""

    status_code: int
    code: str | None
    """The service's own error code, such as `DeploymentNotFound`."""
    parameters: tuple[str, ...]
    """Names of the request fields that the service refused; possibly empty."""
    unsupported: tuple[str, ...]
    """Of `parameters`, those it does not take at all; the others it refused for their value."""
    request_id: str | None
    response: httpx.Response
    """The answer; its request carries no credential."""
    body: Any
    """The decoded JSON body, else its text."""
    context_exceeded: bool
    """Whether the service says that the prompt is longer than the model's context."""

    def __init__(self, message: str, *, response: httpx.Response, facts: Facts, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status_code = response.status_code
        self.code = facts.code
        self.parameters = facts.parameters
        self.unsupported = facts.unsupported
        self.request_id = request_id
        self.response = response
        self.body = facts.body
        self.context_exceeded = facts.context_exceeded


class BadRequestError(APIStatusError):
    """400: the request is not valid, or the deployment cannot do what it asks."""


class ContentFilterError(BadRequestError):
    """The prompt, or an answer being streamed, was refused by the content filter."""

    categories: dict[str, Any]
    """Category (`violence`, `jailbreak`, …) → the filter's result; empty where the service does not say."""

    def __init__(self, message: str, *, response: httpx.Response, facts: Facts, request_id: str | None = None) -> None:
        super().__init__(message, response=response, facts=facts, request_id=request_id)
        self.categories = facts.categories


class AuthenticationError(APIStatusError):
    """401: the key or token is missing, wrong, expired, or for another audience."""


class PermissionDeniedError(APIStatusError):
    """403: the caller may not use this resource."""


class NotFoundError(APIStatusError):
    """404: the route, deployment or model does not exist there."""


class UnprocessableEntityError(APIStatusError):
    """422: the model does not take one of the parameters."""


class RateLimitError(APIStatusError):
    """429: too many requests or tokens."""

    retry_after: float | None
    """Seconds the service asks to wait, or `None` where it does not say."""

    def __init__(self, message: str, *, response: httpx.Response, facts: Facts, request_id: str | None = None) -> None:
        super().__init__(message, response=response, facts=facts, request_id=request_id)
        from .transport.retry import asked_wait  # noqa: PLC0415  loaded by now

        self.retry_after = asked_wait(response.headers)


class ServerError(APIStatusError):
    """5xx: the service or the model's container failed."""


class StreamError(AzureAIError):
    """The service reported an error inside a stream; `partial` holds what came before."""

    code: str | None = None
    status_code: Any = None  # int | None: `ContentFilterStreamError` is an `APIStatusError` too
    """The status named in the frame, or `None`: the answer itself began with 200."""
    body: Any = None


class StreamInterruptedError(StreamError):
    """The stream ended before its finish reason; `partial` holds what came before."""


class ContentFilterStreamError(ContentFilterError, StreamError):
    """The content filter stopped a stream: both a `ContentFilterError` and a `StreamError`."""


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
    from .protocols.error_advice import advice  # noqa: PLC0415  errors are rare, and what reads them is slow to load
    from .protocols.error_bodies import read_body  # noqa: PLC0415

    clean = _without_secrets(response, _hidden(response, secrets))
    facts = read_body(_decoded(clean))
    kind = ContentFilterError if facts.content_filter and response.status_code == 400 else _class_of(response)  # noqa: PLR2004
    request_id = request_id_of(clean.headers)
    message = f"{_sentence(facts, clean)}{advice(facts, clean)} {_where(clean, request_id)}"
    return kind(message, response=clean, facts=facts, request_id=request_id)


def error_from_body(body: Mapping[str, Any], response: httpx.Response, *, secrets: Iterable[str]) -> APIStatusError:
    """The exception for an error that comes under a good status, as some gateways send it: by the status it names."""
    from .protocols.error_bodies import named_status  # noqa: PLC0415  likewise

    response.status_code = named_status(body) or response.status_code
    return error_from_response(response, secrets=secrets)


def error_from_frame(frame: Mapping[str, Any], response: httpx.Response, *, secrets: Iterable[str] = ()) -> StreamError:
    """The exception for an `{"error": …}` frame inside a stream (E30)."""
    from .protocols.error_advice import advice  # noqa: PLC0415  likewise
    from .protocols.error_bodies import read_body  # noqa: PLC0415

    hidden = _hidden(response, secrets)
    clean = _without_secrets(response, hidden, content=b"")
    facts = read_body(json.loads(mask(json.dumps(frame), hidden)))
    request_id = request_id_of(clean.headers)
    message = f"The stream was stopped by an error: {facts.message or 'no reason given'}"
    if facts.content_filter:
        text = f"{message}{advice(facts, clean)} {_where(clean, request_id)}"
        return ContentFilterStreamError(text, response=clean, facts=facts, request_id=request_id)
    error = StreamError(f"{message} The text so far is in .partial. {_where(clean, request_id)}")
    error.code, error.body = facts.code, facts.body
    error.status_code = int(facts.code) if facts.code and facts.code.isdigit() else None
    return error


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The id to give to support: the gateway's, else the model container's, else our own echoed back."""
    names = ("apim-request-id", "x-request-id", "x-ms-client-request-id")
    return next((headers[name] for name in names if name in headers), None)


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` without the secrets, however they are spelt; a short one counts only as a whole word."""
    for secret in {spelling for plain in secrets for spelling in _spellings(plain)}:
        if len(secret) >= 8:  # noqa: PLR2004
            text = text.replace(secret, MASK)
        elif secret:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def _spellings(plain: str) -> tuple[str, ...]:
    """A secret as it is, and as JSON, `repr` and URLs spell it."""
    quoted = [quote(plain, safe=safe, errors="replace") for safe in ("", "/")]
    lower = [re.sub("%..", lambda code: code[0].lower(), text) for text in quoted]
    return plain, json.dumps(plain)[1:-1], repr(plain)[1:-1], *quoted, *lower


def _hidden(response: httpx.Response, secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets, and the credential that this very request carried: a token may have been renewed meanwhile."""
    sent = response.request.headers
    return (*secrets, sent.get("authorization", "").removeprefix("Bearer "), sent.get("api-key", ""))


def _class_of(response: httpx.Response) -> type[APIStatusError]:
    status = response.status_code
    return _BY_STATUS.get(status, ServerError if status >= 500 else APIStatusError)  # noqa: PLR2004


def _decoded(response: httpx.Response) -> Any:
    from .json_text import from_json_text  # noqa: PLC0415  loaded on first use

    body = from_json_text(response.content)
    return response.text[:2000] if body is None else body


def _without_secrets(
    response: httpx.Response, secrets: tuple[str, ...], content: bytes | None = None
) -> httpx.Response:
    """The answer, masked, with its request as `shown_request` gives it."""
    import httpx  # noqa: PLC0415  loaded by now

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


def _sentence(facts: Facts, response: httpx.Response) -> str:
    text = facts.message or f"The service answered {response.status_code} {response.reason_phrase} without a reason"
    return text if text.endswith((".", "!", "?")) else text + "."


def _where(response: httpx.Response, request_id: str | None) -> str:
    request = response.request
    return f"[{response.status_code} from {request.method} {request.url}{with_id(request_id)}]"


def with_id(request_id: str | None) -> str:
    """The request id as the end of a sentence's part, or nothing."""
    return f", request id {request_id}" if request_id else ""
