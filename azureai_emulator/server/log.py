"""The recent exchanges of a session: bounded and thread-safe, for assertions."""

import threading
from collections import deque
from typing import Any

from azureai_emulator.wire.exchange import Exchange

Json = Any


class Log:
    """The latest exchanges, oldest first. Older ones are forgotten beyond `limit` entries or `max_bytes` of bodies."""

    def __init__(self, limit: int = 10_000, max_bytes: int = 256_000_000) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._bytes = 0
        self._count = 0
        self._entries: deque[Exchange] = deque()
        self._lock = threading.Lock()

    def add(self, exchange: Exchange) -> None:
        """Remember an exchange; it is listed at once, before its answer is known."""
        with self._lock:
            self._count += 1
            exchange.number = self._count
            self._entries.append(exchange)
            self._bytes += len(exchange.body_bytes)
            while len(self._entries) > self._limit or (self._bytes > self._max_bytes and len(self._entries) > 1):
                self._bytes -= len(self._entries.popleft().body_bytes)

    @property
    def count(self) -> int:
        """How many exchanges there have been."""
        return self._count

    def entries(self) -> list[Exchange]:
        """The exchanges that are kept, as a copy."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget all exchanges."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0
