"""Client-side limits per deployment, shared by all threads and event loops of the process.

A 429 that asks for a wait pauses every caller of that deployment, so that a hundred callers do not each run into
it; with a known limit, hardly one does: only a burst at the start, of what ten seconds allow, may meet one. Source of
the headers: 'Azure OpenAI quotas and limits' and recorded answers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

WINDOW = 10.0
"""Seconds: the service counts requests over windows of 1 and 10 seconds, so a burst may use what that allows."""


@dataclass(frozen=True)
class RateLimit:
    """What one process may send to one deployment. Divide the quota by the number of processes yourself.

    With both `None`, the limits are learnt from the service's `x-ratelimit-limit-*` headers.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class _Bucket:
    """An amount that refills steadily; a request may overdraw it and then waits until it is paid back."""

    __slots__ = ("_at", "_level", "_rate", "per_minute")

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        self._level = self._capacity
        self._at = now

    @property
    def _capacity(self) -> float:
        return max(1.0, self._rate * WINDOW)

    def take(self, amount: float, now: float) -> float:
        """Takes `amount`; gives the seconds until it is covered."""
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._level / self._rate)


class Throttle:
    """The pause and the limits of one deployment. Thread-safe; knows nothing of sleeping."""

    def __init__(self, limit: RateLimit | None = None) -> None:
        self._lock = Lock()
        self._limit = limit
        self._paused_until = -math.inf
        self._requests: _Bucket | None = None
        self._tokens: _Bucket | None = None

    def renew_lock(self) -> None:
        """In a forked child: a thread that held the lock is not there to release it."""
        self._lock = Lock()

    def delay(self, now: float, tokens: int = 0, *, heed_pause: bool = True) -> float:
        """Seconds to wait before a request of about `tokens` tokens may go; it counts as sent then."""
        with self._lock:
            pause = max(0.0, self._paused_until - now) if heed_pause else 0.0
            if self._limit is None:
                return pause
            self._requests = _bucket(self._requests, self._limit.requests_per_minute, now)
            self._tokens = _bucket(self._tokens, self._limit.tokens_per_minute, now)
            waits = [self._requests.take(1, now)] if self._requests else []
            waits += [self._tokens.take(tokens, now)] if self._tokens else []
            return max([pause, *waits])

    def learn(self, now: float, headers: Mapping[str, str], pause: float | None) -> None:
        """Takes note of an answer: a pause it asks for, and the limits it names."""
        if pause is None and (self._limit is None or "x-ratelimit-limit-requests" not in headers):
            return
        with self._lock:
            if pause is not None:
                self._paused_until = max(self._paused_until, now + pause)
            if self._limit is not None:
                self._limit = RateLimit(
                    self._limit.requests_per_minute or _number(headers.get("x-ratelimit-limit-requests")),
                    self._limit.tokens_per_minute or _number(headers.get("x-ratelimit-limit-tokens")),
                )


def _bucket(bucket: _Bucket | None, per_minute: float | None, now: float) -> _Bucket | None:
    if per_minute is None or (bucket is not None and bucket.per_minute == per_minute):
        return bucket
    return _Bucket(per_minute, now)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


_throttles: dict[tuple[str, str | None, RateLimit | None], Throttle] = {}
_throttles_lock = Lock()


def throttle_for(base_url: str, model: str | None, limit: RateLimit | None) -> Throttle:
    """The one throttle of this process for a deployment."""
    key = (base_url, model, limit)
    with _throttles_lock:
        return _throttles.get(key) or _throttles.setdefault(key, Throttle(limit))


def _after_fork() -> None:
    """In the child: a thread that held one of the locks is not there to release it."""
    global _throttles_lock  # noqa: PLW0603
    _throttles_lock = Lock()
    for throttle in _throttles.values():
        throttle.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def forget_pauses() -> None:
    """Forgets all pauses and limits; for tests."""
    with _throttles_lock:
        _throttles.clear()
