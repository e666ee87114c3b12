"""The chat model over real HTTP: what leaves, and what comes back, sync and async, plain and streaming."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import json
import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel, Field

from azureai_core import ConfigurationError, reset_deployments
from azureai_emulator import Emulator, Fault
from langchain_azureai import AzureAIEmbeddings, AzureAILLM, ChatAzureAI, image_block
from media import png

MODES = ("invoke", "ainvoke", "stream", "astream")


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def chat(emulator: Emulator, base: str = "/models", model: str | None = "mistral-large-2411", **arguments: Any) -> Any:
    return ChatAzureAI(endpoint=emulator.url + base, credential=emulator.key, model=model, **arguments)


async def ask(chat_model: Any, mode: str, prompt: Any, **kwargs: Any) -> AIMessage:
    """The answer in one of the four modes; chunks added up."""
    if mode == "invoke":
        return chat_model.invoke(prompt, **kwargs)
    if mode == "ainvoke":
        return await chat_model.ainvoke(prompt, **kwargs)
    if mode == "stream":
        chunks = list(chat_model.stream(prompt, **kwargs))
    else:
        chunks = [chunk async for chunk in chat_model.astream(prompt, **kwargs)]
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def sent(emulator: Emulator) -> dict[str, Any]:
    """The body of the last request."""
    return emulator.requests[-1].body


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"sunny in {city}"


class Trip(BaseModel):
    """A trip to book."""

    city: str = Field(description="The city to travel to")
    travellers: int


@pytest.mark.parametrize("mode", MODES)
async def test_zero_and_false_are_sent_and_unset_is_not(emulator: Emulator, mode: str) -> None:
    """`temperature=0` and `seed=0` reach the service; what nobody set does not."""
    await ask(chat(emulator, temperature=0, seed=0, top_p=1.0), mode, "hi")

    body = sent(emulator)
    assert body == {
        "messages": [{"role": "user", "content": "hi"}],
        "model": "mistral-large-2411",
        "temperature": 0,
        "seed": 0,
        "top_p": 1.0,
        **({"stream": True} if "stream" in mode else {}),
    }


@pytest.mark.parametrize("mode", MODES)
async def test_an_argument_of_a_call_takes_precedence_over_the_constructors(emulator: Emulator, mode: str) -> None:
    """Per-call arguments, the model's name among them, replace the constructor's."""
    model = chat(emulator, temperature=0.5, stop=["x"])

    answer = await ask(model, mode, "hi", model="llama-3.3-70b-instruct", temperature=0.1, stop=["y"])

    body = sent(emulator)
    assert (body["model"], body["temperature"], body["stop"]) == ("llama-3.3-70b-instruct", 0.1, ["y"])
    assert "llama-3.3-70b-instruct" in answer.response_metadata["model_name"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("/serverless/mistral-large-2411", None),
        ("/models", "mistral-large-2411"),
        ("/openai/deployments/gpt-4o", None),
        ("/openai/v1", "gpt-4o"),
    ],
)
async def test_each_endpoint_kind_gives_the_same_shape(
    emulator: Emulator, base: str, name: str | None, mode: str
) -> None:
    """Text, usage, served model, finish reason and request id are there on every kind, in every mode."""
    answer = await ask(chat(emulator, base, name), mode, "Tell me about the sea")

    assert answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"]
    assert answer.response_metadata["request_id"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("base", "name"), [("/models", "mistral-large-2411"), ("/openai/v1", "gpt-4o")])
async def test_tool_calls_are_alike_in_both_delta_styles(emulator: Emulator, base: str, name: str, mode: str) -> None:
    """Mistral's whole call without an index and OpenAI's fragments give the same call."""
    answer = await ask(chat(emulator, base, name).bind_tools([multiply]), mode, "What is 17 times 23?")

    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("multiply", {"a": 17, "b": 23})]
    assert answer.tool_calls[0]["id"]


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        ("multiply", {"type": "function", "function": {"name": "multiply"}}),
        (
            {"type": "function", "function": {"name": "multiply"}},
            {"type": "function", "function": {"name": "multiply"}},
        ),
    ],
)
def test_every_spelling_of_tool_choice_is_translated(emulator: Emulator, choice: Any, wire: Any) -> None:
    """LangChain's words become the wire's; Azure refuses `any`."""
    chat(emulator, "/openai/v1", "gpt-4o").bind_tools([multiply], tool_choice=choice).invoke("What is 2 times 3?")

    assert sent(emulator)["tool_choice"] == wire


def test_a_tool_choice_that_names_no_tool_is_refused_when_bound(emulator: Emulator) -> None:
    """The error lists the tools that there are."""
    with pytest.raises(ConfigurationError, match=r"'divide' is none of the bound tools: multiply"):
        chat(emulator).bind_tools([multiply], tool_choice="divide")


def test_no_tools_means_no_tool_fields(emulator: Emulator) -> None:
    """An empty list, as agents bind it, sends neither `tools` nor `tool_choice`."""
    chat(emulator).bind_tools([], tool_choice="any", parallel_tool_calls=True).invoke("hi")

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent(emulator))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", [None, "function_calling", "json_schema"])
async def test_structured_output_gives_an_instance(emulator: Emulator, method: Any, mode: str) -> None:
    """Each method gives a Pydantic object, also streamed."""
    model = chat(emulator, "/openai/v1", "gpt-4o").with_structured_output(Trip, method=method)
    request = "Book a trip to Lisbon for 3 people"

    if mode == "stream":
        answer = list(model.stream(request))[-1]
    elif mode == "astream":
        answer = [part async for part in model.astream(request)][-1]
    else:
        answer = await ask(model, mode, request)

    assert answer == Trip(city="Lisbon", travellers=3)


def test_structured_output_chooses_the_method_by_the_models_profile(emulator: Emulator) -> None:
    """Mistral gets a forced tool, GPT a JSON schema, whatever the deployment is called, when `base_model` says so."""
    chat(emulator).with_structured_output(Trip).invoke("A trip to Rome for 2")
    assert "tools" in sent(emulator)

    chat(emulator, "/openai/v1", "gpt-4o").with_structured_output(Trip).invoke("A trip to Rome for 2")
    assert sent(emulator)["response_format"]["json_schema"]["name"] == "Trip"


def test_a_mechanism_that_the_deployment_refused_is_not_the_default(emulator: Emulator) -> None:
    """What was learnt of a deployment counts, whoever learnt it; a method that is named is used all the same."""
    model = chat(emulator, "/openai/v1", "gpt-4o")
    model.client.deployment().state.refused_modes.add("json_schema")
    try:
        model.with_structured_output(Trip).invoke("A trip to Rome for 2")
        assert "tools" in sent(emulator)
        model.with_structured_output(Trip, method="json_schema").invoke("A trip to Rome for 2")
        assert "response_format" in sent(emulator)
    finally:
        reset_deployments()


class Stay(BaseModel):
    """A stay."""

    city: str
    nights: int = 1


@pytest.mark.parametrize(
    ("schema", "strict", "enforced"),
    [(Stay, None, True), (Stay, False, False), ({"title": "Any", "type": "object"}, None, False)],
    ids=["default", "refused", "free keys"],
)
def test_json_schemas_are_strict_where_they_can_be(
    emulator: Emulator, schema: Any, strict: bool | None, enforced: bool
) -> None:
    """Nothing is enforced otherwise; the strict form closes the object and requires each key."""
    model = chat(emulator, "/openai/v1", "gpt-4o").with_structured_output(schema, method="json_schema", strict=strict)

    model.invoke("Rome")

    spec = sent(emulator)["response_format"]["json_schema"]
    assert spec["strict"] is enforced
    assert (spec["schema"].get("required") == ["city", "nights"]) is enforced


def test_include_raw_never_raises_on_an_answer_that_does_not_fit(emulator: Emulator) -> None:
    """The raw message and the error are there instead."""
    model = chat(emulator, "/models", "gpt-4o").with_structured_output(None, method="json_mode", include_raw=True)
    schema = chat(emulator, "/models", "gpt-4o").with_structured_output(Trip, method="json_mode", include_raw=True)

    fine, unfit = model.invoke('JSON with the key "a"'), schema.invoke('JSON with the key "a"')

    assert fine["parsing_error"] is None
    assert isinstance(unfit["raw"], AIMessage)
    assert unfit["parsed"] is None
    assert unfit["parsing_error"] is not None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", ["2024-05-01-preview", "2025-04-01"])
async def test_reasoning_stands_apart_in_both_wire_styles(emulator: Emulator, version: str, mode: str) -> None:
    """`<think>` text and `reasoning_content` both become a reasoning block before the text."""
    model = chat(emulator, "/models", "deepseek-r1", api_version=version)

    answer = await ask(model, mode, "Why is the sky blue?")

    assert [block["type"] for block in answer.content_blocks] == ["reasoning", "text"]
    assert "think>" not in answer.text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("with_reasoning", [False, True])
async def test_v1_output_keeps_blocks_apart(emulator: Emulator, mode: str, with_reasoning: bool) -> None:
    """Under `output_version="v1"` the content is a list of standard blocks, text and calls not merged."""
    name = "deepseek-r1" if with_reasoning else "gpt-4o"
    model = chat(emulator, "/models", name, output_version="v1")

    answer = await ask(model if with_reasoning else model.bind_tools([multiply]), mode, "What is 17 times 23?")

    kinds = [block["type"] for block in answer.content]
    assert kinds == (["reasoning", "text"] if with_reasoning else ["tool_call"])


def test_the_last_chunk_alone_carries_the_metadata(emulator: Emulator) -> None:
    """langchain-core joins equal strings of two chunks, so each stands on one chunk only."""
    chunks = list(chat(emulator).stream("Tell me about the sea"))

    assert [c.chunk_position for c in chunks] == [None] * (len(chunks) - 1) + ["last"]
    assert [c for c in chunks if "finish_reason" in c.response_metadata] == [chunks[-1]]
    assert sum(c.usage_metadata is not None for c in chunks) == 1


BESIDE = {
    "annotations": [{"type": "url_citation", "url_citation": {"url": "https://h/a", "title": "A"}}],
    "context": {"citations": [{"title": "a.md"}], "intent": "[]"},
    "audio": {"id": "audio_1", "data": "AAAA", "transcript": "Hi.", "expires_at": 1},
}
"""What may stand beside a message's text. Sources: Azure OpenAI 'On Your Data', 'Audio', 'Web search'."""
SAID = {"system_fingerprint": "fp_1", "service_tier": "default", "created": 1, "model": "gpt-4o-2024"}
FILTERS = {"hate": {"filtered": False, "severity": "safe"}}
LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]}


def whole_answer() -> Fault:
    message = {"role": "assistant", "content": "Hi", **BESIDE}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "content_filter_results": FILTERS}
    return Fault(status=200, body={"id": "1", **SAID, "choices": [{**choice, "logprobs": LOGPROBS}]})


def streamed_answer() -> Fault:
    """The same in frames, each with one thing."""
    deltas: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": "Hi"}, "logprobs": LOGPROBS}]
    deltas += [{"delta": {name: value}} for name, value in BESIDE.items()]
    deltas += [{"delta": {}, "content_filter_results": FILTERS}, {"delta": {}, "finish_reason": "stop"}]
    frames = [{"id": "1", **SAID, "choices": [{"index": 0, **delta}]} for delta in deltas]
    body = "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames) + "data: [DONE]\n\n"
    return Fault(status=200, body=body, headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize("mode", MODES)
async def test_what_stands_beside_the_text_arrives_alike_in_every_mode(emulator: Emulator, mode: str) -> None:
    """Annotations, sources, audio, filter results and log probabilities of a stream are not lost."""
    emulator.faults(streamed_answer() if "stream" in mode else whole_answer())

    answer = await ask(chat(emulator, "/models", "gpt-4o"), mode, "hi")

    assert answer.text == "Hi"
    assert answer.additional_kwargs == BESIDE
    varying = {"request_id", "headers", "token_usage"}  # the last is langchain-core's own, and not in streams
    assert {name: value for name, value in answer.response_metadata.items() if name not in varying} == {
        "finish_reason": "stop",
        "id": "1",
        "model_name": SAID["model"],
        "model_provider": "azureai",
        "logprobs": LOGPROBS,
        "content_filter_results": FILTERS,
        **{name: SAID[name] for name in ("system_fingerprint", "service_tier", "created")},
    }


@pytest.mark.parametrize(("base", "name"), [("/serverless/mistral-large-2411", None), ("/openai/v1", "gpt-4o")])
@pytest.mark.parametrize("streaming", [False, True])
async def test_an_agent_calls_two_tools_and_uses_their_results(
    emulator: Emulator, base: str, name: str | None, streaming: bool
) -> None:
    """`create_agent` over real HTTP: both calls are made, and the answer holds both results."""
    agent = create_agent(chat(emulator, base, name, streaming=streaming), tools=[get_weather, multiply])
    question = {"messages": [HumanMessage("What is the weather in Paris, and what is 17 times 23?")]}

    messages = (await agent.ainvoke(question))["messages"]

    assert [m.content for m in messages if isinstance(m, ToolMessage)] == ["sunny in Paris", "391"]
    assert "391" in messages[-1].text
    assert "sunny in Paris" in messages[-1].text


def test_an_agent_gives_a_structured_response(emulator: Emulator) -> None:
    """`create_agent(response_format=…)` works where the model has JSON schema."""
    agent = create_agent(chat(emulator, "/openai/v1", "gpt-4o"), tools=[], response_format=Trip)

    result = agent.invoke({"messages": [HumanMessage("A trip to Rome for 2 people")]})

    assert result["structured_response"] == Trip(city="Rome", travellers=2)


def test_one_model_serves_many_event_loops(emulator: Emulator) -> None:
    """Three `asyncio.run` on one object, without a warning (warnings are errors here)."""
    model = chat(emulator)

    answers = [asyncio.run(model.ainvoke("hi")).text for _ in range(3)]

    assert all(answers)


def test_one_model_serves_many_threads(emulator: Emulator) -> None:
    """Sixteen threads share one object."""
    model, answers = chat(emulator), []
    threads = [threading.Thread(target=lambda: answers.append(model.invoke("hi").text)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 16


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("used", [False, True])
async def test_a_copy_works_before_and_after_use(emulator: Emulator, duplicate: Any, used: bool) -> None:
    """copy, deepcopy and pickle give a working model with the same arguments."""
    model = chat(emulator, temperature=0)
    if used:
        model.invoke("hi")
        await model.ainvoke("hi")

    twin = duplicate(model)

    assert twin.invoke("hi").text
    assert (await twin.ainvoke("hi")).text
    assert sent(emulator)["temperature"] == 0


def test_model_copy_with_an_update_takes_effect(emulator: Emulator) -> None:
    """The copy asks for the new model, at the new endpoint."""
    model = chat(emulator)
    model.invoke("hi")

    model.model_copy(update={"model_name": "llama-3.3-70b-instruct"}).invoke("hi")

    assert sent(emulator)["model"] == "llama-3.3-70b-instruct"


def test_the_cache_tells_models_apart(emulator: Emulator) -> None:
    """Two models, or two temperatures, never share a cached answer; the same arguments do."""
    cache = InMemoryCache()
    variants = [{}, {}, {"temperature": 0.5}, {"model": "llama-3.3-70b-instruct"}, {"seed": 1}]
    for variant in variants:
        chat(emulator, cache=cache, **variant).invoke("hi")
    chat(emulator, cache=cache).model_copy(update={"top_p": 0.5}).invoke("hi")

    assert len(emulator.requests) == len(variants)


@pytest.mark.parametrize("mode", ["stream", "astream"])
async def test_a_model_chosen_at_run_time_streams(emulator: Emulator, mode: str) -> None:
    """langchain-core passes all fields on as given ones, and reads a given `streaming=False` as a ban on streams."""
    chosen = chat(emulator).configurable_fields(model_name=ConfigurableField(id="model"))
    answer = await ask(chosen, mode, "hi", config={"configurable": {"model": "gpt-4o"}})

    assert sent(emulator)["stream"] is True
    assert sent(emulator)["model"] == "gpt-4o"
    assert answer.text


def test_frameworks_own_features_work(emulator: Emulator) -> None:
    """Batches, fallbacks, configurable fields, a rate limiter and disabled streaming are langchain-core's, untouched."""
    from langchain_core.runnables import ConfigurableField

    model = chat(emulator, rate_limiter=InMemoryRateLimiter(requests_per_second=1000), disable_streaming=True)
    assert len(model.batch(["a", "b", "c"])) == 3
    assert [chunk.text for chunk in model.stream("hi")] == [model.invoke("hi").text]

    broken = chat(emulator, "/models", "nobody-deployed-this", max_retries=0)
    assert broken.with_fallbacks([model]).invoke("hi").text

    field = ConfigurableField(id="temperature")
    model.configurable_fields(temperature=field).with_config(configurable={"temperature": 0.25}).invoke("hi")
    assert sent(emulator)["temperature"] == 0.25


async def test_stream_events_carry_text(emulator: Emulator) -> None:
    """`astream_events` v2 gives the tokens as they come."""
    events = [event async for event in chat(emulator).astream_events("Tell me about the sea", version="v2")]

    tokens = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert all(isinstance(token, AIMessageChunk) for token in tokens)
    assert "".join(token.text for token in tokens)


def test_tokens_are_counted_offline(emulator: Emulator) -> None:
    """No vocabulary is downloaded."""
    model = chat(emulator)

    assert model.get_num_tokens("four letters in a word") > 3
    assert model.get_num_tokens_from_messages([HumanMessage("hello there")], [multiply]) > 5
    assert emulator.requests == []


def test_traces_name_provider_model_and_versions(emulator: Emulator) -> None:
    """LangSmith parameters honour a per-call model; the version of this package is among the metadata."""
    model = chat(emulator, temperature=0)

    assert model._get_ls_params(model="other")["ls_model_name"] == "other"
    params = model._get_ls_params(stop=["x"])
    assert (params["ls_provider"], params["ls_model_name"], params["ls_temperature"]) == (
        "azureai",
        "mistral-large-2411",
        0,
    )
    assert {"langchain-core", "azureai-adapters"} <= set(model.metadata["lc_versions"])


@pytest.mark.parametrize("cls", [ChatAzureAI, AzureAILLM, AzureAIEmbeddings])
def test_the_base_model_is_the_clients_too(cls: Any) -> None:
    """What is known of a deployment is decided in one place."""
    model = cls(endpoint="https://h.services.ai.azure.com/models", credential="k", model="prod", base_model="gpt-4o")

    assert model.client.deployment().profile.family == "gpt"


def test_a_model_that_a_call_names_decides_about_the_history(emulator: Emulator) -> None:
    """Mistral takes no user message right after a tool's result; GPT does."""
    called = AIMessage("", tool_calls=[{"name": "multiply", "args": {"a": 1, "b": 2}, "id": "call00001"}])
    history = [HumanMessage("hi"), called, ToolMessage("2", tool_call_id="call00001"), HumanMessage("and?")]
    model = chat(emulator, "/models", "gpt-4o")

    model.invoke(history)
    assert [m["role"] for m in sent(emulator)["messages"]] == ["user", "assistant", "tool", "user"]
    model.invoke(history, model="mistral-large-2411")
    assert [m["role"] for m in sent(emulator)["messages"]] == ["user", "assistant", "tool", "assistant", "user"]


def test_profiles_come_from_the_family_and_can_be_replaced() -> None:
    """`base_model` tells the family where the deployment's name does not; `profile` replaces it all."""
    given = {"endpoint": "https://h.services.ai.azure.com/models", "credential": "k"}

    assert ChatAzureAI(**given, model="Phi-3-mini-4k").profile["max_input_tokens"] == 4096
    assert ChatAzureAI(**given, model="prod").profile == {}
    assert ChatAzureAI(**given, model="prod", base_model="gpt-4o").profile["structured_output"] is True
    assert ChatAzureAI(**given, model="prod", profile={"tool_calling": True}).profile == {"tool_calling": True}


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_prompted_output_asks_once_more_when_the_answer_does_not_fit(emulator: Emulator, mode: str) -> None:
    """A model without tools and JSON mode gets the schema in the prompt, and one chance to correct itself."""
    prose = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Sure!"}}]}
    emulator.faults(Fault(status=200, body=prose))
    model = chat(emulator, "/models", "phi-3-mini-4k-instruct").with_structured_output(Trip)

    trip = await ask(model, mode, "Book a trip to Lisbon for 3 people")

    first, second = (request.body for request in emulator.requests)
    assert isinstance(trip, Trip)
    assert not {"tools", "response_format"} & (first.keys() | second.keys())
    assert '"travellers"' in first["messages"][0]["content"]
    assert [m["role"] for m in second["messages"]] == ["user", "assistant", "user"]
    assert "That does not fit" in second["messages"][2]["content"]


def test_prompted_output_gives_up_with_the_raw_answer(emulator: Emulator) -> None:
    """After the second unfit answer `include_raw` tells, and no third request is made."""
    prose = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Sure!"}}]}
    emulator.faults(Fault(status=200, body=prose, times=2))
    model = chat(emulator, "/models", "phi-3-mini-4k-instruct").with_structured_output(Trip, include_raw=True)

    result = model.invoke("Book a trip to Lisbon for 3 people")

    assert (result["raw"].text, result["parsed"], len(emulator.requests)) == ("Sure!", None, 2)
    assert result["parsing_error"] is not None


def test_an_image_helper_takes_bytes_and_addresses(emulator: Emulator) -> None:
    """Bytes become a data URL that arrives byte for byte; a web address is left to the service."""
    content = png()

    answer = chat(emulator, "/models", "gpt-4o").invoke([HumanMessage(["What is this?", image_block(content)])])

    part = sent(emulator)["messages"][0]["content"][1]
    assert base64.b64decode(part["image_url"]["url"].partition(",")[2]) == content
    assert hashlib.sha256(content).hexdigest()[:8] in answer.text
    assert image_block("https://h/i.png") == {"type": "image_url", "image_url": {"url": "https://h/i.png"}}


def test_reasoning_goes_back_only_when_asked(emulator: Emulator) -> None:
    """The documentation advises against it; some hosts want it."""
    history = [
        HumanMessage("hi"),
        AIMessage("hello", additional_kwargs={"reasoning_content": "hm"}),
        HumanMessage("and?"),
    ]

    chat(emulator, "/models", "gpt-4o").invoke(history)
    assert "reasoning_content" not in sent(emulator)["messages"][1]

    wire = chat(emulator, "/models", "gpt-4o", send_reasoning=True)._payload(history, None, {})
    assert wire["messages"][1]["reasoning_content"] == "hm"


@pytest.mark.parametrize(
    ("argument", "hint"),
    [("temperatur", "Did you mean 'temperature'"), ("safe_prompt", "body goes into model_kwargs")],
)
def test_an_argument_that_does_not_exist_is_refused(argument: str, hint: str) -> None:
    """A misspelt argument is not dropped without a word."""
    with pytest.raises(ConfigurationError, match=hint):
        ChatAzureAI(endpoint="https://h/v1", credential="k", model="m", **{argument: 1})


def test_strict_parallel_and_response_format_reach_the_wire(emulator: Emulator) -> None:
    """Each only when it was asked for."""
    model = chat(emulator, "/openai/v1", "gpt-4o")
    model.bind_tools([multiply]).invoke("What is 2 times 3?")
    plain = sent(emulator)
    assert "strict" not in plain["tools"][0]["function"]
    assert not {"parallel_tool_calls", "response_format"} & plain.keys()

    asked = model.bind_tools([multiply], strict=True, parallel_tool_calls=False, response_format=Trip)
    asked.invoke("What is 2 times 3?")
    body = sent(emulator)
    assert body["tools"][0]["function"]["strict"] is True
    assert body["parallel_tool_calls"] is False
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert set(body["response_format"]["json_schema"]["schema"]["properties"]) == {"city", "travellers"}


def test_several_choices_are_several_generations(emulator: Emulator) -> None:
    """`n` by `model_kwargs`; each choice is a message of its own."""
    result = chat(emulator, "/openai/v1", "gpt-4o", model_kwargs={"n": 2}).generate([[HumanMessage("hi")]])

    assert [type(generation.message) for generation in result.generations[0]] == [AIMessage, AIMessage]


def ask_in_a_worker(model: Any) -> str:
    """What a worker process does with a model it was handed."""
    return str(model.invoke("hi").text)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("start", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # newer Pythons warn of fork with threads
def test_a_used_model_works_in_worker_processes(emulator: Emulator, start: str) -> None:
    """Handed over by pickle, after use here; the parent's connections stay its own."""
    model = chat(emulator)
    expected = model.invoke("hi").text

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(start)) as pool:
        answers = list(pool.map(ask_in_a_worker, [model] * 4))

    assert answers == [expected] * 4
    assert model.invoke("hi").text == expected


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("knows", [False, True])
async def test_a_refusal_stands_beside_the_text(
    emulator: Emulator, mode: str, knows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `additional_kwargs`, and as a block where the installed langchain-core knows refusal blocks."""
    monkeypatch.setattr("langchain_azureai._blocks._KNOWS_REFUSALS", knows)
    message = {"role": "assistant", "content": None, "refusal": "I will not."}
    if "stream" in mode:
        choice = {"index": 0, "delta": message, "finish_reason": "stop"}
        body = f"data: {json.dumps({'id': '1', 'choices': [choice]})}\n\ndata: [DONE]\n\n"
        fault = Fault(status=200, body=body, headers={"content-type": "text/event-stream"})
    else:
        fault = Fault(status=200, body={"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    emulator.faults(fault)

    answer = await ask(chat(emulator, "/models", "gpt-4o"), mode, "hi")

    assert answer.additional_kwargs["refusal"] == "I will not."
    assert [block["type"] for block in answer.content_blocks] == (["refusal"] if knows else [])


def test_an_argument_changed_later_counts_for_the_cache(emulator: Emulator) -> None:
    """langchain-core keeps a serialised form of the model; it must not outlive a change."""
    model = chat(emulator, cache=InMemoryCache())
    model.invoke("hi")

    model.temperature = 0.5
    model.invoke("hi")

    assert [request.body.get("temperature") for request in emulator.requests] == [None, 0.5]
