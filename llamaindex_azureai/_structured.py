"""Structured output: what to ask by each mechanism, and how to read the answer. Pure; the class that sends is `llm`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel, ValidationError
from llama_index.core.program.utils import FlexibleModel, create_flexible_model

from azureai_core.adapters import StructuredOutputMode, response_format

from ._calls import Json, partial_arguments, to_selections

Output = TypeVar("Output", bound=BaseModel)


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
            schema = self.output_cls.model_json_schema()
            return {"response_format": response_format(schema, name=schema.get("title") or self.output_cls.__name__)}
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
    if refusal := response.message.additional_kwargs.get("refusal"):
        return f"The model refused to fill {output_cls.__name__}: {refusal}"
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
    """Whether what follows is not JSON any more."""
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
