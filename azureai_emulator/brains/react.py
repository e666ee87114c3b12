"""ReAct agents, which use plain text: `Thought`, `Action`, `Action Input`, `Observation`."""

import json
import re
from typing import Any

from .evidence import Evidence
from .planner import Planned, Tool, best, call_of, pending, plan

Json = Any

_LISTED_TOOL = re.compile(
    r"Tool Name:\s*(\S+)\s*\n\s*Tool Description:\s*(.*?)\n\s*Tool Args:\s*(\{.*?\})\s*(?=\n\s*(?:>|\n|$)|\Z)",
    re.DOTALL,
)
_ACTION_NAMES = re.compile(r"(?:should be one of|one of)\s*\[?([\w, '\"-]+)\]?")
_ACTION = re.compile(r"^Action:\s*(\S+)", re.MULTILINE)
_OBSERVATION = re.compile(r"Observation:\s*(.+)")
_QUESTION = re.compile(r"Question:\s*(.+)")


def is_react(prompt: str) -> bool:
    """Whether the prompt describes the ReAct format."""
    return "Action Input:" in prompt and "Action:" in prompt and "Thought" in prompt


def answer(prompt: str, texts: list[str]) -> str:
    """The next step: an action, or the final answer after the observations.

    `prompt` is the text of all messages; `texts` are the messages one by one.
    """
    tools, question = _tools(prompt), _question(prompt, texts)
    observations, done = _history(texts)
    waiting = pending(plan(question, tools), done)
    if not observations and not waiting and tools and "?" not in question and not question:
        waiting = [call_of(best(question, tools), Evidence(question))]
    if waiting:
        return _action(waiting[0], prompt)
    final = "Final Answer:" if "Final Answer:" in prompt else "Answer:"
    said = f"The tools say: {'; '.join(observations)}" if observations else f"No tool is needed for: {question}"
    return f"Thought: I can answer without using any more tools.\n{final} {said}"


def _action(call: Planned, prompt: str) -> str:
    plain = not call.tool.parameters.get("properties")
    given = call.arguments.get("input", "") if plain else json.dumps(call.arguments, ensure_ascii=False)
    if plain:
        given = _last(_QUESTION, prompt) or given
    thought = "Thought: I need to use a tool to help me answer the question."
    return f"{thought}\nAction: {call.tool.name}\nAction Input: {given}"


def _tools(prompt: str) -> list[Tool]:
    listed = [Tool(name, text.strip(), _schema(args)) for name, text, args in _LISTED_TOOL.findall(prompt)]
    if listed:
        return listed
    match = _ACTION_NAMES.search(prompt)
    names = re.findall(r"[\w-]+", match[1]) if match else []
    return [Tool(name, _line_about(name, prompt), {}) for name in names]


def _schema(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _line_about(name: str, prompt: str) -> str:
    match = re.search(rf"^\W*{re.escape(name)}\b(.*)", prompt, re.MULTILINE)
    return match[1] if match else ""


def _question(prompt: str, texts: list[str]) -> str:
    asked = [text for text in texts if not text.lstrip().startswith(("Observation:", "Thought:"))]
    inner = _last(_QUESTION, asked[-1]) if asked else None
    return inner or (asked[-1] if asked else prompt)


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.findall(text)
    return found[-1].strip() if found else None


def _history(texts: list[str]) -> tuple[list[str], list[str]]:
    """Observations and names of actions since the question."""
    tail = _since_question(texts)
    return _OBSERVATION.findall(tail), _ACTION.findall(tail)


def _since_question(texts: list[str]) -> str:
    starts = [i for i, text in enumerate(texts) if not text.lstrip().startswith(("Observation:", "Thought:"))]
    last = starts[-1] if starts else 0
    inside = texts[last].rpartition("Question:")[2] if "Question:" in texts[last] and "Begin!" in texts[last] else ""
    return "\n".join([inside, *texts[last + 1 :]])
