"""Our messages as LangChain's standard content blocks (`message.content_blocks`, `output_version="v1"`).

Each block of a stream has an index of its own kind (`lc_txt_0`, `lc_rs_0`, `lc_tc_<n>`): langchain-core numbers text
blocks 0, 1, … as services number tool calls, and would merge the first tool call into the text.
"""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages import content as types
from langchain_core.messages.block_translators import register_translator

from ._config import LANGCHAIN_PROVIDER


def _heads(message: AIMessage, *, indexed: bool) -> list[dict[str, Any]]:
    """Reasoning first, then text, then a refusal where the installed langchain-core knows such blocks."""
    texts = {
        "reasoning": message.additional_kwargs.get("reasoning_content"),
        "text": message.content if isinstance(message.content, str) else "",
        "refusal": message.additional_kwargs.get("refusal") if _KNOWS_REFUSALS else None,
    }
    blocks = [{"type": kind, kind: text} for kind, text in texts.items() if text]
    return [{**block, "index": _INDICES[str(block["type"])]} for block in blocks] if indexed else blocks


_INDICES = {"reasoning": "lc_rs_0", "text": "lc_txt_0", "refusal": "lc_rf_0"}
_KNOWS_REFUSALS = hasattr(types, "RefusalContentBlock")


def translate_content(message: AIMessage) -> list[types.ContentBlock]:
    """The blocks of a whole message."""
    calls: list[Any] = [
        {"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]}
        for call in message.tool_calls
    ]
    calls += [{**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls]
    return cast("list[types.ContentBlock]", [*_parts(message), *_heads(message, indexed=False), *calls])


def translate_content_chunk(message: AIMessageChunk) -> list[types.ContentBlock]:
    """The blocks of a chunk; those of a whole message once the last chunk has been added."""
    if message.chunk_position == "last":
        return translate_content(message)
    calls = [
        {
            "type": "tool_call_chunk",
            "id": call.get("id"),
            "name": call.get("name"),
            "args": call.get("args"),
            "index": f"lc_tc_{call.get('index') or 0}",
        }
        for call in message.tool_call_chunks
    ]
    return cast("list[types.ContentBlock]", [*_parts(message), *_heads(message, indexed=True), *calls])


def _parts(message: AIMessage) -> list[Any]:
    """The blocks that the content holds already; tool calls are taken from `tool_calls`."""
    content = message.content if isinstance(message.content, list) else []
    texts: list[Any] = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    return [part for part in texts if not str(part.get("type")).endswith(("tool_call", "tool_call_chunk"))]


register_translator(LANGCHAIN_PROVIDER, translate_content, translate_content_chunk)
