"""Tool choice: each spelling of both frameworks on the wire."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from azureai_core import ConfigurationError
from azureai_core.adapters import tool_choice, wire_tool_choice

TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "add"}}, {"type": "web_search"}]
NAMED = {"type": "function", "function": {"name": "add"}}


def test_the_examples_are_true() -> None:
    """Each doctest gives what it says."""
    assert doctest.testmod(tool_choice).failed == 0


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        (True, "required"),
        (False, None),
        (None, None),
        ({}, None),
        ("add", NAMED),
        (NAMED, NAMED),
    ],
)
def test_each_spelling_is_the_services_own(choice: Any, wire: Any) -> None:
    """Azure takes `auto`, `none`, `required` or the object. Source: REST reference, 'tool_choice'."""
    assert wire_tool_choice(choice, TOOLS) == wire


def test_the_name_of_no_tool_is_refused() -> None:
    """Before the request, listing the tools that there are."""
    with pytest.raises(ConfigurationError, match=r"tool_choice='divide' is none of the bound tools: add\."):
        wire_tool_choice("divide", TOOLS)
