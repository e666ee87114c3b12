"""Pure conversions between LlamaIndex messages and the API's own dicts: every block has a defined fate."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import IOBase
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    ChatResponse,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json
from pydantic_core import from_json, to_json

from azureai_core import Completion, ConfigurationError, ModelProfile, ToolCall, Usage, data_url, repair_history

from ._templates import copier

Json = dict[str, Any]

_ROLES = {
    MessageRole.CHATBOT.value: "assistant",
    MessageRole.MODEL.value: "assistant",
    MessageRole.FUNCTION.value: "tool",
}


@dataclass(frozen=True)
class WireRules:
    """What a deployment wants of messages; from its profile, its dialect and the user's choices."""

    profile: ModelProfile = field(default_factory=ModelProfile)
    """The histories that the model family takes."""
    files: bool = False
    """Whether `file` parts are known: OpenAI's dialect only."""
    reasoning: bool = False
    """Whether reasoning goes back as `reasoning_content`. Source: reasoning guides say not to, hence the default."""

    @classmethod
    def of(cls, profile: ModelProfile, *, files: bool, reasoning: bool, normalize_order: bool | None) -> WireRules:
        """The rules of a model family, where the user did not decide."""
        return cls(_history_rules(profile, normalize_order), files, reasoning)


@lru_cache(maxsize=256)
def _history_rules(profile: ModelProfile, normalize_order: bool | None) -> ModelProfile:
    in_order = not profile.user_after_tool if normalize_order is None else normalize_order
    # Mistral also refuses a system message at the end, where agents that stop early put one.
    return replace(profile, user_after_tool=not in_order, several_system=profile.several_system and not in_order)


def reads_files(messages: Sequence[ChatMessage]) -> bool:
    """Whether converting the messages reads from disk, which an event loop should not wait for."""
    blocks = (block for message in messages for block in message.blocks if type(block) is not TextBlock)
    return any(getattr(block, "path", None) is not None for block in blocks)


def to_wire(messages: Sequence[ChatMessage], rules: WireRules = WireRules()) -> list[Json]:
    """The messages in wire form; the given ones are left as they are.

    Raises `ConfigurationError` for a block that the API has no place for, naming its type and the message.
    """
    wire: list[Json] = []
    ids = _CallIds()
    images: list[Json] = []
    for index, message in enumerate(messages):
        role = message.role._value_  # `.value` is a property in Python, and slow
        role = _ROLES.get(role, role)
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
    return repair_history(wire, rules.profile)


def _message(role: str, message: ChatMessage, ids: _CallIds, rules: WireRules) -> tuple[Json, Sequence[Json]]:
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
            return [_text(block.text)]
        case ImageBlock():
            return [_image(block)]
        case AudioBlock():
            return [_audio(block)]
        case DocumentBlock():
            return [_document(block, rules)]
        case CitableBlock():
            return [_text(f"{block.title} ({block.source}):"), *_parts(block.content, rules)]
        case CitationBlock():
            return [_text(f"{block.title} ({block.source}):"), *_parts([block.cited_content], rules)]
        case CachePoint() | ThinkingBlock():  # hints to other providers; reasoning does not go back
            return []
        case _:
            raise ConfigurationError(f"the API has no place for a {type(block).__name__}. Leave it out.")


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _image(block: ImageBlock) -> Json:
    """An `image_url` part: a web address as it is, everything else as a data URL."""
    detail = {"detail": block.detail} if block.detail is not None else {}
    return {"type": "image_url", "image_url": {"url": _image_url(block), **detail}}


def _image_url(block: ImageBlock) -> str:
    if block.url is not None:
        return str(block.url)
    content = _bytes(block.image, block.path, "an ImageBlock")
    try:
        return data_url(content, "the image")
    except ConfigurationError:  # not one of the formats that the core knows by their first bytes
        if block.image_mimetype is None:
            raise
        return f"data:{block.image_mimetype};base64,{b64encode(content).decode()}"


def _audio(block: AudioBlock) -> Json:
    """An `input_audio` part, or `audio_url` for a web address. Source: REST reference, 'Chat completions'."""
    url = str(block.url) if block.url is not None else ""
    if url.startswith(("http://", "https://")):
        return {"type": "audio_url", "audio_url": {"url": url}}
    kind = block.format or url.removeprefix("data:audio/").partition(";")[0] or None
    if kind is None:
        raise ConfigurationError("an AudioBlock has no format. Pass format='wav' or 'mp3'.")
    content = _decoded(url) if url else _bytes(block.audio, block.path, "an AudioBlock")
    return {"type": "input_audio", "input_audio": {"data": b64encode(content).decode(), "format": kind}}


def _document(block: DocumentBlock, rules: WireRules) -> Json:
    """Text as a text part; other documents as a `file` part, which only OpenAI's dialect has."""
    mimetype = block.document_mimetype or "application/octet-stream"
    is_text = mimetype.startswith("text/") or mimetype == "application/json"
    if not is_text and not rules.files:
        raise ConfigurationError(
            f"a DocumentBlock of type {mimetype} is not taken by this endpoint. Pass its text, or use an "
            "/openai/v1 endpoint."
        )
    content = _document_bytes(block)
    title = block.title or "document"
    if is_text:
        return _text(f"{title}:\n{content.decode('utf-8', errors='replace')}")
    data = f"data:{mimetype};base64,{b64encode(content).decode()}"
    return {"type": "file", "file": {"filename": title, "file_data": data}}


def _document_bytes(block: DocumentBlock) -> bytes:
    if block.url and block.url.startswith("data:"):
        return _decoded(block.url)
    if block.url:
        raise ConfigurationError("a DocumentBlock is a web address, which is not fetched. Pass its data.")
    return _bytes(block.data, block.path, "a DocumentBlock")


def _bytes(data: bytes | IOBase | None, path: str | Path | None, name: str) -> bytes:
    """The raw content of a media block, which keeps bytes as base64. An open file's position is left where it was."""
    if isinstance(data, IOBase):
        position = data.tell()
        data.seek(0)
        content: bytes = data.read()
        data.seek(position)
    elif isinstance(data, bytes):
        content = _raw(data)
    else:
        content = Path(path).read_bytes() if path is not None else b""
    if not content:
        raise ConfigurationError(f"{name} is empty.")
    return content


def _raw(data: bytes) -> bytes:
    try:
        return b64decode(data, validate=True)
    except ValueError:
        return data


def _decoded(url: str) -> bytes:
    return b64decode(url.partition(",")[2])


# ---------------------------------------------------------------------------- assistant and tool messages


class _CallIds:
    """Ids for calls that other providers left without one, the same for the call and its result."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[str] = []

    def of_call(self, given: str | None) -> str:
        self._count += 1
        call_id = given or f"call_{self._count}"
        self._open.append(call_id)
        return call_id

    def of_result(self, given: str | None) -> str:
        if not given and not self._open:
            raise ConfigurationError("it answers no call. Set additional_kwargs['tool_call_id'].")
        call_id = given or self._open[0]
        if call_id in self._open:
            self._open.remove(call_id)
        return call_id


def _assistant(message: ChatMessage, ids: _CallIds, rules: WireRules) -> Json:
    """An assistant message; its content is left out when it has calls and nothing to say."""
    if len(message.blocks) == 1 and type(message.blocks[0]) is TextBlock and not message.additional_kwargs:
        return {"role": "assistant", "content": message.blocks[0].text}
    spoken = [block for block in message.blocks if not _is_a(block, ToolCallBlock)]
    if media := next((block for block in spoken if _is_a(block, _MEDIA)), None):
        raise ConfigurationError(f"the API has no place for a {type(media).__name__} of the assistant's.")
    content = _content_of(spoken, rules)
    calls = [_wire_call(*fields, ids) for fields in _calls(message)]
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


def _calls(message: ChatMessage) -> list[tuple[str | None, str, Any]]:
    """`(id, name, arguments)` of each call: from the blocks, else from `additional_kwargs`, as dicts or objects."""
    blocks = [block for block in message.blocks if type(block) is not TextBlock and isinstance(block, ToolCallBlock)]
    if blocks:
        return [(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
    return [_call_fields(call) for call in message.additional_kwargs.get("tool_calls") or []]


def _call_fields(call: Any) -> tuple[str | None, str, Any]:
    function = _get(call, "function")
    return _get(call, "id"), _get(function, "name") or "", _get(function, "arguments")


def _get(source: Any, name: str) -> Any:
    if type(source) is dict or isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None)


def _wire_call(call_id: str | None, name: str, arguments: Any, ids: _CallIds) -> Json:
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


def _tool(message: ChatMessage, ids: _CallIds, rules: WireRules) -> tuple[Json, Sequence[Json]]:
    """A tool message, whose content has to be a string, and its images, announced in that string."""
    call_id = ids.of_result(message.additional_kwargs.get("tool_call_id"))
    content = _content_of(message.blocks, rules)
    if isinstance(content, str):
        return {"role": "tool", "tool_call_id": call_id, "content": content}, ()
    media = [part for part in content if part["type"] != "text"]
    note = f"[{len(media)} attachment(s) of this result follow in the next user message]"
    texts = [*(part for part in content if part["type"] == "text"), _text(note)]
    head = _text(f"Attachments of the tool result {call_id}:")
    return {"role": "tool", "tool_call_id": call_id, "content": _content(texts)}, [head, *media]


# ---------------------------------------------------------------------------- answers


def to_chat_response(completion: Completion, *, single_call: bool = False) -> ChatResponse:
    """The answer; usage, finish reason and request id stand in `additional_kwargs`, the wire dict in `raw`."""
    calls = completion.tool_calls[:1] if single_call else completion.tool_calls
    return ChatResponse(
        message=to_message(completion.content, completion.reasoning, calls),
        raw=with_request_id(completion.raw, completion.request_id),
        logprobs=to_logprobs(completion.raw),
        additional_kwargs=facts_of(
            completion.usage,
            finish_reason=completion.finish_reason,
            request_id=completion.request_id,
            dropped_parameters=list(completion.meta.dropped) or None,
        ),
    )


def promoted(completion: Completion) -> Completion:
    """The completion with its reasoning as the text, where it has no other. Source: llama_index#21337."""
    if completion.content or completion.tool_calls:
        return completion
    return replace(completion, content=completion.reasoning)


def with_request_id(raw: Mapping[str, Any], request_id: str | None) -> Json:
    """The wire dict with the request id, since agents hand on nothing but `raw`."""
    return {"request_id": request_id, **raw} if request_id else dict(raw)


def to_message(content: str, reasoning: str, calls: Sequence[ToolCall]) -> ChatMessage:
    """The assistant's message: reasoning, text, then the calls, the latter also as the plain dicts agents look for."""
    if not (reasoning or calls):
        return _message_like(
            role=_ASSISTANT, additional_kwargs={}, blocks=[_text_like(block_type="text", text=content)]
        )
    blocks: list[Any] = []
    if reasoning:
        blocks.append(_thinking_like(content=reasoning, additional_information={}))
    if content or not calls:
        blocks.append(_text_like(text=content))
    blocks += [
        _call_like(tool_call_id=call.id, tool_name=call.name or "", tool_kwargs=call.arguments) for call in calls
    ]
    extra = {"tool_calls": [_call_dict(call) for call in calls]} if calls else {}
    return _message_like(blocks=blocks, additional_kwargs=extra)


_ASSISTANT = MessageRole.ASSISTANT
_text_like, _thinking_like = copier(TextBlock(text="")), copier(ThinkingBlock(content=""))
_call_like = copier(ToolCallBlock(tool_call_id="", tool_name="", tool_kwargs=""))
_message_like = copier(ChatMessage(role=MessageRole.ASSISTANT, blocks=[], additional_kwargs={}))


def _call_dict(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name or "", "arguments": call.arguments}}


_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")


def facts_of(usage: Usage | None, **facts: Any) -> Json:
    """Token counts, and whatever else is known, under the names that token counters and tracers read."""
    counts = {name: getattr(usage, name) for name in _USAGE} if usage is not None else {}
    return {name: value for name, value in {**counts, **facts}.items() if value is not None}


def to_logprobs(raw: Mapping[str, Any]) -> list[list[LogProb]] | None:
    """One list per token of the answer, most likely first, or `None` where none were asked for."""
    choices = raw.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    logprobs = first.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [_alternatives(token) for token in tokens if isinstance(token, dict)] if tokens else None


def _alternatives(token: Json) -> list[LogProb]:
    found = token.get("top_logprobs") or [token]
    return [
        LogProb(token=t.get("token") or "", logprob=t.get("logprob") or 0.0, bytes=t.get("bytes") or []) for t in found
    ]


def to_selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls of a message, also of one that is still being streamed; never raises."""
    return [
        ToolSelection(tool_id=call_id or f"call_{n}", tool_name=name, tool_kwargs=partial_arguments(arguments))
        for n, (call_id, name, arguments) in enumerate(_calls(message), 1)
        if name
    ]


def partial_arguments(arguments: Any) -> Json:
    """The arguments as far as they can be read: `{}` for what is empty, unreadable or no object.

    >>> partial_arguments('{"city": "Paris", "days": 3')
    {'city': 'Paris', 'days': 3}
    >>> partial_arguments("")
    {}
    """
    if isinstance(arguments, dict):
        return arguments
    try:
        value = parse_partial_json(arguments or "{}")
    except (ValueError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}
