"""Client-side limits per deployment, shared by all threads and event loops of the process.

A 429 that asks for a wait pauses every caller of that deployment, whatever limit each has set, so that a hundred
callers do not each run into it; with a limit a tenth below the quota, none does. Source of the headers: 'Azure OpenAI
quotas and limits' and recorded answers.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

REQUEST_BURST, TOKEN_BURST = 0.1, 6.0
"""Seconds of the rate that may go at once after a rest: a tenth of the window over which the service counts.

It counts requests over windows of 1 or 10 seconds, and expects them evenly spread; tokens over a minute. So a limit
that is a tenth below the quota holds in each window. Source: 'Azure OpenAI quotas and limits', rate limits.
"""


@dataclass(frozen=True)
class RateLimit:
    """What one process may send to one deployment. Divide the quota by the number of processes yourself.

    Requests are spread evenly over the minute. Set it a tenth below the quota, so that bursts stay within it.

    With both `None`, the limits are learnt from the service's `x-ratelimit-limit-*` headers.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class _Bucket:
    """An amount that refills steadily; a request may overdraw it and then waits until it is paid back."""

    __slots__ = ("_at", "_capacity", "_level", "_rate", "per_minute")

    def __init__(self, per_minute: float, burst: float, now: float) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60
        self._level = self._capacity = max(1.0, self._rate * burst)
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Takes `amount`; gives the seconds until it is covered. `now` may lie ahead, at the end of a pause."""
        self._level = min(self._capacity, self._level + max(0.0, now - self._at) * self._rate) - amount
        self._at = max(self._at, now)
        return max(0.0, -self._level / self._rate)


@dataclass
class Pause:
    """What the throttles of a deployment share: the pause that it asked for, and the lock."""

    until: float = -math.inf
    lock: Lock = field(default_factory=Lock)


class Throttle:
    """The pause of a deployment, and a limit on it. Thread-safe; knows nothing of sleeping."""

    def __init__(self, limit: RateLimit | None = None, pause: Pause | None = None) -> None:
        self._pause = pause or Pause()
        self._limit = limit
        self._requests: _Bucket | None = None
        self._tokens: _Bucket | None = None

    @property
    def paused_until(self) -> float:
        """The end of the deployment's pause."""
        return self._pause.until

    def delay(self, now: float, tokens: int = 0, *, heed_pause: bool = True) -> float:
        """Seconds to wait before a request of about `tokens` tokens may go; it counts as sent then."""
        with self._pause.lock:
            pause = max(0.0, self._pause.until - now) if heed_pause else 0.0
            if self._limit is None:
                return pause
            start = now + pause  # those who wait for its end are spread like all others
            self._requests = _bucket(self._requests, self._limit.requests_per_minute, REQUEST_BURST, start)
            self._tokens = _bucket(self._tokens, self._limit.tokens_per_minute, TOKEN_BURST, start)
            waits = [self._requests.take(1, start)] if self._requests else []
            waits += [self._tokens.take(tokens, start)] if self._tokens else []
            return pause + max([0.0, *waits])

    def learn(self, now: float, headers: Mapping[str, str], pause: float | None) -> None:
        """Takes note of an answer: a pause it asks for, and the limits it names."""
        if pause is None and (self._limit is None or "x-ratelimit-limit-requests" not in headers):
            return
        with self._pause.lock:
            if pause is not None:
                self._pause.until = max(self._pause.until, now + pause)
            if self._limit is not None:
                self._limit = RateLimit(
                    self._limit.requests_per_minute or _number(headers.get("x-ratelimit-limit-requests")),
                    self._limit.tokens_per_minute or _number(headers.get("x-ratelimit-limit-tokens")),
                )


def _bucket(bucket: _Bucket | None, per_minute: float | None, burst: float, now: float) -> _Bucket | None:
    if per_minute is None or (bucket is not None and bucket.per_minute == per_minute):
        return bucket
    return _Bucket(per_minute, burst, now)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds the service asks to wait, from its three spellings, milliseconds first; `None` where it does not say."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        wait = _wait(headers.get(name, ""))
        if wait is not None:
            return wait / 1000
    text = headers.get("retry-after", "")
    seconds = _wait(text)
    return _until(text) if seconds is None else seconds


def _wait(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


MEDIA_TOKENS = 1_500
"""What an image or a recording counts as, whatever its size in bytes.

An image costs a hundred to two thousand tokens. Source: 'Azure OpenAI in Azure AI Foundry Models', image tokens, and
recorded Cohere answers (1,000).
"""
_MEDIA = re.compile(rb'"(?:data:[^",;]*;base64,|data":")[^"]{1000,}')
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")


def estimate_tokens(content: bytes, payload: Mapping[str, Any]) -> int:
    """About how many tokens a request costs: four bytes of its body each, apart from media, and the output's limit."""
    media = [found.end() - found.start() for found in _MEDIA.finditer(content)]
    limits = [limit for name in _OUTPUT_LIMITS if isinstance(limit := payload.get(name), int)]
    return (len(content) - sum(media)) // 4 + MEDIA_TOKENS * len(media) + max(limits, default=0)
