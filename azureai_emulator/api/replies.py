"""Chat and text completions on the wire: whole bodies and stream frames, as each profile sends them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from azureai_emulator.brains.base import ToolCall

from . import limits, safety
from .limits import WORDS, Choice
from .live import LiveChoice
from .logprobs import Scores, asked_for
from .request import Task

Json = Any

_FRAGMENT = 4
_SEPARATE_REASONING_VERSION = "2025-04-01"


@dataclass(frozen=True)
class Completion:
    """The data of an answer; rendered below as one body or as frames."""

    task: Task
    id: str
    created: int
    choices: Sequence[Choice | LiveChoice]
    prompt_tokens: int
    triggers: safety.Triggers

    @property
    def usage(self) -> Json:
        """The usage object; for an answer that is still being generated, the counts so far."""
        return limits.usage(self.task, self.prompt_tokens, self.choices)

    @property
    def filtered(self) -> bool:
        """Whether the content filter cut the answer."""
        return "filter-answer" in self.triggers

    def envelope(self, kind: str) -> Json:
        """The fields at the start of every body and frame."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.task.served_name}


def new_completion(
    task: Task,
    choices: Sequence[Choice | LiveChoice],
    prompt_tokens: int,
    triggers: safety.Triggers = safety.NO_TRIGGERS,
) -> Completion:
    """A completion with a new id and the current time."""
    prefix = "chatcmpl-" if task.profile.content_filter else ""
    return Completion(task, prefix + uuid4().hex, int(time.time()), choices, prompt_tokens, triggers)


def body(completion: Completion) -> Json:
    """The body of a plain chat answer."""
    choices = [_choice(completion, index, choice) for index, choice in enumerate(completion.choices)]
    whole = {**completion.envelope("chat.completion"), "choices": choices, "usage": completion.usage}
    if completion.task.profile.content_filter:
        whole["system_fingerprint"] = "fp_emulator"
        whole["prompt_filter_results"] = _prompt_filter_results(completion)
    return whole


def accounting(completion: Completion) -> dict[str, str]:
    """The headers with token counts of a serverless endpoint. Streams have none: their headers are sent first.

    Source: recorded answers of serverless endpoints for the names; the meaning is inferred from them.
    """
    if completion.task.kind != "serverless":
        return {}
    usage = completion.usage
    counts = {
        "prompt_token_len": usage["prompt_tokens"],
        "sampling_token_len": usage["completion_tokens"],
        "num_tokens": usage["total_tokens"],
        "num_chars": sum(len(choice.text) for choice in completion.choices),
    }
    return {name: str(count) for name, count in counts.items()}


def _prompt_filter_results(completion: Completion) -> Json:
    return [{"prompt_index": 0, "content_filter_results": safety.results(completion.triggers, jailbreak=True)}]


def _choice(completion: Completion, index: int, choice: Choice | LiveChoice) -> Json:
    entry: Json = {"index": index, "finish_reason": choice.finish, "message": _message(completion, choice)}
    if completion.task.profile.content_filter:
        entry["logprobs"] = None
        entry["content_filter_results"] = _answer_filter_results(completion)
    scores = _scores(completion, choice)
    if scores and choice.text:
        entry["logprobs"] = scores.chat(entry["message"]["content"])
    return entry


def _scores(completion: Completion, choice: Choice | LiveChoice) -> Scores | None:
    top = asked_for(completion.task.body)
    return None if top is None else Scores(choice, top)


def _answer_filter_results(completion: Completion) -> Json:
    if "filter-failed" in completion.triggers:
        return safety.filter_failed()
    return safety.results({"violence": "medium"} if completion.filtered else safety.NO_TRIGGERS)


def _message(completion: Completion, choice: Choice | LiveChoice) -> Json:
    profile = completion.task.profile
    content = "".join(_content_chunks(completion.task, choice))
    message: Json = {"role": "assistant", "content": content if content or not choice.calls else _no_content(profile)}
    if choice.calls:
        message["tool_calls"] = [_whole_call(call, completion) for call in choice.calls]
    elif profile.empty_tool_calls:
        message["tool_calls"] = []
    if choice.reasoning and _separate_reasoning(completion.task):
        message["reasoning_content"] = choice.reasoning
    if profile.reasoning_is_null:
        message["reasoning_content"] = None
    if profile.content_filter:
        message["refusal"] = None
    return message


def _no_content(profile: Any) -> str | None:
    return "" if profile.tool_delta == "whole" else None


def _whole_call(call: ToolCall, completion: Completion) -> Json:
    function = {"name": call.name, "arguments": call.arguments}
    if completion.task.profile.tool_delta == "whole":
        return {"id": call.id, "function": {**function, "call_id": None}}
    return {"id": call.id, "type": "function", "function": function}


def _separate_reasoning(task: Task) -> bool:
    return task.profile.reasoning == "visible" and task.api_version == _SEPARATE_REASONING_VERSION


def _content_chunks(task: Task, choice: Choice | LiveChoice) -> Iterator[str]:
    """The content in the chunks of a stream; a `<think>` tag is split in two."""
    chunks = _spaced(choice.chunks()) if task.profile.leading_space else choice.chunks()
    if choice.reasoning and task.profile.reasoning == "visible" and not _separate_reasoning(task):
        yield from ("<thi", "nk>", "\n", *WORDS.findall(choice.reasoning))
        first = next(chunks, "")
        if first or choice.finish != "length":
            yield from ("\n</th", "ink>", "\n\n")
        if first:
            yield first
    yield from chunks


def _spaced(chunks: Iterator[str]) -> Iterator[str]:
    first = next(chunks, None)
    if first is not None:
        yield " " + first.lstrip()
    yield from chunks


def frames(completion: Completion) -> Iterator[Json]:
    """The frames of a streamed chat answer, in the order the service sends them."""
    profile = completion.task.profile
    if profile.content_filter:
        yield _opening_frame(completion)
    for index, choice in enumerate(completion.choices):
        yield from _choice_frames(completion, index, choice)
    asked = (completion.task.body.get("stream_options") or {}).get("include_usage")
    if asked:
        yield {**completion.envelope(_CHUNK), "choices": [], "usage": completion.usage}


_CHUNK = "chat.completion.chunk"


def _opening_frame(completion: Completion) -> Json:
    """Source: recorded streams of Azure OpenAI and GitHub Models."""
    return {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": _prompt_filter_results(completion),
    }


def _choice_frames(completion: Completion, index: int, choice: Choice | LiveChoice) -> Iterator[Json]:
    fragments = completion.task.profile.tool_delta == "fragments"
    yield _frame(completion, index, {"role": "assistant", "content": None if choice.calls and fragments else ""})
    if choice.reasoning and _separate_reasoning(completion.task):
        for chunk in WORDS.findall(choice.reasoning):
            yield _frame(completion, index, {"content": "", "reasoning_content": chunk})
    scores = _scores(completion, choice)
    for chunk in _content_chunks(completion.task, choice):
        yield _frame(completion, index, {"content": chunk}, screened=True, logprobs=scores and scores.chat(chunk))
    if fragments:
        for delta in _call_fragments(choice.calls):
            yield _frame(completion, index, delta)
    if completion.filtered and completion.task.profile.content_filter:
        yield _annotation(completion, index, choice)
    yield _finish_frame(completion, index, choice)


def _frame(completion: Completion, index: int, delta: Json, *, screened: bool = False, logprobs: Json = None) -> Json:
    choice: Json = {"index": index, "delta": delta, "finish_reason": None}
    if logprobs is not None:
        choice["logprobs"] = logprobs
    if completion.task.profile.content_filter:
        choice.setdefault("logprobs", None)
        if screened:
            choice["content_filter_results"] = safety.results()
    return {**completion.envelope(_CHUNK), "choices": [choice]}


def _call_fragments(calls: tuple[ToolCall, ...]) -> Iterator[Json]:
    for index, call in enumerate(calls):
        head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [head]}
        for start in range(0, len(call.arguments), _FRAGMENT):
            chunk = call.arguments[start : start + _FRAGMENT]
            yield {"tool_calls": [{"index": index, "function": {"arguments": chunk}}]}


def _annotation(completion: Completion, index: int, choice: Choice | LiveChoice) -> Json:
    """A frame without `delta`. Source: Azure OpenAI, 'Content filtering', asynchronous filter."""
    entry: Json = {
        "index": index,
        "finish_reason": None,
        "content_filter_results": _answer_filter_results(completion),
        "content_filter_offsets": {"check_offset": 0, "start_offset": 0, "end_offset": len(choice.text)},
    }
    return {"id": "", "object": "", "created": 0, "model": "", "choices": [entry], "usage": None}


def _finish_frame(completion: Completion, index: int, choice: Choice | LiveChoice) -> Json:
    profile = completion.task.profile
    entry: Json = {"index": index, "delta": _last_delta(completion, choice), "finish_reason": choice.finish}
    if choice.finish == "content_filter" and profile.content_filter:
        del entry["delta"]
    frame = {**completion.envelope(_CHUNK), "choices": [entry]}
    last = index == len(completion.choices) - 1
    if last and profile.stream_usage == "finish":
        frame["usage"] = completion.usage
    return frame


def _last_delta(completion: Completion, choice: Choice | LiveChoice) -> Json:
    if choice.calls and completion.task.profile.tool_delta == "whole":
        calls = [{"id": c.id, "function": {"name": c.name, "arguments": c.arguments}} for c in choice.calls]
        return {"content": "", "tool_calls": calls}
    if _separate_reasoning(completion.task):
        return {"content": "", "reasoning_content": ""}
    return {} if completion.task.profile.content_filter else {"content": ""}


def text_body(completion: Completion) -> Json:
    """The body of a plain `/completions` answer. Source: Azure AI Model Inference REST reference, 'Completions'."""
    scored = ((choice, _scores(completion, choice)) for choice in completion.choices)
    choices = [
        {
            "index": index,
            "text": choice.text,
            "finish_reason": choice.finish,
            "logprobs": scores and scores.text(choice.text),
        }
        for index, (choice, scores) in enumerate(scored)
    ]
    return {**completion.envelope("text_completion"), "choices": choices, "usage": completion.usage}


def text_frames(completion: Completion) -> Iterator[Json]:
    """The frames of a streamed `/completions` answer: the same shape as the body."""
    for index, choice in enumerate(completion.choices):
        scores = _scores(completion, choice)
        for chunk in choice.chunks():
            yield _text_frame(completion, index, chunk, None, scores and scores.text(chunk))
        yield _text_frame(completion, index, "", choice.finish)
    if completion.task.profile.stream_usage == "finish" or (completion.task.body.get("stream_options") or {}).get(
        "include_usage"
    ):
        yield {**completion.envelope("text_completion"), "choices": [], "usage": completion.usage}


def _text_frame(completion: Completion, index: int, text: str, finish: str | None, logprobs: Json = None) -> Json:
    choice = {"index": index, "text": text, "finish_reason": finish, "logprobs": logprobs}
    return {**completion.envelope("text_completion"), "choices": [choice]}


def ends_with_done(completion: Completion) -> bool:
    """Whether `[DONE]` follows the last frame.

    Source: public report of DeepSeek on Azure, which closes without it after a `content_filter` finish.
    """
    return not (completion.filtered and completion.task.profile.reasoning == "visible")
