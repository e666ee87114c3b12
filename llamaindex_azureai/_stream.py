"""From deltas to the growing responses that agents read. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse

from azureai_core import Completion, Delta, ToolCall

from ._from_wire import promoted, to_chat_response, to_completion_response, to_logprobs, to_message


class Accumulator:
    """Takes the deltas of one stream; gives a response for each that adds something, and a last one for the whole.

    Each response carries the whole message so far. The last one has usage, finish reason and a `raw` of all frames.
    """

    def __init__(self, *, single_call: bool = False, promote_reasoning: bool = False) -> None:
        self._single_call = single_call
        self._promote_reasoning = promote_reasoning
        self._content = ""
        self._reasoning = ""
        self._refusal = ""
        self._calls: dict[int, ToolCall] = {}

    def add(self, delta: Delta) -> ChatResponse | None:
        """The response after this delta, or `None` when it brought neither text nor reasoning nor a call."""
        text, reasoning, calls = delta.content, delta.reasoning, delta.tool_calls
        self._content += text
        if delta.refusal:
            text = self._refused(delta)
        if calls:
            calls = self._joined(calls)
        if not (text or reasoning or calls):
            return None
        self._reasoning += reasoning
        return ChatResponse(
            message=self._message(),
            raw=delta.raw,
            delta=text,
            logprobs=to_logprobs(delta.token_logprobs) if delta.logprobs else None,
            additional_kwargs={"thinking_delta": reasoning} if reasoning else {},
        )

    def last(self, completion: Completion) -> ChatResponse:
        """The whole answer; the delta is empty, unless reasoning is promoted to the text."""
        whole = promoted(completion) if self._promote_reasoning else completion
        new = "" if whole is completion else whole.content
        return to_chat_response(whole, single_call=self._single_call, delta=new)

    def _message(self) -> ChatMessage:
        """The message so far; a refusal is its text where there is no other."""
        beside: dict[str, Any] = {"refusal": self._refusal} if self._refusal else {}
        return to_message(self._content or self._refusal, self._reasoning, self._in_order(), beside)

    def _refused(self, delta: Delta) -> str:
        """Keeps a part of a refusal; the text that the delta adds."""
        self._refusal += delta.refusal
        return delta.content if self._content else delta.refusal

    def _joined(self, fragments: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Joins fragments to their calls; those that count."""
        if self._single_call:
            fragments = tuple(call for call in fragments if call.index == 0)
        for part in fragments:
            self._calls[part.index] = _extended(self._calls.get(part.index), part)
        return fragments

    def _in_order(self) -> Sequence[ToolCall]:
        """The calls by index, in which order they nearly always come."""
        if len(self._calls) > 1:
            return [self._calls[index] for index in sorted(self._calls)]
        return tuple(self._calls.values())


def _extended(call: ToolCall | None, part: ToolCall) -> ToolCall:
    if call is None:
        return part
    return ToolCall(
        call.id or part.id, (call.name or "") + (part.name or ""), call.arguments + part.arguments, part.index
    )


class TextAccumulator(Accumulator):
    """The same for the route `/completions`."""

    def add_text(self, delta: Delta) -> CompletionResponse | None:
        """The response after this delta, or `None` when it brought no text."""
        response = self.add(delta)
        return to_completion_response(response) if response is not None else None

    def last_text(self, completion: Completion) -> CompletionResponse:
        """The whole text; the delta is empty."""
        return to_completion_response(self.last(completion))
