"""Strict schemas: what strict mode has words for, and that what fits the strict form fits the schema."""

from __future__ import annotations

import copy
import json
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from azureai_core.adapters import response_format, strict_schema

Json = dict[str, Any]


class Pet(BaseModel):
    """An animal."""

    name: str
    age: int = 0


class Person(BaseModel):
    """A person."""

    name: str = Field(description="First name")
    nick: str | None = None
    pets: list[Pet] = []


class Circle(BaseModel):
    """A shape."""

    kind: Literal["circle"]
    radius: float = 1.0


class Square(BaseModel):
    """Another."""

    kind: Literal["square"]
    side: float


class Drawing(BaseModel):
    """A discriminated union, which pydantic writes as `oneOf`."""

    shape: Annotated[Circle | Square, Field(discriminator="kind")]


class Node(BaseModel):
    """A tree."""

    label: str
    children: list[Node] = []


class Loop(BaseModel):
    """A reference with a description beside it that leads back to itself."""

    inner: Annotated[Loop, Field(description="again")] | None = None


def test_every_object_is_closed_and_requires_all_its_keys() -> None:
    """No key beyond, no defaults, definitions kept. Source: Azure OpenAI 'Structured outputs'."""
    schema = strict_schema(Person.model_json_schema())

    assert schema is not None
    assert schema["required"] == ["name", "nick", "pets"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Pet"]["required"] == ["name", "age"]
    assert schema["$defs"]["Pet"]["additionalProperties"] is False
    assert schema["properties"]["name"]["description"] == "First name"
    assert "default" not in json.dumps(schema)


def test_one_of_becomes_any_of_without_its_discriminator() -> None:
    """Strict mode refuses `oneOf` and knows no `discriminator`. Source: Azure OpenAI 'Structured outputs'."""
    schema = strict_schema(Drawing.model_json_schema())

    assert schema is not None
    assert schema["properties"]["shape"] == {
        "anyOf": [{"$ref": "#/$defs/Circle"}, {"$ref": "#/$defs/Square"}],
        "title": "Shape",
    }
    assert schema["$defs"]["Circle"]["required"] == ["kind", "radius"]


def test_a_recursive_schema_is_an_object_at_its_root() -> None:
    """Strict mode takes recursion, but no reference at the root."""
    schema = strict_schema(Node.model_json_schema())

    assert schema is not None
    assert (schema["type"], schema["required"]) == ("object", ["label", "children"])
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["required"] == ["label", "children"]


def test_notes_beside_a_reference_are_kept() -> None:
    """A reference may have no neighbours in strict mode, so what it leads to stands there."""
    notes = {"$ref": "#/$defs/P", "description": "the pet"}
    schema = strict_schema({"type": "object", "properties": {"p": notes}, "$defs": {"P": Pet.model_json_schema()}})

    assert schema is not None
    assert schema["properties"]["p"]["description"] == "the pet"
    assert schema["properties"]["p"]["required"] == ["name", "age"]


def of(prop: Any, **more: Any) -> Json:
    """An object with one property."""
    return {"type": "object", "properties": {"a": prop}, **more}


STRING: Json = {"type": "string"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": STRING},
        {"anyOf": [of(STRING), of({"type": "integer"})]},
        {"type": "object"},
        {"type": "object", "additionalProperties": STRING},
        of(STRING, additionalProperties=True),
        of(STRING, required=["b"]),
        of(STRING, anyOf=[{"required": ["a"]}]),
        of({}),
        of(True),
        of({"type": "array"}),
        of({"type": "array", "items": True}),
        of({"type": "integer", "minimum": 0}),
        of({"type": "string", "format": "date"}),
        of({"allOf": [STRING]}),
        of({"anyOf": [STRING], "oneOf": [STRING]}),
        of(STRING, dependentRequired={"a": ["b"]}),
        of({"$ref": "#/$defs/Missing"}),
        of({"$ref": "elsewhere.json"}),
        of({"$ref": "#/$defs/P", "minLength": 1}, **{"$defs": {"P": STRING}}),
        {"$defs": {"L": (loop := of({"$ref": "#/$defs/L", "title": "t"}))}, **loop},
        of({"properties": {"b": STRING}, "type": "string"}),
    ],
)
def test_what_strict_mode_has_no_words_for_has_no_strict_form(schema: Json) -> None:
    """Free keys, any value, lists at the root, bounds, formats, and what would have to hold at once."""
    assert strict_schema(schema) is None


def test_a_loop_with_notes_ends() -> None:
    """Whatever comes out, it comes."""
    strict_schema(Loop.model_json_schema())


def test_nullable_objects_are_closed_too() -> None:
    """A list of types may name the object among them."""
    schema = strict_schema(of({**of(STRING), "type": ["object", "null"]}))

    assert schema is not None
    assert schema["properties"]["a"]["additionalProperties"] is False


def test_the_given_schema_stays_as_it_is() -> None:
    """Nothing is changed in place."""
    schema = Drawing.model_json_schema()
    before = copy.deepcopy(schema)
    strict_schema(schema)

    assert schema == before


# ---------------------------------------------------------------------------- response formats


def test_the_response_format_is_strict_where_the_schema_allows_it() -> None:
    """With a plain name, and the schema's description. Source: OpenAI REST reference, 'response_format'."""
    asked = response_format(Person.model_json_schema(), name="my person" + "x" * 80)

    assert asked["type"] == "json_schema"
    assert asked["json_schema"] == {
        "name": ("my_person" + "x" * 80)[:64],
        "schema": strict_schema(Person.model_json_schema()),
        "strict": True,
        "description": "A person.",
    }


@pytest.mark.parametrize(
    ("schema", "strict", "sent"),
    [
        ({"type": "object"}, None, ({"type": "object"}, False)),
        ({"type": "object"}, True, ({"type": "object"}, True)),
        (of(STRING), False, (of(STRING), False)),
        (of(STRING), True, (strict_schema(of(STRING)), True)),
    ],
)
def test_what_the_caller_says_of_strictness_is_sent(schema: Json, strict: bool | None, sent: tuple[Json, bool]) -> None:
    """Also where the schema has no strict form: the service's answer is the caller's to see."""
    spec = response_format(schema, strict=strict)["json_schema"]

    assert (spec["schema"], spec["strict"]) == sent
    assert spec["name"] == "answer"


# ---------------------------------------------------------------------------- what fits the strict form fits the schema

LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "default": 3},
        {"type": "boolean"},
        {"type": ["string", "null"]},
        {"enum": ["a", 1, None]},
        {"const": "x"},
        {"type": "null"},
        {"type": "integer", "minimum": 2},
        {"$ref": "#/$defs/Leaf"},
        {"$ref": "#/$defs/Leaf", "description": "a leaf", "default": None},
        {"$ref": "#/$defs/Tree"},
    ]
)
NAMES = st.sampled_from("abc")


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Json], kind: str | None = None) -> Json:
    """An object's schema, open or closed, with some keys required, perhaps one that is not declared."""
    properties = draw(st.dictionaries(NAMES, inner, max_size=3))
    if kind:
        properties["kind"] = {"const": kind}
    schema: Json = {"type": "object", "properties": properties}
    required = draw(st.lists(st.sampled_from([*properties, "undeclared"]), unique=True)) if draw(st.booleans()) else []
    schema["required"] = sorted({*required, *(["kind"] if kind else [])})
    return {
        **schema,
        **draw(st.sampled_from([{}, {}, {"additionalProperties": False}, {"additionalProperties": True}])),
    }


def composites(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    tagged = st.tuples(objects(inner, "x"), objects(inner, "y")).map(list)
    return st.one_of(
        objects(inner),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: {"anyOf": each}),
        tagged.map(lambda each: {"oneOf": each, "discriminator": {"propertyName": "kind"}}),
    )


SCHEMAS = objects(st.recursive(LEAVES, composites, max_leaves=6)).map(
    lambda schema: {
        **schema,
        "$defs": {
            "Leaf": {"type": "integer"},
            "Tree": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}], "default": None}},
            },
        },
    }
)
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=3),
    "integer": st.integers(-5, 5),
    "boolean": st.booleans(),
    "null": st.none(),
}


def drawn(data: st.DataObject, node: Json, root: Json, depth: int = 0) -> Any:
    """A value that fits a strict schema."""
    if "$ref" in node:
        return drawn(data, root["$defs"][node["$ref"].rpartition("/")[2]], root, depth + 1)
    if "anyOf" in node:
        choices = node["anyOf"] if depth < 4 else node["anyOf"][-1:]
        return drawn(data, data.draw(st.sampled_from(choices)), root, depth + 1)
    if "const" in node or "enum" in node:
        return data.draw(st.sampled_from(node.get("enum") or [node["const"]]))
    if node["type"] == "object":
        return {name: drawn(data, child, root, depth + 1) for name, child in node["properties"].items()}
    if node["type"] == "array":
        return [drawn(data, node["items"], root, depth + 1) for _ in range(data.draw(st.integers(0, 2)))]
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return data.draw(st.one_of([OF_TYPE[each] for each in types]))


@given(SCHEMAS, st.data())
def test_what_fits_the_strict_form_fits_the_schema(schema: Json, data: st.DataObject) -> None:
    """So an answer that the service enforced is never refused by the class it was asked for."""
    strict = strict_schema(schema)
    if strict is None:
        return
    value = drawn(data, strict, strict)

    jsonschema.validate(value, strict)
    jsonschema.validate(value, schema)
