"""From LlamaIndex messages to the API's own dicts: every block has a defined fate. Pure, apart from files of media."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from pydantic_core import from_json, to_json

from azureai_core import ConfigurationError, ModelProfile, repair_history
from azureai_core.adapters import CallIds

from ._calls import calls_of, partial_arguments
from ._media import audio_part, document_part, image_part, text_part

Json = dict[str, Any]

_ROLES: Mapping[str, str] = {
    **{role.value: role.value for role in MessageRole},
    MessageRole.CHATBOT.value: "assistant",
    MessageRole.MODEL.value: "assistant",
    MessageRole.FUNCTION.value: "tool",
}
"""Each role of the framework, which is a string, as one of the API's."""


@dataclass(frozen=True)
class WireRules:
    """What a deployment wants of messages: from its profile, its kind of endpoint and the user's choices."""

    profile: ModelProfile = field(default_factory=ModelProfile)
    """The histories that the model family takes."""
    files: bool = False
    """Whether `file` parts are known: OpenAI's routes only."""
    reasoning: bool = False
    """Whether reasoning goes back as `reasoning_content`. Source: reasoning guides say not to, hence the default."""
    in_order: bool = False
    """Whether messages are put in the order that Mistral insists on."""


def reads_files(messages: Sequence[ChatMessage]) -> bool:
    """Whether converting the messages reads from disk, which an event loop should not wait for."""
    blocks = (block for message in messages for block in message.blocks if type(block) is not TextBlock)
    return any(getattr(block, "path", None) is not None for block in blocks)


def to_wire(messages: Sequence[ChatMessage], rules: WireRules = WireRules()) -> list[Json]:
    """The messages in wire form; the given ones are left as they are.

    Raises `ConfigurationError` for a block that the API has no place for, naming its type and the message.
    """
    wire: list[Json] = []
    ids = CallIds()
    images: list[Json] = []
    for index, message in enumerate(messages):
        role = _ROLES[message.role]
        if role != "tool" and images:
            wire.append({"role": "user", "content": images})
            images = []
        try:
            item, shown = _message(role, message, ids, rules)
        except ConfigurationError as error:
            raise ConfigurationError(f"messages[{index}] ({role}): {error}") from error.__cause__
        wire.append(item)
        if shown:
            images = [*images, *shown]
    wire = [*wire, {"role": "user", "content": images}] if images else wire
    return repair_history(wire, rules.profile, in_order=rules.in_order)


def _message(role: str, message: ChatMessage, ids: CallIds, rules: WireRules) -> tuple[Json, Sequence[Json]]:
    """One message, and the images that a tool showed: they have to follow in a user message."""
    if role == "assistant":
        return _assistant(message, ids, rules), ()
    if role == "tool":
        return _tool(message, ids, rules)
    return {"role": role, "content": _content_of(message.blocks, rules)}, ()


def _content_of(blocks: Sequence[Any], rules: WireRules) -> str | list[Json]:
    """The content of blocks; the short way for most messages of a long history, which are one text."""
    if len(blocks) == 1 and type(blocks[0]) is TextBlock:
        return blocks[0].text
    return _content(_parts(blocks, rules))


def _content(parts: Sequence[Json]) -> str | list[Json]:
    """Plain text where there is nothing but text: some models refuse a list, even if it holds only text."""
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return list(parts)


def _parts(blocks: Iterable[Any], rules: WireRules) -> list[Json]:
    return [part for block in blocks for part in _block_parts(block, rules)]


def _block_parts(block: Any, rules: WireRules) -> list[Json]:  # noqa: PLR0911  one line per block type
    """The content parts of one block."""
    match block:
        case TextBlock():
            return [text_part(block.text)]
        case ImageBlock():
            return [image_part(block)]
        case AudioBlock():
            return [audio_part(block)]
        case DocumentBlock():
            return [document_part(block, takes_files=rules.files)]
        case CitableBlock():
            return [text_part(f"{block.title} ({block.source}):"), *_parts(block.content, rules)]
        case CitationBlock():
            return [text_part(f"{block.title} ({block.source}):"), *_parts([block.cited_content], rules)]
        case CachePoint() | ThinkingBlock():  # hints to other providers; reasoning does not go back
            return []
        case _:
            raise ConfigurationError(f"the API has no place for a {type(block).__name__}. Leave it out.")


# ---------------------------------------------------------------------------- assistant and tool messages


def _assistant(message: ChatMessage, ids: CallIds, rules: WireRules) -> Json:
    """An assistant message; its content is left out when it has calls and nothing to say."""
    if len(message.blocks) == 1 and type(message.blocks[0]) is TextBlock and not message.additional_kwargs:
        return {"role": "assistant", "content": message.blocks[0].text}
    spoken = [block for block in message.blocks if not _is_a(block, ToolCallBlock)]
    if media := next((block for block in spoken if _is_a(block, _MEDIA)), None):
        raise ConfigurationError(f"the API has no place for a {type(media).__name__} of the assistant's.")
    content = _content_of(spoken, rules)
    calls = [_wire_call(*fields, ids) for fields in calls_of(message)]
    item: Json = {"role": "assistant"}
    if content or not calls:
        item["content"] = content
    if calls:
        item["tool_calls"] = calls
    thought = _thinking(message) if rules.reasoning else ""
    return {**item, "reasoning_content": thought} if thought else item


def _is_a(block: Any, kinds: Any) -> bool:
    """`isinstance` for blocks, quick for text: pydantic's own answers no in a slow way."""
    return type(block) is not TextBlock and isinstance(block, kinds)


_MEDIA = (ImageBlock, AudioBlock, VideoBlock)


def _thinking(message: ChatMessage) -> str:
    return "".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock))


def _wire_call(call_id: str | None, name: str, arguments: Any, ids: CallIds) -> Json:
    function = {"name": name, "arguments": _arguments_text(arguments)}
    return {"id": ids.of_call(call_id), "type": "function", "function": function}


def _arguments_text(arguments: Any) -> str:
    """The arguments as a JSON string. A broken one is mended where it can be: strict services refuse it."""
    if not isinstance(arguments, str):
        return _dumps(arguments or {})
    if _is_json(arguments):
        return arguments
    return _dumps(partial_arguments(arguments))


def _dumps(value: Any) -> str:
    """JSON text; by the standard library where pydantic_core refuses, as half of a surrogate pair."""
    try:
        return to_json(value).decode()
    except ValueError:
        return json.dumps(value, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def _tool(message: ChatMessage, ids: CallIds, rules: WireRules) -> tuple[Json, Sequence[Json]]:
    """A tool message, whose content has to be a string, and its images, announced in that string."""
    call_id = ids.of_result(message.additional_kwargs.get("tool_call_id"))
    content = _content_of(message.blocks, rules)
    if isinstance(content, str):
        return {"role": "tool", "tool_call_id": call_id, "content": content}, ()
    media = [part for part in content if part["type"] != "text"]
    note = f"[{len(media)} attachment(s) of this result follow in the next user message]"
    texts = [*(part for part in content if part["type"] == "text"), text_part(note)]
    head = text_part(f"Attachments of the tool result {call_id}:")
    return {"role": "tool", "tool_call_id": call_id, "content": _content(texts)}, [head, *media]
