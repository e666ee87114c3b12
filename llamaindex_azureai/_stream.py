"""From deltas to the growing responses that agents read. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse

from azureai_core import Delta, ResponseMeta, ToolCall, Usage

from ._messages import Json, facts_of, to_logprobs, to_message, with_request_id
from ._templates import copier


class Accumulator:
    """Takes the deltas of one stream; gives a response for each that adds something, and a last one for the whole.

    Each response carries the whole message so far. The last one has usage, finish reason and a `raw` of all frames.
    """

    def __init__(self, *, single_call: bool = False, promote_reasoning: bool = False) -> None:
        self._single_call = single_call
        self._promote_reasoning = promote_reasoning
        self._content = ""
        self._reasoning = ""
        self._calls: dict[int, ToolCall] = {}
        self._usage: Usage | None = None
        self._finish_reason: str | None = None
        self._meta: ResponseMeta | None = None
        self._raw: Json = {}
        self._choice: Json = {}
        self._logprobs: list[Any] = []

    def add(self, delta: Delta) -> ChatResponse | None:
        """The response after this delta, or `None` when it brought neither text nor reasoning nor a call."""
        logprobs = None
        if self._says_more(delta):
            self._note(delta)
            logprobs = to_logprobs(delta.raw)
        changed: Sequence[ToolCall] = delta.tool_calls
        if changed and self._single_call:
            changed = [call for call in changed if call.index == 0]
        for call in changed:
            self._join(call)
        content, reasoning = delta.content, delta.reasoning
        if not (content or reasoning or changed):
            return None
        self._content += content
        self._reasoning += reasoning
        return self._response(content, delta.raw, {"thinking_delta": reasoning} if reasoning else {}, logprobs)

    def _says_more(self, delta: Delta) -> bool:
        """Whether a frame may say anything beside what its delta holds; the frames of a long answer hardly ever do."""
        if not self._raw or delta.finish_reason or delta.usage or not (delta.content or delta.tool_calls):
            return True
        choices = delta.raw.get("choices")
        first = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
        return not isinstance(first, dict) or not _PLAIN.issuperset(first) or bool(first.get("logprobs"))

    def last(self) -> ChatResponse:
        """The whole answer; the delta is empty, unless reasoning is promoted to the text."""
        meta = self._meta or ResponseMeta()
        text = self._reasoning if self._promote_reasoning and not (self._content or self._calls) else ""
        self._content += text
        facts = facts_of(
            self._usage,
            finish_reason=self._finish_reason,
            request_id=meta.request_id,
            dropped_parameters=list(meta.dropped) or None,
        )
        raw = self._whole_raw(meta)
        return self._response(text, raw, facts, to_logprobs(raw))

    def _response(self, text: str, raw: Json, extra: Json, logprobs: Any) -> ChatResponse:
        message = to_message(self._content, self._reasoning, self._in_order() if self._calls else ())
        return _response_like(message=message, raw=raw, delta=text, logprobs=logprobs, additional_kwargs=extra)

    def _in_order(self) -> Sequence[ToolCall]:
        """The calls by index, in which order they nearly always come."""
        if len(self._calls) > 1:
            return [self._calls[index] for index in sorted(self._calls)]
        return tuple(self._calls.values())

    def _join(self, part: ToolCall) -> None:
        known = self._calls.get(part.index)
        if known is not None:
            name = (known.name or "") + (part.name or "")
            part = ToolCall(known.id or part.id, name, known.arguments + part.arguments, part.index)
        self._calls[part.index] = part

    def _note(self, delta: Delta) -> None:
        self._usage = delta.usage or self._usage
        self._finish_reason = delta.finish_reason or self._finish_reason
        self._meta = delta.meta or self._meta
        merge(self._raw, delta.raw, "choices")
        for choice in delta.raw.get("choices") or ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                merge(self._choice, choice, "delta", "logprobs")
                if choice.get("logprobs"):
                    self._logprobs += choice["logprobs"].get("content") or []

    def _whole_raw(self, meta: ResponseMeta) -> Json:
        """All frames as one body of the unstreamed shape: what tracers and token counters read."""
        message = to_message(self._content, self._reasoning, self._in_order())
        wire = {"role": "assistant", "content": message.content or "", **message.additional_kwargs}
        logprobs = {"logprobs": {"content": self._logprobs}} if self._logprobs else {}
        return with_request_id(
            {**self._raw, "choices": [{"index": 0, **self._choice, "message": wire, **logprobs}]}, meta.request_id
        )


_PLAIN = frozenset({"index", "delta", "finish_reason", "logprobs"})
"""The fields of a choice that brings text and nothing else."""


def merge(known: Json, new: Mapping[str, Any], *without: str) -> None:
    """Adds to a dict what another says; an empty value never wins.

    Azure OpenAI's opening frame has an empty id, its last no choices.
    """
    for name, value in new.items():
        if value and name not in without:
            known[name] = value


_response_like = copier(
    ChatResponse(message=to_message("", "", ()), delta="", raw={}, additional_kwargs={}, logprobs=None)
)


class TextAccumulator(Accumulator):
    """The same for the route `/completions`."""

    def add_text(self, delta: Delta) -> CompletionResponse | None:
        """The response after this delta, or `None` when it brought no text."""
        response = self.add(delta)
        return to_completion_response(response) if response is not None else None

    def last_text(self) -> CompletionResponse:
        """The whole text; the delta is empty."""
        return to_completion_response(self.last())


def to_completion_response(response: ChatResponse) -> CompletionResponse:
    """The text of a chat response, with the facts about it."""
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        logprobs=response.logprobs,
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
    )
