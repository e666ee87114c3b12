"""Schemas restricted for a small model: to values from the user's text, and to short strings and lists."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .evidence import Evidence, to_number
from .filler import takes_free_text, takes_people, takes_places
from .text import word_set

Json = Any

_MAX_TEXT_LENGTH = 120
_MAX_ITEMS = 8
_MAX_NUMBER = 1_000_000
_SCALARS = ("string", "integer", "number", "boolean")
_FORMS = (("email", "email"), ("mail", "email"), ("url", "uri"), ("link", "uri"), ("date", "date"))


@dataclass(frozen=True)
class Narrower:
    """Restricts schemas to values from a text.

    A string or number for which the text has candidates becomes an `enum` of them. With `arguments` this holds for
    every string, otherwise only for names of places and people, dates and addresses; and optional arguments without
    candidates are left out.
    """

    evidence: Evidence
    arguments: bool = False
    keys: frozenset[str] = frozenset()
    """The names of fields; a text may list them in quotes, and they are not values."""

    def narrowed(self, schema: Json, name: str = "") -> Json:
        """A narrower copy of a schema."""
        if not isinstance(schema, dict):
            return schema
        kept = {key: self._part(key, value, name) for key, value in schema.items() if _is_supported(key, value)}
        if "enum" in kept or "const" in kept or "$ref" in kept:
            return kept
        kinds = [kind for kind in _types(kept) if kind != "null"]
        narrow = self._by_type().get(kinds[0]) if len(kinds) == 1 else None
        return narrow(kept, name) if narrow else kept

    def _part(self, key: str, value: Json, name: str) -> Json:
        if key in ("$defs", "definitions"):
            return {part: self.narrowed(inner) for part, inner in value.items()}
        if key in ("anyOf", "oneOf", "allOf"):
            return [self.narrowed(inner, name) for inner in value]
        if key == "items":
            return self.narrowed(value, name)
        return value

    def _by_type(self) -> dict[str, Callable[[Json, str], Json]]:
        return {
            "object": self._object,
            "array": lambda schema, _: {"maxItems": max(_MAX_ITEMS, schema.get("minItems", 0)), **schema},
            "string": self._string,
            "integer": self._number,
            "number": self._number,
        }

    def _object(self, schema: Json, _name: str) -> Json:
        properties = schema.get("properties")
        if not properties:
            return schema
        needed = schema.get("required") or ()
        inner = replace(self, keys=self.keys | properties.keys())
        parts = {name: inner.narrowed(part, name) for name, part in properties.items()}
        if self.arguments:
            parts = {name: part for name, part in parts.items() if name in needed or not _is_open(part)}
        return {"additionalProperties": False, **schema, "properties": parts}

    def _string(self, schema: Json, name: str) -> Json:
        found = [] if "pattern" in schema else self._texts(schema, name)
        if found:
            return _choice(schema, found)
        return {"maxLength": max(_MAX_TEXT_LENGTH, schema.get("minLength", 0)), **schema}

    def _texts(self, schema: Json, name: str) -> list[Json]:
        """The candidates for a string, in the order of the text."""
        form = schema.get("format") or next((form for word, form in _FORMS if word in name.lower()), None)
        if form:
            return _all_of_form(form, self.evidence.text)
        quotes, names, places = (
            [text for text in _plain(spans) if text not in self.keys]
            for spans in (self.evidence.quotes, self.evidence.names, self.evidence.places)
        )
        if takes_places(name):
            return places or names or quotes
        if takes_people(name):
            return quotes or names
        if not self.arguments:
            return []
        return quotes or ([self.evidence.whole()] if takes_free_text(name) else names)

    def _number(self, schema: Json, _name: str) -> Json:
        whole = "number" not in _types(schema)
        numbers = [to_number(text) for text in _plain(self.evidence.numbers)]
        low, high = schema.get("minimum", -_MAX_NUMBER), schema.get("maximum", _MAX_NUMBER)
        found = [number for number in numbers if low <= number <= high and not (whole and isinstance(number, float))]
        return _choice(schema, found) if found else {"minimum": -_MAX_NUMBER, "maximum": _MAX_NUMBER, **schema}


_KEYWORDS = word_set(
    """
    $defs $ref additionalProperties allOf anyOf const definitions description enum exclusiveMaximum exclusiveMinimum
    format items maxItems maxLength maximum minItems minLength minimum multipleOf oneOf pattern prefixItems properties
    required title type
    """
)
_FORMATS = word_set("date-time time date duration email hostname ipv4 ipv6 uuid uri")


def _is_supported(key: str, value: Json) -> bool:
    """Whether grammars support a keyword. Without the others more values are allowed, of the same shape."""
    return key in _KEYWORDS and (key != "format" or value in _FORMATS)


def _types(schema: Json) -> list[str]:
    kind = schema.get("type", "object" if "properties" in schema else [])
    return [kind] if isinstance(kind, str) else kind


def _choice(schema: Json, values: list[Json]) -> Json:
    """An `enum` of these values, and of null where the schema allows it."""
    described = {key: schema[key] for key in ("title", "description") if key in schema}
    return {**described, "enum": list(dict.fromkeys(values)) + ([None] if "null" in _types(schema) else [])}


def _is_open(schema: Json) -> bool:
    """Whether the text has no candidate for a value, so that the model would invent one."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return all(_is_open(choice) or choice.get("type") == "null" for choice in choices)
    return "enum" not in schema and any(kind in _SCALARS for kind in _types(schema))


def _plain(spans: list[tuple[int, str]]) -> list[Json]:
    return [text for _, text in spans]


def _all_of_form(form: str, text: str) -> list[Json]:
    evidence = Evidence(text)
    return list(iter(lambda: evidence.of_format(form), None))


_CLAUSES = re.compile(
    r"[?!;\n]+|\.\s+|,\s+(?:and|then)\s+|\s+and\s+(?=(?:what|who|how|where|when|which|then|also)\b)", re.IGNORECASE
)


def clauses(text: str) -> list[str]:
    """The clauses of a request; each may ask for a separate thing.

    >>> clauses("What is the weather in Oslo, and what is 2 + 2?")
    ['What is the weather in Oslo', 'what is 2 + 2']
    """
    return [part.strip() for part in _CLAUSES.split(text) if part and part.strip()] or [text]
