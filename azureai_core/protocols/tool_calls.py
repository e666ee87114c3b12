"""Tool calls, whole or in fragments, as hosts write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from azureai_core.json_text import to_json_text
from azureai_core.types import Json, ToolCall

from .reading import mapping, text_of


def new_call_id() -> str:
    """A tool-call id for a service that gave none."""
    return f"call_{uuid4().hex[:24]}"


def call_fields(call: Mapping[str, Any]) -> tuple[str, str, str]:
    """`(id, name, arguments)` of a wire tool call or fragment; `""` where it has none."""
    function = mapping(call.get("function"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # against the contract, but some hosts send the object itself
        arguments = to_json_text(arguments)
    return text_of(call.get("id")), text_of(function.get("name")), text_of(arguments)


def whole_call(index: int, call: Json) -> ToolCall:
    """A call that is not streamed."""
    call_id, name, arguments = call_fields(call)
    return ToolCall(call_id or new_call_id(), name or None, arguments, index)


@dataclass(slots=True)
class _Call:
    wire_id: str
    id: str
    name: str
    arguments: list[str]


class CallAssembler:
    """Gives each fragment of a tool call the index of its call.

    OpenAI style: fragments with `index`, the id on the first only. Mistral style: one whole call without `index`.
    The rule: `index` if there is one; else a new id opens a new call; else the fragment goes on with the last one.
    Source: recorded streams of gpt-4o and mistral-large-2411.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, int] = {}

    def feed(self, fragment: Json) -> ToolCall:
        """The fragment with its index; id and name only where they are new."""
        return self._continued(fragment) or self._placed(fragment)

    def _continued(self, fragment: Json) -> ToolCall | None:
        """The short way for most fragments: more arguments of a call that is named by its index."""
        index, function = fragment.get("index"), fragment.get("function")
        at = self._by_index.get(index) if type(index) is int and not fragment.get("id") else None
        if at is None or type(function) is not dict or function.get("name"):
            return None
        arguments = function.get("arguments")
        if type(arguments) is not str:
            return None
        self._calls[at].arguments.append(arguments)
        return ToolCall(None, None, arguments, at)

    def _placed(self, fragment: Json) -> ToolCall:
        call_id, name, arguments = call_fields(fragment)
        index = _index(fragment.get("index"))
        at = self._place(index, call_id, name)
        if at is None:
            return self._open(index, _Call(call_id, call_id or new_call_id(), name, [arguments]))
        call = self._calls[at]
        call.arguments.append(arguments)
        call.wire_id = call.wire_id or call_id
        if index is not None:
            self._by_index[index] = at
        if name == call.name:  # some hosts repeat the head on every fragment
            name = ""
        call.name += name
        return ToolCall(None, name or None, arguments, at)

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls as far as they have come."""
        return tuple(ToolCall(c.id, c.name or None, "".join(c.arguments), n) for n, c in enumerate(self._calls))

    def _open(self, index: int | None, call: _Call) -> ToolCall:
        at = len(self._calls)
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = at
        return ToolCall(call.id, call.name or None, call.arguments[0], at)

    def _place(self, index: int | None, call_id: str, name: str) -> int | None:
        """The position of the call that a fragment goes on with, or `None` when it opens a new one."""
        if index is not None:
            at = self._by_index.get(index)
            if at is None or not call_id or self._calls[at].wire_id in ("", call_id):
                return at
        if call_id:  # some hosts give all calls the index 0
            return next((n for n, call in enumerate(self._calls) if call.wire_id == call_id), None)
        last = len(self._calls) - 1
        whole = last >= 0 and bool(name and any(self._calls[last].arguments))  # a second whole call without an id
        return None if last < 0 or whole else last


def _index(value: object) -> int | None:
    """The index of a fragment; some hosts send it as a string."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() else None
