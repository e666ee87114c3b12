"""Limits on an answer: stop sequences, token limits, the content filter; and its usage."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from azureai_emulator.brains.base import Answer, ToolCall
from azureai_emulator.wire.errors import Refusal, ServiceError, too_many_tokens

from . import tokens
from .live import LiveChoice
from .request import Task

Json = Any


@dataclass(frozen=True)
class Choice:
    """One finished choice."""

    text: str
    calls: tuple[ToolCall, ...]
    reasoning: str
    finish: str
    tokens: int
    reasoning_tokens: int
    scores: list[Json] | None = None

    def chunks(self) -> Iterator[str]:
        """The text in the chunks of a stream: word by word."""
        return iter(WORDS.findall(self.text))


WORDS = re.compile(r"\s*\S+|\s+\Z")
"""A word with the white space before it."""


_GITHUB_TOKENS = 8000
"""Limit of a request without a paid plan. Source: public reports of GitHub Models."""


def check_window(task: Task, prompt_tokens: int) -> None:
    """Refuse a prompt that leaves no tokens for the answer."""
    if task.kind == "github" and prompt_tokens > _GITHUB_TOKENS:
        raise ServiceError(too_many_tokens(task.deployment.name, _GITHUB_TOKENS))
    window = task.profile.context_window
    wanted = output_limit(task.body) or 0
    if prompt_tokens + min(wanted, 1) > window:
        message = (
            f"This model's maximum context length is {window} tokens. However, your messages resulted in "
            f"{prompt_tokens} tokens. Please reduce the length of the messages."
        )
        raise Refusal(message, param="messages", code="context_length_exceeded")


def output_limit(body: Json) -> int | None:
    """The caller's token limit, under either parameter name."""
    limits = [body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
    return min(limits) if limits else None


def finish(task: Task, answer: Answer, room: int, *, filtered: bool) -> Choice:
    """The final answer: cut at stop sequences, at `room` tokens, or by the content filter."""
    text, calls, reasoning, reason = (
        _cut_at_stop(answer.text, task.body.get("stop")),
        answer.calls,
        answer.reasoning,
        "length" if answer.cut else "",
    )
    if filtered:
        text, calls, reason = _first_half(text), (), "content_filter"
    whole = answer_tokens(text, calls, reasoning)
    if whole > room:
        text, calls, reasoning, reason = *_cut(text, calls, reasoning, room), "length"
    return Choice(
        text,
        calls,
        reasoning,
        reason or _finish_reason(task, calls),
        min(whole, room),
        min(tokens.count(reasoning), room),
        answer.scores,
    )


def answer_tokens(text: str, calls: tuple[ToolCall, ...], reasoning: str) -> int:
    """Completion tokens of an answer."""
    called = sum(tokens.count(call.name) + tokens.count(call.arguments) for call in calls)
    return tokens.count(text) + called + tokens.count(reasoning)


def _cut_at_stop(text: str, stop: Json) -> str:
    sequences = [stop] if isinstance(stop, str) else stop or []
    ends = [text.find(sequence) for sequence in sequences if sequence and sequence in text]
    return text[: min(ends)] if ends else text


def _first_half(text: str) -> str:
    words = text.split(" ")
    return " ".join(words[: max(1, len(words) // 2)])


def _cut(text: str, calls: tuple[ToolCall, ...], reasoning: str, room: int) -> tuple[str, tuple[ToolCall, ...], str]:
    reasoning = tokens.cut(reasoning, room)
    room -= tokens.count(reasoning)
    text = tokens.cut(text, room)
    room -= tokens.count(text)
    return text, _cut_calls(calls, room), reasoning


def _cut_calls(calls: tuple[ToolCall, ...], room: int) -> tuple[ToolCall, ...]:
    kept: list[ToolCall] = []
    for call in calls:
        room -= tokens.count(call.name)
        if room <= 0:
            break
        kept.append(replace(call, arguments=tokens.cut(call.arguments, room)))
        room -= tokens.count(call.arguments)
    return tuple(kept)


def _finish_reason(task: Task, calls: tuple[ToolCall, ...]) -> str:
    if not calls:
        return "stop"
    return task.profile.named_tool_finish if isinstance(task.body.get("tool_choice"), dict) else "tool_calls"


def usage(task: Task, prompt_tokens: int, choices: Sequence[Choice | LiveChoice]) -> Json:
    """The usage object of an answer."""
    completion = sum(choice.tokens for choice in choices)
    counts: Json = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
    }
    if task.profile.counts_audio:
        counts["audio_prompt_tokens"] = tokens.count_audio(task.body.get("messages") or ())
    if task.profile.usage_details:
        counts["completion_tokens_details"] = {
            "accepted_prediction_tokens": 0,
            "audio_tokens": 0,
            "reasoning_tokens": sum(choice.reasoning_tokens for choice in choices),
            "rejected_prediction_tokens": 0,
        }
        counts["prompt_tokens_details"] = {"audio_tokens": 0, "cached_tokens": 0}
    return counts
