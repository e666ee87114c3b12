"""The built-in brain. It follows rules: the same request always gets the same answer."""

import json
import re
from typing import Any

from azureai_emulator.wire.media import describe

from . import react
from .base import Answer, Ask, ToolCall, call_id, latest_turn, message_text
from .evidence import Evidence
from .filler import Filler
from .passages import Passage, answer_from, find_passages, find_question
from .planner import Planned, Tool, arguments_text, best, call_of, is_sequential, pending, plan, read_tool
from .prompt_schemas import before_keys, schema_in, schema_of_keys, without_schema
from .text import sentences, shorten

Json = Any


class RulesBrain:
    """The built-in brain. It matches words and does not understand them; its answers say so."""

    def answer(self, ask: Ask) -> Answer:
        """The answer to one request: calls, JSON, a ReAct step, or text."""
        calls = _calls(ask) if ask.tools and ask.choice != "none" else []
        if calls:
            return Answer(calls=tuple(_tool_call(call, ask.id_style) for call in calls))
        return Answer(_react_step(ask) or _json_answer(ask) or _text_answer(ask))


def _tool_call(call: Planned, id_style: str) -> ToolCall:
    return ToolCall(call_id(id_style), call.tool.name, arguments_text(call))


def _calls(ask: Ask) -> list[Planned]:
    tools = [read_tool(tool) for tool in ask.tools]
    text, since = latest_turn(ask.messages)
    if ask.choice == "named":
        tools = [tool for tool in tools if tool.name == ask.named]
    done = [call["function"]["name"] for message in since for call in message.get("tool_calls") or ()]
    waiting = pending(plan(text, tools), done)
    if ask.choice == "auto" and ask.messages[-1]["role"] not in ("user", "tool"):
        return []
    if not waiting and ask.choice != "auto":
        waiting = [_forced(text, [tool for tool in tools if tool.name not in done] or tools, since)]
    return _first_only(waiting, text, since) if is_sequential(text) or not ask.parallel else waiting


def _forced(text: str, tools: list[Tool], since: list[Json]) -> Planned:
    """A required call: of the best tool, with the tool results among its evidence for agents that answer by a tool."""
    return call_of(best(text, tools), Evidence(_with_results(text, since)))


def _with_results(text: str, since: list[Json]) -> str:
    return "\n".join([text, *(message_text(message) for message in since if message["role"] == "tool")])


def _first_only(waiting: list[Planned], text: str, since: list[Json]) -> list[Planned]:
    """The next call; in a sequence its first number is the latest result."""
    results = [message_text(message) for message in since if message["role"] == "tool"]
    if not waiting or not results or not is_sequential(text):
        return waiting[:1]
    used = json.dumps([call["function"]["arguments"] for message in since for call in message.get("tool_calls") or ()])
    left = Evidence(text)
    fresh = [
        number for number in left.all_numbers() if not re.search(rf"(?<![\d.]){re.escape(str(number))}(?![\d.])", used)
    ]
    return [call_of(waiting[0].tool, Evidence(" ".join([results[-1], *map(str, fresh)])))]


def _json_answer(ask: Ask) -> str | None:
    """JSON text when the request asks for it: by `response_format`, or by a schema in the prompt."""
    kind = (ask.response_format or {}).get("type")
    text, since = latest_turn(ask.messages)
    if kind == "json_schema":
        return _filled(ask.response_format["json_schema"]["schema"], _with_results(text, since))
    everything = "\n".join(message_text(message) for message in ask.messages)
    schema, rest = schema_in(everything)
    if schema is not None and re.search("json", rest, re.IGNORECASE):
        return _filled(schema, without_schema(text) or rest)
    if kind == "json_object":
        return _filled(schema_of_keys(everything), before_keys(text))
    return None


def _filled(schema: Json, text: str) -> str:
    return json.dumps(Filler(schema, Evidence(text)).instance(), ensure_ascii=False)


def _react_step(ask: Ask) -> str | None:
    prompt = "\n".join(message_text(message) for message in ask.messages)
    if ask.response_format or not react.is_react(prompt):
        return None
    return react.answer(prompt, [message_text(item) for item in ask.messages if item["role"] != "system"])


def _text_answer(ask: Ask) -> str:
    prompt = "\n".join(message_text(message) for message in ask.messages)
    text, since = latest_turn(ask.messages)
    return (
        _from_results(since)
        or _standalone_question(text)
        or _from_context(prompt, text)
        or _about_media(ask.messages)
        or _from_conversation(ask.messages, text)
        or _echo(text)
    )


def _from_results(since: list[Json]) -> str | None:
    names = {call["id"]: call["function"]["name"] for message in since for call in message.get("tool_calls") or ()}
    results = [message for message in since if message["role"] == "tool"]
    if not results:
        return None
    parts = [
        f"{names.get(item['tool_call_id'], 'the tool')} returned {shorten(message_text(item), 600)}" for item in results
    ]
    return "Here is what the tools say: " + "; ".join(parts) + "."


def _standalone_question(text: str) -> str | None:
    """The follow-up itself, for prompts that ask to rephrase it as a standalone question."""
    if not re.search(r"standalone (?:question|message)\s*:?\s*(?:>)?\s*$", text, re.IGNORECASE):
        return None
    found = re.findall(r"(?:Follow[ -]?Up (?:Input|Question|Message)|Message)\s*[:>]\s*\n?(.+)", text, re.IGNORECASE)
    return found[-1].strip() if found else None


def _from_context(prompt: str, text: str) -> str | None:
    passages = find_passages(prompt)
    if not passages:
        return None
    question = find_question(text) or text
    missing = f'The given context does not answer "{shorten(question, 120)}".'
    return answer_from(passages, question) or missing


def _about_media(messages: list[Json]) -> str | None:
    latest: Json = next((message for message in reversed(messages) if message["role"] == "user"), {})
    content = latest.get("content")
    parts = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
    if not parts:
        return None
    return (
        "The emulator received " + ", ".join(describe(part) for part in parts) + ". It looks at bytes, not at content."
    )


_MY_NAME = re.compile(r"\b(?:my name is|call me|i am|i'm)\s+([^\W\d_][\w'\u2019-]+)", re.IGNORECASE)


def _from_conversation(messages: list[Json], text: str) -> str | None:
    """An answer from earlier messages, when the user asks about them."""
    earlier = [message_text(message) for message in messages[:-1] if message["role"] in ("user", "system")]
    if "?" not in text or not earlier:
        return None
    names = _MY_NAME.findall("\n".join(earlier))
    if names and re.search(r"\bmy name\b|\bwho am i\b", text, re.IGNORECASE):
        return f"Your name is {names[-1]}, as you said earlier in this conversation."
    said = [sentence for item in earlier for sentence in sentences(item) if not sentence.endswith("?")]
    found = answer_from([Passage("\n".join(said))], text)
    return f"Earlier in this conversation it was said: {found}" if found else None


def _echo(text: str) -> str:
    said = shorten(text, 120).replace('"', "'") or "nothing"
    return f'You said "{said}". This is the rule-based brain of the Azure AI emulator answering, not a model.'
