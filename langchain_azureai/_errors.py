"""The core's errors as LangChain's: each is both, so that code catching either works."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from langchain_core import exceptions as lc

import azureai_core as core

# The core's class → LangChain's, the most specific first.
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
"""Stateless shared instance."""


def as_model_error(error: core.AzureAIError) -> core.AzureAIError:
    """The error as an instance of its own class and of LangChain's."""
    if isinstance(error, lc.ModelError):
        return error
    classes: Any = (type(error), _model_error_class(error))
    kind = _combined(*classes)
    model_error: core.AzureAIError = kind.__new__(kind)
    Exception.__init__(model_error, error.message)
    model_error.__dict__.update(error.__dict__)
    return model_error


@cache
def _combined(core_class: Any, model_error: Any) -> Any:
    """A subclass of both, under the name of the core's."""
    fields = {"__module__": __name__, "__doc__": core_class.__doc__, "__reduce__": _reduce}
    return type(core_class.__name__, (core_class, model_error), fields)


def _model_error_class(error: core.AzureAIError) -> type[lc.ModelError]:
    """LangChain's class for an error of the core."""
    if getattr(error, "context_exceeded", False):
        return lc.ContextOverflowError
    if getattr(error, "status_code", None) == HTTPStatus.REQUEST_TIMEOUT:  # worth another try, unlike its class
        return lc.ModelTimeoutError
    return _matching(type(error))


def _matching(core_class: type[core.AzureAIError]) -> type[lc.ModelError]:
    return next((model_error for kind, model_error in _KINDS if issubclass(core_class, kind)), lc.ModelError)


def _reduce(error: Any) -> tuple[Any, ...]:
    """Pickles the core's class, whose instance becomes one of both again."""
    core_class = next(kind for kind in type(error).__mro__ if kind.__module__.startswith("azureai_core"))
    return _rebuild, (core_class, error.message, error.__dict__)


def _rebuild(core_class: type[core.AzureAIError], message: str, state: dict[str, Any]) -> core.AzureAIError:
    error = core_class.__new__(core_class)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return as_model_error(error)
