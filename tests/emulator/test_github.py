"""GitHub Models: its routes, names, credentials and refusals, and the core's client in its dialect."""

import pytest
from shapes import check, frames_of

from azureai_core import AuthenticationError, BadRequestError, Endpoint, EndpointKind, InferenceClient, RateLimitError
from azureai_emulator import Deployment, serve
from azureai_emulator.catalog.shipped import GPT, MISTRAL

HI = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def post(wire, emulator):
    def post(path, body, headers=None, **query):
        sent = {"Authorization": f"Bearer {emulator.key}"} if headers is None else headers
        return wire.http.post(f"{emulator.url}/github/{path}", json=body, headers=sent, params=query)

    return post


@pytest.mark.parametrize("path", ["inference", "orgs/octo-org/inference"])
@pytest.mark.parametrize("name", ["openai/gpt-4o", "gpt-4o"])
def test_a_model_is_named_with_its_publisher_or_alone(post, path, name):
    """For oneself and for an organisation, with and without api-version; the answer names the model alone."""
    plain = post(f"{path}/chat/completions", {**HI, "model": name})
    dated = post(f"{path}/chat/completions", {**HI, "model": name}, **{"api-version": "2024-05-01-preview"})

    for answer in (plain, dated):
        check(answer.json(), "chat.completion.json")
        assert (answer.status_code, answer.json()["model"]) == (200, "gpt-4o")
        assert {"apim-request-id", "x-request-id"} <= set(answer.headers)


def test_the_former_host_had_no_path(post):
    """`/chat/completions` right below the host."""
    assert (
        post("chat/completions", {**HI, "model": "gpt-4o"}, **{"api-version": "2024-05-01-preview"}).status_code == 200
    )


def test_streams_of_openai_models_begin_without_choices(post):
    """The first frame of Azure OpenAI; no usage unasked. Mistral's own dialect is untouched by the route."""
    gpt = frames_of(post("inference/chat/completions", {**HI, "model": "openai/gpt-4o", "stream": True}).text)
    mistral = {**HI, "model": "mistral-ai/mistral-large-2411", "stream": True}
    other = frames_of(post("inference/chat/completions", mistral).text)

    check(gpt[0], "chat.completion.chunk.json#/$defs/opening")
    assert not any("usage" in frame for frame in gpt)
    assert "usage" in other[-1]


@pytest.mark.parametrize("name", ["openai/text-embedding-3-small", "cohere/cohere-embed-v3-english"])
def test_embeddings(post, name):
    """`/embeddings`, the same names."""
    answer = post("inference/embeddings", {"model": name, "input": ["a", "b"]})

    check(answer.json(), "embeddings.json")
    assert len(answer.json()["data"]) == 2


@pytest.mark.parametrize("name", ["openai/nope", "nope", "meta/gpt-4o", "/gpt-4o", "OpenAI/gpt-4o"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_e10(post, name, stream):
    """A wrong publisher too."""
    answer = post("inference/chat/completions", {**HI, "model": name, "stream": stream})

    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "unknown_model")
    check(answer.json(), "errors.json#/$defs/E10")


def test_the_model_is_required(post):
    """400 without it."""
    answer = post("inference/chat/completions", HI)

    assert answer.status_code == 400
    assert "model" in answer.json()["error"]["message"]


@pytest.mark.parametrize("scheme", [{}, {"api-key": "KEY"}, {"Authorization": "Bearer x"}, {"Authorization": "KEY"}])
@pytest.mark.parametrize("token", [False, True])
def test_only_a_bearer_token_of_its_own_opens(post, emulator, scheme, token):
    """A key in another header does not, nor does a token of Entra ID."""
    entra = {"Authorization": "Bearer emulator-token:https://cognitiveservices.azure.com/.default"} if token else {}
    headers = {name: value.replace("KEY", emulator.key) for name, value in {**scheme, **entra}.items()}
    answer = post("inference/chat/completions", {**HI, "model": "openai/gpt-4o"}, headers)

    assert answer.status_code == 401
    check(answer.json(), "errors.json#/$defs/unauthorized")


@pytest.mark.parametrize("route", ["completions", "images/embeddings", "info", "nothing"])
def test_it_has_no_other_routes(post, route):
    """E8."""
    assert post(f"inference/{route}", {"model": "openai/gpt-4o"}).status_code == 404


def test_a_long_prompt_is_too_large(post):
    """E13: 8,000 tokens, whatever the model could read."""
    said = [{"role": "user", "content": "word " * 9000}]
    answer = post("inference/chat/completions", {"model": "openai/gpt-4o", "messages": said})

    assert answer.status_code == 413
    check(answer.json(), "errors.json#/$defs/E13")
    assert answer.json()["error"]["message"] == "Request body too large for gpt-4o model. Max size: 8000 tokens."


@pytest.mark.parametrize("limit", [{"requests_per_minute": 1}, {"tokens_per_minute": 1}])
def test_a_rate_limit_is_e26(http, limit):
    """Other words than Azure's, and `Retry-After`; the client tells how long to wait."""
    with serve(deployments=[Deployment("gpt-4o", GPT, ("github",), **limit)]) as emulator:
        url = emulator.endpoint("gpt-4o", "github")
        headers = {"Authorization": f"Bearer {emulator.key}"}
        answers = [http.post(f"{url}/chat/completions", json={**HI, "model": "gpt-4o"}, headers=headers) for _ in "12"]
        client = InferenceClient(
            Endpoint(EndpointKind.GITHUB, url, None), emulator.key, model="openai/gpt-4o", max_retries=0
        )
        with client, pytest.raises(RateLimitError) as caught:
            client.complete(HI)

    assert [answer.status_code for answer in answers] == [200, 429]
    check(answers[1].json(), "errors.json#/$defs/E26")
    assert int(answers[1].headers["retry-after"]) >= 1
    assert caught.value.retry_after >= 1


def test_the_catalogue_lists_what_it_serves(wire, emulator):
    """`GET /catalog/models`, with the ids to ask for."""
    headers = {"Authorization": f"Bearer {emulator.key}", "X-GitHub-Api-Version": "2022-11-28"}
    listed = wire.http.get(f"{emulator.url}/github/catalog/models", headers=headers)
    ids = [item["id"] for item in listed.json()]

    check(listed.json(), "catalog.json")
    assert {"openai/gpt-4o", "mistral-ai/mistral-large-2411", "ai21-labs/jamba-1.5-large"} <= set(ids)
    for item in listed.json():
        route, rest = ("chat/completions", HI) if "streaming" in item["tags"] else ("embeddings", {"input": ["a"]})
        body = {**rest, "model": item["id"]}
        url = f"{emulator.url}/github/inference/{route}"
        assert wire.http.post(url, json=body, headers=headers).status_code == 200
    assert wire.http.get(f"{emulator.url}/github/catalog/models").status_code == 401
    assert wire.http.post(f"{emulator.url}/github/catalog/models", headers=headers).status_code == 405


@pytest.fixture
def github(wire, emulator):
    return Endpoint(EndpointKind.GITHUB, emulator.endpoint("gpt-4o", "github"), None)


async def test_the_client_speaks_its_dialect(github, emulator):
    """Sync and async, plain and streamed: `model` in the body, no api-version, the PAT as Bearer."""
    with InferenceClient(github, emulator.key, model="openai/gpt-4o") as client:
        said = [client.complete(HI).content, (await client.acomplete(HI)).content]
        said += ["".join(delta.content for delta in client.stream(HI))]
        said += ["".join([delta.content async for delta in client.astream(HI)])]
        await client.aclose()

    assert said == [said[0]] * 4
    assert said[0]
    for request in emulator.requests:
        assert (request.query, request.body["model"]) == ({}, "openai/gpt-4o")
        assert request.headers["authorization"] == "Bearer ***"


def test_the_client_knows_its_errors(github, emulator):
    """A bad token and an unknown model."""
    refused = pytest.raises(AuthenticationError, match="Bad credentials")
    refused = pytest.raises(AuthenticationError, match="Bad credentials")
    with InferenceClient(github, "wrong", model="openai/gpt-4o") as client, refused:
        client.complete(HI)
    unknown = pytest.raises(BadRequestError, match="Unknown model: openai/nope")
    with InferenceClient(github, emulator.key, model="openai/nope") as client, unknown:
        client.complete(HI)


@pytest.mark.parametrize(
    ("package", "name", "ask"),
    [
        ("langchain_azureai", "AzureAIChatCompletionsModel", "invoke"),
        ("llamaindex_azureai", "AzureAICompletionsModel", "complete"),
    ],
)
def test_each_adapter_by_url(wire, emulator, package, name, ask):
    """The base URL and a model's id are all they need."""
    adapter = pytest.importorskip(package, reason=f"{package} lacks its framework", exc_type=ImportError)
    url = emulator.endpoint("mistral-large-2411", "github")
    model = getattr(adapter, name)(endpoint=url, credential=emulator.key, model="mistral-ai/mistral-large-2411")

    assert getattr(model, ask)("Hi").text
    assert {request.path for request in emulator.requests} == {"/github/inference/chat/completions"}


def test_a_deployment_of_ones_own_has_its_makers_name():
    """The provider, in small letters and hyphens."""
    own = Deployment("m", MISTRAL, ("github",))

    assert own.in_catalogue()["id"] == "mistral-ai/m"
    assert own.urls("http://x") == {"github": "http://x/github/inference"}
