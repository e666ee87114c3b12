"""Our errors as LangChain's: each is both, so that code catching either works."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from langchain_core import exceptions as lc

import azureai_core as core

# Ours → LangChain's, the most special first.
_KINDS: tuple[tuple[type[core.AzureAIError], type[lc.ModelError]], ...] = (
    (core.APITimeoutError, lc.ModelTimeoutError),
    (core.APIConnectionError, lc.ModelConnectionError),
    (core.AuthenticationError, lc.ModelAuthenticationError),
    (core.PermissionDeniedError, lc.ModelPermissionDeniedError),
    (core.NotFoundError, lc.ModelNotFoundError),
    (core.RateLimitError, lc.ModelRateLimitError),
    (core.ServerError, lc.ModelAPIError),
    (core.StreamInterruptedError, lc.ModelConnectionError),
    (core.APIStatusError, lc.ModelInvalidRequestError),
    (core.StreamError, lc.ModelAPIError),
)


class ModelErrors:
    """A context in which the core's errors are raised as errors that are also LangChain's `ModelError`s."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, core.AzureAIError) and not isinstance(error, core.ConfigurationError):
            raise as_model_error(error).with_traceback(error.__traceback__) from error.__cause__


model_errors = ModelErrors()
"""The one of them; it keeps no state."""


def as_model_error(error: core.AzureAIError) -> core.AzureAIError:
    """The error as an instance of its own class and of LangChain's."""
    if isinstance(error, lc.ModelError):
        return error
    ours: Any = type(error)
    theirs: Any = _theirs(error)
    kind = _kind(ours, theirs)
    model_error: core.AzureAIError = kind.__new__(kind)
    Exception.__init__(model_error, error.message)
    model_error.__dict__.update(error.__dict__)
    return model_error


@cache
def _kind(ours: Any, theirs: Any) -> Any:
    return type(ours.__name__, (ours, theirs), {"__module__": __name__, "__doc__": ours.__doc__, "__reduce__": _reduce})


def _theirs(error: core.AzureAIError) -> type[lc.ModelError]:
    """LangChain's class for an error of ours."""
    if getattr(error, "context_exceeded", False):
        return lc.ContextOverflowError
    if getattr(error, "status_code", None) == HTTPStatus.REQUEST_TIMEOUT:  # worth another try, unlike its class
        return lc.ModelTimeoutError
    return _matching(type(error))


def _matching(ours: type[core.AzureAIError]) -> type[lc.ModelError]:
    return next((theirs for kind, theirs in _KINDS if issubclass(ours, kind)), lc.ModelError)


def _reduce(error: Any) -> tuple[Any, ...]:
    """Pickles as our class, whose instance is turned into both again."""
    ours = next(kind for kind in type(error).__mro__ if kind.__module__.startswith("azureai_core"))
    return _rebuild, (ours, error.message, error.__dict__)


def _rebuild(ours: type[core.AzureAIError], message: str, state: dict[str, Any]) -> core.AzureAIError:
    error = ours.__new__(ours)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return as_model_error(error)
