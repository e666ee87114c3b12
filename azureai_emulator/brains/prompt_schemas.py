"""The JSON that a prompt asks for: by a schema in its text, or by the names of keys."""

import json
import re
from typing import Any

from .base import Ask, message_text

Json = Any


def wanted_schema(ask: Ask) -> Json | None:
    """The schema of the requested JSON: from `response_format`, from the prompt, or of the keys that it names."""
    kind = (ask.response_format or {}).get("type")
    if kind == "json_schema":
        return ask.response_format["json_schema"]["schema"]
    everything = "\n".join(message_text(message) for message in ask.messages)
    schema, rest = schema_in(everything)
    if schema is not None and re.search("json", rest, re.IGNORECASE):
        return schema
    return schema_of_keys(everything) if kind == "json_object" else None


def schema_in(text: str) -> tuple[Json, str]:
    """The JSON schema in a prompt, or `None`, and the prompt without it."""
    if '"properties"' not in text:
        return None, text
    decoder = json.JSONDecoder()
    for match in reversed(list(re.finditer(r"\{", text))[:_MAX_BRACES]):
        value, end = _decoded(decoder, text, match.start())
        if isinstance(value, dict) and isinstance(value.get("properties"), dict) and _is_outermost(text, match.start()):
            return value, text[: match.start()] + text[end:]
    return None, text


_MAX_BRACES = 200


def _is_outermost(text: str, start: int) -> bool:
    return text[:start].count("{") == text[:start].count("}")


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Json, int]:
    try:
        return decoder.raw_decode(text, start)
    except ValueError:
        return None, start


def without_schema(text: str) -> str:
    """The prompt without a schema in it."""
    return schema_in(text)[1].strip()


# A quoted word after `"key":` is an example of a value.
_QUOTED_KEYS = re.compile(r"(?<![\"'`]:)(?<![\"'`]: )[\"'`](\w[\w -]*)[\"'`]")
_KEY_LIST = re.compile(
    r"(?:keys?|fields?|properties)\s*(?:named|called|are|:)?\s*((?:\w+)(?:\s*,\s*(?:and\s+)?\w+|\s+and\s+\w+)*)"
)
_KEYS_BEGIN = re.compile(
    r"(?:respond|return|reply|answer|output|give|use|format|with)\b[^.\n]*\b(?:json|keys?|fields?)\b.*",
    re.IGNORECASE | re.DOTALL,
)


def schema_of_keys(text: str) -> Json:
    """A schema with a string for each key that a prompt names; `answer` when it names none."""
    listed = _KEY_LIST.search(text)
    keys = _QUOTED_KEYS.findall(text) or (re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", listed[1]) if listed else [])
    names = list(dict.fromkeys(keys)) or ["answer"]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


def before_keys(text: str) -> str:
    """The prompt up to the instruction about keys."""
    return _KEYS_BEGIN.sub("", text).strip() or text
