"""The framework's callbacks and events around a call, at no cost where nobody listens."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any

from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exported silently
from llama_index.core.instrumentation.event_handlers import NullEventHandler
from llama_index.core.llms import callbacks

_EVENTS = get_dispatcher(callbacks.__name__)
"""Where the framework's decorators send their events."""

Method = Callable[..., Any]


def told(decorator: Callable[[Method], Method]) -> Callable[[Method], Method]:
    """The framework's decorator (`llm_chat_callback()`, …), left out of calls that begin with nobody listening.

    It makes an event for each response of a stream, with a copy of the list of messages: half of what a stream costs.
    A handler that comes in the middle of a stream is told of the next call.
    """

    def wrap(method: Method) -> Method:
        first = list(signature(method).parameters)[1]  # which the framework has words for, where it is missing
        loud = decorator(method)

        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if _is_heard(self) or not (args or first in kwargs):
                return loud(self, *args, **kwargs)
            if (limiter := getattr(self, "rate_limiter", None)) is not None:
                limiter.acquire()
            return method(self, *args, **kwargs)

        @wraps(method)
        async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
            if _is_heard(self) or not (args or first in kwargs):
                return await loud(self, *args, **kwargs)
            if (limiter := getattr(self, "rate_limiter", None)) is not None:
                await limiter.async_acquire()
            return await method(self, *args, **kwargs)

        quiet: Any = acall if iscoroutinefunction(method) else call
        del quiet.__wrapped__  # the framework takes what has it for decorated already
        quiet.__signature__ = signature(loud)  # which it asks for on each call, and reading it is slow
        return quiet  # type: ignore[no-any-return]

    return wrap


def _is_heard(model: Any) -> bool:
    """Whether anybody listens: a callback handler of the model's, or an event handler at any dispatcher above."""
    manager = model.callback_manager
    if not isinstance(manager, CallbackManager) or manager.handlers:  # the framework makes a missing one
        return True
    at = _EVENTS
    while True:
        for handler in at.event_handlers:
            if type(handler) is not NullEventHandler:
                return True
        if not at.propagate:
            return False
        at = at.parent
