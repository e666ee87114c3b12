"""Answers as LangChain's messages, generations and chunks, by pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk

from azureai_core import Choice, Completion, Delta, ToolCall, Usage
from azureai_core.adapters import fast_constructor

from ._config import LANGCHAIN_PROVIDER

AI_MESSAGE = AIMessage(
    content="",
    additional_kwargs={},
    tool_calls=[],
    invalid_tool_calls=[],
    usage_metadata=None,
    response_metadata={},
    id=None,
)
CHAT_GENERATION = ChatGeneration(message=AI_MESSAGE, generation_info={})
AI_MESSAGE_CHUNK = AIMessageChunk(
    content="",
    additional_kwargs={},
    response_metadata={"model_provider": LANGCHAIN_PROVIDER},
    id=None,
    usage_metadata=None,
    tool_calls=[],
    invalid_tool_calls=[],
    tool_call_chunks=[],
)
CHAT_GENERATION_CHUNK = ChatGenerationChunk(message=AI_MESSAGE_CHUNK)

_new_message = fast_constructor(AI_MESSAGE)
_new_generation = fast_constructor(CHAT_GENERATION)
_new_chunk = fast_constructor(AI_MESSAGE_CHUNK)
_new_generation_chunk = fast_constructor(CHAT_GENERATION_CHUNK)


def to_ai_message(completion: Completion, requested_model: str | None, choice: Choice | None = None) -> AIMessage:
    """A choice of the answer, by default the first, as a message with all that the service said beside it."""
    chosen = completion if choice is None else choice
    calls, invalid = _tool_calls(chosen.tool_calls)
    return _new_message(
        content=chosen.content,
        additional_kwargs={**_additional(chosen.reasoning, chosen.refusal), **_beside_the_text(chosen)},
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=to_usage_metadata(completion.usage),
        response_metadata=response_metadata(completion, requested_model, chosen),
        id=completion.id,
    )


def to_generations(completion: Completion, requested_model: str | None) -> list[ChatGeneration]:
    """The choices as langchain-core takes them from a model."""
    return [_to_generation(completion, requested_model, choice) for choice in completion.choices]


def _to_generation(completion: Completion, requested_model: str | None, choice: Choice) -> ChatGeneration:
    message = to_ai_message(completion, requested_model, choice)
    return _new_generation(
        message=message, text=choice.content, generation_info={"finish_reason": choice.finish_reason}
    )


def to_generation_chunk(delta: Delta) -> ChatGenerationChunk | None:
    """The chunk of a delta, or `None` for one without output; what that says is in the stream's completion."""
    text = delta.content
    if text and not (delta.tool_calls or delta.reasoning or delta.usage or delta.refusal):  # as nearly all are
        message = _new_chunk(
            content=text,
            additional_kwargs={},
            response_metadata={"model_provider": LANGCHAIN_PROVIDER},
            id=delta.id,
            tool_call_chunks=[],
            tool_calls=[],
            invalid_tool_calls=[],
        )
    elif text or delta.tool_calls or delta.reasoning or delta.usage or delta.refusal:
        message = _to_chunk(delta)
    else:
        return None
    return _new_generation_chunk(message=message, text=text)


def _to_chunk(delta: Delta) -> AIMessageChunk:
    """The message of any delta; a stream of tool calls has one for each token, hence the literals in one loop."""
    fragments: list[Any] = []
    valid: list[Any] = []
    invalid: list[Any] = []
    may_parse = False
    for call in delta.tool_calls:
        name, arguments, call_id = call.name, call.arguments, call.id
        fragment = {"name": name, "args": arguments, "id": call_id, "index": call.index, "type": "tool_call_chunk"}
        fragments.append(fragment)
        if not arguments:  # which counts as `{}`
            valid.append({"name": name or "", "args": {}, "id": call_id, "type": "tool_call"})
        elif arguments.lstrip()[:1] in {"", "{"}:  # only these can parse to an object
            may_parse = True
        else:
            invalid.append({"type": "invalid_tool_call", "id": call_id, "name": name, "args": arguments, "error": None})
    fields: dict[str, Any] = {
        "content": delta.content,
        "additional_kwargs": _additional(delta.reasoning, delta.refusal),
        "response_metadata": {"model_provider": LANGCHAIN_PROVIDER},
        "id": delta.id,
        "usage_metadata": to_usage_metadata(delta.usage),
        "tool_call_chunks": fragments,
    }
    if may_parse:
        return AIMessageChunk(**fields)  # its constructor tries to parse the arguments of each fragment
    return _new_chunk(**fields, tool_calls=valid, invalid_tool_calls=invalid)


def last_chunk(completion: Completion, requested_model: str | None) -> ChatGenerationChunk:
    """The closing chunk of a stream: all that its completion says beside text and calls.

    langchain-core joins equal strings of two chunks to one, so no other chunk says it.
    """
    message = AIMessageChunk(
        content="",
        additional_kwargs=_beside_the_text(completion),
        response_metadata=response_metadata(completion, requested_model),
        id=completion.id,
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def response_metadata(
    completion: Completion, requested_model: str | None, choice: Choice | None = None
) -> dict[str, Any]:
    """What an answer says beside its text."""
    chosen = completion if choice is None else choice
    meta = completion.meta
    found: dict[str, Any] = {
        "finish_reason": chosen.finish_reason,
        "request_id": meta.request_id,
        "model_name": completion.model or requested_model,
        "id": completion.id,
        "created": completion.created,
        "system_fingerprint": completion.system_fingerprint,
        "service_tier": completion.service_tier,
        "logprobs": chosen.logprobs,
        "citations": list(completion.citations),
        "prompt_filter_results": list(completion.prompt_filter_results),
        "content_filter_results": chosen.filter_results,
        "content_filter_offsets": chosen.filter_offsets,
        "headers": dict(meta.headers),
        "dropped_parameters": list(meta.dropped),
    }
    return {"model_provider": LANGCHAIN_PROVIDER, **{name: value for name, value in found.items() if value}}


def to_usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Token counts under LangChain's names; details only where the service gave them."""
    if usage is None:
        return None
    metadata = UsageMetadata(
        input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, total_tokens=usage.total_tokens
    )
    into = {"cache_read": usage.cached_tokens, "audio": usage.prompt_audio_tokens}
    out = {"reasoning": usage.reasoning_tokens, "audio": usage.completion_audio_tokens}
    if known := {name: count for name, count in into.items() if count is not None}:
        metadata["input_token_details"] = InputTokenDetails(**known)  # type: ignore[typeddict-item]
    if known := {name: count for name, count in out.items() if count is not None}:
        metadata["output_token_details"] = OutputTokenDetails(**known)  # type: ignore[typeddict-item]
    return metadata


def _tool_calls(calls: Iterable[ToolCall]) -> tuple[list[Any], list[Any]]:
    """The calls whose arguments are a JSON object, and the others, which keep their text."""
    valid, invalid = [], []
    for call in calls:
        try:
            arguments = json.loads(call.arguments or "{}", strict=False)
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            valid.append(tool_call(name=call.name or "", args=arguments, id=call.id))
        else:
            raw = {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            invalid.append(make_invalid_tool_call(raw, "The arguments are not a JSON object."))
    return valid, invalid


def _additional(reasoning: str, refusal: str) -> dict[str, Any]:
    if not (reasoning or refusal):
        return {}
    found = {"reasoning_content": reasoning, "refusal": refusal}
    return {name: text for name, text in found.items() if text}


def _beside_the_text(choice: Choice) -> dict[str, Any]:
    """Spoken audio, the sources of 'On Your Data', annotations: what a choice has beside its text."""
    found = {"audio": choice.audio, "context": choice.context, "annotations": list(choice.annotations)}
    return {name: value for name, value in found.items() if value}
