"""JSON by pydantic_core, which both frameworks install: a third of the standard library's cost. Loaded on first use."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from pydantic_core import CoreConfig, SchemaValidator, core_schema, from_json, to_json
from pydantic_core.core_schema import ValidationInfo


def to_json_text(value: object) -> str:
    """`value` as compact JSON text, non-ASCII characters kept."""
    return to_json(value).decode()


def from_json_text(content: bytes) -> Any:
    """The value of JSON text, or `None` when it is none.

    A byte-order mark and half of a surrogate pair, which some hosts send, do not spoil the rest of an answer.
    """
    try:
        return from_json(content)
    except ValueError:
        return from_odd_text(content)


def from_odd_text(content: bytes) -> Any:
    """The value of what `from_json` refuses, or `None`."""
    with suppress(ValueError, RecursionError):
        value = json.loads(content.decode("utf-8-sig", "replace"))
        text = json.dumps(value, ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return None


def _with(**fields: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """An object with these fields, and any others."""
    known = {name: core_schema.typed_dict_field(schema) for name, schema in fields.items()}
    return core_schema.typed_dict_schema(known, extra_behavior="allow", config=CoreConfig(val_json_bytes="base64"))


def _vector_of(item: dict[str, Any], info: ValidationInfo[list[Any]]) -> Any:
    """The vector alone, its place noted in the context: no object is kept for the garbage collector to count."""
    info.context.append(item.get("index"))
    return item["embedding"]


_ITEM = core_schema.with_info_after_validator_function(_vector_of, _with(embedding=core_schema.bytes_schema()))
_PACKED = SchemaValidator(_with(data=core_schema.list_schema(_ITEM, fail_fast=True)))
_IS_PACKED = re.compile(rb'"embedding"\s*:\s*"')


def from_packed_json(content: bytes) -> Any:
    """The same for an answer of the embeddings route, whose `data` are bytes then, each base64 `embedding` decoded.

    Decoded inside pydantic_core, a vector costs half of what `a2b_base64` makes of it afterwards. An answer whose
    vectors are lists, not all of them base64, or out of order, is taken as it is.
    """
    if _IS_PACKED.search(content, 0, 4096):
        places: list[Any] = []
        with suppress(ValueError):
            body = _PACKED.validate_json(content, context=places)
            if places in ([*range(len(places))], [None] * len(places)):
                return body
    return from_json_text(content)
