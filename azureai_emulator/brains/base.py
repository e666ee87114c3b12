"""The interface of brains: what they are asked and what they answer."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import uuid4

Json = Any


Written = Generator[str, None, str | None]
"""Yields a text in chunks and returns its finish reason; `None` is `stop`."""


@dataclass(frozen=True)
class ToolCall:
    """A tool call; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """A brain's answer: text or tool calls, and the reasoning before them."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    written: Written | None = None
    """The text while it is being generated, in place of `text`."""
    cut: bool = False
    """Whether the text was cut by a token limit."""
    scores: list[Json] | None = None
    """For each token `token`, `bytes`, `logprob` and `top_logprobs`, appended as the token is generated.

    `None` from a brain without logprobs.
    """


@dataclass(frozen=True)
class Ask:
    """What a brain is asked: the checked fields of a request."""

    messages: list[Json]
    tools: tuple[Json, ...] = ()
    choice: Literal["auto", "none", "required", "named"] = "auto"
    named: str | None = None
    """The tool that must be called when `choice` is `named`."""
    parallel: bool = True
    response_format: Json = None
    id_style: Literal["short", "long"] = "long"
    stop: tuple[str, ...] = ()
    """Stop sequences; the emulator cuts the text there even if the brain does not."""
    sampling: Mapping[str, Json] = field(default_factory=dict)
    """The given ones of `temperature`, `top_p`, `seed`, `presence_penalty` and `frequency_penalty`."""
    room: int | None = None
    """The token limit of the answer; `None` is no limit."""
    logprobs: int | None = None
    """How many alternatives for each token `scores` should have; `None` asks for no scores."""


class Brain(Protocol):
    """Anything that answers. With a true attribute `slow` it is called in a worker thread, one request at a time."""

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
    """A new id. Mistral's have nine characters. Source: recorded sessions with mistral-large-2411."""
    digits = uuid4().hex
    return digits[:9] if style == "short" else f"call_{digits[:24]}"


def latest_turn(messages: list[Json]) -> tuple[str, list[Json]]:
    """The text of the latest user messages, and the messages after them."""
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
    """Why a brain cannot be used, in one sentence."""
