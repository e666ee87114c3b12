"""JSON schemas of structured output: the strict form of a schema, and the `response_format` that asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

MAX_NAME = 64
"""Characters of a schema's name. Source: OpenAI REST reference, 'response_format'."""


def response_format(schema: Mapping[str, Any], *, name: str | None = None, strict: bool | None = None) -> Json:
    """The `response_format` of type `json_schema` that asks for an answer of this schema.

    Args:
        schema: a JSON schema.
        name: a name for it; else its title.
        strict: whether the service is to enforce it; by default where the schema has a strict form. Without that,
            nothing is enforced.

    >>> response_format({"title": "A b", "type": "object", "properties": {}}, strict=False)["json_schema"]["name"]
    'A_b'
    """
    closed = strict_schema(schema) if strict is not False else None
    is_strict = closed is not None if strict is None else strict
    spec = {
        "name": _plain_name(name or schema.get("title") or "answer"),
        "schema": dict(schema) if closed is None else closed,
        "strict": is_strict,
    }
    about = schema.get("description")
    return {"type": "json_schema", "json_schema": {**spec, **({"description": about} if about else {})}}


def _plain_name(name: object) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(name))[:MAX_NAME]


def strict_schema(schema: Mapping[str, Any]) -> Json | None:
    """The schema in the subset of strict mode, or `None` where that cannot express it, as free keys.

    Each object closes its keys and requires them all; defaults go, since the model fills every field; `oneOf` becomes
    `anyOf`. So an answer that fits the strict form fits the schema, unless alternatives of a `oneOf` overlap.
    Source: Azure OpenAI, 'Structured outputs', supported schemas and limitations.

    >>> strict_schema({"type": "object", "properties": {"a": {"type": "integer", "default": 1}}})
    {'type': 'object', 'properties': {'a': {'type': 'integer'}}, 'additionalProperties': False, 'required': ['a']}
    """
    try:
        closed = _closed(schema, schema)
    except (_NotStrictError, RecursionError):  # a reference with a description beside it may lead back to itself
        return None
    return closed if closed.get("type") == "object" else None


class _NotStrictError(Exception):
    """The schema has something that the strict subset cannot express."""


_OMITTED = frozenset(
    {"default", "examples", "example", "discriminator", "deprecated", "readOnly", "writeOnly", "$schema", "$comment"}
)
"""What says nothing about which values are valid, and is refused in a strict schema."""
_NOTES = frozenset({"title", "description"})
_DEFINITIONS = frozenset({"$defs", "definitions"})
_VALUE = frozenset({"type", "enum", "const", "$ref"})
_OBJECT = frozenset({"properties", "required", "additionalProperties"})
_ALTERNATIVES = frozenset({"anyOf", "oneOf"})
_EXPRESSIBLE = _OMITTED | _NOTES | _DEFINITIONS | _VALUE | _OBJECT | _ALTERNATIVES | {"items"}
"""Every other keyword (bounds, patterns, `allOf`, …) restricts values in a way that strict mode does not take."""


def _closed(node: object, root: Mapping[str, Any]) -> Json:
    """The strict form of a schema inside `root`. Raises `_NotStrictError`."""
    if not isinstance(node, Mapping) or not _EXPRESSIBLE.issuperset(node):
        raise _NotStrictError
    if "$ref" in node:
        target = _target(node["$ref"], root)
        if len(node) > 1:
            return _closed(_merged(node, target), root)
    _check_says_what_it_holds(node)
    closed = {_key(key): _closed_value(key, value, root) for key, value in node.items() if key not in _OMITTED}
    if _may_be(node, "object"):
        closed |= {"additionalProperties": False, "required": list(node["properties"])}
    return closed


def _key(key: str) -> str:
    return "anyOf" if key == "oneOf" else key


def _closed_value(key: str, value: Any, root: Mapping[str, Any]) -> Any:
    if key in _DEFINITIONS or key == "properties":
        return {name: _closed(child, root) for name, child in value.items()}
    if key in _ALTERNATIVES:
        return [_closed(child, root) for child in value]
    return _closed(value, root) if key == "items" else value


def _check_says_what_it_holds(node: Mapping[str, Any]) -> None:
    """Raises `_NotStrictError` for a schema of any value, an object of free keys, or a list of anything."""
    alternatives = _ALTERNATIVES & set(node)
    if not alternatives and not _VALUE & set(node):
        raise _NotStrictError
    if alternatives and (len(alternatives) > 1 or (_VALUE | _OBJECT | {"items"}) & set(node)):
        raise _NotStrictError  # both would have to hold
    if _may_be(node, "array") and "items" not in node:
        raise _NotStrictError
    if _may_be(node, "object"):
        undeclared = set(node.get("required", ())) - set(node.get("properties", ()))
        if "properties" not in node or undeclared or node.get("additionalProperties", False) is not False:
            raise _NotStrictError
    elif _OBJECT & set(node):
        raise _NotStrictError


def _may_be(node: Mapping[str, Any], kind: str) -> bool:
    """Whether a schema allows a type, which it may name alone or in a list."""
    types = node.get("type")
    return types == kind or (isinstance(types, list) and kind in types)


def _merged(node: Mapping[str, Any], target: Mapping[str, Any]) -> Json:
    """What a reference leads to, with the notes that stand beside the reference: strict mode takes none there."""
    beside = {key: value for key, value in node.items() if key != "$ref"}
    if not set(beside) <= _NOTES | _OMITTED | _DEFINITIONS:
        raise _NotStrictError
    return {**target, **beside}


def _target(reference: object, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The root, or the definition of it that a reference names. Raises `_NotStrictError` where there is none."""
    if reference == "#":
        return root
    found = re.fullmatch(r"#/(\$defs|definitions)/([^/]+)", str(reference))
    target = root.get(found[1], {}).get(found[2]) if found else None
    if not isinstance(target, Mapping):
        raise _NotStrictError
    return target
