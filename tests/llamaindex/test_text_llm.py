"""The text-completion class over `/completions`."""

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage

from llamaindex_azureai import AzureAITextCompletion


@pytest.fixture
def make(service):
    def make(**options):
        return AzureAITextCompletion(service.url + "/serverless/text", service.key, max_retries=0, **options)

    return make


def _text(service, text=" Paris."):
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    return type(service.says())(
        body={"id": "t", "object": "text_completion", "choices": [choice], "usage": service.usage(3, 2)}
    )


def _stream(service):
    frames = [{"id": "t", "choices": [{"index": 0, "text": t, "finish_reason": None}]} for t in (" Par", "is.")]
    last = {"id": "t", "choices": [{"index": 0, "text": "", "finish_reason": "stop"}], "usage": service.usage(3, 2)}
    return type(service.says())(frames=[*frames, last])


async def test_complete(service, make, caller):
    """The prompt leaves as it is; the text comes back as it is."""
    service.will(_text(service))
    response = await caller(make(model="m", temperature=0, stop="."), "complete", "The capital is", seed=1)

    assert (response.text, response.additional_kwargs["total_tokens"]) == (" Paris.", 5)
    assert service.last.body == {"prompt": "The capital is", "model": "m", "temperature": 0, "stop": ["."], "seed": 1}
    assert service.last.path.startswith("/serverless/text/completions")


async def test_stream_complete(service, make, caller):
    """It grows; the last response is the whole, with usage."""
    service.will(_stream(service))
    responses = await caller.listed(make(), "stream_complete", "The capital is")

    assert [(r.delta, r.text) for r in responses] == [(" Par", " Par"), ("is.", " Paris."), ("", " Paris.")]
    assert responses[-1].raw["usage"] == service.usage(3, 2)


async def test_chat_is_written_as_one_prompt(service, make, caller):
    """By the user's `messages_to_prompt`, or the framework's."""
    service.will(_text(service), _stream(service), _text(service))
    messages = [ChatMessage(role="system", content="s"), ChatMessage(role="user", content="q")]
    response = await caller(make(messages_to_prompt=lambda m: "|".join(x.content for x in m)), "chat", messages)
    streamed = await caller.listed(make(), "stream_chat", messages)

    assert (response.message.content, streamed[-1].message.content) == (" Paris.", " Paris.")
    assert [r.body["prompt"] for r in service.requests] == ["s|q", "system: s\nuser: q\nassistant: "]


async def test_one_event_and_exact_counts(service, make, caller, recorder):
    """Counts are the service's."""
    service.will(_text(service))
    counter = TokenCountingHandler()
    await caller(make(callback_manager=CallbackManager([counter])), "complete", "x")

    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (3, 2)
    assert [n for n in recorder.names() if n.startswith("LLM")] == ["LLMCompletionStartEvent", "LLMCompletionEndEvent"]


def test_metadata(make):
    """No chat model: the framework flattens prompts for it."""
    metadata = make(model="m", max_tokens=7, context_window=2000).metadata

    assert (metadata.is_chat_model, metadata.context_window, metadata.num_output) == (False, 2000, 7)
