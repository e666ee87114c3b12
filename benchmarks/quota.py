"""What workers make of a quota: 1, 10 and 100 of them against 1,000 requests and 200,000 tokens a minute.

The time is simulated: an event loop whose clock jumps to the next timer. The code is the real one, from
`InferenceClient` to the limiter; only the service, at the end of an httpx client, is made here. It counts requests over
windows of ten seconds and tokens over a minute, as 'Azure OpenAI quotas and limits' describes, and asks callers to wait
until the window ends. `python benchmarks/quota.py` prints the table.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import httpx

from azureai_core import APIStatusError, InferenceClient, RateLimit, RetryPolicy, reset_deployments

REQUESTS, TOKENS = 1_000, 200_000
"""A minute, for the deployment."""
REQUEST_WINDOW, TOKEN_WINDOW = 10.0, 60.0
LATENCY = 1.0
START = 20.0
"""Seconds within which the workers come up."""
IN_FLIGHT = 16
"""Of each worker."""
RETRIES = 6
PROMPT, ANSWER = "x" * 400, 50
"""About 150 tokens with the answer, so that requests are what is short."""
POLICIES = ("each thread waits", "the process pauses", "limit ÷ workers", "90 % of the limit ÷ workers")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing waits: when no callback is due, it is the time of the next one."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class Service(httpx.AsyncBaseTransport):
    """A deployment with a quota."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.used: dict[float, list[float]] = {REQUEST_WINDOW: [0, 0], TOKEN_WINDOW: [0, 0]}
        self.last = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        tokens = len(request.content) // 4 + ANSWER
        wait = max(self._left(REQUEST_WINDOW, REQUESTS / 6, 1), self._left(TOKEN_WINDOW, TOKENS, tokens))
        if wait:
            self.statuses[429] += 1
            await asyncio.sleep(0.02)
            return httpx.Response(429, headers={"retry-after": str(math.ceil(wait))}, json={"message": "slow"})
        self.used[REQUEST_WINDOW][1] += 1
        self.used[TOKEN_WINDOW][1] += tokens
        self.statuses[200] += 1
        await asyncio.sleep(LATENCY)
        self.last = asyncio.get_running_loop().time()
        return httpx.Response(200, json={"choices": [{"message": {"content": "y"}, "finish_reason": "stop"}]})

    def _left(self, window: float, allowed: float, amount: float) -> float:
        """Seconds until the window ends, if the amount does not fit into it any more."""
        now = asyncio.get_running_loop().time()
        number = now // window
        if self.used[window][0] != number:
            self.used[window] = [number, 0]
        return (number + 1) * window - now if self.used[window][1] + amount > allowed else 0.0


def client(policy: str, worker: int, thread: int, workers: int, http: httpx.AsyncClient) -> InferenceClient:
    """Those of one host share a pause and a limit, as those of one process do."""
    loop = asyncio.get_running_loop()
    own = f"w{worker}t{thread}" if policy == POLICIES[0] else f"w{worker}"
    share = {POLICIES[2]: 1 / workers, POLICIES[3]: 0.9 / workers}.get(policy)
    limits = RateLimit(REQUESTS * share, TOKENS * share) if share else None
    retry = RetryPolicy(max_retries=RETRIES, asleep=asyncio.sleep, clock=loop.time)
    return InferenceClient(f"http://{own}.test/serverless/m", "key", limits=limits, retry=retry, async_http_client=http)


async def job(policy: str, workers: int, rows: int) -> dict[str, Any]:
    """The figures of one job."""
    service, failed = Service(), 0
    starts = [random.Random(worker).uniform(0, START) for worker in range(workers)]
    left = [rows // workers + (worker < rows % workers) for worker in range(workers)]

    async def thread(worker: int, number: int, http: httpx.AsyncClient) -> None:
        nonlocal failed
        await asyncio.sleep(starts[worker])
        caller = client(policy, worker, number, workers, http)
        while left[worker]:
            left[worker] -= 1
            try:
                payload = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": ANSWER}
                await caller.acomplete(payload)
            except APIStatusError:
                failed += 1

    async with httpx.AsyncClient(transport=service) as http:
        await asyncio.gather(*(thread(w, n, http) for w in range(workers) for n in range(IN_FLIGHT)))
    minutes = service.last / 60
    refused = service.statuses[429]
    return {"rate": service.statuses[200] / minutes, "refused": refused, "minutes": minutes, "failed": failed}


def simulated(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    reset_deployments()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    print(f"{rows:,} chats of about 160 tokens, answered in {LATENCY:g} s; {IN_FLIGHT} in flight per worker;")
    print(f"{REQUESTS:,} requests and {TOKENS:,} tokens a minute; {RETRIES} repeats; simulated time\n")
    print("| workers | policy | requests/min | 429s | job, min | rows failed |\n|---|---|---|---|---|---|")
    start = time.perf_counter()
    for workers in (1, 10, 100):
        for policy in POLICIES:
            made = simulated(job(policy, workers, rows))
            figures = f"{made['rate']:,.0f} | {made['refused']:,} | {made['minutes']:.1f} | {made['failed']:,}"
            print(f"| {workers} | {policy} | {figures} |", flush=True)
    print(f"\n(simulated in {time.perf_counter() - start:.0f} s)")


if __name__ == "__main__":
    main()
