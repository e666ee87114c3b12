"""Faults on order: replies that a healthy service would not give, in the order they were asked for."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ._errors import Reply, generic, too_many_requests

Json = Any
Framing = Literal["lf", "crlf", "comments", "no-space", "events", "no-final-newline"]


@dataclass(frozen=True)
class Fault:
    """One disturbance. Without `status` the normal answer is given, disturbed as the other fields say."""

    status: int | None = None
    """Answer with this status instead of the normal answer."""
    body: Json = None
    """JSON, or text as it stands; `None` is the documented body of that status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    """Seconds to wait before answering."""
    frame_latency: float = 0.0
    """Seconds to wait before each stream frame."""
    reset_before_body: bool = False
    """Reset the connection without an answer."""
    cut_stream_after: int | None = None
    """Close the connection after this many frames."""
    error_frame_after: int | None = None
    """Send an error object as a frame after this many frames, then end the stream (E30)."""
    malformed_frame_after: int | None = None
    """Send half a frame, which is no JSON, in place of the one after this many frames."""
    without_done: bool = False
    """End the stream without `[DONE]`."""
    framing: Framing = "lf"
    """How frames are written; every value is legal in server-sent events."""
    split_bytes: int | None = None
    """Write the stream in pieces of so many bytes, through the middle of characters."""
    deployment: str | None = None
    """Only for requests to this deployment."""
    route: str | None = None
    """Only for this route, such as `chat/completions`."""
    times: int = 1

    def reply(self) -> Reply | None:
        """The answer that replaces the normal one, or `None`."""
        if self.status is None:
            return None
        default = _default_reply(self.status, self.headers)
        body = default.body if self.body is None else self.body
        return Reply(self.status, body, {**default.headers, **self.headers} if self.body is None else self.headers)

    def matches(self, deployment: str | None, route: str) -> bool:
        """Whether it is meant for this request."""
        return self.deployment in (None, deployment) and self.route in (None, route)


_TOO_MANY = 429


def _default_reply(status: int, headers: Mapping[str, str]) -> Reply:
    if status != _TOO_MANY:
        return generic(status)
    lowered = {name.lower(): value for name, value in headers.items()}
    seconds = lowered.get("retry-after", "1")
    reply = too_many_requests(int(seconds) if seconds.isdigit() else 1)
    return Reply(reply.status, reply.body, {})


NO_FAULT = Fault()


class Faults:
    """The queue of faults to come; a fault is used up by the first request it matches."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._lock = threading.Lock()

    def add(self, faults: Iterable[Fault], deployment: str | None) -> None:
        """Queue faults, each as often as it says."""
        with self._lock:
            for fault in faults:
                aimed = replace(fault, deployment=deployment) if deployment else fault
                self._queue.extend([aimed] * fault.times)

    def take(self, deployment: str | None, route: str) -> Fault:
        """The next fault for this request; a harmless one if none is due."""
        if not self._queue:
            return NO_FAULT
        with self._lock:
            due = next((fault for fault in self._queue if fault.matches(deployment, route)), NO_FAULT)
            if due is not NO_FAULT:
                self._queue.remove(due)
            return due

    def pending(self) -> list[Fault]:
        """The faults that are still due, in order."""
        with self._lock:
            return list(self._queue)

    def clear(self) -> None:
        """Forget the faults that are still due."""
        with self._lock:
            self._queue.clear()
