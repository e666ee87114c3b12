"""Lenient reading of JSON that somebody else wrote: what is missing, null or of an odd type counts as not given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from azureai_core.types import Json


def text_of(value: object) -> str:
    """The value if it is a string, else `""`."""
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def dicts(value: object) -> list[Json]:
    """The objects of a list, whatever else stands in it."""
    return [item for item in value if isinstance(item, dict)] if value and isinstance(value, list) else []


def count_of(value: object) -> int | None:
    """A count that is not negative, as a whole number."""
    if value is None or not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if 0 <= value < math.inf else None


def first_count(*values: object) -> int | None:
    """The first of the values that is a count."""
    return next((count for value in values if (count := count_of(value)) is not None), None)
