"""Message histories that a model family refuses, brought into an order that it takes. Pure, on wire messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from azureai_core.profiles import ModelProfile

Wire = dict[str, Any]

BRIDGE = "Noted."
"""What the assistant is made to say between a tool's result and the next user message."""


def repair_history(messages: Sequence[Mapping[str, Any]], profile: ModelProfile) -> list[Wire]:
    """The messages in an order that the model family takes; the same ones where its profile has no complaint.

    - `user_after_tool=False` (Mistral answers 400, code 3230): a short assistant message goes in between.
    - `system_role=False` (Phi-3): system texts go to the head of the next user message.
    - `several_system=False`: the system texts become one message at the beginning.
    - `json_tool_results=True` (Cohere Command): a tool's result that is no JSON becomes `{"result": text}`.
    """
    repaired = [message if isinstance(message, dict) else dict(message) for message in messages]
    if not profile.system_role:
        repaired = _into_user(repaired)
    elif not profile.several_system:
        repaired = _one_system(repaired)
    if profile.json_tool_results:
        repaired = [_with_json(message) if message["role"] == "tool" else message for message in repaired]
    return repaired if profile.user_after_tool else _bridged(repaired)


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
