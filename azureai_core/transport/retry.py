"""When to send a request again, and after which wait. It sits below the body: what was delivered is never repeated."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from .http import HTTPX_ERRORS, Answer, Request, Timeout
from .lazy import httpx

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Not 501 and 505, which repeat, nor 424, which carries the model container's own status."""

_NO_PAUSE = 0.001
"""Seconds: a clock is no finer."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a call is repeated. All times are seconds."""

    max_retries: int = 2
    """Repeats after the first attempt; 0 turns them off, and the waiting for a pause that a 429 asked for."""
    backoff: float = 0.5
    """The wait before the first repeat; it doubles each time, less up to a quarter of jitter."""
    max_backoff: float = 8.0
    max_retry_after: float = 60.0
    """A longer wait asked by the service is not slept: the error is raised at once, with the asked wait."""
    deadline: float | None = None
    """Total time across all attempts until the answer begins; no repeat starts after it."""
    retry_broken: bool = True
    """Whether a request is sent again when its connection breaks before the answer begins. It may have cost tokens.

    Besides `max_retries`, this holds for a kept connection: one that ends without a byte of the answer was most
    likely closed while it lay idle, so the request is sent over a new one at once, which does not count as a repeat.
    """
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    def wait_after_answer(self, attempt: int, answer: httpx.Response | Answer, elapsed: float = 0.0) -> float | None:
        """Seconds to wait before repeat `attempt + 1`, or `None` to give up. `Retry-After` wins over backoff."""
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
        repeat = unreached or (self.retry_broken and broken)
        return self._within(attempt, elapsed, None) if repeat else None

    def _within(self, attempt: int, elapsed: float, asked: float | None) -> float | None:
        wait = self._backoff(attempt) if asked is None else asked
        if attempt >= self.max_retries or (self.deadline is not None and elapsed + wait >= self.deadline):
            return None
        return wait

    def _backoff(self, attempt: int) -> float:
        return float(min(self.max_backoff, self.backoff * 2**attempt) * random.uniform(0.75, 1.0))  # noqa: S311


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds the service asks to wait, from its three spellings, milliseconds first; `None` where it does not say."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        wait = _number(headers.get(name, ""))
        if wait is not None:
            return wait / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    return _until(text) if seconds is None else seconds


def _number(text: str) -> float | None:
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


class RetryTransport:
    """Repeats what its inner transport could not deliver, as the policy says, in both colours."""

    def __init__(self, inner: Any, policy: RetryPolicy) -> None:
        self._inner = inner
        self._policy = policy

    def send(self, request: Request) -> Answer:
        """The first answer that is not to be repeated."""
        attempts = _Attempts(self._policy, request)
        while True:
            pause = attempts.before()
            while pause > 0:
                self._policy.sleep(pause)
                pause = attempts.grown()
            try:
                with attempts:
                    answer: Answer = self._inner.send(request)
            except httpx.TransportError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_answer(answer)
                if wait is None:
                    return answer
                _drain(answer)
            self._policy.sleep(wait)

    async def asend(self, request: Request) -> Answer:
        """The same without blocking the event loop."""
        attempts = _Attempts(self._policy, request)
        while True:
            pause = attempts.before()
            while pause > 0:
                await self._policy.asleep(pause)
                pause = attempts.grown()
            try:
                with attempts:
                    answer: Answer = await self._inner.asend(request)
            except httpx.TransportError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_answer(answer)
                if wait is None:
                    return answer
                await _adrain(answer)
            await self._policy.asleep(wait)

    def close(self) -> None:
        """Closes the inner transport."""
        self._inner.close()

    async def aclose(self) -> None:
        """Closes the inner transport."""
        await self._inner.aclose()


class _Attempts:
    """The attempts of one call: what both colours decide alike. Each attempt is made within it, as a context."""

    def __init__(self, policy: RetryPolicy, request: Request) -> None:
        self._policy = policy
        self._request = request
        if request.started is None:
            request.started = policy.clock()
        self._started = request.started
        self._repeats = 0
        self._throttle = request.throttle
        self._timeout: Timeout = {}

    def before(self) -> float:
        """Seconds to hold the attempt back, because the deployment asked for a pause or a limit is set."""
        patient = self._policy.max_retries > 0  # else a 429 is the caller's to wait for; a limit of theirs still holds
        now = self._policy.clock()
        pause = self._throttle.delay(now, self._request.tokens, heed_pause=patient)
        if pause > 0:
            self._held_from = max(now, self._throttle.paused_until)
            self._held_until = now + pause + self._policy.max_retries * self._policy.max_retry_after
            self._check_deadline(pause)
        return pause

    def grown(self) -> float:
        """Seconds by which the pause has grown while the attempt was held back: another caller may have met a 429.

        One that never ends is held to no longer than repeats of its own would have taken.
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

    def __enter__(self) -> None:
        """Cuts the request's timeouts to what the deadline leaves, until the answer has begun."""
        if self._policy.deadline is None:
            return
        left = max(0.001, self._policy.deadline - self._elapsed())
        self._timeout = dict(self._request.timeout)
        for name, value in self._timeout.items():
            self._request.timeout[name] = left if value is None else min(value, left)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._policy.deadline is not None:  # httpcore reads the mapping anew for the body
            self._request.timeout.update(self._timeout)

    def after_answer(self, answer: Answer) -> float | None:
        wait = self._policy.wait_after_answer(self._repeats, answer, self._elapsed())
        self._repeats += 1
        asked = asked_wait(answer.headers) if answer.status_code == 429 else None  # noqa: PLR2004
        pause = asked if asked is not None and asked <= self._policy.max_retry_after else None
        self._throttle.learn(self._policy.clock(), answer.headers, pause)
        return wait

    def after_error(self, error: httpx.TransportError) -> float | None:
        wait = self._policy.wait_after_error(self._repeats, error, self._elapsed())
        self._repeats += 1
        return wait

    def _elapsed(self) -> float:
        return self._policy.clock() - self._started


def _drain(answer: Answer) -> None:
    """Reads a refused answer to its end, so that its connection is used again."""
    with closing(answer), suppress(httpx.HTTPError), HTTPX_ERRORS:
        for _ in answer.pieces():
            pass


async def _adrain(answer: Answer) -> None:
    async with aclosing(answer):
        with suppress(httpx.HTTPError), HTTPX_ERRORS:
            async for _ in answer.apieces():
                pass
