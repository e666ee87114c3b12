"""Structured output: which mechanism, what to ask, and how to read the answer. Pure; the class that sends is `llm`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar, get_args

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel, ValidationError
from llama_index.core.program.utils import FlexibleModel, create_flexible_model

from azureai_core import APIStatusError, ContentFilterError, ModelProfile

from ._messages import Json, partial_arguments, to_selections

StructuredOutputMode = Literal["json_schema", "tool", "json_object", "text"]
"""How an object is asked for: by schema, by a forced tool call, in JSON mode with the schema in words, or in words."""

Output = TypeVar("Output", bound=BaseModel)

_NAMED_BY_REFUSALS: Mapping[str, tuple[str, ...]] = {
    "json_schema": ("response_format", "json_schema"),
    "json_object": ("response_format", "json_object"),
    "tool": ("tool_choice", "tools", "tool calling", "tool choice"),
    "text": (),
}


def modes_for(profile: ModelProfile, refused: Iterable[str]) -> list[StructuredOutputMode]:
    """The mechanisms to try, best first; the last one works with any model."""
    able = {"json_schema": profile.json_schema, "tool": profile.tools, "json_object": profile.json_mode, "text": True}
    known = set(refused)
    return [mode for mode in get_args(StructuredOutputMode) if able[mode] and mode not in known]


def is_refusal(error: APIStatusError, mode: StructuredOutputMode) -> bool:
    """Whether the service refused the mechanism itself, so that another one may do."""
    if error.status_code not in {400, 422} or isinstance(error, ContentFilterError) or error.context_exceeded:
        return False
    names = _NAMED_BY_REFUSALS[mode]
    return bool(set(names) & set(error.parameters)) or any(name in error.message for name in names)


@dataclass(frozen=True)
class Ask(Generic[Output]):
    """One way to ask for an object of a class, and to read it from the answer."""

    output_cls: type[Output]
    mode: StructuredOutputMode
    messages: Sequence[ChatMessage]

    def prompt(self) -> list[ChatMessage]:
        """The messages; the schema is added where the mechanism does not carry it."""
        if self.mode in {"json_schema", "tool"}:
            return list(self.messages)
        return with_instruction(self.messages, instruction_for(self.output_cls))

    def options(self) -> Json:
        """The body fields that ask for JSON; a forced tool is prepared by the class that sends."""
        if self.mode == "json_schema":
            return {"response_format": response_format(self.output_cls)}
        return {"response_format": {"type": "json_object"}} if self.mode == "json_object" else {}

    def read(self, response: ChatResponse) -> Output:
        """The object. Raises `ValueError` when the answer holds none, saying why."""
        text = _arguments(response) or json_in(response.message.content or "")
        try:
            return self.output_cls.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(_no_object(self.output_cls, response, error)) from error

    def partly(self, response: ChatResponse) -> Output | FlexibleModel:
        """The object as far as it has come: of the class itself as soon as that is possible."""
        selections = to_selections(response.message)
        text = json_in(response.message.content or "")
        values = selections[0].tool_kwargs if selections else partial_arguments(text)
        try:
            return self.output_cls.model_validate(values)
        except ValidationError:
            return _flexible(self.output_cls).model_validate(values)


# One class per output class: objects of two classes are never equal, and equal ones are not shown twice.
_flexible = lru_cache(maxsize=64)(create_flexible_model)


def _arguments(response: ChatResponse) -> str:
    """The arguments of the first call as they came; lenient reading would pass off a cut answer as a whole one."""
    calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    arguments = calls[0].tool_kwargs if calls else ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _no_object(output_cls: type[BaseModel], response: ChatResponse, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the answer"
    reason = response.additional_kwargs.get("finish_reason")
    fix = " Raise max_tokens." if reason == "length" else ""
    return f"The answer holds no {output_cls.__name__} (finish reason {reason!r}): {where}: {first['msg']}.{fix}"


def json_in(text: str) -> str:
    """The JSON within an answer, which may stand in a code fence or between sentences.

    >>> json_in('Here it is: ```json {"a": 1} ```')
    '{"a": 1}'
    >>> json_in('{"a": [1, 2')
    '{"a": [1, 2'
    """
    start = re.search(r"[{\\[]", text)
    if start is None:
        return text
    closing = "}" if start[0] == "{" else "]"
    end = text.rfind(closing)
    return text[start.start() : end + 1] if end > start.start() and _is_end(text, end) else text[start.start() :]


def _is_end(text: str, end: int) -> bool:
    """Whether what follows is no JSON any more."""
    return not text[end + 1 :].strip() or not re.match(r'\s*[,:"\]}]', text[end + 1 :])


def with_instruction(messages: Sequence[ChatMessage], instruction: str) -> list[ChatMessage]:
    """The messages with the instruction at the end of the last user message; the given ones are left as they are."""
    added = TextBlock(text=instruction)
    last = max((n for n, m in enumerate(messages) if m.role == MessageRole.USER), default=None)
    if last is None:
        return [*messages, ChatMessage(role=MessageRole.USER, blocks=[added])]
    extended = messages[last].model_copy(update={"blocks": [*messages[last].blocks, added]})
    return [*messages[:last], extended, *messages[last + 1 :]]


def instruction_for(output_cls: type[BaseModel]) -> str:
    """The schema in words; JSON mode requires that the prompt asks for JSON."""
    schema = json.dumps(output_cls.model_json_schema(), ensure_ascii=False)
    return f"\nAnswer with nothing but a JSON object that is valid under this JSON schema:\n{schema}"


# ---------------------------------------------------------------------------- schemas


def response_format(output_cls: type[BaseModel]) -> Json:
    """The `json_schema` response format; strict where the schema can be written in the strict subset."""
    schema = output_cls.model_json_schema()
    name = re.sub(r"[^A-Za-z0-9_-]", "_", schema.get("title") or output_cls.__name__)[:64]
    strict = strict_schema(schema)
    spec = {"name": name, "schema": schema if strict is None else strict, "strict": strict is not None}
    about = schema.get("description")
    return {"type": "json_schema", "json_schema": {**spec, **({"description": about} if about else {})}}


def strict_schema(schema: Json) -> Json | None:
    """The schema in the subset of strict mode, or `None` where that has no words for it: free keys, any type, a list.

    Each object closes its keys and requires them all; defaults go, since the model fills every field.
    Source: Azure OpenAI, 'Structured outputs', supported schemas and limitations.
    """
    try:
        closed: Json = _closed(schema, schema)
    except (_NotStrictError, RecursionError):  # a reference with neighbours may lead back to itself
        return None
    return closed if closed.get("type") == "object" else None


class _NotStrictError(Exception):
    """The schema has something that the strict subset cannot say."""


_CHILDREN_BY_NAME = ("properties", "$defs")
_REFUSED_BY_STRICT = frozenset(
    {"minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"multipleOf", "patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"}
    | {"minItems", "maxItems", "uniqueItems", "contains", "prefixItems", "allOf", "not", "if", "then", "else"}
)
"""Keywords that a strict schema may not have. Source: Azure OpenAI, 'Structured outputs', unsupported keywords."""
_UNKNOWN_TO_STRICT = ("default", "examples", "discriminator")


def _closed(node: Any, root: Json) -> Any:
    if not isinstance(node, dict):
        return node
    if "$ref" in node and len(node) > 1:  # a reference may have no neighbours
        return _closed({**_resolved(node["$ref"], root), **{k: v for k, v in node.items() if k != "$ref"}}, root)
    if node.get("additionalProperties", False) is not False or _is_anything(node) or _REFUSED_BY_STRICT & set(node):
        raise _NotStrictError
    closed = {key: _closed_value(key, value, root) for key, value in node.items() if key not in _UNKNOWN_TO_STRICT}
    if "oneOf" in closed:
        closed["anyOf"] = closed.pop("oneOf")
    if node.get("type") == "object":
        closed.update(additionalProperties=False, required=list(node.get("properties", {})))
    return closed


def _closed_value(key: str, value: Any, root: Json) -> Any:
    if key in _CHILDREN_BY_NAME:
        return {name: _closed(child, root) for name, child in value.items()}
    if isinstance(value, list) and key in {"anyOf", "oneOf"}:
        return [_closed(child, root) for child in value]
    return _closed(value, root) if key == "items" else value


_SAYS_TYPE = {"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"}


def _is_anything(node: Json) -> bool:
    """Whether the node allows any value, or an object or list of anything."""
    if not _SAYS_TYPE & set(node):
        return True
    if node.get("type") == "array":
        return "items" not in node
    return node.get("type") == "object" and "properties" not in node


def _resolved(reference: str, root: Json) -> Json:
    node: Any = root
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return dict(node)
