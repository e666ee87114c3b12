"""LangChain messages as the API's own dicts, by pure functions; no input is changed."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_data_block,
)
from pydantic_core import to_json

from azureai_core import ConfigurationError, ImageInput, data_url

Wire = dict[str, Any]

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
    for message in messages:
        converted = _message_to_wire(message)
        if send_reasoning and isinstance(message, AIMessage):
            converted[0].update(_reasoning_to_wire(message))
        wire += converted
    return _with_attachments(wire) if any("attachments" in item for item in wire) else wire


def _with_attachments(wire: list[Wire]) -> list[Wire]:
    """The messages, with what tools attached to their results in a user message behind the last result."""
    moved: list[Wire] = []
    attachments: list[Wire] = []
    for item in wire:
        if attachments and item["role"] != "tool":
            moved.append({"role": "user", "content": attachments})
            attachments = []
        attachments = [*attachments, *item.pop("attachments", ())]
        moved.append(item)
    return [*moved, {"role": "user", "content": attachments}] if attachments else moved


def _message_to_wire(message: BaseMessage) -> list[Wire]:
    convert = _CONVERTERS.get(type(message))  # first, since a failing `isinstance` of a pydantic class is slow
    if convert is None:
        convert = next((c for kind, c in _CONVERTERS.items() if isinstance(message, kind)), _refuse)
    return convert(message)


def _system_to_wire(message: SystemMessage) -> list[Wire]:
    role = "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
    return [{"role": role, "content": _content(message.content)}]


def _chat_to_wire(message: ChatMessage) -> list[Wire]:
    if message.role not in _ROLES:
        return _refuse(message)
    return [{"role": message.role, "content": _content(message.content)}]


def _refuse(message: BaseMessage) -> list[Wire]:
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


_CONVERTERS: dict[type[BaseMessage], Callable[[Any], list[Wire]]] = {
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
