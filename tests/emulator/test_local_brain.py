"""The local brain through the real adapters: real tokens, real streams, real constrained JSON.

What a model of 135 million parameters says is not judged, but for what grammars, tool choice and retrieval decide.
"""

import json
import time
from importlib.util import find_spec

import httpx
import pytest
from pydantic import BaseModel, Field
from shapes import check, frames_of

from azureai_emulator import serve
from azureai_emulator.api import tokens
from azureai_emulator.brains import local, weights
from langchain_azureai import AzureAIEmbeddings, ChatAzureAI

if not all(find_spec(name) for name in local._LIBRARIES):
    pytest.skip('the extra is missing: pip install "azureai-adapters[local]"', allow_module_level=True)
if not weights.is_pulled():
    pytest.skip("the model is missing: azureai models pull", allow_module_level=True)

pytestmark = [  # LlamaIndex's agents look at each attribute of themselves, old ones too
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within:DeprecationWarning"),
]
CHAT, EMBED = "mistral-large-2411", "cohere-embed-v3-english"
PASSAGES = [
    "Marta opened the bakery in 1987. It has three ovens and a garden behind the house.",
    "The library of the town closes at six in the evening. It lends books, maps and films.",
    "Trains to the coast leave every hour from the second platform, on Sundays every two hours.",
]


@pytest.fixture(scope="module")
def emulator():
    """One server: the models are loaded once."""
    with serve(brain="local") as running:
        yield running


@pytest.fixture
def model(emulator):
    return ChatAzureAI(endpoint=emulator.endpoint(CHAT), credential=emulator.key, max_tokens=40)


@pytest.fixture
def llm(emulator):
    from llamaindex_azureai import AzureAI

    return AzureAI(endpoint=emulator.endpoint(CHAT), credential=emulator.key, max_tokens=40)


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"{city}: sunny, 24 °C"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers: a times b."""
    return a * b


class Trip(BaseModel):
    """A trip to book."""

    city: str = Field(description="The city to travel to")
    travellers: int = Field(description="How many people travel")


def called(message):
    return [(call["name"], call["args"]) for call in message.tool_calls]


def test_chat_answers_in_words_of_its_own(model):
    """Not the rules' phrase; counted; the same again, since the seed is fixed."""
    first, second = (model.invoke("Tell me about rivers.") for _ in range(2))

    assert len(first.text.split()) > 5
    assert "rule-based" not in first.text
    assert first.text == second.text
    assert first.usage_metadata["output_tokens"] == 40
    assert first.response_metadata["finish_reason"] == "length"


def test_another_seed_gives_another_answer(model):
    """`temperature` and `seed` reach the model."""
    asked = "Tell me a story about a ship."

    assert len({model.invoke(asked, temperature=1.0, seed=seed).text for seed in (1, 2)}) == 2


def test_tokens_stream_as_they_are_made(emulator, model):
    """Several pieces, over time; the frames are as far apart as the tokens."""
    pieces = [chunk.text for chunk in model.stream("Tell me about rivers.") if chunk.text]
    times = emulator.requests[-1].frame_times

    assert len(pieces) > 10
    assert "".join(pieces) == model.invoke("Tell me about rivers.").text
    assert times[-1] - times[0] > 0.05


@pytest.mark.parametrize(
    "schema", [None, {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}]
)
@pytest.mark.parametrize("top", [0, 2])
def test_logprobs_are_the_models_own(emulator, schema, top):
    """Its own tokens, not the words of the rules; of everything that was sent, plain and streamed, in JSON too."""
    body = {"model": "gpt-4o", "logprobs": True, "top_logprobs": top, "max_tokens": 20}
    body["messages"] = [{"role": "user", "content": "Say hello to Zoë in JSON."}]
    if schema:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    url, headers = emulator.endpoint("gpt-4o", "openai-v1") + "/chat/completions", {"api-key": emulator.key}
    plain = httpx.post(url, json=body, headers=headers, timeout=60).json()
    frames = frames_of(httpx.post(url, json={**body, "stream": True}, headers=headers, timeout=60).text)
    found = plain["choices"][0]["logprobs"]["content"]
    streamed = [choice.get("logprobs") or {"content": []} for frame in frames for choice in frame["choices"]]

    check(plain, "chat.completion.json")
    assert b"".join(bytes(entry["bytes"]) for entry in found).decode() == plain["choices"][0]["message"]["content"]
    assert [entry for part in streamed for entry in part["content"]] == found
    assert {len(entry["top_logprobs"]) for entry in found} == {top}
    assert {entry["token"] for entry in found} - set(tokens.split(plain["choices"][0]["message"]["content"]))


async def test_tokens_stream_in_async_code(model):
    """The same pieces."""
    pieces = [chunk.text async for chunk in model.astream("Tell me about rivers.") if chunk.text]

    assert len(pieces) > 10


def test_the_nearest_tool_is_called_with_values_of_the_prompt(model):
    """Two clauses, two tools."""
    message = model.bind_tools([get_weather, multiply]).invoke(
        "What is the weather in Lisbon, and what is 17 times 23?"
    )

    assert called(message) == [("get_weather", {"city": "Lisbon"}), ("multiply", {"a": 17, "b": 23})]


def test_two_places_are_two_calls(model):
    """The tool takes one place at a time."""
    tools = model.bind_tools([get_weather, multiply])

    assert called(tools.invoke("What is the weather in Rome and Oslo?")) == [
        ("get_weather", {"city": "Rome"}),
        ("get_weather", {"city": "Oslo"}),
    ]


@pytest.mark.parametrize("said", ["Hello, how are you?", "Thank you, bye!", "Tell me a joke"])
def test_small_talk_calls_no_tool(model, said):
    """No tool is near enough in meaning."""
    message = model.bind_tools([get_weather, multiply]).invoke(said)

    assert called(message) == []
    assert message.text


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("none", []), ("any", ["get_weather"]), ("multiply", ["multiply"]), ("auto", ["get_weather"])],
)
def test_tool_choice_is_obeyed(model, choice, expected):
    """None, any, a named one, and the model's own choice."""
    message = model.bind_tools([get_weather, multiply], tool_choice=choice).invoke("How is the weather in Cairo?")

    assert [call["name"] for call in message.tool_calls] == expected


def test_a_streamed_call_is_the_plain_call(model):
    """The arguments come in fragments or whole, as the profile has it."""
    tools, asked = model.bind_tools([get_weather]), "How is the weather in Cairo?"
    first, *rest = tools.stream(asked)
    for chunk in rest:
        first += chunk

    assert called(first) == called(tools.invoke(asked)) == [("get_weather", {"city": "Cairo"})]


def test_a_langgraph_agent_uses_the_results(emulator):
    """Calls, then real words over their results."""
    from langchain.agents import create_agent

    model = ChatAzureAI(endpoint=emulator.endpoint(CHAT), credential=emulator.key, max_tokens=60)
    question = "What is the weather in Lisbon, and what is 17 times 23?"
    messages = create_agent(model, tools=[get_weather, multiply]).invoke({"messages": [("user", question)]})["messages"]

    assert [message.content for message in messages if message.type == "tool"] == ["Lisbon: sunny, 24 °C", "391"]
    assert messages[-1].tool_calls == []
    assert "391" in messages[-1].text


async def test_a_llamaindex_agent_uses_the_results(llm):
    """The same in the other framework, streamed."""
    from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult

    handler = FunctionAgent(tools=[get_weather, multiply], llm=llm).run("What is the weather in Lisbon?")
    results = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    answer = await handler

    assert [(item.tool_name, item.tool_kwargs) for item in results] == [("get_weather", {"city": "Lisbon"})]
    assert answer.response.content.strip()


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output_is_an_instance_with_the_prompts_values(emulator, method):
    """By a tool and by a response format."""
    model = ChatAzureAI(endpoint=emulator.endpoint("gpt-4o", "openai-v1"), credential=emulator.key, model="gpt-4o")
    trip = model.with_structured_output(Trip, method=method).invoke("Book a trip to Lisbon for 3 people.")

    assert trip == Trip(city="Lisbon", travellers=3)


def test_llamaindex_fills_a_class(llm):
    """Through `structured_predict`."""
    from llama_index.core.prompts import PromptTemplate

    llm.max_tokens = 200
    trip = llm.structured_predict(
        Trip, PromptTemplate("Book a trip to {city} for {count} people."), city="Oslo", count=4
    )

    assert trip == Trip(city="Oslo", travellers=4)


def test_json_keeps_to_the_schema_where_nothing_is_known(emulator):
    """Lists, choices, numbers within bounds, nullable fields: what the grammar says, whatever the model thinks."""
    import jsonschema
    from openai import OpenAI

    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "mood": {"enum": ["calm", "wild"]},
            "stars": {"type": "number", "minimum": 1, "maximum": 5},
            "parts": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "sequel": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        },
        "required": ["title", "mood", "stars", "parts", "sequel"],
        "additionalProperties": False,
    }
    with OpenAI(base_url=emulator.endpoint("gpt-4o", "openai-v1"), api_key=emulator.key) as client:
        done = client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Invent a novel about the sea."}],
            response_format={"type": "json_schema", "json_schema": {"name": "novel", "schema": schema}},
        )

    assert done.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(done.choices[0].message.content), schema)


def test_a_schema_that_cannot_be_kept_is_refused(emulator):
    """400, rather than an answer without the schema."""
    from openai import BadRequestError, OpenAI

    client = OpenAI(base_url=emulator.endpoint("gpt-4o", "openai-v1"), api_key=emulator.key)
    with client, pytest.raises(BadRequestError, match="cannot keep to this JSON schema"):
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Hi"}],
            response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "nonsense"}}},
        )


def test_a_prompt_that_is_too_long_for_it_is_refused(model):
    """With both numbers; it is not cut in silence."""
    with pytest.raises(Exception, match=r"6\d\d\d tokens; the local model reads 4096 at most"):
        model.invoke("x " * 6000)


def test_documents_are_found_by_meaning(emulator):
    """The query shares no word with its passage; texts of another length are no nearer."""
    embeddings = AzureAIEmbeddings(endpoint=emulator.endpoint(EMBED), credential=emulator.key)
    documents = embeddings.embed_documents(PASSAGES)
    queries = [
        "When did she start selling bread?",
        "Until when can I borrow novels?",
        "How do I get to the beach by rail?",
    ]

    for index, query in enumerate(map(embeddings.embed_query, queries)):
        scores = [sum(a * b for a, b in zip(query, document, strict=True)) for document in documents]
        assert scores.index(max(scores)) == index
    assert {len(vector) for vector in documents} == {1024}


def test_rag_answers_from_the_passage(emulator, llm):
    """LlamaIndex embeds, retrieves, and streams an answer with its source."""
    from llama_index.core import Document, VectorStoreIndex

    from llamaindex_azureai import AzureAIEmbedding as LlamaIndexEmbeddings

    embed_model = LlamaIndexEmbeddings(endpoint=emulator.endpoint(EMBED), credential=emulator.key)
    index = VectorStoreIndex.from_documents([Document(text=text) for text in PASSAGES], embed_model=embed_model)
    engine = index.as_query_engine(llm=llm, similarity_top_k=1, streaming=True)
    answer = engine.query("When did Marta open the bakery?")
    pieces = [piece for piece in answer.response_gen if piece]

    assert answer.source_nodes[0].text == PASSAGES[0]
    assert len(pieces) > 3
    assert "1987" in "".join(pieces)


def test_two_callers_wait_for_each_other(model):
    """Both are answered; the model writes one after the other."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda topic: model.invoke(f"Tell me about {topic}.").text, ["rivers", "ships"]))

    assert all(found)
    assert found[0] != found[1]


def test_the_model_stops_when_the_caller_does(model):
    """A stream that is left makes room at once."""
    for chunk in model.stream("Tell me a very long story.", max_tokens=2000):
        if chunk.text:
            break
    begun = time.monotonic()
    model.invoke("Hi", max_tokens=1)

    assert time.monotonic() - begun < 5
