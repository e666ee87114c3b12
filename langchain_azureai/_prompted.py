"""Structured output of models that have neither tools nor JSON mode: the schema goes into the prompt."""

from __future__ import annotations

import json
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.output_parsers import BaseOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

_ASK = "Answer with one JSON object and nothing else. It must fit this JSON schema:\n{schema}"
_AGAIN = "That does not fit: {error}\nAnswer again, with the one JSON object only."


def prompted(
    llm: Runnable[LanguageModelInput, AIMessage], parser: BaseOutputParser[Any], schema: dict[str, Any]
) -> Runnable[LanguageModelInput, AIMessage]:
    """The model with the schema in its prompt; called once more when the answer does not parse."""

    def ask(given: LanguageModelInput, config: RunnableConfig) -> AIMessage:
        messages = _with_schema(given, schema)
        answer = llm.invoke(messages, config)
        complaint = _complaint(parser, answer)
        return answer if complaint is None else llm.invoke([*messages, answer, complaint], config)

    async def aask(given: LanguageModelInput, config: RunnableConfig) -> AIMessage:
        messages = _with_schema(given, schema)
        answer = await llm.ainvoke(messages, config)
        complaint = _complaint(parser, answer)
        return answer if complaint is None else await llm.ainvoke([*messages, answer, complaint], config)

    return RunnableLambda(ask, aask)


def _with_schema(given: LanguageModelInput, schema: dict[str, Any]) -> list[BaseMessage]:
    """The messages, the schema at the end of the last one where that is the user's text."""
    messages = _messages(given)
    text = _ASK.format(schema=json.dumps(schema, ensure_ascii=False))
    last = messages[-1] if messages else None
    if isinstance(last, HumanMessage) and isinstance(last.content, str):
        return [*messages[:-1], last.model_copy(update={"content": f"{last.content}\n\n{text}"})]
    return [*messages, HumanMessage(text)]


def _messages(given: LanguageModelInput) -> list[BaseMessage]:
    if isinstance(given, PromptValue):
        return given.to_messages()
    return [HumanMessage(given)] if isinstance(given, str) else convert_to_messages(given)


def _complaint(parser: BaseOutputParser[Any], answer: AIMessage) -> HumanMessage | None:
    """What to say about an answer that does not parse."""
    try:
        parser.invoke(answer)
    except OutputParserException as error:
        return HumanMessage(_AGAIN.format(error=str(error).split("\nFor troubleshooting")[0][:500]))
    return None
