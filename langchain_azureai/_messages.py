"""LangChain messages to wire dicts and back, by pure functions; no input is changed."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_data_block,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk
from pydantic_core import to_json

from azureai_core import Completion, ConfigurationError, Delta, ImageInput, ResponseMeta, ToolCall, Usage, data_url

from ._connection import LANGCHAIN_PROVIDER
from ._templates import copier

Wire = dict[str, Any]

# ---------------------------------------------------------------------------- to the wire

# What an assistant message may hold beside text. Tool calls go back through `tool_calls`; reasoning must not be sent
# back (Source: Foundry documentation, 'Reasoning content'); the rest is another provider's own.
_NOT_SENT_BACK = {
    "reasoning",
    "thinking",
    "redacted_thinking",
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "tool_use",
    "input_json_delta",
    "function_call",
    "server_tool_call",
    "server_tool_call_chunk",
    "server_tool_result",
    "non_standard",
    "code_interpreter_call",
}
_ROLES = {"system", "developer", "user", "assistant", "tool"}


def to_wire(messages: Sequence[BaseMessage], *, send_reasoning: bool = False) -> list[Wire]:
    """The messages as the API's own dicts; the reasoning of earlier answers only where asked for.

    Raises `ConfigurationError` that names the type of a message or content block the API has no form for.
    """
    wire: list[Wire] = []
    attachments: list[Wire] = []
    for message in messages:
        if attachments and not isinstance(message, ToolMessage):
            wire.append({"role": "user", "content": attachments})
            attachments = []
        for item in _message_to_wire(message):
            if send_reasoning and isinstance(message, AIMessage):
                item.update(_reasoning_to_wire(message))
            wire.append(item)
            if shown := item.pop("attachments", None):
                attachments = [*attachments, *shown]
    return [*wire, {"role": "user", "content": attachments}] if attachments else wire


def _message_to_wire(message: BaseMessage) -> list[Wire]:
    form = _FORMS.get(type(message))  # pydantic's `isinstance` says no in a slow way
    if form is None:
        form = next((form for kind, form in _FORMS.items() if isinstance(message, kind)), _without_form)
    return form(message)


def _system_to_wire(message: SystemMessage) -> list[Wire]:
    role = "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
    return [{"role": role, "content": _content(message.content)}]


def _chat_to_wire(message: ChatMessage) -> list[Wire]:
    if message.role not in _ROLES:
        return _without_form(message)
    return [{"role": message.role, "content": _content(message.content)}]


def _without_form(message: BaseMessage) -> list[Wire]:
    role = f" with role {message.role!r}" if isinstance(message, ChatMessage) else ""
    raise ConfigurationError(
        f"A {type(message).__name__}{role} has no form in the chat completions API: "
        "use a system, human, AI or tool message."
    )


def _user_to_wire(message: HumanMessage) -> list[Wire]:
    """A user message; Anthropic-style `tool_result` blocks in it become tool messages before it."""
    name = {"name": message.name} if message.name else {}
    content = message.content
    if isinstance(content, str):
        return [{"role": "user", "content": content, **name}]
    results = [block for block in content if isinstance(block, dict) and block.get("type") == "tool_result"]
    tools = [_tool_to_wire(str(block.get("tool_use_id")), block.get("content", "")) for block in results]
    rest = [block for block in content if block not in results] if results else content
    if tools and not rest:
        return tools
    return [*tools, {"role": "user", "content": _content(rest), **name}]


def _assistant_to_wire(message: AIMessage) -> list[Wire]:
    wire: Wire = {"role": "assistant", "content": _assistant_text(message.content)}
    calls = [_call_to_wire(call["id"], call["name"], _dumps(call["args"])) for call in message.tool_calls]
    calls += [_call_to_wire(call["id"], call["name"], call["args"] or "") for call in message.invalid_tool_calls]
    if calls:
        wire["tool_calls"] = calls
    return [wire]


def _reasoning_to_wire(message: AIMessage) -> Wire:
    """The reasoning of an earlier answer, from either place it may stand in."""
    blocks = message.content if isinstance(message.content, list) else []
    parts = [str(b["reasoning"]) for b in blocks if isinstance(b, dict) and b.get("reasoning")]
    text = "".join(parts) or message.additional_kwargs.get("reasoning_content")
    return {"reasoning_content": text} if text else {}


def _assistant_text(content: str | list[str | dict[Any, Any]]) -> str:
    if isinstance(content, str):
        return content
    sent = [block for block in content if isinstance(block, str) or block.get("type") not in _NOT_SENT_BACK]
    parts = [_part(block) for block in sent]
    others = [part["type"] for part in parts if part["type"] != "text"]
    if others:
        raise ConfigurationError(
            f"An AI message holds a block of type {others[0]!r}, which the API does not take back."
        )
    return "".join(part["text"] for part in parts)


def _result_to_wire(message: ToolMessage) -> list[Wire]:
    return [_tool_to_wire(message.tool_call_id, message.content)]


_FORMS: dict[type[BaseMessage], Callable[[Any], list[Wire]]] = {
    SystemMessage: _system_to_wire,
    HumanMessage: _user_to_wire,
    AIMessage: _assistant_to_wire,
    ToolMessage: _result_to_wire,
    ChatMessage: _chat_to_wire,
}


def _call_to_wire(call_id: str | None, name: str | None, arguments: str) -> Wire:
    return {"id": call_id or "", "type": "function", "function": {"name": name or "", "arguments": arguments}}


def _tool_to_wire(call_id: str, content: Any) -> Wire:
    """A tool message, whose content must be a string; images and files in it go into a user message behind it."""
    if isinstance(content, str):
        return {"role": "tool", "tool_call_id": call_id, "content": content}
    parts = [_part(block) for block in content]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    attached = [part for part in parts if part["type"] != "text"]
    if not attached:
        return {"role": "tool", "tool_call_id": call_id, "content": text}
    note = f"{text}\n" if text else ""
    note += f"The result of {call_id} has {len(attached)} attachment(s), in the next user message."
    return {"role": "tool", "tool_call_id": call_id, "content": note, "attachments": attached}


def _content(content: str | list[str | dict[Any, Any]]) -> str | list[Wire]:
    """A string, or parts; parts that are all text become one string, since text-only models refuse a list."""
    if isinstance(content, str):
        return content
    parts = [_part(block) for block in content]
    return "\n".join(part["text"] for part in parts) if all(p["type"] == "text" for p in parts) else parts


def _part(block: Any) -> Wire:
    """One content block in the API's form: v1, v0, OpenAI and Anthropic styles come in."""
    if isinstance(block, str):
        return {"type": "text", "text": block}
    kind = block.get("type", "text" if "text" in block else None)
    convert = _PARTS.get(kind)
    if convert is None:
        raise ConfigurationError(f"A content block of type {kind!r} has no form in the chat completions API.")
    try:
        return convert(block)
    except KeyError as error:
        raise ConfigurationError(f"A content block of type {kind!r} lacks its key {error}.") from error


def _text_part(block: dict[str, Any]) -> Wire:
    return {"type": "text", "text": block.get("text") or block.get("refusal") or ""}


def _plain_text_part(block: dict[str, Any]) -> Wire:
    """A text document; one that is elsewhere would have to be fetched first."""
    if "text" in block:
        return _text_part(block)
    if "base64" in block:
        return {"type": "text", "text": b64decode(block["base64"]).decode("utf-8", "replace")}
    raise ConfigurationError("A content block of type 'text-plain' must hold its text: the API does not fetch it.")


def _image_url_part(block: dict[str, Any]) -> Wire:
    url = block["image_url"]
    return {"type": "image_url", "image_url": {"url": url} if isinstance(url, str) else dict(url)}


def _own_part(block: dict[str, Any]) -> Wire:
    """A block in the API's form already, without keys of other providers such as `cache_control`."""
    return {"type": block["type"], block["type"]: block[block["type"]]}


def _image_part(block: dict[str, Any]) -> Wire:
    source = block.get("source")  # Anthropic's
    if isinstance(source, dict):
        return {"type": "image_url", "image_url": {"url": _anthropic_url(source)}}
    return _data_block(block)


def _file_part(block: dict[str, Any]) -> Wire:
    """A file; the API wants a name with its data, so one is made from the media type where none is given."""
    if "file" in block:
        return _own_part(block)
    named = any("filename" in (place or {}) for place in (block, block.get("extras"), block.get("metadata")))
    ending = str(block.get("mime_type", "")).rpartition("/")[2] or "bin"
    return _data_block(block if named else {**block, "filename": f"file.{ending}"})


def image_block(image: ImageInput) -> dict[str, Any]:
    """A content block of an image: a path, bytes, an open file, a data URL, or a web address (sent as it is).

    >>> image_block("https://example.com/cat.png")
    {'type': 'image_url', 'image_url': {'url': 'https://example.com/cat.png'}}
    """
    remote = isinstance(image, str) and image.startswith(("http://", "https://"))
    return {"type": "image_url", "image_url": {"url": image if remote else data_url(image)}}


def _data_block(block: dict[str, Any]) -> Wire:
    try:
        return convert_to_openai_data_block(block)
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"The {block['type']} block cannot be sent: {error}") from error


_PARTS: dict[Any, Callable[[dict[str, Any]], Wire]] = {
    "text": _text_part,
    "text-plain": _plain_text_part,
    "refusal": _text_part,
    "image_url": _image_url_part,
    "image": _image_part,
    "input_audio": _own_part,
    "audio_url": _own_part,
    "audio": _data_block,
    "file": _file_part,
}


def _anthropic_url(source: dict[str, Any]) -> str:
    if source.get("type") == "url":
        return str(source.get("url"))
    return f"data:{source.get('media_type')};base64,{source.get('data')}"


def _dumps(value: Any) -> str:
    """JSON text; by the standard library where pydantic_core refuses, as half of a surrogate pair."""
    try:
        return to_json(value).decode()
    except ValueError:
        return json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------------------- from the wire


def to_ai_message(completion: Completion, requested_model: str | None) -> AIMessage:
    """The answer as a message: text, tool calls, usage, reasoning, refusal, and what the service said beside them."""
    calls, invalid = _tool_calls(completion.tool_calls)
    return _message_like(
        content=completion.content,
        additional_kwargs={**_additional(completion.reasoning, _refusal(completion.raw)), **_beside(completion.raw)},
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=to_usage_metadata(completion.usage),
        response_metadata={
            "model_provider": LANGCHAIN_PROVIDER,
            **response_metadata([completion.raw], completion.meta, completion.finish_reason, requested_model),
        },
        id=completion.id,
    )


_MESSAGE = AIMessage(
    content="",
    additional_kwargs={},
    tool_calls=[],
    invalid_tool_calls=[],
    usage_metadata=None,
    response_metadata={},
    id=None,
)
_message_like = copier(_MESSAGE)


def to_generation(completion: Completion, requested_model: str | None) -> ChatGeneration:
    """The answer as langchain-core takes it from a model."""
    message = to_ai_message(completion, requested_model)
    info = {"finish_reason": completion.finish_reason}
    return _generation_like(message=message, text=completion.content, generation_info=info)


_generation_like = copier(ChatGeneration(message=_MESSAGE, generation_info={}))


def to_generation_chunk(delta: Delta) -> ChatGenerationChunk | None:
    """A piece of the answer, or `None` for a frame without output; `last_chunk` carries what it says."""
    text = delta.content
    if text and not (delta.tool_calls or delta.reasoning or delta.usage):  # as nearly all are
        message = _chunk_like(
            content=text,
            additional_kwargs={},
            response_metadata={"model_provider": LANGCHAIN_PROVIDER},
            id=delta.raw.get("id") or None,
            tool_call_chunks=[],
            tool_calls=[],
            invalid_tool_calls=[],
        )
    elif (other := _to_chunk(delta)) is not None:
        message = other
    else:
        return None
    return _generation_chunk_like(message=message, text=text)


def _to_chunk(delta: Delta) -> AIMessageChunk | None:
    refusal = _refusal(delta.raw) if not delta.content else ""
    if not (delta.content or delta.tool_calls or delta.reasoning or delta.usage or refusal):
        return None
    extra = _additional(delta.reasoning, refusal) if delta.reasoning or refusal else {}
    fragments = [_tool_call_chunk(call) for call in delta.tool_calls]
    usage = to_usage_metadata(delta.usage)
    if not all(_is_certain(call.arguments) for call in delta.tool_calls):
        return _validated_chunk(delta, extra, fragments, usage)
    return _chunk(delta, extra, fragments, usage)


def _validated_chunk(delta: Delta, extra: dict[str, Any], fragments: list[Any], usage: Any) -> AIMessageChunk:
    """By the constructor, which tries to parse the arguments of each fragment."""
    return AIMessageChunk(
        content=delta.content,
        additional_kwargs=extra,
        tool_call_chunks=fragments,
        usage_metadata=usage,
        response_metadata={"model_provider": LANGCHAIN_PROVIDER},
        id=delta.raw.get("id") or None,
    )


def _chunk(delta: Delta, extra: dict[str, Any], fragments: list[Any], usage: Any) -> AIMessageChunk:
    """The same without the constructor's parsing, at a tenth of its cost: streams have one chunk per token."""
    return _chunk_like(
        content=delta.content,
        additional_kwargs=extra,
        response_metadata={"model_provider": LANGCHAIN_PROVIDER},
        id=delta.raw.get("id") or None,
        usage_metadata=usage,
        tool_call_chunks=fragments,
        tool_calls=[tool_call(name=f["name"] or "", args={}, id=f["id"]) for f in fragments if not f["args"]],
        invalid_tool_calls=[
            invalid_tool_call(name=f["name"], args=f["args"], id=f["id"], error=None) for f in fragments if f["args"]
        ],
    )


_chunk_like = copier(
    AIMessageChunk(
        content="",
        additional_kwargs={},
        response_metadata={"model_provider": LANGCHAIN_PROVIDER},
        id="",
        usage_metadata=None,
        tool_call_chunks=[],
    )
)


def _is_certain(arguments: str | None) -> bool:
    """Whether a fragment surely parses to no object (it does not begin with `{`), or is empty, which counts as `{}`."""
    text = arguments.lstrip() if arguments else ""
    return not arguments or (text != "" and text[0] != "{")


_generation_chunk_like = copier(ChatGenerationChunk(message=AIMessageChunk(content="")))


def last_chunk(
    frames: Iterable[Wire], meta: ResponseMeta, finish_reason: str | None, requested_model: str | None
) -> AIMessageChunk:
    """The closing chunk, the one that carries metadata: langchain-core joins equal strings of two chunks to one."""
    metadata = response_metadata(frames, meta, finish_reason, requested_model)
    return AIMessageChunk(
        content="",
        response_metadata={"model_provider": LANGCHAIN_PROVIDER, **metadata},
        id=metadata.get("id"),
        chunk_position="last",
    )


_SAID_OF_THE_WHOLE = (
    "model",
    "id",
    "created",
    "system_fingerprint",
    "service_tier",
    "citations",
    "prompt_filter_results",
)


def response_metadata(
    frames: Iterable[Wire], meta: ResponseMeta, finish_reason: str | None, requested_model: str | None
) -> dict[str, Any]:
    """What an answer says beside its text, collected from its frames (one, when it is not streamed)."""
    found: dict[str, Any] = {"finish_reason": finish_reason, "request_id": meta.request_id}
    for frame in frames:
        for key in _SAID_OF_THE_WHOLE:
            if frame.get(key):
                found["model_name" if key == "model" else key] = frame[key]
        for choice in frame.get("choices") or ():
            for key in ("content_filter_results", "content_filter_result", "content_filter_offsets"):
                if isinstance(choice, dict) and choice.get(key):
                    found[key] = {**found.get(key, {}), **choice[key]}
            _add_logprobs(found, choice)
    found.setdefault("model_name", requested_model)
    if meta.headers:
        found["headers"] = dict(meta.headers)
    if meta.dropped:
        found["dropped_parameters"] = list(meta.dropped)
    return {key: value for key, value in found.items() if value is not None}


def _add_logprobs(found: dict[str, Any], choice: Any) -> None:
    """Log probabilities come token by token in a stream."""
    logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
    if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
        known = found.get("logprobs", {}).get("content", [])
        found["logprobs"] = {**logprobs, "content": [*known, *logprobs["content"]]}


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
    good, bad = [], []
    for call in calls:
        try:
            arguments = json.loads(call.arguments or "{}", strict=False)
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            good.append(tool_call(name=call.name or "", args=arguments, id=call.id))
        else:
            raw = {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            bad.append(make_invalid_tool_call(raw, "The arguments are no JSON object."))
    return good, bad


def _tool_call_chunk(call: ToolCall) -> ToolCallChunk:
    return tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.index)


def _additional(reasoning: str, refusal: str) -> dict[str, Any]:
    found = {"reasoning_content": reasoning, "refusal": refusal}
    return {name: text for name, text in found.items() if text}


def _refusal(raw: Wire) -> str:
    """The refusal that OpenAI models put beside the content."""
    refusal = _first_part(raw).get("refusal")
    return refusal if isinstance(refusal, str) else ""


def _beside(raw: Wire) -> dict[str, Any]:
    """What a message may hold beside its text: spoken audio, the sources of 'On Your Data', annotations."""
    part = _first_part(raw)
    return {name: part[name] for name in ("audio", "context", "annotations") if part.get(name)}


def _first_part(raw: Wire) -> Wire:
    """The message or delta of the first choice."""
    choices = raw.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    part = (first.get("message") or first.get("delta")) if isinstance(first, dict) else None
    return part if isinstance(part, dict) else {}
