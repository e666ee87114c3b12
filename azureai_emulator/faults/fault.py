"""What a fault is: an answer that a healthy service would not give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azureai_emulator.wire.errors import Reply, generic, too_many_requests
from azureai_emulator.wire.sse import Framing

Json = Any


@dataclass(frozen=True)
class Fault:
    """One fault. Without `status` the normal answer is sent, disturbed as the other fields say."""

    status: int | None = None
    """Answer with this status instead of the normal answer."""
    body: Json = None
    """JSON, or a string sent as plain text; `None` is the documented body of that status."""
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
    """Send half a frame, which is not valid JSON, in place of the one after this many frames."""
    without_done: bool = False
    """End the stream without `[DONE]`."""
    framing: Framing = "lf"
    """How frames are written; every value is legal in server-sent events."""
    split_bytes: int | None = None
    """Send the stream in chunks of this many bytes, which may split characters."""
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
        """Whether it applies to this request."""
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
