"""The eight endpoints: what leaves, what comes back, how often (contract 1.2, 1.8, 1.9)."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Generator

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage

from azureai_core import (
    AzureAIError,
    ContentFilterError,
    RateLimitError,
    StreamInterruptedError,
    UnprocessableEntityError,
)
from llamaindex_azureai import AzureAI, AzureAITextCompletion


async def test_chat_sends_the_messages_and_returns_the_answer(service, llm, user, caller):
    """The request is the documented body and nothing more."""
    response = await caller(llm, "chat", user)

    assert response.message.content == "Paris."
    assert response.message.role == "assistant"
    assert service.last.body == {"messages": [{"role": "user", "content": "Capital of France?"}], "model": "gpt-4o"}
    assert service.last.path == "/serverless/chat/chat/completions?api-version=2024-05-01-preview"


async def test_what_the_user_set_is_sent_and_nothing_else(service, make_llm, user, caller):
    """Zero and false count as set; None does not."""
    llm = make_llm(
        temperature=0, top_p=0.5, max_tokens=9, presence_penalty=0, frequency_penalty=0.1, stop="END", seed=0
    )
    await caller(llm, "chat", user)

    body = {k: v for k, v in service.last.body.items() if k != "messages"}
    assert body == {
        "temperature": 0, "top_p": 0.5, "max_tokens": 9, "presence_penalty": 0, "frequency_penalty": 0.1,
        "stop": ["END"], "seed": 0,
    }  # fmt: skip


async def test_arguments_of_the_call_win_over_fields_and_none_removes(service, make_llm, user, caller):
    """A call can change and unset what the model was made with."""
    llm = make_llm(temperature=0.5, max_tokens=9, model_kwargs={"safe_prompt": True, "user": "a"})
    await caller(llm, "chat", user, temperature=None, max_tokens=3, extra_body={"user": "b"})

    body = {k: v for k, v in service.last.body.items() if k != "messages"}
    assert body == {"max_tokens": 3, "safe_prompt": True, "user": "b"}
    assert service.last.headers["extra-parameters"] == "pass-through"


async def test_stream_chat_grows_and_ends_with_the_whole(service, llm, user, caller):
    """Each response has the message so far, `delta` the new text; the last repeats all and has the usage."""
    responses = await caller.listed(llm, "stream_chat", user)

    assert [r.delta for r in responses] == ["Par", "is.", ""]
    assert [r.message.content for r in responses] == ["Par", "Paris.", "Paris."]
    assert responses[-1].raw["usage"] == service.usage(11, 7)
    assert service.last.body["stream"] is True


async def test_streams_are_real_generators(service, llm, user):
    """The framework only sends events for what is a generator."""
    stream, astream = llm.stream_chat(user), await llm.astream_chat(user)

    assert isinstance(stream, Generator)
    assert isinstance(astream, AsyncGenerator)
    assert service.requests == []
    stream.close()
    await astream.aclose()


async def test_complete_takes_the_prompt_by_position_or_name(service, llm, caller):
    """Both spellings send the prompt as one user message."""
    first = await caller(llm, "complete", "Hello")
    second = await caller(llm, "complete", prompt="Hello")

    assert (first.text, second.text) == ("Paris.", "Paris.")
    assert [r.body["messages"] for r in service.requests] == [[{"role": "user", "content": "Hello"}]] * 2


async def test_complete_without_a_prompt_is_a_value_error(service, llm, caller):
    """The framework's own rule holds."""
    with pytest.raises(ValueError, match="prompt"):
        await caller(llm, "complete")


async def test_stream_complete_grows(service, llm, caller):
    """Text grows, the last response is the whole."""
    responses = await caller.listed(llm, "stream_complete", "Hello")

    assert [(r.delta, r.text) for r in responses] == [("Par", "Par"), ("is.", "Paris."), ("", "Paris.")]


async def test_completion_to_prompt_is_applied_unless_formatted(service, make_llm, caller):
    """`formatted=True` means that it has been done."""
    llm = make_llm(completion_to_prompt=lambda prompt: f"<{prompt}>")
    await caller(llm, "complete", "a")
    await caller(llm, "complete", "b", formatted=True)

    assert [r.body["messages"][0]["content"] for r in service.requests] == ["<a>", "b"]


@pytest.mark.parametrize(
    ("method", "argument", "kind"),
    [
        ("chat", "messages", "Chat"),
        ("complete", "prompt", "Completion"),
        ("stream_chat", "messages", "Chat"),
        ("stream_complete", "prompt", "Completion"),
    ],
)
async def test_one_request_one_event_one_token_count(service, make_llm, caller, recorder, method, argument, kind):
    """Counts are the service's own, once per request, also where a completion stands on a chat."""
    counter = TokenCountingHandler()
    llm = make_llm(callback_manager=CallbackManager([counter]))
    value = [ChatMessage(content="Hi")] if argument == "messages" else "Hi"
    await (caller.listed if method.startswith("stream") else caller)(llm, method, value)

    starts = [name for name in recorder.names() if name.endswith("StartEvent") and name.startswith("LLM")]
    assert starts == [f"LLM{kind}StartEvent"]
    assert [name for name in recorder.names() if name.endswith("EndEvent")] == [f"LLM{kind}EndEvent"]
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (11, 7)
    assert len(service.requests) == 1


async def test_usage_details_reach_the_response(service, llm, user, caller):
    """Cached and reasoning tokens stand beside the counts."""
    details = {"completion_tokens_details": {"reasoning_tokens": 5}, "prompt_tokens_details": {"cached_tokens": 3}}
    service.will(service.says(usage={**service.usage(11, 7), **details}))
    response = await caller(llm, "chat", user)

    assert response.additional_kwargs == {
        "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cached_tokens": 3, "reasoning_tokens": 5,
        "finish_reason": "stop", "request_id": "req-1",
    }  # fmt: skip


async def test_usage_of_streams_is_asked_for_on_openai_routes(service, make_llm, user, caller):
    """The v1 route gives usage only when asked; the model-inference routes give it unasked, and may refuse the wish."""
    await caller.listed(make_llm("/openai/v1", model="gpt-4o"), "stream_chat", user)
    await caller.listed(make_llm("/models", model="gpt-4o"), "stream_chat", user)
    await caller.listed(make_llm("/models", model="gpt-4o", stream_usage=True), "stream_chat", user)

    assert [r.body.get("stream_options") for r in service.requests] == [
        {"include_usage": True},
        None,
        {"include_usage": True},
    ]


FILTERED = {
    "error": {
        "code": "content_filter",
        "message": "The response was filtered",
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True}},
        },
    }
}
DETAIL = {"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted", "input": 5}]}


@pytest.mark.parametrize("method", ["chat", "stream_chat"])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, FILTERED, ContentFilterError),
        (422, DETAIL, UnprocessableEntityError),
        (429, {"error": {"message": "slow"}}, RateLimitError),
    ],
)
async def test_errors_are_the_cores_own_with_their_status(service, llm, user, caller, method, status, body, error):
    """Whole or streamed: the same typed error, nothing wrapped around it."""
    service.will(service.fails(status, body, x_request_id="req-9"))
    with pytest.raises(error) as caught:
        await (caller.listed if "stream" in method else caller)(llm, method, user)

    assert caught.value.status_code == status
    assert "req-9" in str(caught.value)
    assert len(service.requests) == 1


async def test_a_cut_stream_is_an_error_with_the_text_so_far(service, llm, user, caller):
    """A stream without a finish reason must not pass for an answer."""
    reply = service.streams("Par")
    reply.frames, reply.done = reply.frames[:3], False
    service.will(reply)
    with pytest.raises(StreamInterruptedError) as caught:
        await caller.listed(llm, "stream_chat", user)

    assert caught.value.partial.content == "Par"


async def test_leaving_a_stream_early_leaves_nothing_open(service, llm, user):
    """A consumer may stop at any time, sync and async, without a warning."""
    for _ in llm.stream_chat(user):
        break
    stream = await llm.astream_chat(user)
    async for _ in stream:
        break
    await stream.aclose()

    assert (await llm.achat(user)).message.content == "Paris."


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("method", ["astream_chat", "astream_complete"])
@pytest.mark.parametrize("kind", [AzureAI, AzureAITextCompletion])
def test_a_loop_may_end_in_the_middle_of_a_stream(service, kind, method, ends, caplog):
    """`break`, then the end of `asyncio.run`: nothing is logged, and no connection stays open."""
    service.will(service.streams(*["Par", "is."] * 50))
    llm = kind(service.url + "/serverless/chat", service.key, context_window=1000, max_retries=0)

    async def run():
        async for _ in await getattr(llm, method)([ChatMessage("hi")] if method == "astream_chat" else "hi"):
            break
        if not ends:
            await asyncio.sleep(0.05)

    asyncio.run(run())
    gc.collect()

    assert [record.getMessage() for record in caplog.records] == []


async def test_retries_are_one_plus_n(service, make_llm, user, caller):
    """Retries are made in one place only."""
    service.will(*[service.fails(500, {}, retry_after_ms="1")] * 3)
    response = await caller(make_llm(max_retries=3), "chat", user)

    assert (response.message.content, len(service.requests)) == ("Paris.", 4)


async def test_reading_metadata_sends_nothing(service, llm):
    """Metadata is read on every call by the framework."""
    assert (llm.metadata.is_chat_model, llm.metadata.is_function_calling_model) == (True, True)
    assert service.requests == []


async def test_model_info_is_asked_for_explicitly(service, llm, caller):
    """`GET /info` happens here and nowhere else."""
    service.will(service.fails(200, {"model_name": "gpt-4o", "model_type": "chat", "model_provider_name": "OpenAI"}))
    info = await caller(llm, "get_model_info")

    assert (info.model_name, info.model_type) == ("gpt-4o", "chat-completion")
    assert service.last.path.startswith("/serverless/chat/info")


NO_STREAMS = {"error": {"code": "invalid_request", "message": "Streaming is not supported by this deployment."}}


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
async def test_a_deployment_without_streams_can_be_buffered(service, make_llm, user, caller, method):
    """When asked for: the whole answer in one chunk, and no second try to stream."""
    llm = make_llm(stream_by_buffering=True)
    service.will(service.fails(422, NO_STREAMS))
    argument = user if method == "stream_chat" else "q"
    [first] = await caller.listed(llm, method, argument)
    [second] = await caller.listed(llm, method, argument)

    assert [first.delta, second.delta] == ["Paris."] * 2
    assert first.additional_kwargs["total_tokens"] == 18
    assert [bool(r.body.get("stream")) for r in service.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [({}, 422, "Streaming is not supported"), ({"stream_by_buffering": True}, 400, "Something else")],
)
async def test_a_refusal_of_streams_is_an_error_otherwise(service, make_llm, user, caller, options, status, message):
    """Unless asked for, and for other errors."""
    service.will(service.fails(status, {"error": {"message": message}}))
    with pytest.raises(AzureAIError, match=message):
        await caller.listed(make_llm(**options), "stream_chat", user)

    assert len(service.requests) == 1


async def test_an_agent_on_a_deployment_without_streams(service, make_llm):
    """It streams by default, and works."""
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.core.tools import FunctionTool

    call = service.call("c1", "add", {"a": 1, "b": 2})
    service.will(service.fails(422, NO_STREAMS), service.says(None, [call]), service.says("3"))
    tool = FunctionTool.from_defaults(lambda a, b: a + b, name="add", description="Adds.")
    output = await FunctionAgent(llm=make_llm(stream_by_buffering=True), tools=[tool]).run("1 + 2?")

    assert (str(output), len(service.requests)) == ("3", 3)


async def test_streamed_responses_are_dumped_as_the_framework_would(service, make_llm, user, caller):
    """Their fields in its order, though made without its constructor."""
    service.will(service.streams("Par", "is."))
    responses = await caller.listed(make_llm(), "stream_chat", user)

    assert len(responses) == 3
    for response in responses:
        assert response.model_dump_json() == type(response)(**dict(response)).model_dump_json()
