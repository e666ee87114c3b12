"""Messages in and out, by the request that leaves and the message that comes back."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk

from azureai_core import Completion, ConfigurationError, Delta, ToolCall, Usage, parse_completion
from langchain_azureai import _blocks, _messages  # noqa: F401  the blocks register their translator

DATA = "aGVsbG8="
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (SystemMessage("s"), [{"role": "system", "content": "s"}]),
        (
            SystemMessage("s", additional_kwargs={"__openai_role__": "developer"}),
            [{"role": "developer", "content": "s"}],
        ),
        (ChatMessage("d", role="developer"), [{"role": "developer", "content": "d"}]),
        (HumanMessage("h"), [{"role": "user", "content": "h"}]),
        (HumanMessage("h", name="ann"), [{"role": "user", "content": "h", "name": "ann"}]),
        (AIMessage("a"), [{"role": "assistant", "content": "a"}]),
        (ToolMessage("t", tool_call_id="1"), [{"role": "tool", "tool_call_id": "1", "content": "t"}]),
        (
            ToolMessage("no", tool_call_id="1", status="error"),
            [{"role": "tool", "tool_call_id": "1", "content": "no"}],
        ),
        (ToolMessage([], tool_call_id="1"), [{"role": "tool", "tool_call_id": "1", "content": ""}]),
    ],
)
def test_each_kind_of_message_has_its_wire_form(message: Any, wire: list[dict[str, Any]]) -> None:
    """System, developer, user, assistant and tool messages become the API's own dicts."""
    assert _messages.to_wire([message]) == wire


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": f"data:image/png;base64,{DATA}"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
        {"type": "image", "base64": DATA, "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    ],
    ids=["openai-string", "openai", "v1", "v0", "anthropic"],
)
def test_an_image_in_any_style_becomes_an_image_url_part(block: dict[str, Any]) -> None:
    """OpenAI, v1, v0 and Anthropic image blocks all arrive as the one form the API knows."""
    wire = _messages.to_wire([HumanMessage([{"type": "text", "text": "see"}, block])])

    assert wire == [{"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}]


def test_audio_and_files_become_the_apis_parts() -> None:
    """v1 audio and file blocks arrive as `input_audio` and `file`, a file with a name made from its type."""
    blocks = [
        {"type": "audio", "base64": DATA, "mime_type": "audio/wav"},
        {"type": "file", "base64": DATA, "mime_type": "application/pdf"},
    ]

    (wire,) = _messages.to_wire([HumanMessage(blocks)])

    assert wire["content"] == [
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}", "filename": "file.pdf"}},
    ]


def test_a_list_of_texts_becomes_a_string() -> None:
    """Text-only models refuse a list, even one that holds only text."""
    message = HumanMessage(["a", {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}, {"text": "c"}])

    assert _messages.to_wire([message]) == [{"role": "user", "content": "a\nb\nc"}]


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (HumanMessage([{"type": "hologram"}]), "'hologram'"),
        (HumanMessage([{"type": "video", "url": "https://h/v.mp4"}]), "'video'"),
        (HumanMessage([{"type": "file", "url": "https://h/f.pdf"}]), "file"),
        (AIMessage([IMAGE]), "'image_url'"),
        (FunctionMessage("f", name="f"), "FunctionMessage"),
        (RemoveMessage("1"), "RemoveMessage"),
        (ChatMessage("x", role="wizard"), "'wizard'"),
    ],
)
def test_what_has_no_wire_form_raises_and_is_named(message: Any, named: str) -> None:
    """Nothing is silently lost: an unknown block or message raises with its type."""
    with pytest.raises(ConfigurationError, match=named):
        _messages.to_wire([message])


def test_tool_calls_go_back_canonical_also_the_invalid_ones() -> None:
    """Every call has `type: function` and its arguments as JSON text, non-ASCII characters kept."""
    message = AIMessage(
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "t"}, {"type": "tool_use", "id": "1"}],
        tool_calls=[{"name": "f", "args": {"q": "東京"}, "id": "1"}],
        invalid_tool_calls=[{"name": "g", "args": "{broken", "id": "2", "error": "bad", "type": "invalid_tool_call"}],
    )

    assert _messages.to_wire([message]) == [
        {
            "role": "assistant",
            "content": "t",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"q":"東京"}'}},
                {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{broken"}},
            ],
        }
    ]


def test_reasoning_is_not_sent_back() -> None:
    """The documentation asks for a history without reasoning."""
    blocks = AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "t"}])
    plain = AIMessage("t", additional_kwargs={"reasoning_content": "hm"})

    assert _messages.to_wire([blocks, plain]) == [{"role": "assistant", "content": "t"}] * 2


def test_anthropic_tool_results_become_tool_messages() -> None:
    """A `tool_result` block in a user message is a tool message of its own."""
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]}

    assert _messages.to_wire([HumanMessage([result, {"type": "text", "text": "and?"}]), HumanMessage([result])]) == [
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "user", "content": "and?"},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]


def test_images_of_tool_results_follow_in_a_user_message() -> None:
    """A tool message takes text only, so what else a tool gave comes behind the last of them."""
    first = ToolMessage([{"type": "text", "text": "a plot"}, IMAGE], tool_call_id="1")

    assert _messages.to_wire([first, ToolMessage("2nd", tool_call_id="2")]) == [
        {
            "role": "tool",
            "tool_call_id": "1",
            "content": "a plot\nThe result of 1 has 1 attachment(s), in the next user message.",
        },
        {"role": "tool", "tool_call_id": "2", "content": "2nd"},
        {"role": "user", "content": [IMAGE]},
    ]


def test_no_message_is_changed() -> None:
    """The caller's messages are as before."""
    messages = [
        HumanMessage(["a", dict(IMAGE)]),
        AIMessage("", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "1"}]),
        ToolMessage([dict(IMAGE)], tool_call_id="1"),
    ]
    before = copy.deepcopy(messages)

    _messages.to_wire(messages)

    assert messages == before


# Recorded from a serverless Mistral deployment: a whole call with `finish_reason` and `usage`.
ANSWER: dict[str, Any] = {
    "id": "a1",
    "created": 1,
    "model": "mistral-large-2411",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
            "message": {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "991clhfWj", "function": {"name": "get_weather", "arguments": '{"city": "Honolulu"}'}},
                    {"id": "2", "function": {"name": "broken", "arguments": "{"}},
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 11,
        "completion_tokens": 32,
        "total_tokens": 43,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}


def test_an_answer_keeps_all_that_the_service_said() -> None:
    """Calls, invalid calls, usage with details, served model, finish reason and filter results reach the message."""
    message = _messages.to_ai_message(parse_completion(ANSWER), "deployment")

    assert message.tool_calls == [
        {"name": "get_weather", "args": {"city": "Honolulu"}, "id": "991clhfWj", "type": "tool_call"}
    ]
    assert [(call["name"], call["args"]) for call in message.invalid_tool_calls] == [("broken", "{")]
    assert message.usage_metadata == {
        "input_tokens": 11,
        "output_tokens": 32,
        "total_tokens": 43,
        "input_token_details": {"cache_read": 4},
        "output_token_details": {"reasoning": 5},
    }
    metadata = message.response_metadata
    assert (metadata["model_name"], metadata["finish_reason"], metadata["model_provider"]) == (
        "mistral-large-2411",
        "tool_calls",
        "azureai",
    )
    assert metadata["content_filter_results"] == {"hate": {"filtered": False, "severity": "safe"}}
    assert "tool_calls" not in message.additional_kwargs


def test_usage_details_are_not_invented() -> None:
    """A detail that the service left out is absent, not zero."""
    assert _messages.to_usage_metadata(Usage(1, 2, 3)) == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def test_a_frame_without_output_gives_no_chunk() -> None:
    """The opening frame of Azure OpenAI and the filter's annotations are no empty tokens."""
    assert _messages.to_generation_chunk(Delta(raw={"choices": [], "prompt_filter_results": [{}]})) is None


def test_text_reasoning_and_calls_stay_apart_in_streamed_blocks() -> None:
    """Each kind of block has an index of its own, so that langchain-core does not merge a call into the text."""
    deltas = [
        Delta(reasoning="hm"),
        Delta(content="Let me "),
        Delta(content="look."),
        Delta(tool_calls=(ToolCall("1", "f", '{"a"', 0),)),
        Delta(tool_calls=(ToolCall(None, None, ": 1}", 0),)),
        Delta(tool_calls=(ToolCall("2", "g", "{}", 1),)),
    ]
    chunks = [_messages.to_generation_chunk(delta).message for delta in deltas]

    assert [block["index"] for chunk in chunks for block in chunk.content_blocks] == [
        "lc_rs_0",
        "lc_txt_0",
        "lc_txt_0",
        "lc_tc_0",
        "lc_tc_0",
        "lc_tc_1",
    ]


FRAGMENTS = [
    "",
    " ",
    "\n",
    "{",
    "{}",
    ' {"a": 1}',
    '{"a"',
    '"b": 2}',
    "}",
    "null",
    "1",
    '"x"',
    "[1]",
    "  x",
    "abc",
    "{x",
    " }",
]


@pytest.mark.parametrize("arguments", FRAGMENTS)
@pytest.mark.parametrize(("call_id", "name"), [("1", "f"), (None, None)])
def test_chunks_made_from_a_template_equal_constructed_ones(arguments: str, call_id: Any, name: Any) -> None:
    """The short cut for streams gives the chunk that the constructor gives, field by field, alone and added up."""
    delta = Delta(content="c", tool_calls=(ToolCall(call_id, name, arguments, 0),), raw={"id": "1"})
    made = _messages.to_generation_chunk(delta)
    quick = made.message
    slow = _messages._validated_chunk(delta, {}, [_messages._tool_call_chunk(delta.tool_calls[0])], None)

    assert quick == slow
    assert quick.tool_calls == slow.tool_calls
    assert quick.invalid_tool_calls == slow.invalid_tool_calls
    assert quick + quick == slow + slow
    assert made == ChatGenerationChunk(message=slow)


def test_chunks_share_nothing() -> None:
    """A change to one chunk is not seen in the next."""
    one, other = (_messages.to_generation_chunk(Delta(content=text)).message for text in "ab")
    one.response_metadata["x"] = 1
    one.additional_kwargs["y"] = 2
    one.tool_call_chunks.append({})

    assert (other.response_metadata, other.additional_kwargs, other.tool_call_chunks) == (
        {"model_provider": "azureai"},
        {},
        [],
    )


@pytest.mark.parametrize(
    "completion",
    [
        Completion("Hello", finish_reason="stop", usage=Usage(1, 2, 3), id="1", raw={"model": "m"}),
        Completion("", tool_calls=(ToolCall("1", "f", '{"a": [1]}', 0), ToolCall("2", "g", "{x", 1)), reasoning="hm"),
    ],
)
def test_answers_made_from_a_template_equal_constructed_ones(completion: Completion) -> None:
    """Also when written out and validated again, and no answer shares anything with another."""
    made, other = _messages.to_generation(completion, "m"), _messages.to_generation(completion, "m")
    message = AIMessage(**{name: getattr(made.message, name) for name in made.message.model_fields_set})
    slow = ChatGeneration(message=message, generation_info={"finish_reason": completion.finish_reason})

    assert made == slow
    assert made.model_dump() == slow.model_dump() == ChatGeneration.model_validate(made.model_dump()).model_dump()
    assert made.text == slow.text == completion.content
    assert pickle.loads(pickle.dumps(made)) == slow
    made.message.tool_calls.append({})
    made.message.response_metadata["x"] = made.message.additional_kwargs["x"] = made.generation_info["x"] = 1
    assert other == slow
