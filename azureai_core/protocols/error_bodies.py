"""What error bodies say. Only this file knows their shapes, which differ from one kind of endpoint to the next."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from azureai_core.errors import ErrorDetails


def read_body(body: object) -> ErrorDetails:
    """The details of a decoded JSON body, or of a text body. Never raises.

    Understands the shapes that Azure endpoints send: nested and flat errors, `detail` as object, list or string,
    JSON or a Python repr inside the message, lists of strings, plain text and HTML. The names E1 to E31 in this
    file are those of the bodies in tests/contract/error_bodies.py, where their sources are.
    """
    root = body if isinstance(body, dict) else {}
    inner = root.get("error", root)
    error = inner if isinstance(inner, dict) else {}
    details = [*_details(error), *(_details(root) if error is not root else [])]
    message = _message(inner, error, root, details) if root else _from_text(body)
    nested = _nested(message)
    if nested:
        details, message = [*details, *nested], _joined(nested) or message
    code = _code(error) or _code(root)
    inner_error = _first_dict(error, root, keys=("innererror", "inner_error"))
    filtered = _is_filter(code, inner_error)
    parameters = () if filtered else _parameters(error, details, message)
    return ErrorDetails(
        message=message.strip() or (json.dumps(root)[:200] if root else ""),
        code=code,
        parameters=parameters,
        unsupported=tuple(name for name in parameters if _is_unsupported(name, code, details, message)),
        values={name: detail["input"] for detail in details if (name := _name(detail)) and "input" in detail},
        content_filter=filtered,
        categories=_categories(error, root, inner_error),
        context_exceeded=_is_overflow(code, message),
        body=body,
    )


def _details(source: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The `detail` of E14 (an object) and E15 (a list), each with `value` read as `input`."""
    detail = source.get("detail")
    found = [detail] if isinstance(detail, dict) else detail if isinstance(detail, list) else []
    return [_detail(item) for item in found if isinstance(item, dict)]


def _detail(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "input": item["value"]} if "value" in item and "input" not in item else item


def _message(inner: object, error: Mapping[str, Any], root: Mapping[str, Any], details: list[dict[str, Any]]) -> str:
    if isinstance(inner, str) and inner.strip():
        return inner
    if isinstance(inner, list):  # E18
        return "; ".join(str(item) for item in inner)
    for source in (error, root):
        for key in ("message", "detail", "Message", "title"):
            text = source.get(key)
            if isinstance(text, str) and text.strip():
                return f"{text.rstrip()} {_joined(details)}".rstrip() if details else text
    return _joined(details) or _messages(root.get("errors"))


def _messages(errors: object) -> str:
    """The messages of a list of errors, as API gateways send them."""
    items = errors if isinstance(errors, list) else []
    return "; ".join(str(item.get("message") or item) if isinstance(item, dict) else str(item) for item in items)


def _joined(details: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(line for detail in details if (line := _line(detail)))


def _line(detail: Mapping[str, Any]) -> str:
    """One refusal in words: `foo = 'bar': Extra inputs are not permitted`."""
    name, why = _name(detail), detail.get("msg") or ""
    what = f"{name} = {detail['input']!r}" if name and "input" in detail else name or ""
    return ": ".join(part for part in (what, str(why)) if part)


def _name(detail: Mapping[str, Any]) -> str | None:
    """The field a `loc` points at: `["body", "stream_options", "include_usage"]` → `stream_options`."""
    loc = detail.get("loc")
    parts = [part for part in loc if part != "body"] if isinstance(loc, list | tuple) else []
    return str(parts[0]) if parts else None


def _nested(message: str) -> list[dict[str, Any]]:
    """The refusals inside a message that is itself JSON (E16) or a Python repr (E19)."""
    text = message.strip()
    if not text.startswith(("{", "[")):
        return []
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return _details(value if isinstance(value, dict) else {"detail": value})
    return []


def _from_text(body: object) -> str:
    """The words of a text or HTML body, at most 2,000 characters."""
    if isinstance(body, list):
        return "; ".join(str(item) for item in body)[:2000]
    text = body if isinstance(body, str) else ""
    if re.match(r"\s*<(?:!doctype|html)", text, re.IGNORECASE):
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = title[1] if title else re.sub(r"<[^>]*>", " ", text)
    return " ".join(text[:2000].split())


def _code(source: Mapping[str, Any]) -> str | None:
    for key in ("code", "status", "statusCode"):
        value = source.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def named_status(body: Mapping[str, Any]) -> int | None:
    """The error status that a body itself names, as E1, E5 and E22 do; `None` where it names none."""
    error = body.get("error")
    values = [str(s.get(k)) for s in (error, body) if isinstance(s, dict) for k in ("status", "statusCode", "code")]
    return next((int(value) for value in values if re.fullmatch("[45][0-9]{2}", value)), None)


def _first_dict(*sources: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return next((value for s in sources for key in keys if isinstance(value := s.get(key), dict)), {})


def _is_filter(code: str | None, inner: Mapping[str, Any]) -> bool:
    return code == "content_filter" or inner.get("code") == "ResponsibleAIPolicyViolation"


def _categories(error: Mapping[str, Any], root: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_first_dict(inner, error, root, keys=("content_filter_result", "content_filter_results")))


# The five ways in which messages name refused fields. Sources: E17, E22, OpenAI's and vLLM's messages, E20.
_NAMES_IN_TEXT = (
    re.compile(r"Extra parameters? \[([^\]]*)\]"),
    re.compile(r"Validation error at #/(\w+)"),
    re.compile(r"Unrecognized request arguments? supplied: ([\w, ]+)"),
    re.compile(r"(?:Unsupported|Unknown|Unrecognized) (?:parameter|value|field): ['\"]?(\w+)"),
    re.compile(r"['\"](\w+)['\"] (?:is|are) not supported"),
)


def _parameters(error: Mapping[str, Any], details: list[dict[str, Any]], message: str) -> tuple[str, ...]:
    named = [name for detail in details if (name := _name(detail))]
    if not named and isinstance(error.get("param"), str):
        named = re.findall(r"\w+", error["param"])[:1]
    if not named:
        named = [n for pattern in _NAMES_IN_TEXT for hit in pattern.findall(message) for n in re.findall(r"\w+", hit)]
    if not named and "tool choice requires" in message:
        named = ["tool_choice"]
    return tuple(dict.fromkeys(named))


# A field that is taken, but not with this value: leaving it out would hide a mistake. Codes and types are those of
# OpenAI's routes and of pydantic, which the Python hosts validate with.
_WRONG_VALUE = re.compile(
    r"\b(?:less|greater)_than|(?:bool|bytes|dict|float|int|invalid|list|model|string|tuple)_type\b|literal_error|value_error(?!\.extra)|\binvalid_value|_(?:above|below)_(?:max|min)"
    r"|\benum\b|input should be|invalid schema|must be|out of range",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"(?:not|n't) (?:supported?|permitted|allowed)|not_supported|unsupported|unrecognized|unknown|unexpected"
    r"|extra_forbidden|extra inputs|validation error at #/|tool choice requires",
    re.IGNORECASE,
)


def _is_unsupported(name: str, code: str | None, details: list[dict[str, Any]], message: str) -> bool:
    """Whether the service does not take a field at all; a detail's own words go before those of the whole."""
    own = [f"{d.get('type') or ''} {d.get('msg') or ''}".strip() for d in details if _name(d) == name]
    texts = [text or f"{code} {message}" for text in own] or [f"{code} {message}"]
    return all(_UNSUPPORTED.search(text) and not _WRONG_VALUE.search(text) for text in texts)


_OVERFLOW_CODES = {"context_length_exceeded", "tokens_limit_reached", "string_above_max_length"}
_OVERFLOW_TEXT = re.compile(
    r"maximum context length|context (?:length|window)[^.]*exceed|exceed[^.]*context (?:length|window)"
    r"|prompt is too long|too many tokens|body too large for .* model|input is too long",
    re.IGNORECASE,
)


def _is_overflow(code: str | None, message: str) -> bool:
    return code in _OVERFLOW_CODES or bool(_OVERFLOW_TEXT.search(message))
