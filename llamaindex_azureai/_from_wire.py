"""From the core's answers to LlamaIndex responses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from azureai_core import Completion, TokenLogprob, ToolCall, Usage
from azureai_core.adapters import fast_constructor

Json = dict[str, Any]


def to_chat_response(completion: Completion, *, single_call: bool = False, delta: str | None = None) -> ChatResponse:
    """The answer; usage, finish reason and request id stand in `additional_kwargs`, the wire dict in `raw`."""
    calls = completion.tool_calls[:1] if single_call else completion.tool_calls
    text = completion.content or completion.refusal
    return ChatResponse(
        message=to_message(text, completion.reasoning, calls, _beside_the_text(completion)),
        raw=_with_request_id(completion.raw, completion.request_id),
        delta=delta,
        logprobs=to_logprobs(completion.token_logprobs),
        additional_kwargs=_details(completion),
    )


def to_completion_response(response: ChatResponse) -> CompletionResponse:
    """The text of a chat response, with what is known of it."""
    return CompletionResponse(
        text=response.message.content or "",
        delta=response.delta,
        raw=response.raw,
        logprobs=response.logprobs,
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
    )


def promoted(completion: Completion) -> Completion:
    """The completion with its reasoning as the text, where it has no other. Source: llama_index#21337."""
    if completion.content or completion.tool_calls or completion.refusal:
        return completion
    return replace(completion, content=completion.reasoning)


def _with_request_id(raw: Mapping[str, Any], request_id: str | None) -> Json:
    """The wire dict with the request id, since agents hand on nothing but `raw`."""
    return {"request_id": request_id, **raw} if request_id else dict(raw)


# A message is made for each token of a stream. Its constructor takes twice as long; those of blocks and responses
# take no longer than this.
_assistant_message = fast_constructor(ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={}, blocks=[]))


def to_message(content: str, reasoning: str, calls: Sequence[ToolCall], beside: Json | None = None) -> ChatMessage:
    """The assistant's message: reasoning, text, then the calls, the latter also as the plain dicts agents look for.

    What stands beside the text goes into `additional_kwargs`.
    """
    if not (reasoning or calls):
        return _assistant_message(additional_kwargs=beside or {}, blocks=[TextBlock(text=content)])
    blocks: list[Any] = [ThinkingBlock(content=reasoning)] if reasoning else []
    if content or not calls:
        blocks.append(TextBlock(text=content))
    blocks += [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.name or "", tool_kwargs=call.arguments) for call in calls
    ]
    extra = {"tool_calls": [_call_dict(call) for call in calls]} if calls else {}
    return _assistant_message(additional_kwargs={**extra, **(beside or {})}, blocks=blocks)


def _call_dict(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name or "", "arguments": call.arguments}}


def _beside_the_text(completion: Completion) -> Json:
    """What an answer holds beside its text: refusal, citations, sources, spoken output."""
    beside = {
        "refusal": completion.refusal,
        "annotations": list(completion.annotations),
        "context": completion.context,
        "citations": list(completion.citations),
        "audio": completion.audio,
    }
    return {name: value for name, value in beside.items() if value}


_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")


def _details(completion: Completion) -> Json:
    """Token counts, and what else is known, under the names that token counters and tracers read."""
    details = {
        **_counts(completion.usage),
        "finish_reason": completion.finish_reason,
        "request_id": completion.request_id,
        "dropped_parameters": list(completion.meta.dropped) or None,
    }
    return {name: value for name, value in details.items() if value is not None}


def _counts(usage: Usage | None) -> Json:
    return {name: getattr(usage, name) for name in _USAGE} if usage is not None else {}


def to_logprobs(tokens: Sequence[TokenLogprob]) -> list[list[LogProb]] | None:
    """One list per token of the answer, most likely first, or `None` where none were asked for."""
    return [[_logprob(each) for each in token.alternatives or (token,)] for token in tokens] or None


def _logprob(token: TokenLogprob) -> LogProb:
    return LogProb(token=token.token, logprob=token.logprob, bytes=list(token.bytes))
