"""What the service refuses in `messages`: shape, order, content parts."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from azureai_emulator.catalog.profiles import Profile
from azureai_emulator.wire.errors import Refusal
from azureai_emulator.wire.media import decode, decode_data_url

from .validate import refuse_unknown

Json = Any

_FIELDS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "tool_calls", "refusal", "audio", "prefix"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}
_PART_INPUT = {"image_url": "image", "input_audio": "audio", "audio_url": "audio", "file": "file"}


def check_messages(messages: Json, profile: Profile, *, openai: bool) -> None:
    """Refuse messages that the service would refuse."""
    if not isinstance(messages, list):
        raise Refusal("Invalid type for 'messages': expected an array of objects.", param="messages", nature="type")
    if not messages:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise Refusal(message, param="messages", code="empty_array")
    for index, item in enumerate(messages):
        _check_message(f"messages[{index}]", item, profile, openai=openai)
    _check_tool_order(messages)
    _check_profile_order(messages, profile)


def _check_message(field: str, message: Json, profile: Profile, *, openai: bool) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in _FIELDS:
        allowed = ", ".join(repr(name) for name in _FIELDS)
        raise Refusal(
            f"Invalid value: '{role}'. Supported values are: {allowed}.", param=f"{field}.role", code="invalid_value"
        )
    refuse_unknown(field, message, _FIELDS[role])
    if not isinstance(message.get("name", ""), str | None):
        raise Refusal(
            f"Invalid type for '{field}.name': expected a string.", param=f"{field}.name", code="invalid_type"
        )
    if role == "assistant":
        _check_assistant(field, message, openai=openai)
    elif role == "tool":
        _check_tool_message(field, message, profile)
    _check_content(field, message, profile, openai=openai)


def _check_assistant(field: str, message: Json, *, openai: bool) -> None:
    calls = message.get("tool_calls")
    if calls is None:
        return
    if not isinstance(calls, list) or (openai and not calls):
        text = f"Invalid '{field}.tool_calls': expected an array with minimum length 1."
        raise Refusal(text, param=f"{field}.tool_calls", code="invalid_type")
    for index, call in enumerate(calls):
        _check_call(f"{field}.tool_calls[{index}]", call, openai=openai)


def _check_call(field: str, call: Json, *, openai: bool) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Refusal(
            f"Missing required parameter: '{field}.function'.", param=field, code="missing_required_parameter"
        )
    if not isinstance(function.get("arguments"), str):
        param = f"{field}.function.arguments"
        raise Refusal(f"Invalid type for '{param}': expected a string.", param=param, code="invalid_type")
    if not isinstance(call.get("id"), str) or not call["id"]:
        raise Refusal(
            f"Missing required parameter: '{field}.id'.", param=f"{field}.id", code="missing_required_parameter"
        )
    if openai and len(call["id"]) > _MAX_ID_LENGTH:
        text = (
            f"Invalid '{field}.id': string too long. Expected a string with maximum length {_MAX_ID_LENGTH}, "
            f"but got a string with length {len(call['id'])} instead."
        )
        raise Refusal(text, param=f"{field}.id", code="string_above_max_length")
    if call.get("type", None if openai else "function") != "function":
        param = f"{field}.type"
        raise Refusal(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


_MAX_ID_LENGTH = 40
"""Source: public report of Azure OpenAI."""


def _check_tool_message(field: str, message: Json, profile: Profile) -> None:
    if not profile.tools:
        raise Refusal("Input should be 'user', 'assistant' or 'system'", param=f"{field}.role")
    if not isinstance(message.get("tool_call_id"), str) or not message["tool_call_id"]:
        param = f"{field}.tool_call_id"
        message_text = "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'."
        raise Refusal(message_text, param=param)
    if profile.tool_results_as_json and not _is_json(message.get("content")):
        raise Refusal("Tool results have to be JSON.", param=f"{field}.content", value=message.get("content"))


def _is_json(content: Json) -> bool:
    try:
        json.loads(content)
    except (TypeError, ValueError):
        return False
    return True


def _check_content(field: str, message: Json, profile: Profile, *, openai: bool) -> None:
    content, role = message.get("content"), message["role"]
    if content is None:
        if role != "assistant" or not (message.get("tool_calls") or message.get("refusal") or message.get("audio")):
            text = f"Invalid value for 'content': expected a string, got null. ({field}.content)"
            raise Refusal(text, param=f"{field}.content", code="invalid_type")
    elif isinstance(content, list):
        _check_parts(f"{field}.content", content, role, profile, openai=openai)
    elif not isinstance(content, str):
        text = f"Invalid type for '{field}.content': expected one of a string or array of objects."
        raise Refusal(text, param=f"{field}.content", code="invalid_type", value=content)


def _check_parts(field: str, parts: list[Json], role: str, profile: Profile, *, openai: bool) -> None:
    if profile.string_content:
        text = "invalid type: parameter messages.content is of type array but should be of type string."
        raise Refusal(text, param=field)
    if not parts:
        raise Refusal(f"Invalid '{field}': empty array.", param=field, code="empty_array")
    for index, part in enumerate(parts):
        _check_part(f"{field}[{index}]", part, role, profile, openai=openai)
    images = sum(part["type"] == "image_url" for part in parts)
    if profile.max_images is not None and images > profile.max_images:
        raise Refusal(f"At most {profile.max_images} image(s) may be provided in one request.", param=field)


def _check_part(field: str, part: Json, role: str, profile: Profile, *, openai: bool) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    allowed = _allowed_parts(role, openai=openai)
    if kind not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        text = f"Invalid value: '{kind}'. Supported values are: {names}."
        raise Refusal(text, param=f"{field}.type", code="invalid_value", value=kind)
    if kind in _PART_INPUT and _PART_INPUT[kind] not in profile.inputs:
        text = f"Invalid content type. {kind} is not supported by this model."
        raise Refusal(text, param=field, code="invalid_value")
    refuse_unknown(field, part, frozenset({"type", kind}))
    _check_payload(f"{field}.{kind}", kind, part.get(kind))


def _allowed_parts(role: str, *, openai: bool) -> tuple[str, ...]:
    if role == "assistant":
        return ("text", "refusal")
    if role != "user":
        return ("text",)
    return ("text", "image_url", "input_audio", "file") if openai else ("text", "image_url", "input_audio", "audio_url")


def _check_payload(field: str, kind: str, payload: Json) -> None:
    match kind, payload:
        case "text" | "refusal", str():
            return
        case "image_url", {"url": str(url)}:
            _check_image(field, payload, url)
        case "audio_url", {"url": str(url)}:
            _check_url(field, url, "audio")
        case "input_audio", {"data": str(data), "format": "wav" | "mp3" as audio}:
            decode(data, f"audio/{audio}", field)
        case "file", {"file_data": str(url)}:
            decode_data_url(url, "application", field)
        case "file", {"file_id": str()}:
            return
        case _:
            raise Refusal(f"Missing or invalid parameter: '{field}'.", param=field, code="missing_required_parameter")


def _check_image(field: str, payload: Json, url: str) -> None:
    if payload.get("detail", "auto") not in ("auto", "low", "high"):
        text = f"Invalid value: '{payload['detail']}'. Supported values are: 'auto', 'low', and 'high'."
        raise Refusal(text, param=f"{field}.detail", code="invalid_value")
    _check_url(field, url, "image")


def _check_url(field: str, url: str, family: str) -> None:
    if not url.startswith(("https://", "http://")):
        decode_data_url(url, family, f"{field}.url")


def _check_tool_order(messages: list[Json]) -> None:
    """Each tool message answers a call of the assistant message before it, and each call is answered once."""
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            _take(waiting, message["tool_call_id"], f"messages[{index}].role")
            continue
        _check_answered(waiting, index)
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
    _check_answered(waiting, len(messages))


def _take(waiting: list[str], call_id: str, field: str) -> None:
    if call_id not in waiting:
        text = (
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
        )
        raise Refusal(text, param=field)
    waiting.remove(call_id)


def _check_answered(waiting: list[str], index: int) -> None:
    if waiting:
        text = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}"
        )
        raise Refusal(text, param=f"messages[{index}].role")


def _check_profile_order(messages: list[Json], profile: Profile) -> None:
    roles = [message["role"] for message in messages]
    if profile.reasoning == "hidden" and {"system", "developer"} <= set(roles):
        raise Refusal("Messages with role 'system' and 'developer' cannot be used together.", param="messages")
    if profile.tool_then_assistant:
        _check_speaker_after_tool(roles)


def _check_speaker_after_tool(roles: list[str]) -> None:
    for before, after in pairwise(roles):
        if before == "tool" and after not in ("tool", "assistant"):
            raise Refusal(f"Unexpected role '{after}' after role 'tool'", param="messages")
    if roles[-1] not in ("user", "tool"):
        text = f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {roles[-1]}"
        raise Refusal(text, param="messages")
