"""What the scripted server answers: LlamaIndex messages in wire form, whole or as a stream, and raw replies. Pure."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock, ToolCallBlock

Json = dict[str, Any]
Dialect = Literal["openai-v1", "model-inference"]

PROMPT_TOKENS = 11
COMPLETION_TOKENS = 7
"""The usage of every scripted answer: numbers that no tokenizer gives for its text by accident."""
USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}


@dataclass(frozen=True)
class Reply:
    """A reply as it goes over the wire: a JSON body, or the events of a stream."""

    status: int = 200
    body: Any = None
    events: Sequence[Any] | None = None
    """Dicts are sent as `data:` lines, strings and bytes as they are."""
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = True
    """Whether the stream ends with `[DONE]`."""
    cut: bool = False
    """Whether the connection breaks after the last event."""


Scripted = ChatMessage | Reply | Callable[[Json], "ChatMessage | Reply"]


def says(text: str, *, thinking: str | None = None) -> ChatMessage:
    """An answer of text, after reasoning if there is any."""
    thought = [] if thinking is None else [ThinkingBlock(content=thinking)]
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[*thought, TextBlock(text=text)])


def calls(*named: tuple[str, str, Mapping[str, Any] | str]) -> ChatMessage:
    """An answer of tool calls: `(id, name, arguments)` each."""
    blocks = [
        ToolCallBlock(tool_call_id=i, tool_name=n, tool_kwargs=a if isinstance(a, str) else dict(a))
        for i, n, a in named
    ]
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)


def gives(value: Mapping[str, Any]) -> Callable[[Json], ChatMessage]:
    """An object by the mechanism that the request asks for: the arguments of the offered tool, else text."""

    def answer(body: Json) -> ChatMessage:
        tools = body.get("tools") or []
        return calls(("o1", tools[0]["function"]["name"], value)) if tools else says(json.dumps(value))

    return answer


def fails(status: int, body: Any, **headers: str) -> Reply:
    """An error reply; underscores in names of headers stand for dashes."""
    return Reply(status, body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def frames(*deltas: Mapping[str, Any], finish: str = "stop") -> Reply:
    """A stream of the given deltas, then the finish reason and the usage, whether asked for or not."""
    return Reply(events=[*(chunk(delta) for delta in deltas), chunk({}, finish), usage_chunk()])


def chunk(delta: Mapping[str, Any] | None, finish: str | None = None, **extra: Any) -> Json:
    """One frame; with `None` for the delta its choice has no such key."""
    choice: Json = {"index": 0, "finish_reason": finish, **({} if delta is None else {"delta": dict(delta)}), **extra}
    return {**_head("chat.completion.chunk"), "choices": [choice]}


def usage_chunk() -> Json:
    """The frame that has the usage and no choice."""
    return {**_head("chat.completion.chunk"), "choices": [], "usage": USAGE}


def rendered(reply: Scripted, body: Json, dialect: Dialect) -> Reply:
    """The reply to a request body: a message becomes a whole answer or a stream, as the request wants it."""
    made = reply if isinstance(reply, ChatMessage | Reply) else reply(body)
    if isinstance(made, Reply):
        return made
    return Reply(events=list(_stream(made, body, dialect))) if body.get("stream") else Reply(body=completion(made))


def _head(kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "served"}


def completion(message: ChatMessage, **extra: Any) -> Json:
    """The whole body of an answer."""
    choice = {"index": 0, "message": _wire(message), "finish_reason": _finish(message), **extra}
    return {**_head("chat.completion"), "choices": [choice], "usage": USAGE}


def _wire(message: ChatMessage) -> Json:
    found = _calls(message)
    thought = _thinking(message)
    return {
        "role": "assistant",
        "content": None if found and not message.content else message.content or "",
        **({"reasoning_content": thought} if thought else {}),
        **({"tool_calls": found} if found else {}),
    }


def _calls(message: ChatMessage) -> list[Json]:
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    return [
        {"id": b.tool_call_id, "type": "function", "function": {"name": b.tool_name, "arguments": _text(b.tool_kwargs)}}
        for b in blocks
    ]


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _thinking(message: ChatMessage) -> str:
    return "".join(block.content or "" for block in message.blocks if isinstance(block, ThinkingBlock))


def _finish(message: ChatMessage) -> str:
    return "tool_calls" if _calls(message) else "stop"


def _stream(message: ChatMessage, body: Json, dialect: Dialect) -> Iterator[Json]:
    """The frames in the order of the real services: filter results, role, deltas, finish reason, usage."""
    yield {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
    found = _calls(message)
    yield chunk({"role": "assistant", "content": None if found else ""})
    for text in _chunks(_thinking(message), 6):
        yield chunk({"content": None, "reasoning_content": text})
    for text in _chunks(message.content or "", 5):
        yield chunk({"content": text})
    for index, call in enumerate(found):
        yield from _call_chunks(index, call)
    yield chunk({}, _finish(message))
    if dialect == "model-inference" or (body.get("stream_options") or {}).get("include_usage"):
        yield usage_chunk()


def _call_chunks(index: int, call: Json) -> Iterator[Json]:
    """The name first, then the arguments cut every four characters; id and name stand in the first chunk only."""
    arguments = call["function"]["arguments"]
    function = {"name": call["function"]["name"], "arguments": ""}
    yield chunk({"tool_calls": [{**call, "index": index, "function": function}]})
    for text in _chunks(arguments, 4):
        yield chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]})


def _chunks(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


# ---------------------------------------------------------------------------- embeddings


def vector_of(item: Any) -> list[float]:
    """The vector that the server gives for an input: the same for the same input, another for another length."""
    text = item if isinstance(item, str) else json.dumps(item)
    return [float(len(text)), float(sum(map(ord, text)) % 97), 0.5]


def embedded(body: Json) -> Reply:
    """The vectors of a request's inputs."""
    items = body["input"] if isinstance(body["input"], list) else [body["input"]]
    as_text = body.get("encoding_format") == "base64"
    size = body.get("dimensions")
    data = [
        {"object": "embedding", "index": n, "embedding": _coded(vector_of(i)[:size], as_text=as_text)}
        for n, i in enumerate(items)
    ]
    usage = {"prompt_tokens": len(items), "total_tokens": len(items)}
    return Reply(body={"object": "list", "data": data, "model": "served", "usage": usage})


def embedded_backwards(body: Json) -> Reply:
    """The same, last one first: their `index` says where they belong."""
    whole = embedded(body).body
    return Reply(body={**whole, "data": whole["data"][::-1]})


def _coded(vector: list[float], *, as_text: bool) -> Any:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if as_text else vector
