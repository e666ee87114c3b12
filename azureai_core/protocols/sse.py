"""Server-sent events, from bytes to data, without I/O. Source: WHATWG HTML, section 9.2 'Server-sent events'."""

from __future__ import annotations


class SSEDecoder:
    """Turns chunks of a `text/event-stream` body into the data of its events.

    Lines end with LF, CR or CRLF and nothing else (U+2028 in a token stays intact); comments and the fields
    `event`, `id` and `retry` are passed over; a chunk may end anywhere, also inside a character. Unlike the
    standard, an event that the end of the body cuts before its blank line still counts.
    """

    __slots__ = ("_after_cr", "_data", "_is_clean", "_parts", "_started")

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # the line that is not complete yet
        self._data: list[bytes] = []  # the data lines of the event that is not complete yet
        self._after_cr = False
        self._started = False
        self._is_clean = False  # whether something has come and nothing of it waits

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that this chunk completes."""
        if (  # as most hosts send them: one event of one line in each chunk
            self._is_clean
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk.startswith(b"data: ")
            and chunk.endswith(b"\n")
            and b"\r" not in chunk
        ):
            return [chunk[6:-2]]
        events = self._feed(chunk)
        self._is_clean = not (self._after_cr or self._data or any(self._parts))
        return events

    def _feed(self, chunk: bytes) -> list[bytes]:
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_lf(chunk)
        if b"\n" not in chunk:
            self._parts.append(chunk)
            return []
        self._parts.append(chunk)
        *lines, rest = b"".join(self._parts).split(b"\n")
        self._parts = [rest]
        return self._events(lines)

    def flush(self) -> list[bytes]:
        """The data of an event that the end of the body left without its blank line."""
        rest, self._parts = b"".join(self._parts), []
        return self._events([rest, b""])

    def _with_lf(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            return self._with_lf(chunk)
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
            elif line == b"data":
                self._data.append(b"")
        return events
