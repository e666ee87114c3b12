"""From the bytes of a streamed answer to deltas, without I/O; both colours drive the same reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json

from azureai_core.errors import (
    AzureAIError,
    StreamError,
    StreamInterruptedError,
    error_from_frame,
    mask,
    public_url,
    with_id,
)
from azureai_core.json_text import from_odd_text
from azureai_core.types import (
    Completion,
    Delta,
    Json,
    ResponseMeta,
    ToolCall,
    Usage,
    call_fields,
    dicts,
    new_call_id,
    parse_usage,
    pick_choice,
    reasoning_text,
    split_content,
    text_of,
)

from .sse import SSEDecoder
from .think import ThinkSplitter

if TYPE_CHECKING:
    from azureai_core.transport.http import Answer

DONE = b"[DONE]"
Failure = TypeVar("Failure", bound=AzureAIError)


@dataclass(slots=True)
class _Call:
    wire_id: str
    id: str
    name: str
    arguments: list[str]


class CallAssembler:
    """Gives each fragment of a tool call the index of its call.

    OpenAI style: fragments with `index`, the id on the first only. Mistral style: one whole call without `index`.
    The rule: `index` if there is one; else a new id opens a new call; else the fragment goes on with the last one.
    Source: recorded streams of gpt-4o and mistral-large-2411.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, int] = {}

    def feed(self, fragment: Json) -> ToolCall:
        """The fragment with its index; id and name only where they are new."""
        return self._continued(fragment) or self._placed(fragment)

    def _continued(self, fragment: Json) -> ToolCall | None:
        """The short way for most fragments: more arguments of a call that is named by its index."""
        index, function = fragment.get("index"), fragment.get("function")
        at = self._by_index.get(index) if type(index) is int and not fragment.get("id") else None
        if at is None or type(function) is not dict or function.get("name"):
            return None
        arguments = function.get("arguments")
        if type(arguments) is not str:
            return None
        self._calls[at].arguments.append(arguments)
        return ToolCall(None, None, arguments, at)

    def _placed(self, fragment: Json) -> ToolCall:
        call_id, name, arguments = call_fields(fragment)
        index = _index(fragment.get("index"))
        at = self._place(index, call_id, name)
        if at is None:
            return self._open(index, _Call(call_id, call_id or new_call_id(), name, [arguments]))
        call = self._calls[at]
        call.arguments.append(arguments)
        call.wire_id = call.wire_id or call_id
        if index is not None:
            self._by_index[index] = at
        if name == call.name:  # some hosts repeat the head on every fragment
            name = ""
        call.name += name
        return ToolCall(None, name or None, arguments, at)

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls as far as they have come."""
        return tuple(ToolCall(c.id, c.name or None, "".join(c.arguments), n) for n, c in enumerate(self._calls))

    def _open(self, index: int | None, call: _Call) -> ToolCall:
        at = len(self._calls)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = at
        return ToolCall(call.id, call.name or None, call.arguments[0], at)

    def _place(self, index: int | None, call_id: str, name: str) -> int | None:
        """The position of the call that a fragment goes on with, or `None` when it opens a new one."""
        if index is not None:
            at = self._by_index.get(index)
            if at is None or not call_id or self._calls[at].wire_id in ("", call_id):
                return at
        if call_id:  # some hosts give all calls the index 0
            return next((n for n, call in enumerate(self._calls) if call.wire_id == call_id), None)
        last = len(self._calls) - 1
        whole = last >= 0 and bool(name and any(self._calls[last].arguments))  # a second whole call without an id
        return None if last < 0 or whole else last


def _index(value: object) -> int | None:
    """The index of a fragment; some hosts send it as a string."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None


_NOTHING: Json = {}
_PLAIN = frozenset({"role", "content"})
_WITHOUT_REASONING = _PLAIN | {"tool_calls", "refusal"}


class DeltaParser:
    """Turns the frames of one stream into deltas; keeps what a frame needs to know of those before it."""

    def __init__(self) -> None:
        self._think = ThinkSplitter()
        self._calls = CallAssembler()
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._head: Json = {}  # the latest frame that has both names, or just the names
        self._usage: Usage | None = None
        self._usage_given = False
        self.finish_reason: str | None = None

    def parse(self, frame: Json) -> Delta:
        """The delta of one frame; an empty one for frames without output, such as filter annotations."""
        if frame.get("id") and frame.get("model"):
            self._head = frame
        else:
            self._note_head(frame)
        choices = frame.get("choices")
        choice = choices[0] if type(choices) is list and len(choices) == 1 else None  # as nearly always
        if type(choice) is not dict or choice.get("index"):
            choice = pick_choice(frame) or _NOTHING
        delta = choice.get("delta")
        if type(delta) is not dict:
            delta = _NOTHING
        finish = choice.get("finish_reason")
        if finish is not None:
            finish = text_of(finish) or None
            self.finish_reason = finish or self.finish_reason
        content, reasoning = delta.get("content"), ""
        only_text = _PLAIN.issuperset(delta) and "text" not in choice and self._think.is_over
        if only_text and content and type(content) is str:
            self._content.append(content)
        else:
            content, reasoning = self._texts(choice, delta, finish)
        fragments, usage = delta.get("tool_calls"), frame.get("usage")
        return Delta(
            content,
            tuple(map(self._calls.feed, dicts(fragments))) if fragments else (),
            finish,
            self._take_usage(usage) if usage else None,
            reasoning,
            frame,
        )

    def flush(self) -> Delta | None:
        """What was held back until the end: an unclosed tag's text, or usage that came before the finish reason."""
        reasoning, content = self._think.flush()
        usage = None if self._usage_given else self._usage
        if not (reasoning or content or usage):
            return None
        self._keep(content, reasoning)
        return Delta(content=content, reasoning=reasoning, usage=usage)

    def so_far(self, meta: ResponseMeta) -> Completion:
        """The answer as far as it has come."""
        return Completion(
            content="".join(self._content),
            tool_calls=self._calls.calls(),
            finish_reason=self.finish_reason,
            usage=self._usage,
            model=self._head.get("model"),
            id=self._head.get("id"),
            reasoning="".join(self._reasoning),
            raw={name: self._head[name] for name in ("id", "model") if self._head.get(name)},
            request_id=meta.request_id,
            meta=meta,
        )

    def _note_head(self, frame: Json) -> None:
        """Keeps what names the answer; empty in Azure OpenAI's opening frame, which must not win."""
        self._head = {name: frame.get(name) or self._head.get(name) for name in ("id", "model")}

    def _texts(self, choice: Json, delta: Json, finish: str | None) -> tuple[str, str]:
        """Content and reasoning of any delta."""
        text = delta.get("content")
        if not text and not finish and "text" not in choice and _WITHOUT_REASONING.issuperset(delta):
            return "", ""
        content, reasoning = split_content(text) if text else ("", "")
        if len(delta) > 1 or "content" not in delta:
            reasoning = reasoning_text(delta) + reasoning
        if content:
            thought, content = self._think.feed(content)
            reasoning += thought
        if finish is not None:
            thought, rest = self._think.flush()
            reasoning, content = reasoning + thought, content + rest
        if "text" in choice:
            content += text_of(choice["text"])
        self._keep(content, reasoning)
        return content, reasoning

    def _keep(self, content: str, reasoning: str) -> None:
        if content:
            self._content.append(content)
        if reasoning:
            self._reasoning.append(reasoning)

    def _take_usage(self, value: object) -> Usage | None:
        """The usage, once, from the finish reason on; hosts that count on every frame are cumulative.

        Some hosts put a count without output on the frame of the finish reason, and the true one on a later frame.
        """
        usage = parse_usage(value)
        if usage is None or self._usage_given:
            return None
        if self._usage is None or usage.total_tokens >= self._usage.total_tokens:
            self._usage = usage
        self._usage_given = self.finish_reason is not None and usage.completion_tokens > 0
        return usage if self._usage_given else None


def parse_delta(frame: Json) -> Delta:
    """The delta of a frame that stands alone."""
    return DeltaParser().parse(frame)


class DeltaReader:
    """Reads the body of one stream: the deltas of each piece that it is fed, and what is left at its end."""

    def __init__(self, answer: Answer, meta: ResponseMeta, secrets: Callable[[], tuple[str, ...]]) -> None:
        self._answer = answer
        self._meta = meta
        self._secrets = secrets
        self._sse = SSEDecoder()
        self._parser = DeltaParser()
        self._done = False
        self.began: float | None = None
        """When the first delta came, in seconds of `time.perf_counter`."""
        self.saw_events = False
        """Whether the body had any event, be it one that says nothing."""
        self._silent_since: float | None = None

    def feed(self, piece: bytes) -> Iterable[Delta]:
        """The deltas of the events that a piece completes, each before the next event is looked at."""
        events = self._sse.feed(piece)
        if not events:  # a comment that only keeps the connection alive is no event
            self._wait(piece)
            return ()
        self.saw_events, self._silent_since = True, None
        if len(events) > 1:
            return self._each(events)
        delta = self._delta(events[0])
        return () if delta is None else (delta,)

    def _wait(self, piece: bytes) -> None:
        """Takes note of a piece that completes no event."""

    def _each(self, events: list[bytes]) -> Iterator[Delta]:
        for event in events:
            if (delta := self._delta(event)) is not None:
                yield delta

    def _delta(self, event: bytes) -> Delta | None:
        """The delta of an event; what follows `[DONE]` is ignored."""
        if self._done or (not event.startswith(b"{") and not self._is_frame(event.strip())):
            return None
        try:
            frame = from_json(event)
        except ValueError:
            frame = from_odd_text(event)
        if type(frame) is not dict or frame.get("error") or frame.get("object") == "error":
            raise self._no_delta(event, frame)
        delta = self._parser.parse(frame)
        if self.began is not None:
            return delta
        self.began = time.perf_counter()
        return replace(delta, meta=self._meta)

    def _is_frame(self, event: bytes) -> bool:
        """Whether an event may be a frame: it is not blank, and not the end mark, which is noted."""
        self._done = event == DONE
        return bool(event) and not self._done

    def end(self) -> Iterator[Delta]:
        """The deltas left at the end of the body."""
        events = self._sse.flush()
        self.saw_events = self.saw_events or bool(events)
        yield from self._each(events)
        rest = self._parser.flush()
        if rest is not None:
            yield rest

    @property
    def is_complete(self) -> bool:
        """Whether a finish reason was seen. `[DONE]` is not asked for: Azure DeepSeek leaves it out."""
        return self._parser.finish_reason is not None

    def interrupted(self, reason: str = "") -> StreamInterruptedError:
        """The error of a stream that ended too early."""
        why = f" ({reason})" if reason else ""
        error = StreamInterruptedError(
            f"The stream from {self.source} ended before its finish reason{why}: the answer "
            "is not whole. What arrived is in .partial; send the request again."
        )
        return self.with_partial(error)

    @property
    def source(self) -> str:
        """Where the stream comes from, for messages."""
        url = public_url(self._answer.request.target.url)
        return url + mask(with_id(self._meta.request_id), self._secrets())

    def with_partial(self, error: Failure) -> Failure:
        """The error, carrying the answer as far as it has come, if it had begun."""
        self._parser.flush()  # text held back as the beginning of a tag is part of the answer
        error.partial = None if self.began is None else self.so_far()
        return error

    def so_far(self) -> Completion:
        """The answer as far as it has come."""
        return self._parser.so_far(self._meta)

    def _no_delta(self, event: bytes, frame: Any) -> AzureAIError:
        """The error that an event is, or that it is no frame."""
        if type(frame) is dict:
            return self.with_partial(error_from_frame(frame, self._answer.response, secrets=self._secrets()))
        text = mask(event[:200].decode("utf-8", "replace"), self._secrets())
        return self.with_partial(
            StreamError(
                f"The stream from {self.source} has a frame that is no JSON object: {text!r}. "
                "What arrived is in .partial; check the endpoint URL."
            )
        )
