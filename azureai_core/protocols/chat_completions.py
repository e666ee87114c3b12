"""Chat Completions, and the text completions that share its shapes: answers, and the frames of a stream.

Nothing here raises, whatever JSON object the service sent: a field that is missing, null or of an odd type counts as
not given. Source of the shapes: Azure AI Model Inference REST reference and recorded traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureai_core.types import NO_META, Choice, Completion, Delta, Json, ResponseMeta, Usage

from .base import WireProtocol
from .reading import count_of, dicts, mapping, text_of
from .think import ThinkSplitter, split_think
from .tool_calls import CallAssembler, whole_call
from .usage import parse_usage

# ---------------------------------------------------------------------------- whole answers


def parse_completion(body: Json, choice: int = 0, meta: ResponseMeta = NO_META) -> Completion:
    """The answer of a chat or text completion, with choice number `choice` as its first."""
    picked = pick_choice(body, choice)
    choices = dicts(body.get("choices"))
    others = _sorted_choices([item for item in choices if item is not picked]) if len(choices) > 1 else ()
    return Completion(
        **_choice_fields(picked or {}),
        others=tuple(Choice(**_choice_fields(other)) for other in others),
        usage=parse_usage(body.get("usage")),
        raw=body,
        request_id=meta.request_id,
        meta=meta,
        **_body_fields(body),
    )


def pick_choice(body: Json, wanted: int = 0) -> Json | None:
    """The choice whose `index` is `wanted`; one without an index counts by position."""
    choices = body.get("choices")
    for position, choice in enumerate(dicts(choices)) if choices else ():
        index = choice.get("index")
        if (index if isinstance(index, int) else position) == wanted:
            return choice
    return None


def _sorted_choices(choices: list[Json]) -> list[Json]:
    """The choices by their `index`; as they stand where one has none."""
    if all(isinstance(choice.get("index"), int) for choice in choices):
        return sorted(choices, key=lambda choice: int(choice["index"]))
    return choices


def _choice_fields(choice: Json) -> dict[str, Any]:
    """The fields of a `Choice`."""
    message = mapping(choice.get("message"))
    content, reasoning = split_content(message.get("content"))
    thought, text = split_think(content)
    fields = {
        "content": text + text_of(choice.get("text")),  # `text` is the text route's; it is taken as it is
        "tool_calls": tuple(whole_call(n, call) for n, call in enumerate(dicts(message.get("tool_calls")))),
        "finish_reason": text_of(choice.get("finish_reason")) or None,
        "reasoning": reasoning_text(message) + reasoning + thought,
    }
    if not _PLAIN_MESSAGE.issuperset(message):
        fields |= _beside_the_text(message)
    if not _PLAIN_CHOICE.issuperset(choice):
        fields |= _beside_the_message(choice)
    return fields


def _beside_the_text(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a message may hold beside its text."""
    return {
        "refusal": text_of(message.get("refusal")),
        "annotations": tuple(dicts(message.get("annotations"))),
        "audio": mapping(message.get("audio")) or None,
        "context": mapping(message.get("context")) or None,
    }


def _beside_the_message(choice: Mapping[str, Any]) -> dict[str, Any]:
    """What a choice may hold beside its message; Azure spells the filter's results in two ways."""
    results = mapping(choice.get("content_filter_results")) or mapping(choice.get("content_filter_result"))
    return {
        "logprobs": mapping(choice.get("logprobs")) or None,
        "filter_results": dict(results),
        "filter_offsets": dict(mapping(choice.get("content_filter_offsets"))),
    }


def _body_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says of all its choices."""
    citations = body.get("citations")
    return {
        "model": text_of(body.get("model")) or None,
        "id": text_of(body.get("id")) or None,
        "created": count_of(body.get("created")),
        "system_fingerprint": text_of(body.get("system_fingerprint")) or None,
        "service_tier": text_of(body.get("service_tier")) or None,
        "citations": tuple(citations) if isinstance(citations, list) else (),
        "prompt_filter_results": tuple(dicts(body.get("prompt_filter_results"))),
    }


def split_content(value: object) -> tuple[str, str]:
    """`(text, reasoning)` of a message's content, which may be a string, null, or a list of parts (Mistral)."""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, list):
        return "", ""
    text, reasoning = [], []
    for part in value:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and part.get("type") == "thinking":
            reasoning.append(split_content(part.get("thinking"))[0])
        elif isinstance(part, dict):
            text.append(text_of(part.get("text")))
    return "".join(text), "".join(reasoning)


def reasoning_text(message: Mapping[str, Any]) -> str:
    """The separate reasoning of api-version 2025-04-01 (`reasoning_content`); some hosts say `reasoning`."""
    return text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))


# ---------------------------------------------------------------------------- streams

_NOTHING: Json = {}
_PLAIN = frozenset({"role", "content"})
_PLAIN_MESSAGE = _PLAIN | {"tool_calls", "reasoning_content", "reasoning"}
_PLAIN_CHOICE = frozenset({"index", "message", "delta", "finish_reason", "text"})
_WITHOUT_REASONING = _PLAIN | {"tool_calls", "refusal"}


class ChatDecoder:
    """Turns the frames of one stream into deltas; keeps what a frame needs to know of those before it."""

    def __init__(self) -> None:
        self._think = ThinkSplitter()
        self._calls = CallAssembler()
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._head: Json = {}  # the latest frame that has both names, or just the names
        self._body: Json = {}  # what the frames say beside their choices
        self._choice: Json = {}  # what they say of the first choice beside its delta
        self._message: Json = {}  # what deltas hold beside text, reasoning and calls
        self._logprobs: Json = {}
        self._is_text = False  # whether choices have `text`, as those of text completions
        self._usage: Usage | None = None
        self._usage_given = False
        self.finish_reason: str | None = None

    def parse(self, frame: Json) -> Delta:
        """The delta of one frame; an empty one for frames without output, such as filter annotations."""
        answer_id = frame.get("id")
        if not answer_id or type(answer_id) is not str:
            answer_id = None
        if answer_id and frame.get("model"):
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
        content, reasoning, refusal = delta.get("content"), "", ""
        only_text = _PLAIN.issuperset(delta) and "text" not in choice and self._think.is_over
        if only_text and content and type(content) is str:
            self._content.append(content)
        else:
            content, reasoning = self._texts(choice, delta, finish)
            refusal = "" if _PLAIN.issuperset(delta) else self._beside(delta)
        fragments, usage = delta.get("tool_calls"), frame.get("usage")
        logprobs = choice.get("logprobs")
        if usage or finish or logprobs or not self._body or not choice or not _PLAIN_CHOICE.issuperset(choice):
            self._note(frame, choice)
        return Delta(
            content,
            tuple(map(self._calls.feed, dicts(fragments))) if fragments else (),
            finish,
            self._take_usage(usage) if usage else None,
            reasoning,
            frame,
            None,
            answer_id,
            refusal,
            logprobs if type(logprobs) is dict else None,
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
        fields = _beside_the_message(self._choice) | _beside_the_text(self._message)
        if self._logprobs:
            fields["logprobs"] = self._logprobs
        return Completion(
            content="".join(self._content),
            tool_calls=self._calls.calls(),
            finish_reason=self.finish_reason,
            usage=self._usage,
            reasoning="".join(self._reasoning),
            raw=self._raw(),
            request_id=meta.request_id,
            meta=meta,
            **{**fields, "refusal": "".join(self._refusal)},
            **{**_body_fields(self._body), **{n: text_of(self._head.get(n)) or None for n in ("model", "id")}},
        )

    def _raw(self) -> Json:
        """The frames as one body, of the shape of an answer that is not streamed."""
        names = {name: self._head[name] for name in ("id", "model") if self._head.get(name)}
        message: Json = {"role": "assistant", "content": "".join(self._content), **self._message}
        if refusal := "".join(self._refusal):
            message["refusal"] = refusal
        if calls := self._calls.calls():
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name or "", "arguments": c.arguments}}
                for c in calls
            ]
        logprobs = {"logprobs": self._logprobs} if self._logprobs else {}
        said = {"text": message["content"]} if self._is_text else {"message": message}
        choice = {"index": 0, **self._choice, **said, **logprobs}
        return {**self._body, **names, "choices": [choice]}

    def _note_head(self, frame: Json) -> None:
        """Keeps what names the answer; empty in Azure OpenAI's opening frame, which must not win."""
        self._head = {name: frame.get(name) or self._head.get(name) for name in ("id", "model")}

    def _note(self, frame: Json, choice: Json) -> None:
        """Keeps what a frame says beside its delta; an empty value never wins."""
        _merge(self._body, frame, "choices")
        _merge(self._choice, choice, "delta", "message", "text", "logprobs", *_FILTERS)
        for name in _FILTERS:
            if choice.get(name):
                self._choice[name] = _worst(mapping(self._choice.get(name)), mapping(choice[name]))
        for name, value in mapping(choice.get("logprobs")).items():
            if value is not None:
                self._logprobs[name] = _added(self._logprobs.get(name), value)

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
            self._is_text = True
            content += text_of(choice["text"])
        self._keep(content, reasoning)
        return content, reasoning

    def _beside(self, delta: Json) -> str:
        """The refusal of a delta; keeps what else stands beside its text."""
        refusal = text_of(delta.get("refusal"))
        if refusal:
            self._refusal.append(refusal)
        for name in ("annotations", "context", "audio"):
            if delta.get(name):
                self._message[name] = _joined(self._message.get(name), delta[name])
        return refusal

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


_FILTERS = ("content_filter_results", "content_filter_result")


def _merge(known: Json, new: Mapping[str, Any], *without: str) -> None:
    """Adds to a dict what another says; Azure OpenAI's opening frame has an empty id, its last no choices."""
    for name, value in new.items():
        if value and name not in without:
            known[name] = value


def _worst(known: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """Filter results of two windows of one stream: a category that was hit stays so."""
    hit = {name: result for name, result in known.items() if _is_hit(result) and not _is_hit(new.get(name))}
    return {**known, **new, **hit}


def _is_hit(result: object) -> bool:
    return isinstance(result, dict) and bool(result.get("filtered") or result.get("detected"))


def _joined(known: Any, new: Any) -> Any:
    """Two values of one field: lists and the texts of an object are joined (audio), else the later one wins."""
    if isinstance(known, list) and isinstance(new, list):
        return known + new
    if isinstance(known, dict) and isinstance(new, dict):
        return {**known, **{n: value if n == "id" else _added(known.get(n), value) for n, value in new.items()}}
    return new or known


def _added(known: Any, new: Any) -> Any:
    both = (known, new)
    joins = all(isinstance(value, str) for value in both) or all(isinstance(value, list) for value in both)
    return known + new if joins else new


def holds_choice(body: Json) -> bool:
    """Whether a body has the choice that is read, the first."""
    first = body["choices"][0]
    return (isinstance(first, dict) and not first.get("index")) or pick_choice(body) is not None


def decode(body: Json, meta: ResponseMeta, _payload: Mapping[str, Any]) -> Completion:
    """The answer of a chat or text completion."""
    return parse_completion(body, meta=meta)


SAMPLING_FIELDS = frozenset(
    {"frequency_penalty", "presence_penalty", "temperature", "top_p", "max_tokens", "stop", "stream", "seed"}
)
CHAT: WireProtocol[Completion] = WireProtocol(
    route="/chat/completions",
    operation="chat",
    fields=frozenset({"messages", "model", "response_format", "tools", "tool_choice"}) | SAMPLING_FIELDS,
    answer_field="choices",
    holds_answer=holds_choice,
    decode=decode,
    decoder=ChatDecoder,
)
