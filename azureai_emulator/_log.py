"""What a server has heard and said: a bounded, thread-safe record for assertions."""

import json
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any

_SECRET_HEADERS = frozenset({"authorization", "api-key", "ocp-apim-subscription-key", "cookie", "x-api-key"})


@dataclass
class Exchange:
    """One request and what was answered. `response` is the decoded body, or the list of stream frames."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Lower-case names; secrets are masked."""
    body_bytes: bytes = b""
    status: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    response: Json = None
    deployment: str | None = None
    started: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    elapsed: float = 0.0
    """Seconds until the answer was complete."""
    route: str = ""
    tokens: int = 0
    """Tokens that the answer's usage counts, prompt and completion together."""
    frame_times: list[float] = field(default_factory=list)
    """Seconds from the start until each stream frame was sent."""
    number: int = 0
    """Counts the exchanges of a record from 1."""

    @property
    def body(self) -> Json:
        """The request body as JSON, else as text, or `None` when there was none."""
        return _decode(self.body_bytes)


def _decode(raw: bytes) -> Json:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def mask(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the secret part of credentials replaced; the scheme stays.

    >>> mask({"authorization": "Bearer k", "accept": "*/*"})
    {'authorization': 'Bearer ***', 'accept': '*/*'}
    """
    return {name: _mask(value) if name in _SECRET_HEADERS else value for name, value in headers.items()}


def _mask(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme}{space}***" if space else "***"


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
        """Remember an exchange; it is listed from now on, before its answer is known."""
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
        """A copy of the record."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0
