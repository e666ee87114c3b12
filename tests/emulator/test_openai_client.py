"""The package `openai`, on the v1 route and on an Azure OpenAI deployment, synchronous and asynchronous."""

import inspect
import json
from contextlib import asynccontextmanager

import pytest

from azureai_emulator import Fault

openai = pytest.importorskip("openai", reason="openai is not installed")

ASKED = "How many languages are in the world?"
FLIGHT = {
    "type": "function",
    "function": {
        "name": "get_flight_info",
        "description": "Returns information about the next flight between two cities.",
        "parameters": {
            "type": "object",
            "properties": {"origin_city": {"type": "string"}, "destination_city": {"type": "string"}},
            "required": ["origin_city", "destination_city"],
        },
    },
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
KINDS = ("v1", "azure")


async def done(value):
    """The value, awaited where the client is asynchronous."""
    return await value if inspect.isawaitable(value) else value


async def listed(stream):
    return [item async for item in stream] if hasattr(stream, "__aiter__") else list(stream)


def made(endpoint, kind, colour, **options):
    if kind == "v1":
        cls = openai.OpenAI if colour == "sync" else openai.AsyncOpenAI
        return cls(base_url=endpoint.url + "/openai/v1", api_key=endpoint.key, **options)
    cls = openai.AzureOpenAI if colour == "sync" else openai.AsyncAzureOpenAI
    return cls(azure_endpoint=endpoint.url, api_key=endpoint.key, api_version="2024-12-01-preview", **options)


@pytest.fixture(params=[f"{kind}-{colour}" for kind in KINDS for colour in ("sync", "async")])
async def client(request, azureai_endpoint):
    kind, colour = request.param.split("-")
    found = made(azureai_endpoint, kind, colour, max_retries=2)
    yield found
    await done(found.close())


@pytest.fixture
def ask(client):
    async def ask(text=ASKED, model="gpt-4o", **options):
        messages = [{"role": "user", "content": text}]
        return await done(client.chat.completions.create(model=model, messages=messages, **options))

    return ask


async def test_chat(ask):
    """Text, usage with details, filter results."""
    response = await ask(temperature=0, max_tokens=100, seed=0, user="me")

    assert ASKED in response.choices[0].message.content
    assert response.model == "gpt-4o"
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens
    assert response.usage.completion_tokens_details.reasoning_tokens == 0
    assert response.choices[0].content_filter_results["violence"]["filtered"] is False


async def test_several_choices_and_a_limit(ask):
    """`n` answers; `max_tokens` cuts each."""
    response = await ask(n=2, max_tokens=3)

    assert [choice.index for choice in response.choices] == [0, 1]
    assert {choice.finish_reason for choice in response.choices} == {"length"}


async def test_streaming(ask):
    """The first frame without choices, deltas, usage last; without being asked for, no usage."""
    chunks = await listed(await ask(stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    assert text == (await ask()).choices[0].message.content
    assert chunks[0].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in await listed(await ask(stream=True)))


async def test_stream_helper(client):
    """`stream()` gives events and puts the whole answer together."""
    manager = client.chat.completions.stream(model="gpt-4o", messages=[{"role": "user", "content": ASKED}])
    async with entered(manager) as stream:
        events = await listed(stream)
        whole = await done(stream.get_final_completion())

    assert "content.done" in [event.type for event in events]
    assert ASKED in whole.choices[0].message.content


@asynccontextmanager
async def entered(manager):
    """Any context manager, synchronous or not."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def test_tools(client, ask):
    """Streamed fragments make the call that the plain answer has; then the answer to its result."""
    text = "When is the next flight from Miami to Seattle?"
    message = (await ask(text, tools=[FLIGHT])).choices[0].message
    chunks = await listed(await ask(text, tools=[FLIGHT], stream=True))
    pieces = [call.function.arguments for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or ()]

    assert json.loads("".join(pieces)) == {"origin_city": "Miami", "destination_city": "Seattle"}
    assert "".join(pieces) == message.tool_calls[0].function.arguments
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "No flights."}
    history = [{"role": "user", "content": text}, message, result]
    last = await done(client.chat.completions.create(model="gpt-4o", messages=history, tools=[FLIGHT]))
    assert last.choices[0].finish_reason == "stop"


BOTH = "How is the weather in Oslo? And add 17 and 25."


async def test_parallel_tools(ask):
    """Two calls in one answer, plain and streamed; one where parallel calls are switched off."""
    message = (await ask(BOTH, tools=[WEATHER, ADD])).choices[0].message
    chunks = await listed(await ask(BOTH, tools=[WEATHER, ADD], stream=True))
    heads = [call for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or () if call.id]
    single = (await ask(BOTH, tools=[WEATHER, ADD], parallel_tool_calls=False)).choices[0].message

    assert sorted(call.function.name for call in message.tool_calls) == ["add", "get_weather"]
    assert len({call.id for call in message.tool_calls}) == 2
    assert [head.index for head in heads] == [0, 1]
    assert [head.function.name for head in heads] == [call.function.name for call in message.tool_calls]
    assert len(single.tool_calls) == 1


async def test_parallel_results(client, ask):
    """Every call wants its result; with one missing the conversation is refused."""
    message = (await ask(BOTH, tools=[WEATHER, ADD])).choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "42"} for call in message.tool_calls]
    start = [{"role": "user", "content": BOTH}, message]
    last = await done(client.chat.completions.create(model="gpt-4o", messages=[*start, *results], tools=[WEATHER, ADD]))

    assert last.choices[0].message.content
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        await done(client.chat.completions.create(model="gpt-4o", messages=[*start, results[0]]))


@pytest.mark.parametrize(
    ("choice", "finish"),
    [("required", "tool_calls"), ({"type": "function", "function": {"name": "get_weather"}}, "stop"), ("none", "stop")],
)
async def test_tool_choice(ask, choice, finish):
    """Forced, named (which finishes with `stop`), forbidden."""
    found = (await ask("Hello!", tools=[WEATHER, ADD], tool_choice=choice)).choices[0]

    assert found.finish_reason == finish
    assert bool(found.message.tool_calls) == (choice != "none")


async def test_json_mode(ask):
    """An object; only when the prompt speaks of JSON."""
    answer = await ask('Answer in JSON with the key "total".', response_format={"type": "json_object"})

    assert list(json.loads(answer.choices[0].message.content)) == ["total"]
    with pytest.raises(openai.BadRequestError, match="must contain the word 'json'"):
        await ask(response_format={"type": "json_object"})


STRICT = {
    "type": "object",
    "properties": {"total": {"type": "integer"}, "note": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    "required": ["total", "note"],
    "additionalProperties": False,
}


async def test_json_schema(ask):
    """An instance of the schema, plain and streamed; a strict schema that is none is refused."""
    spec = {"type": "json_schema", "json_schema": {"name": "sum", "schema": STRICT, "strict": True}}
    text = (await ask("What is 3 plus 4?", response_format=spec)).choices[0].message.content
    chunks = await listed(await ask("What is 3 plus 4?", response_format=spec, stream=True))
    loose = {"type": "json_schema", "json_schema": {"name": "sum", "schema": {"type": "object"}, "strict": True}}

    assert isinstance(json.loads(text)["total"], int)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
    with pytest.raises(openai.BadRequestError) as error:
        await ask(response_format=loose)
    assert error.value.code == "invalid_json_schema"


async def test_parsed_answers(client):
    """`parse` with a model of the caller's, as answer and as tool."""
    from pydantic import BaseModel

    class Sum(BaseModel):
        total: int

    options = {"model": "gpt-4o", "messages": [{"role": "user", "content": "What is 3 plus 4?"}]}
    parse = client.chat.completions.parse
    message = (await done(parse(**options, response_format=Sum))).choices[0].message
    tool = openai.pydantic_function_tool(Sum)
    called = (await done(parse(**options, tools=[tool], tool_choice="required"))).choices[0].message

    assert isinstance(message.parsed, Sum)
    assert isinstance(called.tool_calls[0].function.parsed_arguments, Sum)


async def test_images(ask, client):
    """A picture as a data URL."""
    url = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = await done(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": content}]))

    assert "image/png, 8 bytes" in answer.choices[0].message.content


async def test_embeddings(client):
    """The client asks for base64 and gives numbers; as asked for with floats."""
    embed = client.embeddings.create
    found = await done(embed(model="text-embedding-3-small", input=["a", "b"], dimensions=8))
    floats = await done(embed(model="text-embedding-3-small", input=["a", "b"], dimensions=8, encoding_format="float"))

    assert [len(item.embedding) for item in found.data] == [8, 8]
    assert sum(value**2 for value in found.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert found.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert found.usage.total_tokens > 0


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"text": "emulator:violence"}, "BadRequestError", "content_filter"),
        ({"model": "nope"}, "NotFoundError", "DeploymentNotFound"),
        ({"model": "gpt-reasoning", "temperature": 1}, "BadRequestError", "unsupported_parameter"),
        ({"model": "text-embedding-3-small"}, "BadRequestError", "OperationNotSupported"),
        ({"temperature": 3}, "BadRequestError", "invalid_value"),
        ({"tools": []}, "BadRequestError", "empty_array"),
        ({"extra_body": {"foo": 1}}, "BadRequestError", None),
        ({"max_tokens": "many"}, "BadRequestError", "invalid_type"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_refusals(ask, options, error, code, stream):
    """The client's own error classes, with the code; the same before a stream."""
    with pytest.raises(getattr(openai, error)) as caught:
        await ask(stream=stream, **options)

    assert caught.value.code == code
    assert caught.value.request_id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_wrong_key(azureai_endpoint, kind, colour):
    """401 (E6)."""
    client = made(azureai_endpoint, kind, colour).with_options(api_key="wrong")
    with pytest.raises(openai.AuthenticationError, match="Access token is missing, invalid"):
        await done(client.models.list() if kind == "v1" else client.embeddings.create(model="x", input="x"))
    await done(client.close())


async def test_faults_are_the_clients_errors(ask, azureai_endpoint):
    """A limit, a server error, a reset: each in the client's class once it has stopped repeating."""
    quick = {"retry-after-ms": "1"}
    for status, error in ((429, openai.RateLimitError), (500, openai.InternalServerError)):
        azureai_endpoint.faults(*[Fault(status, headers=quick)] * 3)
        with pytest.raises(error):
            await ask()
    assert [item.status for item in azureai_endpoint.requests] == [429] * 3 + [500] * 3


async def test_it_waits_and_repeats(ask, azureai_endpoint):
    """429 and 503, then the answer."""
    azureai_endpoint.faults(Fault(429, headers={"retry-after-ms": "1"}), Fault(503, headers={"retry-after-ms": "1"}))
    await ask()

    assert [item.status for item in azureai_endpoint.requests] == [429, 503, 200]


async def test_a_reset_is_a_connection_error(client, azureai_endpoint):
    """Nothing came back."""
    azureai_endpoint.faults(Fault(reset_before_body=True))
    once = client.with_options(max_retries=0)
    with pytest.raises(openai.APIConnectionError):
        await done(once.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": ASKED}]))


async def test_an_error_frame_is_raised(ask, azureai_endpoint):
    """E30 in the middle of a stream."""
    azureai_endpoint.faults(Fault(error_frame_after=4))
    with pytest.raises(openai.APIError, match="The server had an error"):
        await listed(await ask(stream=True))


async def test_reasoning(ask):
    """Tokens for what is not shown."""
    response = await ask(model="gpt-reasoning", max_completion_tokens=500, reasoning_effort="low")

    assert response.usage.completion_tokens_details.reasoning_tokens > 0


async def test_text_completions(client):
    """`/completions`: one prompt, several, streamed."""
    create = client.completions.create
    one = await done(create(model="gpt-4o", prompt="Once upon a time", max_tokens=20))
    two = await done(create(model="gpt-4o", prompt=["One", "Two"]))
    chunks = await listed(await done(create(model="gpt-4o", prompt="Once upon a time", max_tokens=20, stream=True)))

    assert one.object == "text_completion"
    assert one.choices[0].text
    assert [choice.index for choice in two.choices] == [0, 1]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == one.choices[0].text


async def test_headers(client):
    """The ids that support asks for."""
    raw = await done(
        client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[{"role": "user", "content": ASKED}])
    )

    assert raw.headers["apim-request-id"]
    assert raw.headers["x-ms-region"] == "Emulator"
    assert (await done(raw.parse())).choices


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_model_list(azureai_endpoint, colour):
    """Only the v1 route has it."""
    client = made(azureai_endpoint, "v1", colour)
    names = [model.id for model in await listed(await done(client.models.list()))]
    await done(client.close())

    assert "gpt-4o" in names
    assert "mistral-large-2411" not in names


async def test_entra(azureai_emulator, azureai_endpoint):
    """A token provider in place of the key, with the scope of Azure OpenAI."""
    azureai_emulator.clear()
    client = openai.AsyncAzureOpenAI(
        azure_endpoint=azureai_endpoint.url,
        azure_ad_token_provider=lambda: "emulator-token:https://cognitiveservices.azure.com/.default",
        api_version="2024-10-21",
    )
    async with client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": ASKED}])

    assert answer.choices
