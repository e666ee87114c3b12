"""The JSON schemas of what goes over the wire, and how an answer is held against one."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = Path(__file__).parent / "schemas"
SCHEMAS = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
REGISTRY = Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values())


def check(value, reference):
    """The value fits the schema; the first three misfits are named."""
    schema = {"$ref": f"https://emulator.test/{reference}"}
    errors = list(Draft202012Validator(schema, registry=REGISTRY).iter_errors(value))
    assert not errors, [(error.json_path, error.message[:200]) for error in errors[:3]]


def frames_of(text):
    """The frames of a stream, `[DONE]` left out."""
    parts = [part.removeprefix("data: ") for part in text.split("\n\n") if part]
    return [json.loads(part) for part in parts if part != "[DONE]"]
