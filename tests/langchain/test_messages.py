"""Messages in and out, by the request that leaves and the message that comes back."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import BaseModel

from azureai_core import Choice, Completion, ConfigurationError, Delta, ToolCall, Usage, parse_completion
from azureai_core.adapters import fast_constructor
from langchain_azureai import _blocks, _from_wire, _to_wire  # noqa: F401  the blocks register their translator

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
    assert _to_wire.to_wire([message]) == wire


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
    wire = _to_wire.to_wire([HumanMessage([{"type": "text", "text": "see"}, block])])

    assert wire == [{"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}]


def test_audio_and_files_become_the_apis_parts() -> None:
    """v1 audio and file blocks arrive as `input_audio` and `file`, a file with a name made from its type."""
    blocks = [
        {"type": "audio", "base64": DATA, "mime_type": "audio/wav"},
        {"type": "file", "base64": DATA, "mime_type": "application/pdf"},
    ]

    (wire,) = _to_wire.to_wire([HumanMessage(blocks)])

    assert wire["content"] == [
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}", "filename": "file.pdf"}},
    ]


def test_a_list_of_texts_becomes_a_string() -> None:
    """Text-only models refuse a list, even one that holds only text."""
    message = HumanMessage(["a", {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}, {"text": "c"}])

    assert _to_wire.to_wire([message]) == [{"role": "user", "content": "a\nb\nc"}]


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
        _to_wire.to_wire([message])


def test_tool_calls_go_back_canonical_also_the_invalid_ones() -> None:
    """Every call has `type: function` and its arguments as JSON text, non-ASCII characters kept."""
    message = AIMessage(
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "t"}, {"type": "tool_use", "id": "1"}],
        tool_calls=[{"name": "f", "args": {"q": "東京"}, "id": "1"}],
        invalid_tool_calls=[{"name": "g", "args": "{broken", "id": "2", "error": "bad", "type": "invalid_tool_call"}],
    )

    assert _to_wire.to_wire([message]) == [
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

    assert _to_wire.to_wire([blocks, plain]) == [{"role": "assistant", "content": "t"}] * 2


def test_anthropic_tool_results_become_tool_messages() -> None:
    """A `tool_result` block in a user message is a tool message of its own."""
    result = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]}

    assert _to_wire.to_wire([HumanMessage([result, {"type": "text", "text": "and?"}]), HumanMessage([result])]) == [
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "user", "content": "and?"},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]


def test_images_of_tool_results_follow_in_a_user_message() -> None:
    """A tool message takes text only, so what else a tool gave comes behind the last of them."""
    first = ToolMessage([{"type": "text", "text": "a plot"}, IMAGE], tool_call_id="1")

    assert _to_wire.to_wire([first, ToolMessage("2nd", tool_call_id="2")]) == [
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

    _to_wire.to_wire(messages)

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
    message = _from_wire.to_ai_message(parse_completion(ANSWER), "deployment")

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
    assert _from_wire.to_usage_metadata(Usage(1, 2, 3)) == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def test_a_frame_without_output_gives_no_chunk() -> None:
    """The opening frame of Azure OpenAI and the filter's annotations are not empty tokens."""
    assert _from_wire.to_generation_chunk(Delta(id="1")) is None


def test_a_refusal_beside_text_is_kept() -> None:
    """A delta may have both."""
    message = _from_wire.to_generation_chunk(Delta(content="I ", refusal="cannot")).message

    assert (message.content, message.additional_kwargs) == ("I ", {"refusal": "cannot"})


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
    chunks = [_from_wire.to_generation_chunk(delta).message for delta in deltas]

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
def test_a_chunk_of_a_call_is_what_the_constructor_makes(arguments: str, call_id: Any, name: Any) -> None:
    """Field by field, alone and added up, although most are made without its parsing of arguments."""
    delta = Delta(content="c", tool_calls=(ToolCall(call_id, name, arguments, 0),), id="1")
    made = _from_wire.to_generation_chunk(delta)
    fragment = tool_call_chunk(name=name, args=arguments, id=call_id, index=0)
    metadata = {"model_provider": "azureai"}
    expected = AIMessageChunk(content="c", tool_call_chunks=[fragment], response_metadata=metadata, id="1")

    assert values(made.message) == values(expected)
    assert made.message + made.message == expected + expected
    assert made == ChatGenerationChunk(message=expected)


def values(model: BaseModel) -> dict[str, Any]:
    """The value of each field."""
    return {name: getattr(model, name) for name in type(model).model_fields}


CALL = tool_call(name="f", args={"a": [1]}, id="1")
FRAGMENT = tool_call_chunk(name="f", args='"a": 1', id="1", index=0)
MADE_FROM_TEMPLATES: list[tuple[BaseModel, dict[str, Any]]] = [
    (_from_wire.AI_MESSAGE, {"content": "Hello", "id": "1", "response_metadata": {"model_name": "m"}}),
    (_from_wire.AI_MESSAGE, {"tool_calls": [CALL], "usage_metadata": _from_wire.to_usage_metadata(Usage(1, 2, 3))}),
    (_from_wire.AI_MESSAGE_CHUNK, {"content": "Hello", "id": "1", "additional_kwargs": {"refusal": "no"}}),
    (
        _from_wire.AI_MESSAGE_CHUNK,
        {
            "tool_call_chunks": [FRAGMENT],
            "invalid_tool_calls": [invalid_tool_call(name="f", args='"a": 1', id="1", error=None)],
        },
    ),
    (_from_wire.CHAT_GENERATION, {"message": AIMessage("Hello"), "text": "Hello", "generation_info": {"a": 1}}),
    (_from_wire.CHAT_GENERATION_CHUNK, {"message": AIMessageChunk("Hello"), "text": "Hello"}),
]


@pytest.mark.parametrize(("template", "given"), MADE_FROM_TEMPLATES)
def test_what_is_made_from_a_template_is_what_pydantic_makes(template: BaseModel, given: dict[str, Any]) -> None:
    """Each field, the set of those that were given, extra fields, and what is written out and read again.

    The fields that were given are all that the template was given, also where an object keeps its value.
    """
    made = fast_constructor(template)(**given)
    kept = {name: getattr(template, name) for name in template.model_fields_set}
    expected = type(template)(**{**kept, **given})

    assert type(made) is type(expected)
    assert values(made) == values(expected)
    assert made.model_fields_set == expected.model_fields_set
    assert made.model_extra == expected.model_extra
    assert made == expected
    assert made.model_dump() == expected.model_dump() == type(template).model_validate(made.model_dump()).model_dump()
    assert pickle.loads(pickle.dumps(made)) == expected


def test_chunks_share_nothing() -> None:
    """A change to one chunk is not seen in the next."""
    one, other = (_from_wire.to_generation_chunk(Delta(content=text)).message for text in "ab")
    one.response_metadata["x"] = 1
    one.additional_kwargs["y"] = 2
    one.tool_call_chunks.append({})

    assert (other.response_metadata, other.additional_kwargs, other.tool_call_chunks) == (
        {"model_provider": "azureai"},
        {},
        [],
    )


def test_the_choices_of_an_answer_share_nothing() -> None:
    """A change to one message is not seen in another."""
    completion = Completion("a", finish_reason="stop", others=(Choice("b"),))
    one, other = _from_wire.to_generations(completion, "m")
    untouched = copy.deepcopy(other)
    one.message.tool_calls.append({})
    one.message.response_metadata["x"] = one.message.additional_kwargs["x"] = one.generation_info["x"] = 1

    assert (one.text, other.text) == ("a", "b")
    assert other == untouched
