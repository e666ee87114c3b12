"""What a worker process keeps for a job, one client, and which errors are a row's own and which would hit every row."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock

from azureai_core.client import InferenceClient
from azureai_core.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AzureAIError,
    ConfigurationError,
    ContentFilterError,
    RateLimitError,
)

MAX_INITIAL_REJECTIONS = 8
"""If the first rows, this many, all fail one by one, a configuration error is assumed."""
_LONGEST_PAUSE = 60.0
_OF_THE_CONTENT = frozenset({400, 413, 422, 424})
"""Statuses that what stands in a row can cause; 424 carries the status of the model's own container."""
_PASSING = frozenset({408, 429})
_CONTENT_FIELDS = frozenset({"input", "messages", "content", "prompt"})


@dataclass
class Worker:
    """The client of a job in one process, and whether the service has taken anything from it."""

    client: InferenceClient
    slots: BoundedSemaphore
    """One for each request that may be in flight."""
    taken: bool = False
    _refused: int = field(default=0, repr=False)

    def refuse(self) -> bool:
        """Counts a row that was refused by itself; whether it is time to give up."""
        self._refused += 1
        return not self.taken and self._refused >= MAX_INITIAL_REJECTIONS


_KEPT = 16
"""Jobs whose clients a process keeps: an engine's worker lives longer than its job."""
_workers: dict[str, Worker] = {}
_inherited: list[Worker] = []
"""Of the process that forked; kept, because closing them may wait for a lock that nobody here will release."""
_workers_lock = Lock()


def worker_for(job: str, connect: Callable[[], InferenceClient], concurrency: int) -> Worker:
    """The worker of a job in this process; made on first use."""
    with _workers_lock:
        worker = _workers.pop(job, None) or Worker(connect(), BoundedSemaphore(concurrency))
        _workers[job] = worker  # the last one is the one used last
        for old in list(_workers)[:-_KEPT]:
            del _workers[old]  # its connections close when nobody uses it any more
        return worker


def _after_fork() -> None:
    """In the child: its credentials and connections are its own."""
    global _workers_lock  # noqa: PLW0603
    _workers_lock = Lock()
    _inherited.extend(_workers.values())
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def is_of_the_content(error: AzureAIError) -> bool:
    """Whether what stands in a row may be the cause: a refusal, or a 200 without the answer."""
    if isinstance(error, APIStatusError):
        return error.status_code in _OF_THE_CONTENT
    return not isinstance(error, APIConnectionError)


def is_surely_of_the_content(error: AzureAIError) -> bool:
    """Whether the service says so itself."""
    if not isinstance(error, APIStatusError):
        return False
    filtered = isinstance(error, ContentFilterError) or error.context_exceeded
    return filtered or error.status_code == 413 or bool(_CONTENT_FIELDS & set(error.parameters))  # noqa: PLR2004


def is_fatal(error: AzureAIError, worker: Worker) -> bool:
    """Whether the next row would fail alike."""
    if isinstance(error, ConfigurationError):
        return True
    if isinstance(error, RateLimitError) and error.retry_after is not None:
        return error.retry_after > _LONGEST_PAUSE
    if isinstance(error, APIStatusError):
        refused = bool(error.parameters) and not is_surely_of_the_content(error)
        return error.status_code < 500 and (refused or error.status_code not in _OF_THE_CONTENT | _PASSING)  # noqa: PLR2004
    unreached = isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError)
    return unreached and not worker.taken
