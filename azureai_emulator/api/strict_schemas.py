"""The rules a JSON schema has to keep when it is sent with `strict: true`."""

from collections.abc import Iterator
from typing import Any

Json = Any

_NESTED = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf")


def strict_problem(schema: Json) -> str | None:
    """What the service would object to, or `None`.

    Source: Azure OpenAI, 'Structured outputs': all fields required, `additionalProperties` false.

    >>> strict_problem({"type": "object", "properties": {}, "additionalProperties": False}) is None
    True
    """
    return next((problem for part in _parts(schema) if (problem := _problem(part))), None)


def _parts(schema: Json) -> Iterator[Json]:
    if not isinstance(schema, dict):
        return
    yield schema
    for key in _NESTED:
        for child in (schema.get(key) or {}).values():
            yield from _parts(child)
    for key in _LISTS:
        for child in schema.get(key) or ():
            yield from _parts(child)
    yield from _parts(schema.get("items"))


def _problem(schema: Json) -> str | None:
    if schema.get("type") != "object":
        return None
    if schema.get("additionalProperties") is not False:
        return "In context=(), 'additionalProperties' is required to be supplied and to be false."
    missing = set(schema.get("properties") or {}) - set(schema.get("required") or ())
    if missing:
        name = min(missing)
        return (
            "In context=(), 'required' is required to be supplied and to be an array including every key in "
            f"properties. Missing '{name}'."
        )
    return None
