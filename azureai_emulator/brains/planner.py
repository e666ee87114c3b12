"""Tool calls for a request: chosen by the words that the request and a tool share."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .evidence import Evidence, to_number
from .filler import Filler, takes_people, takes_places
from .text import request_stems, stem, stems

Json = Any

_NAMED_IN_TEXT = 10.0
_NAME_WORD = 3.0
_DESCRIPTION_WORD = 1.0
_HIGH_SCORE = 3.0
_SEARCH = frozenset(
    {stem(word) for word in ("search", "query", "knowledge", "retriever", "documents", "wiki", "engine")}
)
_SEQUENCE = re.compile(r"\b(?:then|afterwards|after that|the result|that result)\b", re.IGNORECASE)
_SEVERAL = re.compile(r"\b(?:and|or|vs|versus)\b|[,;&]", re.IGNORECASE)


@dataclass(frozen=True)
class Tool:
    """What the planner knows of a tool."""

    name: str
    description: str
    parameters: Json

    @property
    def needed(self) -> list[str]:
        """The required parameters."""
        return list(self.parameters.get("required") or ())


@dataclass(frozen=True)
class Planned:
    """A tool call that the request asks for."""

    tool: Tool
    arguments: Json


def read_tool(tool: Json) -> Tool:
    """A tool from its wire form."""
    function = tool["function"]
    return Tool(function["name"], function.get("description") or "", function.get("parameters") or {})


def plan(text: str, tools: Iterable[Tool]) -> list[Planned]:
    """The calls a request needs, in the order it mentions them; empty when no tool fits."""
    evidence = Evidence(text)
    chosen = sorted(_chosen(text, list(tools)), key=lambda tool: _position(text, tool))
    return [call for tool in chosen for call in calls_of(tool, evidence)]


def is_sequential(text: str) -> bool:
    """Whether the request asks for steps in sequence."""
    return bool(_SEQUENCE.search(text))


def best(text: str, tools: list[Tool]) -> Tool:
    """The best-fitting tool, even when none fits well."""
    common = _common_stems(tools)
    wanted = set(request_stems(text))
    return max(tools, key=lambda tool: _score(text, wanted, tool, common)[0])


def _chosen(text: str, tools: list[Tool]) -> list[Tool]:
    """The best tool, and each further one that scores high with words that no better tool matched."""
    common, wanted = _common_stems(tools), set(request_stems(text))
    scored = [(*_score(text, wanted, tool, common), tool) for tool in tools]
    scored.sort(key=lambda entry: -entry[0])
    chosen: list[Tool] = []
    claimed: set[str] = set()
    for score, matched, tool in scored:
        if score >= (_HIGH_SCORE if chosen else _DESCRIPTION_WORD) and (not chosen or matched - claimed):
            chosen.append(tool)
            claimed |= matched
    return chosen or _fallback_search(text, tools)


def _common_stems(tools: list[Tool]) -> set[str]:
    """Words in several descriptions, which do not tell the tools apart."""
    counts = Counter(word for tool in tools for word in set(stems(tool.description)))
    return {word for word, count in counts.items() if count > 1}


def _score(text: str, wanted: set[str], tool: Tool, common: set[str]) -> tuple[float, set[str]]:
    literal = {tool.name} if not tool.name.isalpha() and tool.name in text else set()
    named = wanted & set(stems(tool.name))
    described = (wanted & set(stems(tool.description))) - named - common
    score = _NAMED_IN_TEXT * len(literal) + _NAME_WORD * len(named) + _DESCRIPTION_WORD * len(described)
    return score, literal | named | described


def _fallback_search(text: str, tools: list[Tool]) -> list[Tool]:
    """A question goes to the one search tool, if there is exactly one."""
    if "?" not in text:
        return []
    searching = [tool for tool in tools if _SEARCH & set(stems(tool.name)) and len(tool.needed) <= 1]
    return searching if len(searching) == 1 else []


def _position(text: str, tool: Tool) -> int:
    """The position of the first mention of the tool's name, in characters."""
    if tool.name in text:
        return text.find(tool.name)
    wanted = set(stems(tool.name)) or set(stems(tool.description))
    heads = (match.end() for match in _WORD_END.finditer(text))
    return next((end for end in heads if wanted & set(request_stems(text[:end]))), len(text))


_WORD_END = re.compile(r"[^\W_]+")


def calls_of(tool: Tool, evidence: Evidence) -> list[Planned]:
    """One call of a tool, or one for each of several values that its only required parameter could take."""
    spelled = _spelled_out(tool, evidence)
    if spelled:
        return spelled
    return [call_of(tool, evidence) for _ in range(_repetitions(tool, evidence))]


def call_of(tool: Tool, evidence: Evidence) -> Planned:
    """One call with arguments from the unused evidence."""
    return Planned(tool, Filler(tool.parameters, evidence, tool.description).instance())


def _spelled_out(tool: Tool, evidence: Evidence) -> list[Planned]:
    """Calls spelled out in the text: `magic_function(3)`."""
    written = re.findall(rf"(?<!\w){re.escape(tool.name)}\(([^()]*)\)", evidence.text)
    return [call for inner in written if (call := _from_call_text(tool, inner)) is not None]


def _from_call_text(tool: Tool, inner: str) -> Planned | None:
    names = tool.needed or list(tool.parameters.get("properties") or ())
    values = [_literal(part.strip()) for part in inner.split(",")] if inner.strip() else []
    if len(values) != len(names):
        return None
    return Planned(tool, dict(zip(names, values, strict=True)))


def _literal(text: str) -> Json:
    text = text.partition("=")[2].strip() if re.match(r"\w+\s*=", text) else text
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return to_number(text)
    return text.strip("\"'“”")


def _repetitions(tool: Tool, evidence: Evidence) -> int:
    if len(tool.needed) != 1 or not _SEVERAL.search(evidence.text):
        return 1
    schema = (tool.parameters.get("properties") or {}).get(tool.needed[0]) or {}
    available = _available(tool.needed[0], schema, evidence)
    return max(1, min(available, _MAX_CALLS))


_MAX_CALLS = 16


def _available(name: str, schema: Json, evidence: Evidence) -> int:
    if schema.get("type") in ("integer", "number"):
        return len([span for span in evidence.numbers if span not in evidence.used])
    if schema.get("type") != "string" or "enum" in schema or "format" in schema:
        return 1
    if not (takes_places(name) or takes_people(name)):
        return 1
    spans = evidence.quotes or (takes_places(name) and evidence.places) or evidence.names
    return len([span for span in spans if span not in evidence.used])


def pending(calls: list[Planned], done: Iterable[str]) -> list[Planned]:
    """The planned calls that are not among the names already called in this turn."""
    left = Counter(done)
    rest = []
    for call in calls:
        if left[call.tool.name]:
            left[call.tool.name] -= 1
        else:
            rest.append(call)
    return rest


def arguments_text(call: Planned) -> str:
    """The arguments as the JSON string the wire carries, not escaped."""
    return json.dumps(call.arguments, ensure_ascii=False)
