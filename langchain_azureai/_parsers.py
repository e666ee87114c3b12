"""Parsers of structured output that tell an answer that is cut, filtered, refused or absent from one that fits.

langchain-core's own repair what is cut and give `None` where a tool was not called; while a stream is under way
(`partial`) that is what is wanted, at its end it is not.
"""

from __future__ import annotations

import json
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.outputs import ChatGeneration, Generation


class CheckedPydanticToolsParser(PydanticToolsParser):
    """A forced call's arguments as an instance."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The instance. Raises `OutputParserException` when there is no whole call."""
        if not partial:
            check_call_made(result)
        return super().parse_result(result, partial=partial)


class CheckedJsonToolsParser(JsonOutputKeyToolsParser):
    """A forced call's arguments as a dict."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The dict. Raises `OutputParserException` when there is no whole call."""
        if not partial:
            check_call_made(result)
        return super().parse_result(result, partial=partial)


class CheckedPydanticParser(PydanticOutputParser[Any]):
    """A JSON answer as an instance."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The instance; `None` when the model called a tool instead. Raises `OutputParserException` otherwise."""
        if not partial and is_tool_call(result):
            return None
        if not partial:
            check_whole(result)
        return super().parse_result(result, partial=partial)


class CheckedJsonParser(JsonOutputParser):
    """A JSON answer as a dict."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The dict; `None` when the model called a tool instead. Raises `OutputParserException` otherwise."""
        if not partial and is_tool_call(result):
            return None
        if not partial:
            check_whole(result)
        return super().parse_result(result, partial=partial)


def is_tool_call(result: list[Generation]) -> bool:
    """Whether the answer is a call of a tool, with nothing to parse beside it."""
    message = _message(result)
    return message is not None and bool(message.tool_calls) and not message.text.strip()


def check_call_made(result: list[Generation]) -> None:
    """Raises `OutputParserException` when the answer has no call, or one whose arguments are cut."""
    message = _message(result)
    if message is None:
        return
    _check_ended_well(message, whole=bool(message.tool_calls) and not _cut_arguments(message))
    if message.invalid_tool_calls:
        raise OutputParserException(
            f"The arguments of the call are not JSON: {message.invalid_tool_calls[0]['args']!r}."
        )
    if not message.tool_calls:
        raise OutputParserException(f"The model answered without calling the tool: {message.text[:200]!r}.")


def check_whole(result: list[Generation]) -> None:
    """Raises `OutputParserException` when a JSON answer is cut, filtered or refused."""
    message = _message(result)
    if message is not None:
        _check_ended_well(message, whole=_is_json(message.text))


def _check_ended_well(message: AIMessage, *, whole: bool) -> None:
    refusal, reason = message.additional_kwargs.get("refusal"), message.response_metadata.get("finish_reason")
    if refusal:
        raise OutputParserException(f"The model refused: {refusal}")
    if reason == "content_filter" and not whole:
        raise OutputParserException("The content filter cut the answer (finish_reason 'content_filter').")
    if reason == "length" and not whole:
        raise OutputParserException("The answer is cut (finish_reason 'length'): raise max_tokens.")


def _cut_arguments(message: AIMessage) -> bool:
    """Whether streamed arguments parse only because langchain-core closes what is open in them."""
    chunks = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
    return any(not _is_json(chunk["args"] or "{}") for chunk in chunks)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, strict=False)
    except ValueError:
        return False
    return True


def _message(result: list[Generation]) -> AIMessage | None:
    first = result[0] if result else None
    message = first.message if isinstance(first, ChatGeneration) else None
    return message if isinstance(message, AIMessage) else None
