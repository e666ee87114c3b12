"""Message histories that a model family refuses, brought into an order that it takes. Pure, on wire messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from azureai_core.errors import ConfigurationError
from azureai_core.profiles import ModelProfile

Wire = dict[str, Any]

BRIDGE = "Noted."
"""What the assistant is made to say between a tool's result and the next user message."""


def repair_history(
    messages: Sequence[Mapping[str, Any]], profile: ModelProfile, *, in_order: bool | None = None
) -> list[Wire]:
    """The messages in an order that the model family takes; the same ones where its profile has no complaint.

    `in_order` is the user's decision on the order that Mistral insists on: `True` for any model, `False` for none.

    - `user_after_tool=False` (Mistral answers 400, code 3230): a short assistant message goes in between.
    - `system_role=False` (Phi-3): system texts go to the head of the next user message.
    - `several_system=False`: the system texts become one message at the beginning.
    - `json_tool_results=True` (Cohere Command): a tool's result that is not JSON becomes `{"result": text}`.
    """
    if in_order is not None:
        profile = _ordered(profile, in_order)
    repaired = [message if isinstance(message, dict) else dict(message) for message in messages]
    if not profile.system_role:
        repaired = _into_user(repaired)
    elif not profile.several_system:
        repaired = _one_system(repaired)
    if profile.json_tool_results:
        repaired = [_with_json(message) if message["role"] == "tool" else message for message in repaired]
    return repaired if profile.user_after_tool else _bridged(repaired)


@lru_cache(maxsize=256)
def _ordered(profile: ModelProfile, in_order: bool) -> ModelProfile:
    # Mistral also refuses a system message at the end, where agents that stop early put one.
    return replace(profile, user_after_tool=not in_order, several_system=profile.several_system and not in_order)


def _bridged(messages: list[Wire]) -> list[Wire]:
    bridged: list[Wire] = []
    for message in messages:
        if bridged and bridged[-1]["role"] == "tool" and message["role"] in {"user", "system"}:
            bridged.append({"role": "assistant", "content": BRIDGE})
        bridged.append(message)
    return bridged


def _one_system(messages: list[Wire]) -> list[Wire]:
    texts = [_text(message["content"]) for message in messages if message["role"] == "system"]
    rest = [message for message in messages if message["role"] != "system"]
    return [{"role": "system", "content": "\n\n".join(texts)}, *rest] if texts else rest


def _into_user(messages: list[Wire]) -> list[Wire]:
    moved: list[Wire] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] in {"system", "developer"}:
            waiting.append(_text(message["content"]))
        elif waiting and message["role"] == "user":
            moved.append({**message, "content": _with_head("\n\n".join(waiting), message["content"])})
            waiting = []
        else:
            moved.append(message)
    return [*moved, {"role": "user", "content": "\n\n".join(waiting)}] if waiting else moved


def _with_head(head: str, content: str | list[Wire]) -> str | list[Wire]:
    if isinstance(content, str):
        return f"{head}\n\n{content}"
    return [{"type": "text", "text": head}, *content]


def _with_json(message: Wire) -> Wire:
    try:
        json.loads(message["content"])
    except ValueError:
        return {**message, "content": json.dumps({"result": message["content"]}, ensure_ascii=False)}
    return message


def _text(content: str | list[Wire]) -> str:
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


class CallIds:
    """The ids of the calls of one history and of the results that answer them, where other providers left some out.

    A call without an id, or with that of a call that waits for its result, gets one of its own; its result gets the
    same: results answer the calls in their order.

    >>> ids = CallIds()
    >>> ids.of_call("a"), ids.of_call(None), ids.of_result("a"), ids.of_result(None)
    ('a', 'call_2', 'a', 'call_2')
    """

    def __init__(self) -> None:
        self._count = 0
        self._sent: set[str] = set()
        self._open: list[tuple[str | None, str]] = []

    def of_call(self, given: str | None) -> str:
        """The id of the next call."""
        self._count += 1
        waiting = given and any(sent == given for _, sent in self._open)
        call_id = self._new(given) if waiting or not given else given
        self._open.append((given or None, call_id))
        self._sent.add(call_id)
        return call_id

    def of_result(self, given: str | None) -> str:
        """The id of the call that the next result answers.

        Raises `ConfigurationError` for a result that names no call where none waits for one.
        """
        for n, (known, call_id) in enumerate(self._open):
            if not given or given in (known, call_id):
                del self._open[n]
                return call_id
        if not given:
            raise ConfigurationError("it answers no call. Say which by its tool_call_id.")
        return given

    def _new(self, given: str | None) -> str:
        """An id that no call of the history has had so far."""
        base, number = given or "call", self._count
        while f"{base}_{number}" in self._sent:
            number += 1
        return f"{base}_{number}"
