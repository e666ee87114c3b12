"""The probes as a table: what is requested from a deployment, and how its answer is evaluated.

`NO` means that the service refused, or that the answer proves that it ignored the request. If the model could have
answered in another way, the outcome is `UNCLEAR`.
"""

import json
import re
import struct
import zlib
from array import array
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from azureai_core import APIStatusError, Completion, Delta

from ._probing import ANSWER_LIMIT, Outcome, Probe, ProbeSession, Verdict

YES, NO, UNCLEAR, NOTE = Verdict.YES, Verdict.NO, Verdict.UNCLEAR, Verdict.NOTE
Payload = Mapping[str, Any]
Evaluator = Callable[[ProbeSession, Completion], Outcome]


def user(content: Any) -> dict[str, Any]:
    """A user message."""
    return {"role": "user", "content": content}


def _tool(name: str, what: str) -> dict[str, Any]:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "description": what, "parameters": city}}


def _red_square(size: int = 32) -> bytes:
    """A PNG that is all red."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * size) * size
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


IMAGE = _red_square()
HELLO = {"messages": [user("What is 17 + 25? Answer with the number alone.")]}
WEATHER, TIME = _tool("get_weather", "Get the weather of a city"), _tool("get_time", "Get the local time of a city")
_CODE_WORD = "ZEBRA42"
_ASK_CODE_WORD = user("What is the code word of today? Answer with the code word alone.")
_PARIS = user("What is the weather in Paris?")
_PARIS_AND_TOKYO = user("What is the weather in Paris and in Tokyo? Call the tool once for each city.")
_SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["town", "inhabitants"],
    "additionalProperties": False,
}


def _after_tool(result: str, *then: dict[str, Any]) -> Payload:
    """A conversation with a tool result. The id has nine letters and digits: Mistral's own API requires that."""
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    called = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "a1b2c3d4e", "type": "function", "function": function}],
    }
    answered = {"role": "tool", "tool_call_id": "a1b2c3d4e", "content": result}
    return {"messages": [_PARIS, called, answered, *then], "tools": [WEATHER]}


def _quoted(text: str, limit: int = 40) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= limit else line[: limit - 1] + '…'}”"


def _accepted(_probing: ProbeSession, _answer: Completion) -> Outcome:
    return Outcome(YES)


def _inconclusive(answer: Completion) -> Outcome:
    """Not refused, but not evident in the answer either."""
    if answer.finish_reason == "length":
        return Outcome(UNCLEAR, f"accepted, but the answer was truncated at {ANSWER_LIMIT} tokens")
    return Outcome(UNCLEAR, f"accepted, but not evident in the answer: {_quoted(answer.content)}")


def _not_followed(answer: Completion) -> Outcome:
    """Ignored, unless the answer was truncated before it could show anything."""
    if answer.finish_reason == "length":
        return _inconclusive(answer)
    return Outcome(NO, f"ignored: {_quoted(answer.content)}")


def _follows_code_word(_probing: ProbeSession, answer: Completion) -> Outcome:
    """Whether the message was read; whether as a system or as a user message cannot be seen from outside."""
    return Outcome(YES) if _CODE_WORD in answer.content.upper() else _inconclusive(answer)


def _sees_red(session: ProbeSession, answer: Completion) -> Outcome:
    if re.search(r"\bred\b", answer.content, re.IGNORECASE):
        return Outcome(YES, "named the colour of a test image")
    plain = session.hello.usage if session.hello else None
    if answer.usage and plain and answer.usage.prompt_tokens > plain.prompt_tokens + _LEAST_IMAGE_TOKENS:
        return Outcome(YES, f"read an image as {answer.usage.prompt_tokens - plain.prompt_tokens} tokens")
    return _inconclusive(answer)


_LEAST_IMAGE_TOKENS = 60
"""More than the words around the image. Source: Azure OpenAI counts 85 tokens for a small image."""


def _calls_a_tool(_probing: ProbeSession, answer: Completion) -> Outcome:
    if answer.tool_calls:
        return Outcome(YES, _call_text(answer))
    return Outcome(UNCLEAR, f"accepted, but answered with text: {_quoted(answer.content)}")


def _call_text(answer: Completion) -> str:
    call = answer.tool_calls[0]
    return f"called {call.name}({call.arguments[:40]})"


def _calls_none(session: ProbeSession, answer: Completion) -> Outcome:
    if answer.tool_calls:
        return Outcome(NO, f"ignored: {_call_text(answer)}")
    if session.verdict("tools_auto") is YES:
        return Outcome(YES)
    return Outcome(UNCLEAR, "no call, but none with tool_choice auto either")


def _calls_as_required(_probing: ProbeSession, answer: Completion) -> Outcome:
    if answer.tool_calls:
        return Outcome(YES, _call_text(answer))
    return _not_followed(answer)


def _calls_get_time(session: ProbeSession, answer: Completion) -> Outcome:
    names = {call.name for call in answer.tool_calls}
    if names and names != {"get_time"}:
        return Outcome(NO, f"ignored: {_call_text(answer)}")
    return _calls_as_required(session, answer)


def _calls_twice(_probing: ProbeSession, answer: Completion) -> Outcome:
    count = len(answer.tool_calls)
    if count > 1:
        return Outcome(YES, f"{count} calls in one answer")
    return Outcome(UNCLEAR, "one call, which may be the model's choice") if count else _inconclusive(answer)


def _calls_once(session: ProbeSession, answer: Completion) -> Outcome:
    if len(answer.tool_calls) > 1:
        return Outcome(NO, f"ignored: {len(answer.tool_calls)} calls in one answer")
    if answer.tool_calls and session.verdict("parallel_tools") is YES:
        return Outcome(YES, "one call instead of two")
    return Outcome(UNCLEAR, "accepted, but no effect is evident")


def _is_json(_probing: ProbeSession, answer: Completion) -> Outcome:
    if isinstance(_decoded(answer.content), dict):
        return Outcome(YES)
    return _not_followed(answer)


def _fits_schema(_probing: ProbeSession, answer: Completion) -> Outcome:
    value = _decoded(answer.content)
    if isinstance(value, dict) and set(value) == {"town", "inhabitants"} and isinstance(value["inhabitants"], int):
        return Outcome(YES)
    return _not_followed(answer)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _chat(evaluate: Evaluator, payload: Payload, **fields: Any) -> Callable[[ProbeSession], Outcome]:
    return lambda session: evaluate(session, session.complete({**payload, **fields}))


def _answers(session: ProbeSession) -> Outcome:
    session.hello = session.hello or session.complete(HELLO)
    return Outcome(YES, f"{_quoted(session.hello.content)} from {session.hello.model or 'a model without a name'}")


def _limit(field: str) -> Callable[[ProbeSession], Outcome]:
    """Whether this field for the output limit is accepted; the first that is serves all later probes."""

    def probe(session: ProbeSession) -> Outcome:
        session.complete({**HELLO, field: ANSWER_LIMIT}, limited=False)
        session.limit = session.limit or {field: ANSWER_LIMIT}
        return Outcome(YES)

    return probe


def _streams(session: ProbeSession) -> Outcome:
    """Stream without requesting usage; whether usage came anyway is kept for a later probe."""
    deltas = session.stream(HELLO)
    session.findings["usage_unasked"] = _usage(deltas)
    if _is_unstreamed(deltas):
        return Outcome(NO, "ignored: the answer was not streamed")
    return Outcome(YES, f"{sum(bool(delta.content or delta.reasoning) for delta in deltas)} chunks")


def _is_unstreamed(deltas: list[Delta]) -> bool:
    return any("message" in choice for delta in deltas for choice in delta.raw.get("choices") or ())


def _usage(deltas: list[Delta]) -> Outcome:
    if _is_unstreamed(deltas):
        return Outcome(UNCLEAR, "not tested: no stream")
    usage = next((delta.usage for delta in deltas if delta.usage is not None), None)
    return Outcome(YES, f"{usage.total_tokens} tokens") if usage else Outcome(NO, "not in the stream")


def _usage_unasked(session: ProbeSession) -> Outcome:
    return session.findings.get("usage_unasked") or Outcome(UNCLEAR, "not tested: no stream")


def _usage_asked(session: ProbeSession) -> Outcome:
    return _usage(session.stream({**HELLO, "stream_options": {"include_usage": True}}))


def _needs_tools(payload: Payload) -> Callable[[ProbeSession], Outcome]:
    """Skipped if the deployment refuses tools altogether: the refusal would be about the tools."""

    def probe(session: ProbeSession) -> Outcome:
        if all(session.verdict(name) is NO for name in ("tools_auto", "tools_required", "tools_named")):
            return Outcome(UNCLEAR, "not tested: the deployment accepts no tools")
        session.complete(payload)
        return Outcome(YES)

    return probe


def _reasoning(session: ProbeSession) -> Outcome:
    """Where the first answer has its reasoning; costs nothing."""
    answer = session.hello
    if answer is None:
        return Outcome(UNCLEAR, "not tested: no answer")
    message = ((answer.raw.get("choices") or [{}])[0]).get("message") or {}
    if message.get("reasoning_content") or message.get("reasoning"):
        return Outcome(NOTE, "separate, in reasoning_content", "reasoning_content")
    if str(message.get("content")).lstrip().startswith("<think>"):
        return Outcome(NOTE, "in the text, between <think> tags", "<think>")
    if answer.reasoning:
        return Outcome(NOTE, "separate, in content parts", "parts")
    if answer.usage and answer.usage.reasoning_tokens:
        return Outcome(NOTE, f"hidden: {answer.usage.reasoning_tokens} tokens in usage", "hidden")
    return Outcome(NOTE, "none observed", "none")


CHAT: tuple[Probe, ...] = (
    Probe("answers", "Answers a question", "Basics", _answers, 300),
    Probe("streaming", "Streaming", "Basics", _streams, 150),
    Probe("usage_unasked", "Usage in streams by default", "Basics", _usage_unasked, 0, 0),
    Probe("usage_asked", "Usage in streams on request", "Basics", _usage_asked, 150),
    Probe("reasoning", "Reasoning", "Basics", _reasoning, 0, 0),
    Probe("max_tokens", "max_tokens", "Parameters", _limit("max_tokens")),
    Probe("max_completion_tokens", "max_completion_tokens", "Parameters", _limit("max_completion_tokens")),
    Probe("temperature", "temperature", "Parameters", _chat(_accepted, HELLO, temperature=0.5)),
    Probe(
        "system_role",
        "System message",
        "Messages",
        _chat(
            _follows_code_word,
            {"messages": [{"role": "system", "content": f"The code word of today is {_CODE_WORD}."}, _ASK_CODE_WORD]},
        ),
    ),
    Probe(
        "several_system",
        "Several system messages",
        "Messages",
        _chat(
            _follows_code_word,
            {
                "messages": [
                    {"role": "system", "content": "You are a polite assistant."},
                    {"role": "system", "content": f"The code word of today is {_CODE_WORD}."},
                    _ASK_CODE_WORD,
                ]
            },
        ),
    ),
    Probe(
        "text_parts",
        "Content as a list of parts",
        "Messages",
        _chat(_accepted, {"messages": [user([{"type": "text", "text": HELLO["messages"][0]["content"]}])]}),
    ),
    Probe(
        "images",
        "Images",
        "Messages",
        _chat(
            _sees_red,
            {
                "messages": [
                    user(
                        [
                            {"type": "text", "text": "In one word: what colour is this image?"},
                            {
                                "type": "image_url",
                                "image_url": {"url": f"data:image/png;base64,{b64encode(IMAGE).decode()}"},
                            },
                        ]
                    )
                ]
            },
        ),
        400,
    ),
    Probe("tools_auto", "tool_choice auto", "Tools", _chat(_calls_a_tool, {"messages": [_PARIS]}, tools=[WEATHER])),
    Probe(
        "tools_none",
        "tool_choice none",
        "Tools",
        _chat(_calls_none, {"messages": [_PARIS]}, tools=[WEATHER], tool_choice="none"),
        200,
    ),
    Probe(
        "tools_required",
        "tool_choice required",
        "Tools",
        _chat(_calls_as_required, {"messages": [user("Say hello.")]}, tools=[WEATHER], tool_choice="required"),
    ),
    Probe(
        "tools_named",
        "tool_choice by name",
        "Tools",
        _chat(
            _calls_get_time,
            {"messages": [_PARIS]},
            tools=[WEATHER, TIME],
            tool_choice={"type": "function", "function": {"name": "get_time"}},
        ),
        150,
    ),
    Probe(
        "parallel_tools",
        "Several calls at once",
        "Tools",
        _chat(_calls_twice, {"messages": [_PARIS_AND_TOKYO]}, tools=[WEATHER]),
        150,
    ),
    Probe(
        "parallel_tool_calls",
        "parallel_tool_calls=false",
        "Tools",
        _chat(_calls_once, {"messages": [_PARIS_AND_TOKYO]}, tools=[WEATHER], parallel_tool_calls=False),
    ),
    Probe(
        "user_after_tool",
        "User right after a tool result",
        "Tools",
        _needs_tools(_after_tool('{"celsius": 21}', user("Thank you. Say goodbye."))),
        150,
    ),
    Probe(
        "text_tool_results",
        "Tool result that is not JSON",
        "Tools",
        _needs_tools(_after_tool("It is 21 degrees and sunny.")),
        150,
    ),
    Probe(
        "json_mode",
        "JSON mode",
        "Output",
        _chat(
            _is_json,
            {"messages": [user('Answer in JSON with the keys "city" and "country": where is the Eiffel Tower?')]},
            response_format={"type": "json_object"},
        ),
    ),
    Probe(
        "json_schema",
        "JSON schema",
        "Output",
        _chat(
            _fits_schema,
            {"messages": [user("How many people live in Lisbon?")]},
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "town", "schema": _SCHEMA, "strict": True},
            },
        ),
    ),
)


_TEXT = "The quick brown fox jumps over the lazy dog."
MANY = 2049
"""One more than Azure OpenAI accepts in one request, the highest documented limit."""


def _embeds(session: ProbeSession) -> Outcome:
    session.vector = session.vector or session.embed([_TEXT]).vectors[0]
    return Outcome(YES, f"{len(session.vector)} dimensions", len(session.vector))


def _shortens(session: ProbeSession) -> Outcome:
    whole = len(session.vector or ()) or 256
    got = len(session.embed([_TEXT], dimensions=whole // 2).vectors[0])
    return Outcome(YES, f"{whole} → {got}") if got == whole // 2 else Outcome(NO, f"ignored: {got} dimensions")


def _base64(session: ProbeSession) -> Outcome:
    """Base64 gives exact float32 values; decimal numbers in JSON are rounded, so they do not."""
    vector = session.embed([_TEXT], encoding_format="base64").vectors[0]
    if array("f", vector).tolist() == vector:
        return Outcome(YES)
    return Outcome(NO, "ignored: the vectors are plain numbers")


def _input_types(session: ProbeSession) -> Outcome:
    query = session.embed([_TEXT], input_type="query").vectors[0]
    document = session.embed([_TEXT], input_type="document").vectors[0]
    alike = _cosine(query, document)
    if alike > _SAME:
        return Outcome(NO, "ignored: query and document give the same vector")
    return Outcome(YES, f"query and document differ (cosine {alike:.3f})")


_SAME = 0.99999


def _cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5
    return dot / lengths if lengths else 1.0


def _batch(session: ProbeSession) -> Outcome:
    """How many texts one request may have, according to the refusal of too many."""
    try:
        session.embed(["a"] * MANY)
    except APIStatusError as error:
        return _batch_limit(error)
    return Outcome(NOTE, f"at least {MANY:,} texts per request")


# Cohere: "total number of texts must be at most 96 - received 128"; Azure OpenAI: "the max number of inputs is 2048".
_MOST = re.compile(r"(?:at most|maximum|max number|max|limit)[^\d]{0,60}(\d+)", re.IGNORECASE)


def _batch_limit(error: APIStatusError) -> Outcome:
    if error.status_code not in {400, 413, 422}:
        return Outcome(UNCLEAR, f"{error.status_code}")
    named = [int(number) for number in _MOST.findall(error.message.split(" [", 1)[0]) if 0 < int(number) < MANY]
    if named:
        return Outcome(NOTE, f"{max(named):,} texts per request", max(named))
    return Outcome(NOTE, f"fewer than {MANY:,} texts per request")


def _embeds_images(session: ProbeSession) -> Outcome:
    return Outcome(YES, f"{len(session.embed_image(IMAGE).vectors[0])} dimensions")


EMBEDDINGS: tuple[Probe, ...] = (
    Probe("embeddings", "Embeds a text", "Embeddings", _embeds, 12),
    Probe("dimensions", "dimensions", "Embeddings", _shortens, 12),
    Probe("base64", "encoding_format base64", "Embeddings", _base64, 12),
    Probe("input_type", "input_type query, document", "Embeddings", _input_types, 24, 2),
    Probe("batch", "Texts in one request", "Embeddings", _batch, MANY),
    Probe("image_embeddings", "Image embeddings", "Embeddings", _embeds_images, 1000),
)
