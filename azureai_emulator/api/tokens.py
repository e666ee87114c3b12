"""The token counter for plain and streamed answers, limits and usage."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

Json = Any

_TOKEN = re.compile(r"\s*(?:[^\W_]{1,6}|[^\s])")
_MESSAGE_OVERHEAD = 4
_MEDIA_TOKENS = 85


@lru_cache(maxsize=4096)
def _count_short(text: str) -> int:
    return len(_TOKEN.findall(text))


def count(text: str) -> int:
    """The number of tokens: runs of up to six letters or digits, and single other characters."""
    return _count_short(text) if len(text) < _CACHED_LENGTH else len(_TOKEN.findall(text))


_CACHED_LENGTH = 512


def cut(text: str, limit: int) -> str:
    """The first `limit` tokens of the text."""
    return "".join(_TOKEN.findall(text)[:limit]) if count(text) > limit else text


def split(text: str) -> list[str]:
    """The tokens of the text; together they are the text."""
    tokens = _TOKEN.findall(text)
    rest = text[sum(map(len, tokens)) :]  # white space at the end
    return [*tokens, rest] if rest else tokens


def count_messages(messages: list[Json], tools: list[Json]) -> int:
    """Prompt tokens of a chat request: texts, media at a flat rate, tool definitions."""
    total = sum(_count_message(message) for message in messages)
    return total + (count(json.dumps(tools, ensure_ascii=False)) if tools else 0)


def count_audio(messages: Iterable[Json]) -> int:
    """The audio tokens among the prompt tokens."""
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return sum(_MEDIA_TOKENS for part in parts if part["type"] in ("audio_url", "input_audio"))


def _count_message(message: Json) -> int:
    calls = message.get("tool_calls") or ()
    called = sum(count(call["function"]["name"]) + count(call["function"]["arguments"]) for call in calls)
    return _MESSAGE_OVERHEAD + _count_content(message.get("content")) + called


def _count_content(content: Json) -> int:
    if isinstance(content, str):
        return count(content)
    return sum(count(part["text"]) if part["type"] == "text" else _MEDIA_TOKENS for part in content or ())
