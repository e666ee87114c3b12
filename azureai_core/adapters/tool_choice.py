"""Which tool the model is to call: each spelling of both frameworks as the API's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from azureai_core.errors import ConfigurationError

Json = dict[str, Any]


def wire_tool_choice(
    choice: str | bool | Mapping[str, Any] | None, tools: Sequence[Mapping[str, Any]]
) -> str | Json | None:
    """The API's `tool_choice`; `None`, as `False`, leaves it out.

    Args:
        choice: `"auto"`, `"none"`, `"required"` (also `"any"` or `True`), a tool's name, or the API's object.
        tools: the tools of the request in the API's form.

    Raises `ConfigurationError` for a name that none of the tools has. `"any"` is a word of LangChain's: Azure takes
    only `"required"`. Source: REST reference, 'tool_choice'.

    >>> wire_tool_choice("any", [])
    'required'
    >>> wire_tool_choice("add", [{"type": "function", "function": {"name": "add"}}])
    {'type': 'function', 'function': {'name': 'add'}}
    """
    if choice is None or choice is False:
        return None
    if isinstance(choice, Mapping):
        return dict(choice) or None
    if choice is True or choice in {"any", "required"}:
        return "required"
    if choice in {"auto", "none"}:
        return choice
    names = [function["name"] for tool in tools if (function := tool.get("function"))]
    if choice not in names:
        raise ConfigurationError(f"tool_choice={choice!r} is none of the bound tools: {', '.join(names)}.")
    return {"type": "function", "function": {"name": choice}}
