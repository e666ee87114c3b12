"""Tool calls of LlamaIndex messages, whole or still being streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json

Json = dict[str, Any]


def calls_of(message: ChatMessage) -> list[tuple[str | None, str, Any]]:
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


def to_selections(message: ChatMessage) -> list[ToolSelection]:
    """The calls of a message, also of one that is still being streamed; never raises."""
    return [
        ToolSelection(tool_id=call_id or f"call_{n}", tool_name=name, tool_kwargs=partial_arguments(arguments))
        for n, (call_id, name, arguments) in enumerate(calls_of(message), 1)
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
