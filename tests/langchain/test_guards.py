"""Mistakes that would pass unnoticed: each is an error with its fix, or does not happen."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

from azureai_core import ConfigurationError, RateLimit
from azureai_emulator import Emulator, Fault
from langchain_azureai import AzureAIEmbeddings, AzureAILLM, ChatAzureAI

MODES = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def chat(emulator: Emulator, **arguments: Any) -> ChatAzureAI:
    given = {"endpoint": emulator.url + "/models", "credential": emulator.key, "model": "gpt-4o", **arguments}
    return ChatAzureAI(**{name: value for name, value in given.items() if value is not None})


def answer(finish_reason: str = "stop", **message: Any) -> Fault:
    """An answer of the service, as it stands."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": None, **message}}
    return Fault(status=200, body={"id": "1", "choices": [choice]})


def call(name: str, arguments: str) -> list[dict[str, Any]]:
    return [{"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}]


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


class Trip(BaseModel):
    """A trip."""

    city: str


class TripDict(TypedDict):
    """A trip."""

    city: str


# ---------------------------------------------------------------------------- caches


def test_models_that_only_client_kwargs_tell_apart_share_no_answer(emulator: Emulator) -> None:
    """The model in `client_kwargs`, and a header that chooses the deployment."""
    cache = InMemoryCache()
    for kwargs in ({"model": "gpt-4o"}, {"model": "gpt-4o-mini"}):
        chat(emulator, model=None, client_kwargs=kwargs, cache=cache).invoke("hi")
    for name in "ab":
        chat(emulator, client_kwargs={"headers": {"azureml-model-deployment": name}}, cache=cache).invoke("hi")

    assert [request.body["model"] for request in emulator.requests] == ["gpt-4o", "gpt-4o-mini", "gpt-4o", "gpt-4o"]


def test_headers_are_not_shown(emulator: Emulator) -> None:
    """Those that choose the model are; of others only a digest, and nothing of those that authenticate."""
    secret = {"Cookie": "session=canary-1", "X-Password": "canary-2", "X-Api-Sig": "canary-3", "Api-Key": "canary-4"}
    routed = {"azureml-model-deployment": "blue", "X-Route": "canary-5"}

    def shown(headers: dict[str, str]) -> dict[str, Any]:
        found = chat(emulator, client_kwargs={"headers": headers})._identifying_params
        return {name: found[name] for name in ("headers", "other_headers") if name in found}

    assert shown(secret) == {}
    assert shown({**routed, **secret})["headers"] == {"azureml-model-deployment": "blue"}
    assert shown({**routed, **secret}) == shown(routed)
    assert "canary" not in str(shown(routed))
    assert shown(routed) != shown({**routed, "X-Route": "canary-6"})


def test_models_behind_one_gateway_share_no_answer(emulator: Emulator) -> None:
    """A header of the gateway's own may choose the model."""
    cache = InMemoryCache()
    for name in "aab":
        chat(emulator, client_kwargs={"headers": {"X-Route": name}}, cache=cache).invoke("hi")

    assert len(emulator.requests) == 2


def test_endpoints_of_the_environment_share_no_answer(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of the model does not hold the environment; the cache's key does."""
    cache = InMemoryCache()
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", emulator.key)
    for base in ("/models", "/openai/v1"):
        monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", emulator.url + base)
        ChatAzureAI(model="gpt-4o", cache=cache).invoke("hi")

    assert len(emulator.requests) == 2


# ---------------------------------------------------------------------------- embeddings


@MODES
async def test_a_query_is_embedded_as_a_query_wherever_the_model_is_named(emulator: Emulator, mode: str) -> None:
    """Also when `client_kwargs` names it."""
    model = AzureAIEmbeddings(
        endpoint=emulator.url + "/models",
        credential=emulator.key,
        client_kwargs={"model": "cohere-embed-v3-english"},
    )

    model.embed_query("q") if mode == "invoke" else await model.aembed_query("q")

    assert emulator.requests[-1].body["input_type"] == "query"


@MODES
async def test_an_input_type_of_ours_never_breaks_a_call(emulator: Emulator, mode: str) -> None:
    """A service that refuses it gets the texts without it, and is not asked again."""
    model = AzureAIEmbeddings(
        endpoint=emulator.url + "/models",
        credential=emulator.key,
        model="text-embedding-3-small",
        base_model="cohere-embed-v3-english",
    )

    for _ in range(2):
        model.embed_query("q") if mode == "invoke" else await model.aembed_query("q")

    assert ["input_type" in request.body for request in emulator.requests] == [True, False, False]


# ---------------------------------------------------------------------------- structured output


@MODES
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer("length", tool_calls=call("Trip", '{"city": "Lis')), "max_tokens"),
        (answer("tool_calls", tool_calls=call("Trip", '{"city": "Lis')), "are not JSON"),
        (answer(content="I would rather talk."), "without calling the tool"),
        (answer(refusal="I will not."), "refused: I will not."),
        (answer("content_filter", content=""), "content filter"),
    ],
    ids=["cut", "broken", "text", "refusal", "filter"],
)
@pytest.mark.parametrize("schema", [Trip, TripDict])
async def test_a_forced_call_that_does_not_come_is_an_error(
    emulator: Emulator, reply: Fault, words: str, schema: Any, mode: str
) -> None:
    """`None` would look like an answer; `include_raw` tells the same."""
    emulator.faults(reply, reply)
    plain = chat(emulator).with_structured_output(schema, method="function_calling")
    raw = chat(emulator).with_structured_output(schema, method="function_calling", include_raw=True)

    with pytest.raises(OutputParserException, match=words):
        plain.invoke("hi") if mode == "invoke" else await plain.ainvoke("hi")
    result = raw.invoke("hi") if mode == "invoke" else await raw.ainvoke("hi")
    assert words in str(result["parsing_error"])


@MODES
@pytest.mark.parametrize("schema", [Trip, TripDict])
async def test_a_cut_json_answer_is_an_error(emulator: Emulator, schema: Any, mode: str) -> None:
    """langchain-core would close what is open and take it for whole."""
    emulator.faults(answer("length", content='{"city": "Lis'))
    model = chat(emulator).with_structured_output(schema, method="json_schema")

    with pytest.raises(OutputParserException, match="max_tokens"):
        model.invoke("hi") if mode == "invoke" else await model.ainvoke("hi")


def test_a_call_of_another_tool_is_no_parse_error(emulator: Emulator) -> None:
    """`with_structured_output(schema, tools=…)`: the raw message holds the call."""
    model = chat(emulator).with_structured_output(Trip, method="json_schema", tools=[multiply], include_raw=True)

    result = model.invoke("What is 2 times 3?")

    assert result["raw"].tool_calls[0]["args"] == {"a": 2, "b": 3}
    assert (result["parsed"], result["parsing_error"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "function_calling", "tools": [multiply]}, "takes no tools"),
        ({"method": "json_mode", "strict": True}, "strict=True means nothing"),
        ({"method": "yaml"}, "'json_schema'"),
    ],
)
def test_what_a_method_cannot_do_is_said(emulator: Emulator, arguments: dict[str, Any], words: str) -> None:
    """Nothing is ignored."""
    with pytest.raises(ConfigurationError, match=words):
        chat(emulator).with_structured_output(Trip, **arguments)


def test_schema_names_keep_to_the_services_alphabet(emulator: Emulator) -> None:
    """Letters of other alphabets are refused by the service."""
    chat(emulator).bind_tools([], response_format={"title": "Réservation", "type": "object", "properties": {}}).invoke(
        "hi"
    )

    assert emulator.requests[-1].body["response_format"]["json_schema"]["name"] == "R_servation"


# ---------------------------------------------------------------------------- calls


@pytest.mark.parametrize("choice", ["any", "multiply"])
def test_tools_and_their_choice_may_come_with_the_call(emulator: Emulator, choice: str) -> None:
    """They are translated as `bind_tools` does it."""
    chat(emulator).invoke("What is 2 times 3?", tools=[multiply], tool_choice=choice)

    body = emulator.requests[-1].body
    assert body["tools"][0]["function"]["name"] == "multiply"
    assert body["tool_choice"] != choice


def test_the_calls_output_limit_replaces_the_constructors(emulator: Emulator) -> None:
    """Two spellings of one limit would be refused."""
    model = chat(emulator, endpoint=emulator.url + "/openai/v1", max_tokens=5)
    model.invoke("hi", max_completion_tokens=7)

    assert {"max_tokens", "max_completion_tokens"} & emulator.requests[-1].body.keys() == {"max_completion_tokens"}


@pytest.mark.parametrize(("base", "name"), [("/models", "mistral-large-2411"), ("/openai/v1", "gpt-4o")])
def test_stream_usage_false_asks_for_nothing(emulator: Emulator, base: str, name: str) -> None:
    """Neither on our own account nor by a question that Mistral refuses."""
    assert list(chat(emulator, endpoint=emulator.url + base, model=name, stream_usage=False).stream("hi"))
    assert "stream_options" not in emulator.requests[-1].body


def test_the_last_chunk_belongs_to_the_same_message(emulator: Emulator) -> None:
    """An id of its own would show as another message."""
    assert len({chunk.id for chunk in chat(emulator).stream("hi")}) == 1


def test_text_documents_arrive_or_are_refused(emulator: Emulator) -> None:
    """Their text is not lost."""
    held = {"type": "text-plain", "base64": base64.b64encode(b"from a file").decode(), "mime_type": "text/plain"}
    chat(emulator).invoke([HumanMessage([held])])
    assert emulator.requests[-1].body["messages"][0]["content"] == "from a file"

    elsewhere = {"type": "text-plain", "url": "https://h/a.txt", "mime_type": "text/plain"}
    with pytest.raises(ConfigurationError, match="'text-plain' must hold its text"):
        chat(emulator).invoke([HumanMessage([elsewhere])])


def test_a_block_without_its_content_is_named(emulator: Emulator) -> None:
    """Not a bare KeyError."""
    with pytest.raises(ConfigurationError, match="'image_url' lacks its key 'image_url'"):
        chat(emulator).invoke([HumanMessage([{"type": "image_url"}])])


def test_what_stands_beside_the_text_is_kept(emulator: Emulator) -> None:
    """Citations of 'On Your Data', annotations, spoken audio, the service tier."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": "x", "context": {"citations": [1]}}}
    emulator.faults(Fault(status=200, body={"choices": [choice], "service_tier": "default"}))

    message = chat(emulator).invoke("hi")

    assert message.additional_kwargs["context"] == {"citations": [1]}
    assert message.response_metadata["service_tier"] == "default"


# ---------------------------------------------------------------------------- arguments and secrets


@pytest.mark.parametrize(
    "twice", [{"endpoint": "https://h/v1", "base_url": "https://h/v1"}, {"credential": "k", "api_key": "k"}]
)
def test_an_argument_given_twice_is_refused(twice: dict[str, Any]) -> None:
    """One of them would be dropped."""
    given = {"endpoint": "https://h/v1", "credential": "k", "model": "m", **twice}
    with pytest.raises(ConfigurationError, match="are the same argument"):
        ChatAzureAI(**given)


def test_model_copy_takes_every_name_of_an_argument(emulator: Emulator) -> None:
    """`model` is a name of `model_name`."""
    chat(emulator).model_copy(update={"model": "gpt-4o-mini"}).invoke("hi")

    assert emulator.requests[-1].body["model"] == "gpt-4o-mini"


def test_a_copy_has_the_profile_of_its_model(emulator: Emulator) -> None:
    """So that its structured output is asked for as the new model takes it; a profile of the user's stays."""
    own = {"tool_calling": True}

    chat(emulator).model_copy(update={"model": "mistral-large-2411"}).with_structured_output(Trip).invoke("Rome")
    assert "tools" in emulator.requests[-1].body
    assert chat(emulator, profile=own).model_copy(update={"model": "mistral-large-2411"}).profile == own


def test_a_copy_takes_no_argument_that_does_not_exist(emulator: Emulator) -> None:
    """As the constructor."""
    with pytest.raises(ConfigurationError, match="Did you mean 'temperature'"):
        chat(emulator).model_copy(update={"temperatur": 1})


def test_options_of_the_client_may_stand_beside_the_others(emulator: Emulator) -> None:
    """In the constructor and in a copy, which keeps the options that it does not change."""
    model = chat(emulator, default_headers={"x-team": "a"}, max_retries=0)
    model.model_copy(update={"limits": RateLimit(requests_per_minute=60)}).invoke("hi")
    assert emulator.requests[-1].headers["x-team"] == "a"

    model.model_copy(update={"headers": {"x-team": "b"}}).invoke("hi")
    assert emulator.requests[-1].headers["x-team"] == "b"


@pytest.mark.parametrize("cls", [ChatAzureAI, AzureAILLM, AzureAIEmbeddings])
def test_a_key_that_is_set_later_is_hidden_as_well(cls: Any) -> None:
    """By attribute and in a copy."""
    model = cls(endpoint="https://h.services.ai.azure.com/models", credential="k", model="m")
    copied = model.model_copy(update={"api_key": "canary-1"})
    model.credential = "canary-2"

    assert "canary" not in repr(vars(copied)) + repr(vars(model))
    assert model.credential.get_secret_value() == "canary-2"


def test_names_of_other_packages_are_translated() -> None:
    """`azure_endpoint` and `azure_deployment` are `AzureChatOpenAI`'s; the second means another route there."""
    url = "https://h.services.ai.azure.com/models"
    assert ChatAzureAI(azure_endpoint=url, api_key="k", model="m").endpoint == url

    with pytest.raises(ConfigurationError, match="'azure_deployment': it is 'model'"):
        ChatAzureAI(azure_deployment="d")


@pytest.mark.parametrize("cls", [ChatAzureAI, AzureAILLM, AzureAIEmbeddings])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reasoning_effort": "low"}, "pass model_kwargs={'reasoning_effort': …}"),
        ({"endpoint": "gpt-4o"}, "pass the name as model='gpt-4o'"),
        ({"client_kwargs": {"nonsense": 1}}, "client_kwargs has nonsense"),
    ],
)
def test_each_class_says_what_to_do_about_a_wrong_argument(cls: Any, given: dict[str, Any], words: str) -> None:
    """In one sentence, which names what was given."""
    with pytest.raises(ConfigurationError, match=words):
        cls(**{"endpoint": "https://h.services.ai.azure.com/models", "credential": "k", **given})


def test_a_profile_of_the_users_chooses_the_method(emulator: Emulator) -> None:
    """What the user says of a deployment takes precedence over its name."""
    chat(emulator, profile={"tool_calling": True}).with_structured_output(Trip).invoke("a trip to Rome")
    assert "tools" in emulator.requests[-1].body

    chat(emulator, profile={"tool_calling": False}).with_structured_output(Trip).invoke("a trip to Rome")
    assert not {"tools", "response_format"} & emulator.requests[-1].body.keys()


class Serialized(BaseCallbackHandler):
    """Keeps what callbacks see of a model."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.seen += [serialized, kwargs]


def test_a_key_in_the_endpoints_query_is_shown_nowhere(emulator: Emulator) -> None:
    """A gateway's key may stand there; the query is sent, and not shown."""
    canary, handler = "canary-5f1c2e9a77", Serialized()
    model = chat(emulator, endpoint=f"{emulator.url}/models?subscription-key={canary}&api-version=2024-05-01-preview")

    model.invoke("hi", {"callbacks": [handler]})

    shown = [repr(model), str(model), dumps(model), json.dumps(model.model_dump(), default=repr), repr(handler.seen)]
    assert canary not in "".join(shown)
    assert "api-version=2024-05-01-preview" in repr(model)
    assert canary in str(emulator.requests[-1].query)


# ---------------------------------------------------------------------------- text completions


@MODES
async def test_the_text_model_streams_when_asked_to(emulator: Emulator, mode: str) -> None:
    """Callbacks get the pieces of `invoke`."""
    pieces: list[str] = []

    class Tokens(BaseCallbackHandler):
        def on_llm_new_token(self, token: str, **_: Any) -> None:
            pieces.append(token)

    model = AzureAILLM(
        endpoint=emulator.url + "/serverless/mistral-large-2411", credential=emulator.key, streaming=True
    )
    config: Any = {"callbacks": [Tokens()]}

    text = model.invoke("Once", config) if mode == "invoke" else await model.ainvoke("Once", config)

    assert emulator.requests[-1].body["stream"] is True
    assert len(pieces) > 1
    assert "".join(pieces) == text


@MODES
async def test_the_text_model_sends_a_batch_at_once(emulator: Emulator, mode: str) -> None:
    """Each prompt leaves before the first answer is there."""
    emulator.faults(Fault(latency=0.2, times=8))
    model = AzureAILLM(endpoint=emulator.url + "/serverless/mistral-large-2411", credential=emulator.key)
    prompts = [f"prompt {n}" for n in range(8)]

    texts = model.batch(prompts) if mode == "invoke" else await model.abatch(prompts)

    exchanges = emulator.requests
    assert len(texts) == len(exchanges) == 8
    assert max(e.started for e in exchanges) < min(e.started + e.elapsed for e in exchanges)
