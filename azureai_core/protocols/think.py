"""Reasoning that models put into the text itself, between `<think>` and `</think>`."""

from __future__ import annotations

OPEN_TAG, CLOSE_TAG = "<think>", "</think>"


class ThinkSplitter:
    """Splits `<think>…</think>` off the very start of a text that comes in chunks.

    A tag may be cut anywhere; a text that merely mentions the tag stays intact; an unclosed tag loses nothing;
    newlines after the closing tag go. Source: Foundry documentation, 'reasoning content' of 2024-05-01-preview.
    """

    __slots__ = ("_held", "_state", "is_over")

    def __init__(self) -> None:
        self._held = ""
        self._state = self._start
        self.is_over = False
        """Whether all that comes is content."""

    def feed(self, text: str) -> tuple[str, str]:
        """`(reasoning, content)` that is certain after this chunk."""
        if self.is_over:
            return "", text
        held, self._held = self._held + text, ""
        return self._state(held)

    def flush(self) -> tuple[str, str]:
        """`(reasoning, content)` still held back at the end of the text."""
        held, self._held = self._held, ""
        return (held, "") if self._state == self._think else ("", held if self._state == self._start else "")

    def _start(self, text: str) -> tuple[str, str]:
        if text.startswith(OPEN_TAG):
            self._state = self._think
            return self._think(text[len(OPEN_TAG) :])
        if OPEN_TAG.startswith(text):
            self._held = text
            return "", ""
        self.is_over = True
        return "", text

    def _think(self, text: str) -> tuple[str, str]:
        thought, tag, rest = text.partition(CLOSE_TAG)
        if tag:
            self._state = self._after
            return thought, self._after(rest)[1]
        keep = _overlap(text, CLOSE_TAG)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], ""

    def _after(self, text: str) -> tuple[str, str]:
        content = text.lstrip("\r\n")
        self.is_over = bool(content)
        return "", content


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)


def split_think(text: str) -> tuple[str, str]:
    """`(reasoning, content)` of a whole text."""
    if not text.startswith(OPEN_TAG):
        return "", text
    splitter = ThinkSplitter()
    (thought, content), (more, rest) = splitter.feed(text), splitter.flush()
    return thought + more, content + rest
