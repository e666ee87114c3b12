"""Slow brains answer in a worker thread, one request at a time, and stop when the caller disconnects.

Fast brains answer on the event loop: they block other requests for milliseconds only.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

Receive = Callable[[], Awaitable[Any]]

_disconnect_event: ContextVar[threading.Event | None] = ContextVar("disconnect_event", default=None)


def disconnect_event() -> threading.Event:
    """The event that is set when the caller of the answer that this thread works on has disconnected."""
    return _disconnect_event.get() or threading.Event()


class WorkQueue:
    """Requests for slow brains: one at a time, in the order of arrival."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def run(self, receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work when it is next; cancel it, in the thread too, as soon as the caller disconnects."""
        event = threading.Event()
        token = _disconnect_event.set(event)
        watch, doing = asyncio.ensure_future(_disconnected(receive)), asyncio.ensure_future(self._when_next(work))
        doing.add_done_callback(_retrieve_error)
        try:
            await asyncio.wait({watch, doing}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            event.set()
            _disconnect_event.reset(token)
            watch.cancel()
            doing.cancel()

    async def _when_next(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._lock:
            await work()


def _retrieve_error(doing: "asyncio.Future[None]") -> None:
    """Retrieve an error that came after the caller had gone, or asyncio would log it as never retrieved."""
    if not doing.cancelled():
        doing.exception()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
