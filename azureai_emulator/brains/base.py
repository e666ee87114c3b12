"""What a brain is asked and what it answers."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import uuid4

Json = Any


Written = Generator[str, None, str | None]
"""A text piece by piece, then its finish reason; `None` is `stop`."""


@dataclass(frozen=True)
class ToolCall:
    """A call in an answer; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """What a brain says: text or calls, and the reasoning before them."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    written: Written | None = None
    """The text while it is being written, in place of `text`."""
    cut: bool = False
    """Whether the brain had to stop before the end."""
    scores: list[Json] | None = None
    """An entry for each token with `token`, `bytes`, `logprob` and `top_logprobs`, there as soon as it was written.

    `None` from a brain that does not know.
    """


@dataclass(frozen=True)
class Ask:
    """What a brain is asked: the checked fields of a request."""

    messages: list[Json]
    tools: tuple[Json, ...] = ()
    choice: Literal["auto", "none", "required", "named"] = "auto"
    named: str | None = None
    """The tool that has to be called when `choice` is `named`."""
    parallel: bool = True
    response_format: Json = None
    id_style: Literal["short", "long"] = "long"
    stop: tuple[str, ...] = ()
    """Where the text has to end; the emulator cuts it there, whatever the brain does."""
    sampling: Mapping[str, Json] = field(default_factory=dict)
    """Those of `temperature`, `top_p`, `seed`, `presence_penalty` and `frequency_penalty` that were given."""
    room: int | None = None
    """How many tokens of the answer will be used; `None` is no limit."""
    logprobs: int | None = None
    """How many alternatives for each token are wanted in `scores`; `None` is no scores."""


class Brain(Protocol):
    """Anything that answers. With a true attribute `slow` it is asked in a worker thread, one request at a time."""

    def answer(self, ask: Ask) -> Answer:
        """The answer to one request."""
        ...


def message_text(message: Json) -> str:
    """The text of a message, parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if part["type"] == "text")


def call_id(style: str) -> str:
    """A fresh id. Mistral's are nine characters. Source: recorded sessions with mistral-large-2411."""
    digits = uuid4().hex
    return digits[:9] if style == "short" else f"call_{digits[:24]}"


def latest_turn(messages: list[Json]) -> tuple[str, list[Json]]:
    """The user's latest words, and the messages after them."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index]["role"] == "user":
            return _user_run(messages, index), messages[index + 1 :]
    return "\n".join(message_text(message) for message in messages), []


def _user_run(messages: list[Json], index: int) -> str:
    first = index
    while first > 0 and messages[first - 1]["role"] == "user":
        first -= 1
    return "\n".join(message_text(message) for message in messages[first : index + 1])


class BrainError(ValueError):
    """Why there is no such brain, in one sentence."""
