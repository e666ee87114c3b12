"""What received bodies become: no `parse_*` function raises, and odd fields count as not given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureai_core import ToolCall, Usage, parse_completion
from azureai_core.protocols.chat_completions import ChatDecoder
from azureai_core.protocols.embeddings import parse_embeddings, parse_vector
from azureai_core.protocols.error_bodies import read_body
from azureai_core.protocols.info import parse_info
from azureai_core.protocols.tool_calls import CallAssembler
from azureai_core.protocols.usage import parse_usage

WORDS = [
    "choices",
    "message",
    "delta",
    "content",
    "tool_calls",
    "function",
    "arguments",
    "index",
    "id",
    "name",
    "usage",
    "prompt_tokens_details",
    "text",
    "finish_reason",
    "prompt_tokens",
    "data",
    "embedding",
    "model",
    "reasoning_content",
    "reasoning",
    "type",
    "thinking",
    "error",
    "message",
    "code",
    "detail",
    "loc",
    "input",
    "msg",
    "innererror",
    "content_filter_result",
    "param",
    "status",
    "model_type",
]
JSON = st.recursive(
    st.sampled_from([None, True, 0, -1, 7, 2.5, float("inf"), float("nan"), "", "x", "<think>", "body", "{", "[1]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)
OBJECT = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=6)


@given(OBJECT)
def test_no_parser_raises_on_any_object(body):
    """Whatever JSON object the service sends, there is an answer."""
    parse_completion(body)
    parse_embeddings(body)
    parse_info(body)
    parser = ChatDecoder()
    parser.parse(body)
    parser.flush()


@given(JSON)
def test_reading_an_error_body_never_raises(body):
    """Whatever JSON value stands in an error body, there are facts."""
    facts = read_body(body)

    assert isinstance(facts.message, str)


@given(st.text())
def test_reading_an_error_text_never_raises(text):
    """Whatever text stands in an error body or in its message, there are facts."""
    read_body(text)
    read_body({"message": "[" + text})
    read_body({"error": {"message": "{" + text}})


@pytest.mark.parametrize("count", [-1, float("inf"), float("nan"), True, "5", None, [], {}])
def test_a_count_that_is_none_is_left_out(count):
    """Only numbers from 0 up count tokens."""
    assert parse_usage({"prompt_tokens": count, "completion_tokens": 2}) == Usage(0, 2, 2)


def test_usage_details_are_mapped():
    """Source: recorded answers of gpt-4o and Phi-4-multimodal."""
    usage = parse_usage(
        {
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "total_tokens": 30,
            "audio_prompt_tokens": 4,
            "image_prompt_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 6},
            "completion_tokens_details": {
                "reasoning_tokens": 7,
                "audio_tokens": 8,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 1,
            },
        }
    )

    assert usage == Usage(10, 20, 30, 6, 4, 5, 7, 8, 0, 1)


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        (None, "", ""),
        ("", "", ""),
        ("plain", "plain", ""),
        ([{"type": "text", "text": "a"}, "b", 3, {"type": "text"}], "ab", ""),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "x"}],
            "x",
            "hm",
        ),
    ],
)
def test_content_in_all_its_forms(content, text, reasoning):
    """A string, null, or a list of parts; Mistral's reasoning models send `thinking` parts."""
    answer = parse_completion({"choices": [{"message": {"content": content}}]})

    assert (answer.content, answer.reasoning) == (text, reasoning)


def test_arguments_that_are_an_object_become_json_text():
    """Against the contract, but some hosts send the object itself; a missing id is invented."""
    call = {"function": {"name": "f", "arguments": {"a": "é"}}}
    answer = parse_completion({"choices": [{"message": {"tool_calls": [call]}}]})

    assert answer.tool_calls[0].arguments == '{"a":"é"}'
    assert answer.tool_calls[0].id.startswith("call_")


def test_the_choice_is_found_by_index():
    """Choices may come in any order; one without an index counts by position."""
    body = {"choices": [{"index": 1, "text": "b"}, {"index": 0, "text": "a"}]}

    assert parse_completion(body).content == "a"
    assert parse_completion(body, choice=1).content == "b"
    assert parse_completion({"choices": [{"text": "x"}]}).content == "x"
    assert parse_completion(body, choice=7).content == ""


@pytest.mark.parametrize("value", [None, "", [], "*", "AAA", {}, 3])
def test_a_broken_vector_is_none(value):
    """Neither a list nor base64 of whole float32 values."""
    assert not parse_vector(value)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("chat-completion", "chat-completion"),
        ("chat-completions", "chat-completion"),
        ("chat_completion", "chat-completion"),
        ("chat completions", "chat-completion"),
        ("chat", "chat-completion"),
        ("completion", "completion"),
        ("embeddings", "embedding"),
        ("text_embeddings", "embedding"),
        ("text-embedding", "embedding"),
        ("image_embeddings", "image-embedding"),
        ("image-embedding", "image-embedding"),
        ("something-else", "something-else"),
    ],
)
def test_model_types_are_folded(said, kind):
    """Source: the spellings in WIRE, section 2.6: recorded answers, reference page and specification."""
    assert parse_info({"model_type": said}).model_type == kind


def _assembled(*fragments):
    assembler = CallAssembler()
    given = [assembler.feed(fragment) for fragment in fragments]
    return given, assembler.calls()


def test_interleaved_fragments_are_told_apart_by_index():
    """Two parallel calls whose fragments alternate."""
    given, calls = _assembled(
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}},
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "function": {"arguments": "}"}},
    )

    assert calls == (ToolCall("a", "f", "{}", 0), ToolCall("b", "g", "{}", 1))
    assert [(c.index, c.id, c.name) for c in given] == [(0, "a", "f"), (1, "b", "g"), (0, None, None), (1, None, None)]


def test_a_repeated_head_is_given_once():
    """Some hosts repeat id and name on every fragment."""
    _, calls = _assembled(
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}},
    )

    assert calls == (ToolCall("a", "f", "{}", 0),)


def test_two_calls_that_both_say_index_0_stay_two():
    """A new id opens a new call, whatever the index."""
    _, calls = _assembled(
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
        {"index": 0, "id": "b", "function": {"name": "f", "arguments": "{}"}},
    )

    assert [call.id for call in calls] == ["a", "b"]


def test_fragments_without_index_go_on_with_the_last_call():
    """Neither index nor id: the fragment belongs to the last call; a second whole call opens a new one."""
    _, calls = _assembled(
        {"id": "a", "function": {"name": "f", "arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"id": "a", "function": {"arguments": " "}},
        {"function": {"name": "g", "arguments": "{}"}},
        {"function": {"name": "h", "arguments": "{}"}},
    )

    assert [(call.name, call.arguments) for call in calls] == [("f", "{} "), ("g", "{}"), ("h", "{}")]
    assert all(call.id for call in calls)


def test_a_repeated_header_keeps_each_value(fake_service, make_client, mode):
    """Joined by commas, as RFC 9110 (section 5.2) says."""
    reply = mode.reply()
    fake_service.plays(replace(reply, headers={**reply.headers, "x-ms-region": "East US\r\nX-MS-Region: West US"}))

    completion = mode.ask(make_client(), {"messages": []})

    assert completion.meta.headers["x-ms-region"] == "East US, West US"
