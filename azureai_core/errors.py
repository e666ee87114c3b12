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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from .types import Completion


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


@dataclass(frozen=True)
class ErrorDetails:
    """What the body of an error says, whatever its shape."""

    message: str = ""
    code: str | None = None
    parameters: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    """Of `parameters`, those that are not taken at all, rather than not with this value."""
    values: Mapping[str, Any] = field(default_factory=dict)
    content_filter: bool = False
    categories: dict[str, Any] = field(default_factory=dict)
    context_exceeded: bool = False
    body: Any = None
    """The decoded JSON body, else its text."""
    retry_after: float | None = None
    """Seconds that the service asks to wait."""


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

    def __init__(
        self, message: str, *, response: httpx.Response, details: ErrorDetails, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.status_code = response.status_code
        self.code = details.code
        self.parameters = details.parameters
        self.unsupported = details.unsupported
        self.request_id = request_id
        self.response = response
        self.body = details.body
        self.context_exceeded = details.context_exceeded


class BadRequestError(APIStatusError):
    """400: the request is not valid, or the deployment cannot do what it asks."""


class ContentFilterError(BadRequestError):
    """The prompt, or an answer being streamed, was refused by the content filter."""

    categories: dict[str, Any]
    """Category (`violence`, `jailbreak`, …) → the filter's result; empty where the service does not say."""

    def __init__(
        self, message: str, *, response: httpx.Response, details: ErrorDetails, request_id: str | None = None
    ) -> None:
        super().__init__(message, response=response, details=details, request_id=request_id)
        self.categories = details.categories


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

    def __init__(
        self, message: str, *, response: httpx.Response, details: ErrorDetails, request_id: str | None = None
    ) -> None:
        super().__init__(message, response=response, details=details, request_id=request_id)
        self.retry_after = details.retry_after


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


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The id to give to support: the gateway's, else the model container's, else our own echoed back."""
    names = ("apim-request-id", "x-request-id", "x-ms-client-request-id")
    return next((headers[name] for name in names if name in headers), None)


def with_id(request_id: str | None) -> str:
    """The request id as the end of a sentence's part, or nothing."""
    return f", request id {request_id}" if request_id else ""
