"""However a stream is cut into reads, it gives the same deltas."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureai_core import ResponseMeta
from azureai_core.protocols.chat_completions import ChatDecoder
from azureai_core.protocols.stream import DeltaReader
from azureai_core.protocols.tool_calls import CallAssembler
from fakes import DONE, USAGE, delta, frame, gathered

FRAMES = st.lists(
    st.sampled_from(
        [
            delta("a"),
            delta("é€\u2028"),
            delta("<think>"),
            delta("</think>"),
            delta("<th"),
            delta("ink>x</"),
            delta(None, reasoning_content="r"),
            delta(None, tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]),
            delta(None, tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
            delta(None, tool_calls=[{"id": "d", "function": {"name": "g", "arguments": "{}"}}]),
            delta(None, usage=USAGE),
            delta(None, finish="stop"),
            frame({"choices": []}),
            b": ping\n\n",
            b"event: x\r\n\r\n",
        ]
    ),
    max_size=10,
)


def read(pieces):
    response = httpx.Response(200, request=httpx.Request("POST", "http://h/"))
    reader = DeltaReader(response, ChatDecoder(), ResponseMeta(), tuple)
    deltas = [d for piece in pieces for d in reader.feed(piece)]
    deltas += reader.end()
    return [replace(d, tool_calls=named(d.tool_calls)) for d in deltas], reader.interrupted().partial


def named(calls):
    """The calls, those with an invented id under one name."""
    return tuple(replace(call, id="new" if (call.id or "").startswith("call_") else call.id) for call in calls)


@given(FRAMES, st.data())
def test_any_split_gives_the_same_deltas(frames, data):
    """Also inside a character, a line end or a tag; and the partial answer is what the deltas add up to."""
    body = b"".join(frames) + DONE
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    whole, partial = read([body])
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    cut, _ = read(pieces)
    answer = gathered(whole)

    assert cut == whole
    if partial is not None:
        assert (partial.content, partial.reasoning) == (answer.content, answer.reasoning)
        assert (named(partial.tool_calls), partial.finish_reason) == (answer.tool_calls, answer.finish_reason)
    assert sum(d.usage is not None for d in whole) <= 1


def test_usage_counts_once():
    """Hosts that count on every frame are cumulative: the one from the finish reason on is given."""
    small, large = {"prompt_tokens": 3, "completion_tokens": 1}, {"prompt_tokens": 3, "completion_tokens": 2}
    deltas, _ = read([delta("a", usage=small), delta("b", usage=large, finish="stop"), delta(usage=large)])

    assert [d.usage.completion_tokens if d.usage else None for d in deltas] == [None, 2, None]


def test_usage_before_the_finish_is_not_lost():
    """Given at the end where no frame from the finish reason on has it."""
    deltas, _ = read([delta("a", usage=USAGE), delta(finish="stop")])

    assert [d.usage is not None for d in deltas] == [False, False, True]


def test_text_beside_a_delta_is_not_lost():
    """A host that fills in both spellings at once gives both; also after frames that had only one."""
    both = frame({"choices": [{"index": 0, "delta": {"content": "b"}, "text": "c"}]})
    deltas, _ = read([delta("a"), both, delta(finish="stop")])

    assert [d.content for d in deltas if d.content] == ["a", "bc"]


def test_a_delta_that_stands_alone():
    """A decoder of its own reads one frame without what came before."""
    assert ChatDecoder().parse({"choices": [{"delta": {"content": "a"}}]}).content == "a"


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
FULL = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.mark.parametrize("early", [ZERO, {**ZERO, "prompt_tokens": 3, "total_tokens": 3}])
def test_a_later_count_wins_over_one_without_output(early):
    """It is given once; where none follows, at the end."""
    deltas, _ = read([delta("a"), delta(finish="stop", usage=early), frame({"choices": [], "usage": FULL})])
    alone, _ = read([delta("a"), delta(finish="stop", usage=early)])

    assert [d.usage.total_tokens for d in deltas if d.usage] == [5]
    assert [d.usage.total_tokens for d in alone if d.usage] == [early["total_tokens"]]


def fragment(index, call_id, name, arguments):
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        (
            [(0, "a", "f", "{"), (0, "b", "g", "["), (0, "a", None, "}"), (0, "b", None, "]")],
            [("f", "{}"), ("g", "[]")],
        ),
        (
            [(0, "a", "f", "{"), (0, "b", "g", "["), (0, "a", None, "1"), (0, None, None, "}")],
            [("f", "{1}"), ("g", "[")],
        ),
        ([(0, "a", "f", "{"), (0, None, "f", "}")], [("f", "{}")]),
        ([(0, "a", "get_", ""), (0, None, "time", "{}")], [("get_time", "{}")]),
        (
            [("0", "a", "f", "{"), ("1", "b", "g", "["), ("0", None, None, "}"), ("1", None, None, "]")],
            [("f", "{}"), ("g", "[]")],
        ),
        ([(0, None, "f", "{"), (0, "a", None, "}"), (0, "b", "g", "{}")], [("f", "{}"), ("g", "{}")]),
    ],
    ids=["ids at one index", "no id follows the last", "name again", "name in parts", "string index", "id late"],
)
def test_fragments_find_their_call(fragments, calls):
    """By the index, the id, or both, as hosts give them."""
    _, partial = read([delta(None, tool_calls=[fragment(*f)]) for f in fragments])

    assert [(call.name, call.arguments) for call in partial.tool_calls] == calls


@pytest.mark.parametrize("index", [[0], {"n": 0}, "x", None, 1.5])
def test_an_odd_index_of_a_fragment_breaks_nothing(index):
    """The fragment goes on with the last call."""
    calls = CallAssembler()
    calls.feed({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})
    calls.feed({"index": index, "function": {"arguments": "}"}})

    assert [call.arguments for call in calls.calls()] == ["{}"]


@pytest.mark.parametrize("name", ["refusal", "annotations", "context", "audio"])
def test_a_delta_that_holds_one_thing_beside_the_text_is_kept(name: str) -> None:
    """Also when the text's key is not there at all."""
    value = {"refusal": "no", "annotations": [{"a": 1}]}.get(name, {"a": 1})
    decoder = ChatDecoder()
    decoder.parse({"id": "1", "model": "m", "choices": [{"index": 0, "delta": {name: value}}]})

    kept = getattr(decoder.so_far(ResponseMeta()), name)
    assert (list(kept) if name == "annotations" else kept) == value
