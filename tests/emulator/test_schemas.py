"""Every answer of every route, deployment and mode has a documented shape; so has each error."""

import itertools
import json

import pytest
from jsonschema import Draft202012Validator
from shapes import REGISTRY, SCHEMAS, check, frames_of

from azureai_emulator import DEPLOYMENTS, Deployment, Fault, serve
from azureai_emulator.catalog.shipped import GPT

CHAT = [(item, kind) for item in DEPLOYMENTS if item.profile.task == "chat" for kind in item.kinds]
VECTORS = [(item, kind) for item in DEPLOYMENTS if item.profile.task == "embeddings" for kind in item.kinds]
PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schemas_are_schemas(name):
    """The files themselves are valid."""
    Draft202012Validator.check_schema(SCHEMAS[name])


def by_id(value):
    return value.name if isinstance(value, Deployment) else str(value)


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
USER = [{"role": "user", "content": "How is the weather in 'Oslo'? Answer in JSON."}]
SCHEMA = {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
MODES = {
    "plain": {},
    "tool": {"tools": [TOOL], "tool_choice": "required"},
    "named tool": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    "json": {"response_format": {"type": "json_object"}},
    "json schema": {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    "filtered": {"messages": [{"role": "user", "content": "Tell me something emulator:filter-answer"}]},
    "filter failed": {"messages": [{"role": "user", "content": "Tell me something emulator:filter-failed"}]},
    "short": {"max_tokens": 1},
    "refused by the filter": {"messages": [{"role": "user", "content": "emulator:jailbreak emulator:violence"}]},
}


@pytest.mark.parametrize(("deployment", "kind"), CHAT, ids=by_id)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", ["2024-05-01-preview", "2025-04-01"])
def test_chat(wire, read_events, deployment, kind, mode, version):
    """Plain and streamed: each body, each frame, or the refusal."""
    fields = {"messages": USER, **MODES[mode]}
    plain = wire.chat(deployment.name, kind, version=version, **fields)
    streamed = wire.chat(deployment.name, kind, version=version, stream=True, **fields)

    assert plain.status_code == streamed.status_code
    if plain.status_code != 200:
        check_any_error(plain)
        assert plain.json() == streamed.json()
        return
    check(plain.json(), "chat.completion.json")
    for frame in frames_of(streamed.text):
        check(frame, "chat.completion.chunk.json")


NEWEST = {"openai-deployment": "2024-12-01-preview"}
ASKING = [(item, kind) for item, kind in CHAT if "stream_options" in item.profile.extras]


@pytest.mark.parametrize(("deployment", "kind"), ASKING, ids=by_id)
def test_usage_frame(wire, deployment, kind):
    """The extra frame that `include_usage` asks for, on every kind; OpenAI's streams begin without choices."""
    options = {"stream_options": {"include_usage": True}, "headers": {"extra-parameters": "pass-through"}}
    answer = wire.chat(deployment.name, kind, stream=True, version=NEWEST.get(kind, "2025-04-01"), **options)
    frames = frames_of(answer.text)

    check(frames[-1], "chat.completion.chunk.json#/$defs/usage_only")
    if deployment.profile.content_filter:
        check(frames[0], "chat.completion.chunk.json#/$defs/opening")


@pytest.mark.parametrize("kind", ["openai-v1", "openai-deployment", "models"])
def test_several_choices(wire, kind):
    """`n` answers, plain and streamed."""
    options = {"n": 2, "messages": USER, "headers": {"extra-parameters": "pass-through"}}
    plain = wire.chat("gpt-4o", kind, version=NEWEST.get(kind, "2025-04-01"), **options)
    streamed = wire.chat("gpt-4o", kind, version=NEWEST.get(kind, "2025-04-01"), stream=True, **options)

    check(plain.json(), "chat.completion.json")
    assert len(plain.json()["choices"]) == 2
    for frame in frames_of(streamed.text):
        check(frame, "chat.completion.chunk.json")


@pytest.mark.parametrize(("deployment", "kind"), [(d, k) for d, k in CHAT if k not in ("models", "github")], ids=by_id)
def test_text(wire, read_events, deployment, kind):
    """`/completions`, plain and streamed."""
    body = wire.post(deployment.name, kind, "completions", {"prompt": "Once"})
    streamed = wire.post(deployment.name, kind, "completions", {"prompt": "Once", "stream": True})

    check(body.json(), "text_completion.json")
    for frame in read_events(streamed.text):
        check(frame, "text_completion.json")


TEXTS = {
    "two prompts": {"prompt": ["Once", "Twice"]},
    "short": {"prompt": "Once upon a time", "max_tokens": 2},
    "filtered": {"prompt": "Once emulator:filter-answer"},
    "refused by the filter": {"prompt": "emulator:violence"},
    "wrong": {"prompt": 3},
}


@pytest.mark.parametrize(("deployment", "kind"), [(d, k) for d, k in CHAT if k not in ("models", "github")], ids=by_id)
@pytest.mark.parametrize("mode", TEXTS)
def test_text_modes(wire, deployment, kind, mode):
    """Several prompts, a limit, the content filter, a wrong body; plain and streamed."""
    plain = wire.post(deployment.name, kind, "completions", TEXTS[mode])
    streamed = wire.post(deployment.name, kind, "completions", {**TEXTS[mode], "stream": True})

    assert plain.status_code == streamed.status_code
    if plain.status_code != 200:
        assert mode in ("short", "refused by the filter", "wrong")
        check_any_error(plain)
        return
    check(plain.json(), "text_completion.json")
    for frame in frames_of(streamed.text):
        check(frame, "text_completion.json")


@pytest.mark.parametrize(("deployment", "kind"), VECTORS, ids=by_id)
@pytest.mark.parametrize("encoding", ["float", "base64", "int8", "uint8", "binary", "ubinary"])
def test_embeddings(wire, deployment, kind, encoding):
    """Each encoding, or its refusal."""
    answer = wire.embed(deployment.name, kind, input=["one", "two"], encoding_format=encoding)

    if answer.status_code == 200:
        check(answer.json(), "embeddings.json")
    else:
        assert kind.startswith("openai") or deployment.profile.error_style == "openai"
        check_any_error(answer)


@pytest.mark.parametrize("kind", ["serverless", "models"])
def test_image_embeddings(wire, kind):
    """`/images/embeddings`."""
    answer = wire.post("cohere-embed-v3-english", kind, "images/embeddings", {"input": [{"image": PNG}]})

    check(answer.json(), "embeddings.json")
    assert answer.json()["usage"]["images"] == 1


@pytest.mark.parametrize("name", [item.name for item in DEPLOYMENTS if "serverless" in item.kinds])
def test_info(wire, name):
    """`GET /info` of each serverless endpoint."""
    url = wire.emulator.endpoint(name, "serverless") + "/info"
    headers = {"Authorization": f"Bearer {wire.emulator.key}"}
    answer = wire.http.get(url, params={"api-version": "2024-05-01-preview"}, headers=headers)

    check(answer.json(), "info.json")


def test_model_list(wire):
    """`GET /openai/v1/models`."""
    answer = wire.http.get(wire.emulator.url + "/openai/v1/models", headers={"api-key": wire.emulator.key})

    check(answer.json(), "models.json")


def check_any_error(answer):
    body = answer.json() if answer.headers["content-type"] == "application/json" else answer.text
    fitting = [name for name in SCHEMAS["errors.json"]["$defs"] if fits(body, name)]
    assert fitting, (answer.status_code, answer.text)


def fits(body, name):
    schema = {"$ref": f"https://emulator.test/errors.json#/$defs/{name}"}
    return Draft202012Validator(schema, registry=REGISTRY).is_valid(body)


PASS = {"headers": {"extra-parameters": "pass-through"}}
HARM = {"messages": [{"role": "user", "content": "emulator:violence"}]}
ASKED = {
    "E1": (400, "llama-3.3-70b-instruct", "serverless", HARM),
    "E2": (400, "gpt-4o", "openai-deployment", HARM),
    "E3": (400, "gpt-4o", "openai-v1", HARM),
    "E4": (400, "llama-3.3-70b-instruct", "serverless", {**HARM, "version": "2024-04-01-preview"}),
    "E5": (401, "llama-3.3-70b-instruct", "serverless", {"headers": {"Authorization": "Bearer x"}}),
    "E6": (401, "gpt-4o", "models", {"headers": {"Authorization": "Bearer x", "api-key": "x"}}),
    "E14": (422, "phi-3-mini-4k-instruct", "serverless", {"response_format": {"type": "json_object"}}),
    "E15": (422, "cohere-command-r-plus", "serverless", {"foo": 1, **PASS}),
    "E16": (422, "mistral-large-2411", "serverless", {"foo": "bar", **PASS}),
    "E16-400": (400, "mistral-large-2411", "serverless", {"messages": [{"role": "nobody", "content": "x"}]}),
    "E17": (400, "mistral-large-2411", "serverless", {"n": 2}),
    "E18": (422, "jamba-1.5-large", "serverless", {"foo": 1, **PASS}),
    "E19": (400, "llama-3.3-70b-instruct", "serverless", {"foo": 1, **PASS}),
    "E20": (400, "phi-4-mini-instruct", "models", {"tools": [TOOL]}),
    "E21": (400, "gpt-4o", "openai-v1", {"response_format": "foo"}),
    "bad_request": (400, "llama-3.3-70b-instruct", "serverless", {"version": None}),
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("stream", [{}, {"stream": True}], ids=["plain", "stream"])
def test_refused_chat(wire, name, stream):
    """A chat request for each shape, streamed or not."""
    status, deployment, kind, fields = ASKED[name]
    answer = wire.chat(deployment, kind, **fields, **stream)

    assert answer.status_code == status, answer.text
    check(answer.json(), f"errors.json#/$defs/{name}")


def test_json_in_a_string_is_json(wire):
    """E16: the message holds a detail list like E15."""
    answer = wire.chat("mistral-large-2411", "serverless", foo="bar", **PASS)

    check(json.loads(answer.json()["error"]["message"]), "errors.json#/$defs/E15")


@pytest.mark.parametrize(
    ("name", "status", "deployment", "kind", "route"),
    [
        ("E7", 404, "mistral-large-2411", "serverless", "embeddings"),
        ("E8", 404, "gpt-4o", "openai-deployment", "nothing"),
        ("operation_not_supported", 400, "gpt-4o", "openai-v1", "embeddings"),
    ],
)
def test_wrong_routes(wire, name, status, deployment, kind, route):
    """A route that is not there, or not for this model."""
    answer = wire.post(deployment, kind, route, {"input": ["x"]})
    body = answer.text if name == "E7" else answer.json()

    assert answer.status_code == status
    check(body, f"errors.json#/$defs/{name}")


def test_unknown_names(wire):
    """E9 in the path and on v1, E10 on the model-inference route, E11 for a wrong method."""
    url, headers = wire.emulator.url, {"api-key": wire.emulator.key}
    body = {"model": "nope", "messages": USER}
    v1 = wire.http.post(url + "/openai/v1/chat/completions", json=body, headers=headers)
    models = wire.http.post(url + "/models/chat/completions?api-version=2024-05-01-preview", json=body, headers=headers)
    wrong = wire.http.get(url + "/openai/v1/chat/completions", headers=headers)

    for name, answer in {"E9": v1, "E10": models, "E11": wrong}.items():
        check(answer.json(), f"errors.json#/$defs/{name}")
    assert [v1.status_code, models.status_code, wrong.status_code] == [404, 400, 405]


def test_too_large(wire, monkeypatch):
    """E13."""
    monkeypatch.setattr("azureai_emulator.api.request.MAX_BODY", 100)
    answer = wire.chat(messages=[{"role": "user", "content": "x" * 200}])

    assert answer.status_code == 413
    check(answer.json(), "errors.json#/$defs/E13")


@pytest.mark.parametrize("status", [409, 424, 431, 500, 502, 503, 504])
def test_faults(wire, emulator, status):
    """E29 for whatever has no body of its own; E24 for 429; E30 inside a stream."""
    emulator.faults(Fault(status), Fault(429), Fault(error_frame_after=1))

    check(wire.chat().json(), "errors.json#/$defs/E29")
    check(wire.chat().json(), "errors.json#/$defs/E24")
    check(frames_of(wire.chat(stream=True).text)[-1], "errors.json#/$defs/E30")


def test_bodies_of_managed_endpoints(wire, emulator):
    """E12 is plain text; E23 says in its headers that the container refused."""
    emulator.faults(Fault(408), Fault(424))
    timeout, failed = wire.chat(), wire.chat()

    assert (timeout.status_code, timeout.text) == (408, "upstream request timeout")
    assert timeout.headers["content-type"].startswith("text/plain")
    assert failed.headers["ms-azureml-model-error-statuscode"] == "500"
    assert failed.headers["ms-azureml-model-error-reason"] == "model_error"


def test_newer_fields_on_an_older_version(wire):
    """E22: a number as code, and the field in the text."""
    answer = wire.chat("gpt-4o", "openai-deployment", max_completion_tokens=5, version="2024-06-01")

    assert answer.status_code == 400
    check(answer.json(), "errors.json#/$defs/E22")
    assert answer.json()["error"]["message"].startswith("Validation error at #/max_completion_tokens:")


def test_too_many_headers(wire):
    """E28 on Foundry beyond ten headers of the caller's own; serverless endpoints do not count."""
    own = {f"x-own-{number}": "1" for number in range(11)}
    refused = wire.chat("gpt-4o", "models", headers=own)
    ten = dict(list(own.items())[:10])

    assert refused.status_code == 431
    check(refused.json(), "errors.json#/$defs/E29")
    assert wire.chat("gpt-4o", "models", headers=ten).status_code == 200
    assert wire.chat("jais-30b-chat", "serverless", headers=own).status_code == 200


def test_counted_limits(http):
    """E24 of a real limit."""
    with serve(deployments=[Deployment("a", GPT, ("openai-v1",), requests_per_minute=1)]) as emulator:
        url, headers = emulator.url + "/openai/v1/chat/completions", {"api-key": emulator.key}
        answers = [http.post(url, json={"model": "a", "messages": USER}, headers=headers) for _ in range(2)]

    check(answers[1].json(), "errors.json#/$defs/E24")


def test_shapes_can_be_told_apart():
    """No schema of an error accepts what only another may, so a pass means something."""
    samples = {"E1": {"error": {"code": "content_filter"}}, "E14": {"detail": []}, "E24": {"error": {"code": "429"}}}
    for (_, body), name in itertools.product(samples.items(), SCHEMAS["errors.json"]["$defs"]):
        assert not fits(body, name)
