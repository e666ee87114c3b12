"""Answers that are sent while they are generated."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from azureai_emulator.brains.base import ToolCall, Written

from . import tokens


@dataclass
class LiveChoice:
    """A choice whose text is still being generated. `finish` and `tokens` are final once all chunks were read."""

    written: Written
    room: int
    """The token limit of the answer, reasoning included."""
    reasoning: str = ""
    stop: tuple[str, ...] = ()
    finish: str = "stop"
    tokens: int = 0
    text: str = field(default="", init=False)
    """What was sent so far."""
    calls: tuple[ToolCall, ...] = ()
    reasoning_tokens: int = 0
    scores: list[Any] | None = None

    def __post_init__(self) -> None:
        self.reasoning = tokens.cut(self.reasoning, self.room)
        self.reasoning_tokens = self.tokens = tokens.count(self.reasoning)

    def chunks(self) -> Iterator[str]:
        """The text in chunks, until it ends or reaches the limit."""
        left = self.room - self.reasoning_tokens
        with closing(self.written):
            for chunk in self._before_stop():
                whole = self.text + chunk
                kept = max(tokens.cut(whole, left), self.text, key=len)
                fresh, self.text = kept[len(self.text) :], kept
                self.tokens = self.reasoning_tokens + tokens.count(kept)
                if fresh:
                    yield fresh
                if kept != whole:
                    self.finish = "length"
                    return

    def _before_stop(self) -> Iterator[str]:
        """The chunks up to a stop sequence; text that may begin one is held back."""
        held, longest = "", max(map(len, self.stop), default=1)
        for chunk in self._tracked():
            held += chunk
            ends = [held.find(sequence) for sequence in self.stop if sequence and sequence in held]
            if ends:
                yield held[: min(ends)]
                return
            safe = max(0, len(held) - longest + 1)
            yield held[:safe]
            held = held[safe:]
        yield held

    def _tracked(self) -> Iterator[str]:
        self.finish = (yield from self.written) or "stop"
