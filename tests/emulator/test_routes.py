"""Routes, keys, api-versions, model routing, headers."""

import httpx
import pytest

from azureai_emulator import DEPLOYMENTS

CHAT = [(item.name, kind) for item in DEPLOYMENTS if item.profile.task == "chat" for kind in item.kinds]
EMBEDDINGS = [(item.name, kind) for item in DEPLOYMENTS if item.profile.task == "embeddings" for kind in item.kinds]


@pytest.mark.parametrize(("name", "kind"), CHAT)
def test_every_chat_deployment_answers_under_each_of_its_kinds(wire, name, kind):
    """A plain chat call gets text, usage that adds up, and a finish reason."""
    answer = wire.chat(name, kind)
    body = answer.json()

    assert answer.status_code == 200
    assert body["choices"][0]["message"]["content"].strip()
    assert body["choices"][0]["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


@pytest.mark.parametrize(("name", "kind"), CHAT)
def test_stream_says_the_same_as_the_plain_answer(wire, join_text, name, kind):
    """The deltas join to the plain content, in several chunks."""
    plain = wire.message(name, kind)["content"]
    frames = wire.frames(name, kind)

    assert join_text(frames) == plain
    assert len(frames) > 8
    assert [c["finish_reason"] for f in frames for c in f["choices"] if c.get("finish_reason")] == ["stop"]


@pytest.mark.parametrize(("name", "kind"), EMBEDDINGS)
def test_every_embedding_deployment_answers_under_each_of_its_kinds(wire, name, kind):
    """One unit vector per input, in order."""
    answer = wire.embed(name, kind, input=["one", "two"])

    assert answer.status_code == 200
    assert [item["index"] for item in answer.json()["data"]] == [0, 1]
    assert sum(x * x for x in answer.json()["data"][0]["embedding"]) == pytest.approx(1, abs=1e-5)


def test_health_needs_no_key(emulator):
    """`GET /health` is open."""
    assert httpx.get(emulator.url + "/health").json() == {"status": "ok"}


def test_deployments_are_listed_with_urls_that_work(wire, emulator):
    """`GET /deployments` names every deployment, its URLs, profile and quirks."""
    listed = wire.http.get(emulator.url + "/deployments", headers={"api-key": emulator.key}).json()

    assert [item["name"] for item in listed] == [item.name for item in DEPLOYMENTS]
    mistral = next(item for item in listed if item["name"] == "mistral-large-2411")
    assert mistral["urls"] == {
        "serverless": f"{emulator.url}/serverless/mistral-large-2411",
        "models": f"{emulator.url}/models",
        "github": f"{emulator.url}/github/inference",
    }
    assert all(item["quirks"] and item["profile"] for item in listed)


def test_deployments_need_the_key(emulator):
    """The list is for callers with the key."""
    assert httpx.get(emulator.url + "/deployments").status_code == 401


@pytest.mark.parametrize(
    ("kind", "name", "headers", "status"),
    [
        ("serverless", "llama-3.3-70b-instruct", {"Authorization": "Bearer KEY"}, 200),
        ("serverless", "llama-3.3-70b-instruct", {"api-key": "KEY"}, 401),
        ("serverless", "llama-3.3-70b-instruct", {"Authorization": "Bearer wrong"}, 401),
        ("serverless", "llama-3.3-70b-instruct", {"Authorization": "Bearer wrong", "api-key": "KEY"}, 401),
        ("models", "llama-3.3-70b-instruct", {"api-key": "KEY"}, 200),
        ("models", "llama-3.3-70b-instruct", {"Authorization": "Bearer KEY"}, 200),
        ("openai-v1", "gpt-4o", {"api-key": "KEY"}, 200),
        ("openai-v1", "gpt-4o", {"Authorization": "Bearer KEY"}, 200),
        ("openai-deployment", "gpt-4o", {"api-key": "KEY"}, 200),
        ("openai-deployment", "gpt-4o", {"api-key": "wrong"}, 401),
        ("openai-deployment", "gpt-4o", {}, 401),
        (
            "models",
            "gpt-4o",
            {"Authorization": "Bearer emulator-token:https://cognitiveservices.azure.com/.default"},
            200,
        ),
        ("models", "gpt-4o", {"Authorization": "Bearer emulator-token:https://ml.azure.com/.default"}, 401),
        ("serverless", "deepseek-r1", {"Authorization": "Bearer emulator-token:https://ml.azure.com/.default"}, 200),
        ("openai-v1", "gpt-4o", {"Authorization": "Bearer emulator-token:https://ai.azure.com/.default"}, 200),
    ],
)
def test_each_kind_reads_its_own_credentials(emulator, kind, name, headers, status):
    """Serverless reads Authorization only, the others the api-key too; tokens need the right scope."""
    sent = {field: value.replace("KEY", emulator.key) for field, value in headers.items()}
    params = {} if kind == "openai-v1" else {"api-version": "2024-05-01-preview"}
    body = {"model": name, "messages": [{"role": "user", "content": "hi"}]}

    answer = httpx.post(emulator.endpoint(name, kind) + "/chat/completions", params=params, json=body, headers=sent)

    assert answer.status_code == status


def test_serverless_401_is_e5(wire):
    """A wrong serverless key gets the recorded body and reason header."""
    answer = wire.chat("deepseek-r1", "serverless", headers={"Authorization": "Bearer x"})

    assert answer.json() == {
        "statusCode": 401,
        "message": "Auth token validation failed. Please provide a valid key or a valid AAD token",
    }
    assert answer.headers["x-ms-error-reason"] == "Invalid JWT."


def test_openai_401_is_e6(wire):
    """A wrong key on Azure OpenAI names the audience."""
    answer = wire.chat(headers={"Authorization": "Bearer x", "api-key": "x"})

    assert answer.status_code == 401
    assert "audience is incorrect (https://cognitiveservices.azure.com)" in answer.json()["message"]


@pytest.mark.parametrize("version", ["2024-04-01-preview", "2024-05-01-preview", "2025-04-01"])
def test_inference_versions_are_taken(wire, version):
    """The published versions of the Model Inference API are served."""
    assert wire.chat("llama-3.3-70b-instruct", "models", version=version).status_code == 200


@pytest.mark.parametrize("version", [None, "2023-01-01", ""])
@pytest.mark.parametrize("kind", ["serverless", "models"])
def test_missing_or_unknown_version_is_a_bad_request(wire, kind, version):
    """Without a known api-version the gateway answers 400."""
    answer = wire.chat("llama-3.3-70b-instruct", kind, version=version)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


def test_azure_openai_without_version_is_not_found(wire):
    """Azure OpenAI answers 404 when api-version is missing."""
    answer = wire.chat("gpt-4o", "openai-deployment", version=None)

    assert (answer.status_code, answer.json()) == (404, {"error": {"code": "404", "message": "Resource not found"}})


def test_doubled_version_is_refused(wire, emulator):
    """Two api-version parameters, as a pasted target URI gives them, are an error."""
    url = emulator.url + "/serverless/deepseek-r1/chat/completions?api-version=2025-04-01&api-version=2025-04-01"

    assert wire.http.post(url, json={}, headers={"Authorization": f"Bearer {emulator.key}"}).status_code == 400


def test_models_ignores_case(wire):
    """Routing on /models ignores the case of the name; the answer names what was asked for."""
    answer = wire.chat("gpt-4o", "models", model="GPT-4o")

    assert answer.json()["model"] == "GPT-4o"


def test_v1_is_case_sensitive(wire):
    """Deployment names on /openai/v1 match exactly."""
    answer = wire.chat("gpt-4o", "openai-v1", model="GPT-4o")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "DeploymentNotFound")


@pytest.mark.parametrize("kind", ["models", "openai-v1"])
def test_model_is_required_where_many_are_served(wire, emulator, kind):
    """Without `model` the request is refused."""
    url = emulator.endpoint("gpt-4o", kind) + "/chat/completions"
    params = {} if kind == "openai-v1" else {"api-version": "2024-05-01-preview"}

    answer = wire.http.post(url, params=params, json={"messages": []}, headers={"api-key": emulator.key})

    assert answer.status_code == 400
    assert "model" in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model_is_e10(wire, stream):
    """/models says unknown_model in body and header."""
    answer = wire.chat("gpt-4o", "models", model="nope", stream=stream)

    assert answer.status_code == 400
    assert answer.headers["x-ms-error-code"] == "unknown_model"
    assert answer.json() == {
        "error": {"code": "unknown_model", "message": "Unknown model: nope", "details": "Unknown model: nope"}
    }


def test_model_of_another_kind_is_unknown(wire):
    """A deployment answers only under its own kinds."""
    assert wire.chat("gpt-4o", "openai-v1", model="mistral-large-2411").status_code == 404


def test_unknown_serverless_name_is_not_found(wire, emulator):
    """An unknown serverless endpoint is a 404."""
    url = emulator.url + "/serverless/nope/chat/completions?api-version=2025-04-01"

    assert wire.http.post(url, json={}, headers={"Authorization": f"Bearer {emulator.key}"}).status_code == 404


def test_info_is_served_on_serverless_only(wire, emulator):
    """`/info` describes a serverless model; elsewhere it is E8."""
    headers = {"Authorization": f"Bearer {emulator.key}"}
    query = "?api-version=2024-05-01-preview"

    found = wire.http.get(emulator.url + "/serverless/mistral-large-2411/info" + query, headers=headers)
    missing = [
        wire.http.get(emulator.url + base + "/info" + query, headers=headers)
        for base in ("/models", "/openai/deployments/gpt-4o", "/openai/v1")
    ]

    assert found.json() == {
        "model_name": "mistral-large-2411",
        "model_type": "chat-completion",
        "model_provider_name": "Mistral",
    }
    assert {answer.status_code for answer in missing} == {404}
    assert missing[1].json() == {"error": {"code": "404", "message": "Resource not found"}}


def test_embeddings_on_a_chat_endpoint_are_e7(wire):
    """A chat-only serverless endpoint answers plain NOT FOUND."""
    answer = wire.embed("mistral-large-2411", "serverless", input=["x"])

    assert (answer.status_code, answer.text) == (404, "NOT FOUND")
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert answer.headers["content-type"].startswith("text/plain")


def test_chat_on_an_embedding_deployment_is_refused(wire):
    """Azure OpenAI says that the operation does not work with the model."""
    answer = wire.chat("text-embedding-3-small", "openai-v1")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "OperationNotSupported")


def test_wrong_method_is_405(wire, emulator):
    """A GET of a POST route is refused, naming what is allowed."""
    answer = wire.http.get(emulator.url + "/openai/v1/chat/completions", headers={"api-key": emulator.key})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_unknown_paths_are_not_found(wire, emulator):
    """Anything else is a 404 with a JSON body."""
    for path in ("/nope", "/models/nope", "/openai/v1/nope", "/models/completions"):
        answer = wire.http.get(emulator.url + path, headers={"api-key": emulator.key})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "404")


def test_request_ids_per_kind(wire):
    """Serverless sends x-request-id, /models apim-request-id, Azure OpenAI both; the client's id comes back.

    Not from models of others than OpenAI on `/models`. Source: recorded sessions.
    """
    sent = {"x-ms-client-request-id": "11111111-2222-3333-4444-555555555555"}
    serverless = wire.chat("deepseek-r1", "serverless", headers=sent).headers
    models = wire.chat("deepseek-r1", "models", headers=sent).headers
    openai = wire.chat(headers=sent).headers
    both = wire.chat("gpt-4o", "models", headers=sent).headers

    assert "x-request-id" in serverless
    assert "apim-request-id" not in serverless
    assert "azureml-model-session" in serverless
    assert "apim-request-id" in models
    assert "x-request-id" not in models
    assert {"apim-request-id", "x-request-id"} <= set(openai)
    assert all(h["x-ms-client-request-id"] == sent["x-ms-client-request-id"] for h in (serverless, openai, both))
    assert "x-ms-client-request-id" not in models


@pytest.mark.parametrize(
    ("route", "asked"),
    [("chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}), ("completions", {"prompt": "Hi"})],
)
def test_serverless_answers_are_accounted_for(wire, route, asked):
    """In headers that agree with the body; neither on other kinds nor in streams."""
    answer = wire.post("mistral-large-2411", "serverless", route, asked)
    usage, choice = answer.json()["usage"], answer.json()["choices"][0]
    text = choice["text"] if route == "completions" else choice["message"]["content"]
    streamed = wire.post("mistral-large-2411", "serverless", route, {**asked, "stream": True})

    assert {name: int(answer.headers[name]) for name in ACCOUNTING} == dict(
        zip(
            ACCOUNTING,
            (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], len(text)),
            strict=True,
        )
    )
    for other in (streamed, wire.post("gpt-4o", "openai-v1", route, asked), wire.chat("mistral-large-2411", "models")):
        assert not set(ACCOUNTING) & set(other.headers)


ACCOUNTING = ("prompt_token_len", "sampling_token_len", "num_tokens", "num_chars")


def test_text_completions_plain_and_streamed(wire, read_events):
    """`/completions` answers in the text_completion shape, streamed or not."""
    plain = wire.post("gpt-4o", "openai-v1", "completions", {"prompt": "Once upon a time"}).json()
    frames = read_events(
        wire.post("gpt-4o", "openai-deployment", "completions", {"prompt": "Once upon a time", "stream": True}).text
    )

    assert plain["object"] == "text_completion"
    assert "".join(f["choices"][0]["text"] for f in frames if f["choices"]) == plain["choices"][0]["text"] != ""


def test_v1_lists_models(wire, emulator):
    """`GET /openai/v1/models` lists what v1 serves."""
    listed = wire.http.get(emulator.url + "/openai/v1/models", headers={"api-key": emulator.key}).json()

    assert "gpt-4o" in [item["id"] for item in listed["data"]]
