"""The pending faults, in the order in which they were queued."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .fault import NO_FAULT, Fault

Json = Any


class FaultQueue:
    """Pending faults; a fault is used up by the first request it matches."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._lock = threading.Lock()

    def add(self, faults: Iterable[Fault], deployment: str | None) -> None:
        """Queue each fault `times` times."""
        with self._lock:
            for fault in faults:
                aimed = replace(fault, deployment=deployment) if deployment else fault
                self._queue.extend([aimed] * fault.times)

    def take(self, deployment: str | None, route: str) -> Fault:
        """The next fault for this request, or `NO_FAULT`."""
        if not self._queue:
            return NO_FAULT
        with self._lock:
            due = next((fault for fault in self._queue if fault.matches(deployment, route)), NO_FAULT)
            if due is not NO_FAULT:
                self._queue.remove(due)
            return due

    def pending(self) -> list[Fault]:
        """The pending faults, in order."""
        with self._lock:
            return list(self._queue)

    def clear(self) -> None:
        """Forget the pending faults."""
        with self._lock:
            self._queue.clear()
