"""Brains that take time: they answer in a worker thread, one request at a time, and stop when the caller has gone.

Quick brains answer on the event loop, where no other request is kept waiting for more than a moment.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
Receive = Callable[[], Awaitable[Any]]

_given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


def given_up() -> threading.Event:
    """Set as soon as nobody waits any more for the answer that this thread works on."""
    return _given_up.get() or threading.Event()


class Turns:
    """Who may ask a slow brain: one request at a time, in the order they came."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work when its turn has come; give it up, in the thread too, as soon as the caller hangs up."""
        event = threading.Event()
        token = _given_up.set(event)
        watch, doing = asyncio.ensure_future(_hung_up(receive)), asyncio.ensure_future(self._in_turn(work))
        doing.add_done_callback(_heard)
        try:
            await asyncio.wait({watch, doing}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            event.set()
            _given_up.reset(token)
            watch.cancel()
            doing.cancel()

    async def _in_turn(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._lock:
            await work()


def _heard(doing: "asyncio.Future[None]") -> None:
    """Looks at an error that came after the caller had gone, or asyncio would report it as forgotten."""
    if not doing.cancelled():
        doing.exception()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def in_thread(work: Callable[[], T]) -> T:
    """What the work gives; other requests are served meanwhile."""
    return await asyncio.to_thread(work)


async def one_by_one(items: Iterable[T], *, slow: bool) -> AsyncIterator[T]:
    """The items as they come; slow ones are awaited in a worker thread."""
    if not slow:
        for item in items:
            yield item
        return
    iterator = iter(items)
    while (item := await asyncio.to_thread(_next, iterator)) is not _END:
        yield item


_END: Any = object()


def _next(iterator: Iterator[T]) -> T:
    return next(iterator, _END)
