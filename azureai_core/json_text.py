"""JSON by pydantic_core, which both frameworks install: a third of the standard library's cost. Loaded on first use."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from pydantic_core import from_json, to_json


def to_json_text(value: object) -> str:
    """`value` as compact JSON text, non-ASCII characters kept."""
    return to_json(value).decode()


def from_json_text(content: bytes) -> Any:
    """The value of JSON text, or `None` when it is none.

    A byte-order mark and half of a surrogate pair, which some hosts send, do not spoil the rest of an answer.
    """
    try:
        return from_json(content)
    except ValueError:
        return from_odd_text(content)


def from_odd_text(content: bytes) -> Any:
    """The value of what `from_json` refuses, or `None`."""
    with suppress(ValueError, RecursionError):
        value = json.loads(content.decode("utf-8-sig", "replace"))
        text = json.dumps(value, ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return None
