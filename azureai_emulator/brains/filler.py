"""Values for a JSON schema, taken from the evidence in a text."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .evidence import Evidence
from .text import stem, stems, word_set, words

Json = Any

_MAX_DEPTH = 8
_ABORT_DEPTH = 3 * _MAX_DEPTH
_NOTHING = object()
"""No value found: an optional property is left out, a required one gets a placeholder."""

_PLACES = frozenset(
    map(stem, word_set("city location place country destination town region address capital area origin where"))
)
_PEOPLE = frozenset(
    map(stem, word_set("name person author user customer who employee contact recipient company artist"))
)
_FREE_TEXT = frozenset(
    map(
        stem,
        word_set("query question input text prompt message content request instruction search reason task query_str q"),
    )
)
_DATES = frozenset(map(stem, word_set("date day birthday deadline")))
_EMAILS = frozenset(map(stem, word_set("email mail")))
_LINKS = frozenset(map(stem, word_set("url link uri website")))
_FORMULAS = frozenset(map(stem, word_set("expression formula equation")))
_ARITHMETIC = re.compile(r"[\d(][\d\s.()]*(?:\s*(?:\*\*|[-+*/\u00d7\u00f7^%])\s*[\d.()]+)+")
_NEGATED = re.compile(r"\b(?:not|no|never|without|don't|disable|false|off)\b", re.IGNORECASE)


@dataclass
class Filler:
    """Fills one schema; `root` resolves its references."""

    root: Json
    evidence: Evidence
    context: str = ""
    """A text beside the schema that may list allowed values, such as a tool's description."""
    open_references: list[str] = field(default_factory=lambda: ["#"])
    """The references that are being resolved, outermost first."""

    def instance(self) -> Json:
        """An instance of the root schema."""
        value = self._value("", self.root, required=True, depth=0)
        return {} if value is _NOTHING else value

    def _value(self, name: str, schema: Json, *, required: bool, depth: int) -> Json:
        if depth > _ABORT_DEPTH:
            return None if required else _NOTHING
        reference = _reference(schema)
        if reference is None:
            return self._plain_value(name, schema, required=required, depth=depth)
        if reference in self.open_references and not required:
            return _NOTHING  # an optional recursion ends here
        self.open_references.append(reference)
        value = self._plain_value(name, schema, required=required, depth=depth)
        self.open_references.pop()
        return value

    def _plain_value(self, name: str, schema: Json, *, required: bool, depth: int) -> Json:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._enum(schema, required=required)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return self._choice(name, schema, choices, required=required, depth=depth)
        value = self._typed(name, schema, required=required, depth=depth)
        return schema["default"] if value is _NOTHING and required and "default" in schema else value

    def _resolved(self, schema: Json) -> Json:
        """The schema with its reference followed and `allOf` merged."""
        if not isinstance(schema, dict):
            return {}
        for _ in range(_MAX_DEPTH):
            if "$ref" not in schema:
                break
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._target(schema["$ref"]), **rest}
        for part in schema.get("allOf") or ():
            schema = _merged(self._resolved(part), schema)
        return schema

    def _target(self, reference: str) -> Json:
        node = self.root
        for step in reference.removeprefix("#/").split("/") if reference != "#" else ():
            node = node.get(step, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}

    def _enum(self, schema: Json, *, required: bool) -> Json:
        values = schema["enum"]
        mentioned = self.evidence.mention(str(value) for value in values)
        if mentioned is not None:
            return next(value for value in values if str(value) == mentioned)
        if not required:
            return _NOTHING
        return schema.get("default", values[0])

    def _choice(self, name: str, schema: Json, choices: list[Json], *, required: bool, depth: int) -> Json:
        outer = {key: value for key, value in schema.items() if key in ("title", "description", "format")}
        real = [choice for choice in choices if self._resolved(choice).get("type") != "null"]
        for choice in real:
            value = self._value(name, {**outer, **choice}, required=False, depth=depth + 1)
            if value is not _NOTHING:
                return value
        if not required:
            return _NOTHING
        if "default" in schema or len(real) < len(choices):
            return schema.get("default")
        return self._value(name, {**outer, **real[0]}, required=True, depth=depth + 1)

    def _typed(self, name: str, schema: Json, *, required: bool, depth: int) -> Json:
        kind = schema.get("type") or (
            "object" if "properties" in schema else "array" if "items" in schema else "string"
        )
        nullable = isinstance(kind, list) and "null" in kind
        kind = next((item for item in kind if item != "null"), "null") if isinstance(kind, list) else kind
        maker = self._makers().get(kind)
        if maker is None:
            return None
        value = maker(name, schema, required and not nullable, depth)
        return None if value is _NOTHING and nullable and required else value

    def _makers(self) -> dict[str, Callable[[str, Json, bool, int], Json]]:
        return {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._number,
            "number": self._number,
            "boolean": self._boolean,
        }

    def _object(self, _name: str, schema: Json, required: bool, depth: int) -> Json:
        properties, needed = schema.get("properties") or {}, set(schema.get("required") or ())
        if depth >= _MAX_DEPTH:
            return {} if required else _NOTHING
        ordered = sorted(properties, key=lambda key: key not in needed)
        filled = {key: self._value(key, properties[key], required=key in needed, depth=depth + 1) for key in ordered}
        kept = {key: filled[key] for key in properties if filled[key] is not _NOTHING}
        return kept if kept or required else _NOTHING

    def _array(self, name: str, schema: Json, required: bool, depth: int) -> Json:
        if depth >= _MAX_DEPTH:
            return [] if required else _NOTHING
        items = self._resolved(schema.get("items") or {"type": "string"})
        recursive = _reference(schema.get("items")) in self.open_references
        least, most = schema.get("minItems", 1 if required and not recursive else 0), schema.get("maxItems", 1000)
        values = [] if recursive else self._many(name, items, depth)[:most]
        if not values and not required and not least:
            return _NOTHING
        while len(values) < least:
            values.append(self._value(name, items, required=True, depth=depth + 1))
        return values

    def _many(self, name: str, items: Json, depth: int) -> list[Json]:
        match items.get("type"):
            case "string" if not items.get("enum"):
                return list(self.evidence.all_quotes() or self.evidence.all_names() or self._listed(name))
            case "integer" | "number":
                return [
                    number
                    for number in self.evidence.all_numbers()
                    if items["type"] == "number" or isinstance(number, int)
                ]
            case "string":
                return [value for value in items["enum"] if self.evidence.mentions(str(value))]
            case _:
                return self._many_objects(name, items, depth)

    def _listed(self, name: str) -> list[str]:
        labelled = (
            re.search(rf"\b{re.escape(name)}\b\s*:?\s*([^.\n]+)", self.evidence.text, re.IGNORECASE) if name else None
        )
        parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", labelled[1].strip()) if labelled else []
        return [part for part in parts if part] if len(parts) > 1 else []

    def _many_objects(self, name: str, items: Json, depth: int) -> list[Json]:
        found: list[Json] = []
        while len(found) < _MAX_DEPTH:
            before = set(self.evidence.used)
            value = self._value(name, items, required=False, depth=depth + 1)
            if value is _NOTHING or self.evidence.used == before:
                break
            found.append(self._completed(value, items, depth))
        return found

    def _completed(self, value: Json, items: Json, depth: int) -> Json:
        if not isinstance(value, dict):
            return value
        properties = items.get("properties") or {}
        for key in items.get("required") or ():
            if value.get(key, _NOTHING) is _NOTHING:
                value[key] = self._value(key, properties.get(key, {}), required=True, depth=depth + 2)
        return value

    def _boolean(self, name: str, schema: Json, required: bool, _depth: int) -> Json:
        wanted = set(stems(name)) - {"is", "has"}
        if wanted & self.evidence.stems:
            return not _NEGATED.search(self.evidence.text)
        return schema.get("default", False) if required else _NOTHING

    def _number(self, name: str, schema: Json, required: bool, _depth: int) -> Json:
        whole = schema.get("type") == "integer" or "integer" in (schema.get("type") or ())
        value = self.evidence.number_near(f"{name} {schema.get('title', '')}", whole=whole)
        if value is None and required:
            value = self.evidence.number(whole=whole)
        if value is None:
            return _placeholder_number(schema) if required and "default" not in schema else _NOTHING
        return _clamped(value, schema)

    def _string(self, name: str, schema: Json, required: bool, _depth: int) -> Json:
        value = self._found_string(name, schema, required)
        if value is None:
            if not required or "default" in schema:
                return _NOTHING
            value = _placeholder_format(schema) or self._spare(name)
        return _fitted(value, schema)

    def _found_string(self, name: str, schema: Json, required: bool) -> str | None:
        hints = set(map(stem, words(name)))
        if "format" in schema or "pattern" in schema:
            return self._by_form(schema)
        labelled = self.evidence.labelled(name) if name else None
        if hints & _FREE_TEXT:
            return labelled or self._free_text(hints, required)
        return self._allowed() or self._by_hint(hints) or labelled or self._any_span(required)

    def _by_form(self, schema: Json) -> str | None:
        pattern = schema.get("pattern")
        if pattern:
            match = _search(pattern.strip("^$"), self.evidence.text)
            return match.group() if match and match.group() else None
        return self.evidence.of_format(schema.get("format", ""))

    def _allowed(self) -> str | None:
        """A value that the context lists in quotes and the text mentions, such as an agent to hand off to."""
        listed = re.findall(r"['\"](\w[\w -]*)['\"]\s*:", self.context)
        return next((value for value in listed if self.evidence.mentions(value)), None) or self._best_listed(listed)

    def _best_listed(self, listed: list[str]) -> str | None:
        descriptions = re.findall(r"['\"](\w[\w -]*)['\"]\s*:\s*['\"]([^'\"]*)['\"]", self.context)
        scored = [(len(set(stems(text)) & self.evidence.stems), key) for key, text in descriptions]
        best = max(scored, default=(0, ""), key=lambda pair: pair[0])
        return best[1] if best[0] else (listed[0] if listed else None)

    def _by_hint(self, hints: set[str]) -> str | None:
        finders = (find for words_of_kind, find in _BY_HINT if hints & words_of_kind)
        return next((found for find in finders if (found := find(self.evidence))), None)

    def _free_text(self, hints: set[str], required: bool) -> str | None:
        """A single quotation, else the whole text."""
        quotes = self.evidence.all_quotes() if len(self.evidence.quotes) == 1 and "reason" not in hints else []
        return quotes[0] if quotes else self.evidence.whole() if required else None

    def _any_span(self, required: bool) -> str | None:
        return self.evidence.quote() or (self.evidence.name() if required else None)

    def _spare(self, name: str) -> str:
        topic = " ".join(_topic(self.evidence.text))
        return f"{' '.join(words(name))} {topic}".strip() or "text"


def _reference(schema: Json) -> str | None:
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    return reference if isinstance(reference, str) else None


def _arithmetic(text: str) -> str | None:
    match = _ARITHMETIC.search(text)
    return match.group().strip() if match else None


_BY_HINT: tuple[tuple[frozenset[str], Callable[[Evidence], str | None]], ...] = (
    (_EMAILS, lambda evidence: evidence.of_format("email")),
    (_LINKS, lambda evidence: evidence.of_format("uri")),
    (_DATES, lambda evidence: evidence.of_format("date")),
    (_FORMULAS, lambda evidence: _arithmetic(evidence.text)),
    (_PLACES, lambda evidence: evidence.place() or evidence.quote() or evidence.name()),
    (_PEOPLE, lambda evidence: evidence.quote() or evidence.name()),
)
"""Word in the name of a string → how its value is found."""


def takes_places(name: str) -> bool:
    """Whether a parameter of that name holds a place."""
    return bool(set(map(stem, words(name))) & _PLACES)


def takes_free_text(name: str) -> bool:
    """Whether a parameter of that name holds free text."""
    return bool(set(map(stem, words(name))) & _FREE_TEXT)


def takes_people(name: str) -> bool:
    """Whether a parameter of that name holds a person or a company."""
    return bool(set(map(stem, words(name))) & _PEOPLE)


def _topic(text: str) -> list[str]:
    kept = [word for word in words(text) if stems(word)]
    return kept[-6:]


def _merged(part: Json, schema: Json) -> Json:
    merged = {**part, **schema}
    for key in ("properties",):
        merged[key] = {**(part.get(key) or {}), **(schema.get(key) or {})}
    merged["required"] = [*(part.get("required") or ()), *(schema.get("required") or ())]
    return merged


def _search(pattern: str, text: str) -> re.Match[str] | None:
    try:
        return re.search(pattern, text)
    except re.error:
        return None


def _clamped(value: float, schema: Json) -> Json:
    low, high = schema.get("minimum"), schema.get("maximum")
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def _placeholder_number(schema: Json) -> Json:
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    start = schema.get("minimum", 1 if above is None else above + 1)
    if below is not None and start >= below:
        start = below - 1
    return min(start, schema["maximum"]) if "maximum" in schema else start


_FORMAT_PLACEHOLDERS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "12:00:00",
    "email": "user@example.com",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _placeholder_format(schema: Json) -> str | None:
    return _FORMAT_PLACEHOLDERS.get(schema.get("format", ""))


def _fitted(text: str, schema: Json) -> str:
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema["maxLength"]] if "maxLength" in schema else text
