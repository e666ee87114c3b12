"""What the real services refuse, and lenient servers let through. Pure."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_STANDARD = frozenset(
    {"frequency_penalty", "max_tokens", "messages", "model", "modalities", "presence_penalty", "response_format"}
    | {"seed", "stop", "stream", "temperature", "tool_choice", "tools", "top_p"}
)
"""The fields of the Model Inference API; others are an error by default. Source: its REST reference."""

_STANDARD_EMBEDDINGS = frozenset({"dimensions", "encoding_format", "input", "input_type", "model"})


def complaint(path: str, body: Json, *, pass_through: bool, known_only: bool) -> str | None:
    """Why the request is refused, or `None`."""
    standard = _STANDARD if path.endswith("/chat/completions") else _STANDARD_EMBEDDINGS
    unknown = sorted(set(body) - standard) if known_only and not pass_through else []
    if unknown:
        return f"Extra inputs are not permitted: {', '.join(unknown)}"
    if nulls := sorted(name for name, value in body.items() if value is None):
        return f"Input should not be null: {', '.join(nulls)}"
    return _of_chat(body) if path.endswith("/chat/completions") else _of_inputs(body)


def _of_inputs(body: Json) -> str | None:
    inputs = body.get("input")
    empty = isinstance(inputs, list) and any(item == "" for item in inputs)
    return "input cannot be an empty string" if empty or inputs in ("", [], None) else None


def _of_chat(body: Json) -> str | None:
    if "tools" not in body and (set(body) & {"tool_choice", "parallel_tool_calls"}):
        return "'tool_choice' is only allowed when 'tools' are specified"
    if not body.get("messages"):
        return "messages should not be empty"
    return _of_messages(body["messages"])


def _of_messages(messages: list[Json]) -> str | None:
    """Every call must be answered by a tool message at once, and only calls may be."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if not isinstance(message.get("content"), str | list):
                return f"messages[{place}]: the content of a tool message must not be null"
            if message.get("tool_call_id") not in waiting:
                return f"messages[{place}]: a tool message must answer a call of the message before"
            waiting.discard(message["tool_call_id"])
        elif waiting:
            return f"messages[{place}]: the calls {', '.join(sorted(waiting))} were not answered"
        elif message.get("content") is None and not message.get("tool_calls"):
            return f"messages[{place}]: content should not be null"
        else:
            waiting = {call["id"] for call in message.get("tool_calls") or []}
            if problem := _of_calls(message, place):
                return problem
    return None


def _of_calls(message: Json, place: int) -> str | None:
    for call in message.get("tool_calls") or []:
        if not isinstance(call["function"].get("arguments"), str):
            return f"messages[{place}]: the arguments of a call must be a string"
        if not isinstance(call.get("id"), str) or not call["id"]:
            return f"messages[{place}]: the id of a call must be a string"
    return None
