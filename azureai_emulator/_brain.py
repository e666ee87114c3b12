"""Who answers. The built-in brain follows rules: it decides from the request alone and is the same every time."""

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import uuid4

from . import _react
from ._evidence import Evidence
from ._media import describe
from ._passages import Passage, answer_from, find_passages, find_question
from ._planner import Planned, Tool, arguments_text, best, call_of, is_sequential, pending, plan, read_tool
from ._schema import Filler
from ._text import sentences, shorten

Json = Any


Written = Generator[str, None, str | None]
"""A text piece by piece, then its finish reason; `None` is `stop`."""


@dataclass(frozen=True)
class ToolCall:
    """A call in an answer; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Answer:
    """What a brain says: text or calls, and the reasoning before them."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    written: Written | None = None
    """The text while it is being written, in place of `text`."""
    cut: bool = False
    """Whether the brain had to stop before the end."""
    scores: list[Json] | None = None
    """An entry for each token with `token`, `bytes`, `logprob` and `top_logprobs`, there as soon as it was written.

    `None` from a brain that does not know.
    """


@dataclass(frozen=True)
class Ask:
    """What a brain is asked: the checked fields of a request."""

    messages: list[Json]
    tools: tuple[Json, ...] = ()
    choice: Literal["auto", "none", "required", "named"] = "auto"
    named: str | None = None
    """The tool that has to be called when `choice` is `named`."""
    parallel: bool = True
    response_format: Json = None
    id_style: Literal["short", "long"] = "long"
    stop: tuple[str, ...] = ()
    """Where the text has to end; the emulator cuts it there, whatever the brain does."""
    sampling: Mapping[str, Json] = field(default_factory=dict)
    """Those of `temperature`, `top_p`, `seed`, `presence_penalty` and `frequency_penalty` that were given."""
    room: int | None = None
    """How many tokens of the answer will be used; `None` is no limit."""
    logprobs: int | None = None
    """How many alternatives for each token are wanted in `scores`; `None` is no scores."""


class Brain(Protocol):
    """Anything that answers. With a true attribute `slow` it is asked in a worker thread, one request at a time."""

    def answer(self, ask: Ask) -> Answer:
        """The answer to one request."""
        ...


class RulesBrain:
    """The built-in brain. It understands nothing; it matches words, and says so."""

    def answer(self, ask: Ask) -> Answer:
        """The answer to one request: calls, JSON, a ReAct step, or text."""
        calls = _calls(ask) if ask.tools and ask.choice != "none" else []
        if calls:
            return Answer(calls=tuple(_tool_call(call, ask.id_style) for call in calls))
        return Answer(_react_step(ask) or _json_answer(ask) or _text_answer(ask))


def message_text(message: Json) -> str:
    """The text of a message, parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if part["type"] == "text")


def _tool_call(call: Planned, id_style: str) -> ToolCall:
    return ToolCall(call_id(id_style), call.tool.name, arguments_text(call))


def call_id(style: str) -> str:
    """A fresh id. Mistral's are nine characters. Source: recorded sessions with mistral-large-2411."""
    digits = uuid4().hex
    return digits[:9] if style == "short" else f"call_{digits[:24]}"


def latest_turn(messages: list[Json]) -> tuple[str, list[Json]]:
    """The user's latest words, and the messages after them."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index]["role"] == "user":
            return _user_run(messages, index), messages[index + 1 :]
    return "\n".join(message_text(message) for message in messages), []


def _user_run(messages: list[Json], index: int) -> str:
    first = index
    while first > 0 and messages[first - 1]["role"] == "user":
        first -= 1
    return "\n".join(message_text(message) for message in messages[first : index + 1])


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
    """A call of a tool that was not called yet, as far as there is one: an agent's last tool takes its answer."""
    return call_of(best(text, tools), Evidence(_with_results(text, since)))


def _with_results(text: str, since: list[Json]) -> str:
    return "\n".join([text, *(message_text(message) for message in since if message["role"] == "tool")])


def _first_only(waiting: list[Planned], text: str, since: list[Json]) -> list[Planned]:
    """The next step; in a sequence its numbers begin with the latest result."""
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
    """JSON text when the request asks for it: by format, or by a schema in the prompt."""
    kind = (ask.response_format or {}).get("type")
    text, since = latest_turn(ask.messages)
    if kind == "json_schema":
        return _filled(ask.response_format["json_schema"]["schema"], _with_results(text, since))
    everything = "\n".join(message_text(message) for message in ask.messages)
    schema, rest = _schema_in(everything)
    if schema is not None and re.search("json", rest, re.IGNORECASE):
        return _filled(schema, _without_schema(text) or rest)
    if kind == "json_object":
        return _filled(_schema_of_keys(everything), _before_keys(text))
    return None


def wanted_schema(ask: Ask) -> Json | None:
    """The schema of the JSON that a request asks for: its own, one in the prompt, one of the keys that are named."""
    kind = (ask.response_format or {}).get("type")
    if kind == "json_schema":
        return ask.response_format["json_schema"]["schema"]
    everything = "\n".join(message_text(message) for message in ask.messages)
    schema, rest = _schema_in(everything)
    if schema is not None and re.search("json", rest, re.IGNORECASE):
        return schema
    return _schema_of_keys(everything) if kind == "json_object" else None


def _filled(schema: Json, text: str) -> str:
    return json.dumps(Filler(schema, Evidence(text)).instance(), ensure_ascii=False)


def _schema_in(text: str) -> tuple[Json, str]:
    """A JSON schema that stands in a prompt, and the prompt without it."""
    if '"properties"' not in text:
        return None, text
    decoder = json.JSONDecoder()
    for match in reversed(list(re.finditer(r"\{", text))[:_MOST_BRACES]):
        value, end = _decoded(decoder, text, match.start())
        if isinstance(value, dict) and isinstance(value.get("properties"), dict) and _is_outermost(text, match.start()):
            return value, text[: match.start()] + text[end:]
    return None, text


_MOST_BRACES = 200


def _is_outermost(text: str, start: int) -> bool:
    return text[:start].count("{") == text[:start].count("}")


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Json, int]:
    try:
        return decoder.raw_decode(text, start)
    except ValueError:
        return None, start


def _without_schema(text: str) -> str:
    return _schema_in(text)[1].strip()


# What stands after `"key":` is an example of a value.
_QUOTED_KEYS = re.compile(r"(?<![\"'`]:)(?<![\"'`]: )[\"'`](\w[\w -]*)[\"'`]")
_KEY_LIST = re.compile(
    r"(?:keys?|fields?|properties)\s*(?:named|called|are|:)?\s*((?:\w+)(?:\s*,\s*(?:and\s+)?\w+|\s+and\s+\w+)*)"
)
_KEYS_BEGIN = re.compile(
    r"(?:respond|return|reply|answer|output|give|use|format|with)\b[^.\n]*\b(?:json|keys?|fields?)\b.*",
    re.IGNORECASE | re.DOTALL,
)


def _schema_of_keys(text: str) -> Json:
    listed = _KEY_LIST.search(text)
    keys = _QUOTED_KEYS.findall(text) or (re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", listed[1]) if listed else [])
    names = list(dict.fromkeys(keys)) or ["answer"]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


def _before_keys(text: str) -> str:
    return _KEYS_BEGIN.sub("", text).strip() or text


def _react_step(ask: Ask) -> str | None:
    prompt = "\n".join(message_text(message) for message in ask.messages)
    if ask.response_format or not _react.is_react(prompt):
        return None
    return _react.answer(prompt, [message_text(item) for item in ask.messages if item["role"] != "system"])


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
    """Prompts that ask to rephrase a follow-up get the follow-up back."""
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
    """What the user said earlier, when the user asks about it."""
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
