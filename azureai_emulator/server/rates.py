"""Rate limits: per deployment, a token bucket for requests and one for tokens."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from azureai_emulator.catalog.deployments import Deployment
from azureai_emulator.catalog.kinds import Kind
from azureai_emulator.wire.errors import Reply, rate_limit_reached, too_many_requests

Clock = Callable[[], float]
"""Seconds from any starting point, such as `time.monotonic`."""

_MINUTE = 60.0


class Bucket:
    """A bucket that refills evenly: full at first, never above `per_minute`.

    >>> bucket = Bucket(60, now=0.0)
    >>> bucket.take(60)
    >>> bucket.seconds_until(1, now=0.5), bucket.seconds_until(1, now=1.0)
    (0.5, 0.0)
    """

    def __init__(self, per_minute: int, now: float) -> None:
        self.limit = per_minute
        self._level = float(per_minute)
        self._updated = now

    def seconds_until(self, amount: float, now: float) -> float:
        """Seconds until the amount is available; 0 when it is available now."""
        self._level = min(self.limit, self._level + (now - self._updated) * self.limit / _MINUTE)
        self._updated = now
        missing = amount - self._level
        return 0.0 if missing <= _ROUNDING else missing * _MINUTE / self.limit

    def take(self, amount: int) -> None:
        """Take the amount. The level may go below zero: an answer's tokens are known only after it was sent."""
        self._level -= amount

    @property
    def remaining(self) -> int:
        """What is left, in whole units."""
        return max(0, math.floor(self._level + _ROUNDING))


_ROUNDING = 1e-6


@dataclass
class Allowance:
    """The buckets of one deployment; `None` where it has no limit."""

    requests: Bucket | None
    tokens: Bucket | None

    def headers(self) -> dict[str, str]:
        """The rate limit headers of every answer. Source: recorded answers of 2025."""
        named = {"requests": self.requests, "tokens": self.tokens}
        limits = {f"x-ratelimit-limit-{name}": str(bucket.limit) for name, bucket in named.items() if bucket}
        left = {f"x-ratelimit-remaining-{name}": str(bucket.remaining) for name, bucket in named.items() if bucket}
        return limits | left

    def wait(self, now: float) -> tuple[float, str]:
        """Seconds until the next request is admitted, and the policy that delays it."""
        calls = self.requests.seconds_until(1, now) if self.requests else 0.0
        tokens = self.tokens.seconds_until(1, now) if self.tokens else 0.0
        return (tokens, "DeploymentRatelimit-Token") if tokens > calls else (calls, "DeploymentRatelimit-Call")

    def charge(self, tokens: int) -> None:
        """Count the tokens of an answer."""
        if self.tokens:
            self.tokens.take(tokens)


class Rates:
    """The allowances of all deployments that have limits, by name."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._by_name: dict[str, Allowance] = {}
        self._lock = threading.Lock()

    def of(self, deployment: Deployment) -> Allowance | None:
        """The allowance of a deployment, or `None` when it has no limits."""
        if deployment.requests_per_minute is None and deployment.tokens_per_minute is None:
            return None
        with self._lock:
            if deployment.name not in self._by_name:
                self._by_name[deployment.name] = self._new(deployment)
            return self._by_name[deployment.name]

    def _new(self, deployment: Deployment) -> Allowance:
        limits = (deployment.requests_per_minute, deployment.tokens_per_minute)
        calls, tokens = (None if limit is None else Bucket(limit, self._clock()) for limit in limits)
        return Allowance(calls, tokens)

    def admit(self, allowance: Allowance, kind: Kind, route: str, api_version: str) -> Reply | None:
        """Count one request, or the 429 (E24; E26 on GitHub) that refuses it: a refused request is not counted."""
        with self._lock:
            seconds, policy = allowance.wait(self._clock())
            if not seconds and allowance.requests:
                allowance.requests.take(1)
        if not seconds:
            return None
        whole = max(1, math.ceil(seconds - _ROUNDING))
        if kind == "github":
            return rate_limit_reached(whole, allowance.requests.limit if allowance.requests else None)
        operation = _OPERATIONS.get(route, "ChatCompletions_Create")
        reply = too_many_requests(whole, operation, api_version)
        return Reply(reply.status, reply.body, {**reply.headers, "policy-id": policy})

    def charge(self, allowance: Allowance, tokens: int) -> None:
        """Count the tokens of an answer."""
        with self._lock:
            allowance.charge(tokens)

    def clear(self) -> None:
        """Refill all allowances."""
        with self._lock:
            self._by_name.clear()


_OPERATIONS = {
    "completions": "Completions_Create",
    "embeddings": "Embeddings_Create",
    "images/embeddings": "ImageEmbeddings_Create",
}
