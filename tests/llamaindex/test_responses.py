"""From the wire to LlamaIndex responses: blocks, dicts, raw, streams in all their shapes (contract 1.7)."""

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock

from azureai_core import ToolCall
from llamaindex_azureai._calls import partial_arguments
from llamaindex_azureai._from_wire import to_message

ARGUMENTS = '{"a": 1, "b": "ü"}'


def _fragments(index, call_id, name, arguments, size=4):
    """A call as OpenAI streams it: head first, then the arguments in chunks."""
    head = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    chunks = [arguments[n : n + size] for n in range(0, len(arguments), size)]
    tail = [{"index": index, "function": {"arguments": chunk}} for chunk in chunks]
    return [{"tool_calls": [part]} for part in [head, *tail]]


async def test_a_call_comes_as_block_and_as_plain_dict(service, llm, user, caller):
    """Agents read the block, older consumers the dicts."""
    service.will(service.says(None, [service.call("c1", "add", ARGUMENTS, extra="dropped")]))
    message = (await caller(llm, "chat", user)).message

    assert message.blocks == [ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=ARGUMENTS)]
    assert message.additional_kwargs == {"tool_calls": [service.call("c1", "add", ARGUMENTS)]}


@pytest.mark.parametrize("calls", [(), (ToolCall("c1", "add", ARGUMENTS), ToolCall("c2", None, "", 1))])
@pytest.mark.parametrize("reasoning", ["", "hm"])
@pytest.mark.parametrize("content", ["", "Paris."])
@pytest.mark.parametrize("beside", [None, {"refusal": "no"}])
def test_a_message_is_what_the_frameworks_constructor_makes(content, reasoning, calls, beside):
    """Field by field, also what it says was set; and no two share what their owner may change."""
    message, other = [to_message(content, reasoning, calls, beside) for _ in range(2)]
    built = ChatMessage(role="assistant", additional_kwargs=message.additional_kwargs, blocks=message.blocks)

    assert message == built
    assert list(dict(message)) == list(dict(built))
    assert (message.model_fields_set, message.model_extra) == (built.model_fields_set, built.model_extra)
    assert message.model_dump_json() == built.model_dump_json()
    assert pickle.loads(pickle.dumps(message)) == copy.deepcopy(message) == built
    assert message.blocks is not other.blocks
    assert message.model_fields_set is not other.model_fields_set
    assert beside or message.additional_kwargs is not other.additional_kwargs


async def test_plain_answers_have_no_tool_calls_key(service, llm, user, caller):
    """Some consumers take the length of what they find."""
    assert (await caller(llm, "chat", user)).message.additional_kwargs == {}


async def test_streamed_calls_equal_whole_ones(service, llm, user, caller):
    """Two parallel calls, arguments cut every four characters, null content first."""
    service.will(
        service.streams(
            {"content": None},
            *_fragments(0, "c1", "add", ARGUMENTS),
            *_fragments(1, "c2", "mul", "{}"),
            finish="tool_calls",
        )
    )
    streamed = (await caller.listed(llm, "stream_chat", user))[-1]
    service.will(service.says(None, [service.call("c1", "add", ARGUMENTS), service.call("c2", "mul", "{}")]))
    whole = await caller(llm, "chat", user)

    assert streamed.message == whole.message
    assert streamed.additional_kwargs["finish_reason"] == "tool_calls"


async def test_a_call_in_one_frame_without_index(service, llm, user, caller):
    """Mistral's style, with usage and finish reason in the same frame. Source: recorded mistral-large-2411 stream."""
    frame = service.frame(
        {"tool_calls": [{"id": "991clhfWj", "function": {"name": "add", "arguments": ARGUMENTS}}]},
        "tool_calls",
        service.usage(3, 4),
    )
    service.will(type(service.says())(frames=[service.frame({"role": "assistant", "content": ""}), frame]))
    last = (await caller.listed(llm, "stream_chat", user))[-1]

    assert last.message.blocks == [ToolCallBlock(tool_call_id="991clhfWj", tool_name="add", tool_kwargs=ARGUMENTS)]
    assert last.raw["usage"] == service.usage(3, 4)


async def test_every_partial_can_be_read_as_calls(service, llm, user, caller):
    """Agents ask for the calls of each partial response; none may raise."""
    service.will(service.streams(*_fragments(0, "c1", "add", ARGUMENTS, 1), finish="tool_calls"))
    seen = []
    for response in await caller.listed(llm, "stream_chat", user):
        seen += llm.get_tool_calls_from_response(response, error_on_no_tool_call=False)

    assert {(call.tool_id, call.tool_name) for call in seen} == {("c1", "add")}
    assert seen[-1].tool_kwargs == {"a": 1, "b": "ü"}


@given(
    st.one_of(
        st.none(),
        st.text(),
        st.just(ARGUMENTS).flatmap(lambda t: st.integers(0, len(t)).map(lambda n: t[:n])),
        st.dictionaries(st.text(), st.integers()),
    )
)
def test_partial_arguments_never_raise(arguments):
    """Whatever stands in them, a dict comes out."""
    assert isinstance(partial_arguments(arguments), dict)


async def test_reasoning_is_a_block_and_a_delta(service, llm, user, caller):
    """Separate reasoning comes first, and each increment as `thinking_delta`."""
    service.will(service.streams({"reasoning_content": "Let "}, {"reasoning_content": "me."}, "Paris."))
    responses = await caller.listed(llm, "stream_chat", user)

    assert [r.additional_kwargs.get("thinking_delta") for r in responses] == ["Let ", "me.", None, None]
    assert [r.delta for r in responses] == ["", "", "Paris.", ""]
    assert responses[-1].message.blocks == [ThinkingBlock(content="Let me."), TextBlock(text="Paris.")]
    assert responses[-1].message.content == "Paris."


async def test_think_tags_are_reasoning_too(service, llm, user, caller):
    """DeepSeek-R1 on older api-versions writes its reasoning into the text."""
    service.will(service.says("<think>hm</think>\n\nParis."), service.streams("<th", "ink>hm</thi", "nk>\n\nParis."))
    whole = await caller(llm, "chat", user)
    streamed = (await caller.listed(llm, "stream_chat", user))[-1]

    assert whole.message.blocks == [ThinkingBlock(content="hm"), TextBlock(text="Paris.")]
    assert streamed.message == whole.message


async def test_content_as_parts_is_text(service, llm, user, caller):
    """Mistral answers with a list of parts when it cites."""
    parts = [
        {"type": "text", "text": "Par"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "is."},
    ]
    service.will(service.says(parts), service.streams({"content": parts}))
    whole = await caller(llm, "chat", user)
    streamed = (await caller.listed(llm, "stream_chat", user))[-1]

    assert (whole.message.content, streamed.message.content) == ("Paris.", "Paris.")
    assert whole.raw["choices"][0]["message"]["content"] == parts


async def test_annotation_frames_give_no_response_but_stay_in_raw(service, llm, user, caller):
    """Frames without choices, without delta, with filter results only. Source: content filter guide, streaming."""
    reply = service.streams("Paris.")
    note = {"index": 0, "finish_reason": None, "content_filter_results": {"hate": {"filtered": False}}}
    reply.frames.insert(3, {"id": "", "choices": [note], "usage": None})
    service.will(reply)
    responses = await caller.listed(llm, "stream_chat", user)

    assert [r.delta for r in responses] == ["Paris.", ""]
    raw = responses[-1].raw
    assert raw["prompt_filter_results"] == [{"prompt_index": 0}]
    assert raw["choices"][0]["content_filter_results"] == {"hate": {"filtered": False}}
    assert raw["choices"][0]["message"] == {"role": "assistant", "content": "Paris."}
    assert (raw["id"], raw["model"], raw["request_id"]) == ("c1", "served", "req-1")


async def test_a_stream_without_output_still_gives_a_response(service, llm, user, caller):
    """Consumers that keep the last response need one."""
    service.will(service.streams())
    [last] = await caller.listed(llm, "stream_chat", user)

    assert (last.message.content, last.delta) == ("", "")


async def test_everything_is_json(service, llm, user, caller):
    """Memory, Context and events write messages and raw as JSON."""
    service.will(service.says("a", [service.call("c1", "add", ARGUMENTS)], reasoning="r"))
    response = await caller(llm, "chat", user)

    assert ChatMessage.model_validate_json(response.message.model_dump_json()) == response.message
    assert json.loads(json.dumps(response.model_dump()))["raw"]["usage"] == service.usage(11, 7)


async def test_logprobs(service, llm, user, caller):
    """One list per token, with the alternatives that were asked for."""
    token = {
        "token": "P",
        "logprob": -0.5,
        "bytes": [80],
        "top_logprobs": [{"token": "P", "logprob": -0.5, "bytes": None}, {"token": "L", "logprob": -2.0}],
    }
    reply = service.says()
    reply.body["choices"][0]["logprobs"] = {"content": [token, {"token": "a", "logprob": -1.0}]}
    service.will(reply)
    response = await caller(llm, "chat", user, logprobs=True)

    assert [[(p.token, p.logprob) for p in alternatives] for alternatives in response.logprobs] == [
        [("P", -0.5), ("L", -2.0)],
        [("a", -1.0)],
    ]


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_finish_reason_and_request_id_are_given(service, llm, user, caller, finish):
    """A cut answer can be recognised, whole or streamed."""
    service.will(service.says(finish=finish), service.streams("a", finish=finish))
    whole = await caller(llm, "chat", user)
    streamed = (await caller.listed(llm, "stream_chat", user))[-1]

    assert whole.additional_kwargs["finish_reason"] == streamed.additional_kwargs["finish_reason"] == finish
    assert whole.raw["request_id"] == streamed.raw["request_id"] == "req-1"


async def test_reasoning_can_stand_in_for_an_empty_answer(service, make_llm, user, caller):
    """Only when asked, only when there is nothing else. Source: llama_index#21337."""
    service.will(
        service.says("", reasoning="42"), service.streams({"reasoning_content": "42"}), service.says("", reasoning="42")
    )
    llm = make_llm(promote_reasoning=True)
    whole = await caller(llm, "chat", user)
    streamed = await caller.listed(llm, "stream_chat", user)

    assert whole.message.content == streamed[-1].message.content == "42"
    assert "".join(r.delta for r in streamed) == "42"
    assert (await caller(make_llm(), "chat", user)).message.content == ""


# ---------------------------------------------------------------------------- what stands beside the text

REFUSAL = "I cannot help with that."
CITATION = {"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "T"}}
SOURCES = {"citations": [{"content": "c", "filepath": "f.md"}], "intent": "q"}


def _with(reply, **beside):
    """A whole answer with something beside its content."""
    reply.body["choices"][0]["message"] |= beside
    return reply


async def test_a_refusal_reaches_the_user(service, llm, user, caller):
    """As the text where there is no other, and as what it is. Source: langchain#34616."""
    service.will(
        _with(service.says(None), refusal=REFUSAL),
        service.streams({"refusal": "I cannot "}, {"refusal": "help with that."}),
    )
    whole = await caller(llm, "chat", user)
    streamed = await caller.listed(llm, "stream_chat", user)

    assert whole.message.content == REFUSAL
    assert whole.message.additional_kwargs == {"refusal": REFUSAL}
    assert streamed[-1].message == whole.message
    assert [(r.delta, r.message.content) for r in streamed] == [
        ("I cannot ", "I cannot "),
        ("help with that.", REFUSAL),
        ("", REFUSAL),
    ]


@pytest.mark.parametrize("method", ["complete", "stream_complete"])
async def test_a_refusal_reaches_the_user_of_a_completion(service, llm, caller, method):
    """The same for the methods that take a prompt."""
    service.will(
        service.streams({"refusal": REFUSAL}) if "stream" in method else _with(service.says(None), refusal=REFUSAL)
    )
    last = (await caller.listed(llm, method, "q"))[-1] if "stream" in method else await caller(llm, method, "q")

    assert last.text == REFUSAL


async def test_a_refusal_beside_text_is_no_text(service, llm, user, caller):
    """The text stands for itself."""
    service.will(_with(service.says("Paris."), refusal=REFUSAL), service.streams("Paris.", {"refusal": REFUSAL}))
    whole = await caller(llm, "chat", user)
    streamed = (await caller.listed(llm, "stream_chat", user))[-1]

    assert whole.message.content == streamed.message.content == "Paris."
    assert whole.message.additional_kwargs == streamed.message.additional_kwargs == {"refusal": REFUSAL}


@pytest.mark.parametrize(
    "beside",
    [
        {"annotations": [CITATION]},
        {"context": SOURCES},
        {"audio": {"id": "a", "data": "UklGRg==", "transcript": "Paris.", "expires_at": 1}},
    ],
    ids=lambda beside: next(iter(beside)),
)
async def test_what_stands_beside_the_text_reaches_the_user(service, llm, user, caller, beside):
    """Whole or streamed, in the message and in `raw`; the next turn does not send it back."""
    service.will(_with(service.says("Paris."), **beside), service.streams("Paris.", beside))
    whole = await caller(llm, "chat", user)
    streamed = (await caller.listed(llm, "stream_chat", user))[-1]
    await caller(llm, "chat", [*user, streamed.message, *user])

    assert whole.message.additional_kwargs == streamed.message.additional_kwargs == beside
    assert streamed.raw["choices"][0]["message"].items() >= beside.items()
    assert service.last.body["messages"][1] == {"role": "assistant", "content": "Paris."}


async def test_logprobs_of_streams(service, llm, user, caller):
    """Those of each frame on its response, all on the last."""
    frames = [service.frame({"content": text}) for text in "ab"]
    for frame, text in zip(frames, "ab", strict=True):
        frame["choices"][0]["logprobs"] = {"content": [{"token": text, "logprob": -1.0, "bytes": None}]}
    reply = service.streams()
    reply.frames[2:2] = frames
    service.will(reply)
    responses = await caller.listed(llm, "stream_chat", user)

    assert [[t[0].token for t in r.logprobs] for r in responses] == [["a"], ["b"], ["a", "b"]]
