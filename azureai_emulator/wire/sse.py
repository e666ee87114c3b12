"""Server-sent events: frames to bytes, and bytes to frames.

Source: HTML standard, 'Server-sent events'.
"""

from typing import Any, Literal

from .errors import openai_body

Json = Any
Framing = Literal["lf", "crlf", "comments", "no-space", "events", "no-final-newline"]
"""How frames are written; every value is legal in server-sent events."""

_FRAMES: dict[Framing, tuple[bytes, bytes]] = {
    "lf": (b"data: ", b"\n\n"),
    "crlf": (b"data: ", b"\r\n\r\n"),
    "comments": (b": keep-alive\n\ndata: ", b"\n\n"),
    "no-space": (b"data:", b"\n\n"),
    "events": (b"event: message\nid: 1\nretry: 1000\ndata: ", b"\n\n"),
    "no-final-newline": (b"data: ", b"\n\n"),
}
ERROR_FRAME = openai_body("The server had an error while processing your request.", code="server_error")


def event(data: bytes, framing: Framing) -> bytes:
    """One frame as bytes."""
    before, after = _FRAMES[framing]
    return before + data + after


def final_event(framing: Framing) -> bytes:
    """The `[DONE]` that ends a stream."""
    whole = event(b"[DONE]", framing)
    return whole.rstrip() if framing == "no-final-newline" else whole


class EventReader:
    """The data of server-sent events, from bytes in chunks of any size."""

    def __init__(self) -> None:
        self.done = False
        """Whether `[DONE]` was read."""
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that are complete with this chunk, `[DONE]` left out."""
        lines = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        return [event for line in lines for event in self._line(line.decode("utf-8", "replace"))]

    def end(self) -> list[str]:
        """The data of a final event without an empty line after it."""
        return [*self.feed(b"\n"), *self._line("")]

    def _line(self, line: str) -> list[str]:
        if line.startswith("data:"):
            self._data.append(line.removeprefix("data:").removeprefix(" "))
        if line or not self._data:
            return []
        event, self._data = "\n".join(self._data), []
        self.done = self.done or event == "[DONE]"
        return [] if event == "[DONE]" else [event]
