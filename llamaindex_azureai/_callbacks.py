"""The framework's callbacks and events around a call, at no cost where there are no listeners."""

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


def instrumented(decorator: Callable[[Method], Method]) -> Callable[[Method], Method]:
    """The framework's decorator (`llm_chat_callback()`, …), left out of calls that begin while there are no listeners.

    It makes an event for each response of a stream, with a copy of the list of messages: half of what a stream costs.
    A handler that is added in the middle of a stream sees the next call.
    """

    def wrap(method: Method) -> Method:
        first = list(signature(method).parameters)[1]  # the framework has its own error where it is missing
        with_events = decorator(method)

        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if has_listeners(self) or not (args or first in kwargs):
                return with_events(self, *args, **kwargs)
            if (limiter := getattr(self, "rate_limiter", None)) is not None:
                limiter.acquire()
            return method(self, *args, **kwargs)

        @wraps(method)
        async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
            if has_listeners(self) or not (args or first in kwargs):
                return await with_events(self, *args, **kwargs)
            if (limiter := getattr(self, "rate_limiter", None)) is not None:
                await limiter.async_acquire()
            return await method(self, *args, **kwargs)

        fast_path: Any = acall if iscoroutinefunction(method) else call
        del fast_path.__wrapped__  # the framework takes a method that has it as decorated already
        fast_path.__signature__ = signature(with_events)  # asked for on each call, and slow to compute
        return fast_path  # type: ignore[no-any-return]

    return wrap


def has_listeners(model: Any) -> bool:
    """Whether there is a callback handler of the model's, or an event handler at any dispatcher above."""
    manager = model.callback_manager
    if not isinstance(manager, CallbackManager) or manager.handlers:  # the framework makes a missing one
        return True
    dispatcher = _EVENTS
    while True:
        for handler in dispatcher.event_handlers:
            if type(handler) is not NullEventHandler:
                return True
        if not dispatcher.propagate:
            return False
        dispatcher = dispatcher.parent
