"""What all checks share: sync and async, the events of the framework, and what a class is made with."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exported silently
from llama_index.core.instrumentation.event_handlers import BaseEventHandler

from ._replies import Dialect
from ._service import ScriptedService


class Caller:
    """Calls a method by its sync name, itself or its async twin, and collects what it streams; one event loop."""

    def __init__(self, name: str, runner: asyncio.Runner) -> None:
        self.is_async = name == "async"
        self._runner = runner

    def __call__(self, target: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of the method."""
        if not self.is_async:
            return getattr(target, method)(*args, **kwargs)
        return self._runner.run(_awaited(getattr(target, f"a{method}"), *args, **kwargs))

    def listed(self, target: Any, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """All that the method streams."""
        if not self.is_async:
            return list(getattr(target, method)(*args, **kwargs))
        return self._runner.run(_collected(getattr(target, f"a{method}"), *args, **kwargs))

    def collected(self, target: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of the method, or the last of what it streams."""
        if method.startswith("stream_"):
            return self.listed(target, method, *args, **kwargs)[-1]
        return self(target, method, *args, **kwargs)


async def _awaited(function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    return await function(*args, **kwargs)


async def _collected(function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    return [item async for item in await function(*args, **kwargs)]


class Recorder:
    """The instrumentation events of a check."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def names(self, *prefixes: str) -> list[str]:
        """The names of the events that begin like one of the prefixes, in order."""
        return [name for event in self.events if (name := type(event).__name__).startswith(prefixes)]


class Conformance:
    """The fixtures of all checks, and what every class says of itself."""

    dialect: ClassVar[Dialect] = "openai-v1"
    """The API that the class is pointed at: `openai-v1` or `model-inference`."""
    secret_argument: ClassVar[str] = "api_key"  # noqa: S105  a name, no secret
    """The constructor's name for the key, given to `from_dict` beside what `to_dict` says."""

    @pytest.fixture
    def service(self) -> Iterator[ScriptedService]:
        """The scripted service."""
        service = ScriptedService()
        yield service
        service.stop()

    @pytest.fixture
    def runner(self) -> Iterator[asyncio.Runner]:
        """One event loop for the check."""
        with asyncio.Runner() as runner:
            yield runner

    @pytest.fixture(params=["sync", "async"])
    def caller(self, request: pytest.FixtureRequest, runner: asyncio.Runner) -> Caller:
        """Sync, then async."""
        return Caller(request.param, runner)

    @pytest.fixture
    def recorder(self) -> Iterator[Recorder]:
        """The events that the framework's dispatcher sends while a check runs."""
        seen = Recorder()

        class Handler(BaseEventHandler):
            @classmethod
            def class_name(cls) -> str:
                return "Recorder"

            def handle(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002  the framework's signature
                seen.events.append(event)

        handler = Handler()
        dispatcher = get_dispatcher()
        dispatcher.add_event_handler(handler)
        yield seen
        dispatcher.event_handlers.remove(handler)


@contextmanager
def quietly() -> Iterator[None]:
    """Fails when something is warned of, raised where nobody can catch it, or told to an event loop's handler."""
    complaints: list[str] = []

    def of_loop(_: Any, context: dict[str, Any]) -> None:
        complaints.append(f"{context.get('message')}: {context.get('exception')}")

    with (
        warnings.catch_warnings(record=True) as warned,
        patch("sys.unraisablehook", lambda hook: complaints.append(repr(hook.exc_value))),
        patch("asyncio.BaseEventLoop.call_exception_handler", of_loop),
    ):
        warnings.simplefilter("always", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)
        yield
        gc.collect()
    said = [str(w.message) for w in warned if issubclass(w.category, ResourceWarning | RuntimeWarning)]
    assert not complaints + said


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def status_of(error: BaseException) -> int | None:
    """The `status_code` that the error or one it was raised from tells."""
    found = [getattr(e, "status_code", None) for e in chain(error)]
    return next((status for status in found if isinstance(status, int)), None)


def everything_said_by(error: BaseException) -> str:
    """All that the error and what it was raised from say, in words and attributes."""
    return " ".join(f"{e} {vars(e)}" for e in chain(error))
