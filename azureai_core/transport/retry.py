"""When to send a request again, and after which wait. What was delivered is never asked for again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from azureai_core.limits import Throttle, asked_wait

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Not 501 and 505, which would fail again, nor 424, which carries the model container's own status."""

_NO_PAUSE = 0.001
"""Seconds: a clock is no finer."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a call is retried. All times are seconds."""

    max_retries: int = 2
    """Retries after the first attempt; 0 turns them off, and the waiting for a pause that a 429 asked for."""
    backoff: float = 0.5
    """The wait before the first retry; it doubles each time, less up to a quarter of jitter."""
    max_backoff: float = 8.0
    max_retry_after: float = 60.0
    """A longer wait asked by the service is not slept: the error is raised at once, with the asked wait."""
    deadline: float | None = None
    """Total time across all attempts until the answer begins; no retry starts after it."""
    retry_broken: bool = True
    """Whether a request is sent again when its connection breaks before the answer begins. It may have cost tokens.

    Besides `max_retries`, this holds for a kept connection: one that ends without a byte of the answer was most
    likely closed while it lay idle, so the request is sent over a new one at once, which does not count as a retry.
    """
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    def wait_after_answer(self, attempt: int, answer: httpx.Response, elapsed: float = 0.0) -> float | None:
        """Seconds to wait before retry `attempt + 1`, or `None` to give up. `Retry-After` wins over backoff."""
        if answer.status_code not in RETRIED_STATUSES:
            return None
        asked = asked_wait(answer.headers)
        if asked is not None and asked > self.max_retry_after:
            return None
        return self._within(attempt, elapsed, asked)

    def wait_after_error(self, attempt: int, error: httpx.TransportError, elapsed: float = 0.0) -> float | None:
        """The same after a connection error."""
        unreached = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        # Before any byte of the answer. No read timeout: the service may still be at work, and it costs.
        broken = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
        retry = unreached or (self.retry_broken and broken)
        return self._within(attempt, elapsed, None) if retry else None

    def _within(self, attempt: int, elapsed: float, asked: float | None) -> float | None:
        wait = self._backoff(attempt) if asked is None else asked
        if attempt >= self.max_retries or (self.deadline is not None and elapsed + wait >= self.deadline):
            return None
        return wait

    def _backoff(self, attempt: int) -> float:
        return float(min(self.max_backoff, self.backoff * 2**attempt) * random.uniform(0.75, 1.0))  # noqa: S311


class Attempts:
    """The attempts of one call: when each may begin, and whether another one follows. Each is made within it.

    Args:
        policy: how often and how patiently.
        throttle: the pause of the deployment, and a limit on it.
        tokens: about how many tokens the request costs, where a limit is set.
        started: when the first attempt of the call began, by the policy's clock; `None` for now.
    """

    def __init__(self, policy: RetryPolicy, throttle: Throttle, tokens: int, started: float | None) -> None:
        self._policy, self._throttle, self._tokens = policy, throttle, tokens
        self.started = policy.clock() if started is None else started
        self._retries = 0
        self._timeout: dict[str, float | None] = {}

    def delay(self) -> float:
        """Seconds to hold the attempt back, because the deployment asked for a pause or a limit is set."""
        patient = self._policy.max_retries > 0  # else a 429 is the caller's to wait for; their own limit still holds
        now = self._policy.clock()
        pause = self._throttle.delay(now, self._tokens, heed_pause=patient)
        if pause > 0:
            self._held_from = max(now, self._throttle.paused_until)
            self._held_until = now + pause + self._policy.max_retries * self._policy.max_retry_after
            self._check_deadline(pause)
        return pause

    def extended_delay(self) -> float:
        """Seconds by which the pause was extended while the attempt was held back: another caller may have met a 429.

        One that never ends is held to no longer than retries of its own would have taken.
        """
        now, until = self._policy.clock(), self._throttle.paused_until
        pause = max(until - now, until - self._held_from)  # those whom a limit spreads over time stay as far apart
        if until - now < _NO_PAUSE or now + pause > self._held_until:
            return 0.0
        self._held_from = until
        self._check_deadline(pause)
        return pause

    def _check_deadline(self, pause: float) -> None:
        if self._policy.deadline is not None and self._elapsed() + pause >= self._policy.deadline:
            raise httpx.PoolTimeout(f"the deployment is paused for {pause:.3g} s, past the deadline")

    def cut(self, timeout: dict[str, float | None]) -> None:
        """Cuts the timeouts of a request to what the deadline leaves, until the answer has begun."""
        if self._policy.deadline is None:
            return
        left = max(0.001, self._policy.deadline - self._elapsed())
        self._timeout = dict(timeout)
        for name, value in self._timeout.items():
            timeout[name] = left if value is None else min(value, left)

    def restore(self, timeout: dict[str, float | None]) -> None:
        """Gives a request its own timeouts back: they hold for the answer that is being read."""
        if self._policy.deadline is not None:
            timeout.update(self._timeout)

    def wait_after_answer(self, answer: httpx.Response) -> float | None:
        """Seconds to wait before the next attempt; `None` when this answer is the one."""
        wait = self._policy.wait_after_answer(self._retries, answer, self._elapsed())
        self._retries += 1
        asked = asked_wait(answer.headers) if answer.status_code == 429 else None  # noqa: PLR2004
        pause = asked if asked is not None and asked <= self._policy.max_retry_after else None
        self._throttle.learn(self._policy.clock(), answer.headers, pause)
        return wait

    def wait_after_error(self, error: httpx.TransportError) -> float | None:
        """Seconds to wait before the next attempt; `None` when the error is to be raised."""
        wait = self._policy.wait_after_error(self._retries, error, self._elapsed())
        self._retries += 1
        return wait

    def _elapsed(self) -> float:
        return self._policy.clock() - self.started
