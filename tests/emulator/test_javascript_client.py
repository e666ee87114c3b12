"""The vendor's JavaScript client, `@azure-rest/ai-inference`: only URL and key are the emulator's."""

import json
import subprocess

import pytest

from azureai_emulator import serve

ASKED = "How many languages are in the world?"


@pytest.fixture(scope="module")
def server():
    with serve() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def found(javascript_folder, server):
    """What each case of `client.mjs` got."""
    done = subprocess.run(
        ["node", "client.mjs", server.url, server.key],
        cwd=javascript_folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def text(answer):
    return answer["body"]["choices"][0]["message"]["content"]


def test_info(found):
    """`GET /info`."""
    assert found["info"]["status"] == "200"
    assert found["info"]["body"]["model_provider_name"] == "Mistral"


@pytest.mark.parametrize(
    ("case", "model"), [("chat", "mistral-large-2411"), ("chatOnModels", "phi-3-mini-4k-instruct")]
)
def test_chat(found, case, model):
    """Text, usage and the model's name."""
    body = found[case]["body"]

    assert found[case]["unexpected"] is False
    assert text(found[case]).strip()
    assert body["model"] == model
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]


def test_parameters(found):
    """Every parameter of the schema."""
    assert found["parameters"]["status"] == "200"
    assert ASKED in text(found["parameters"])


@pytest.mark.parametrize("case", ["stream", "streamOnModels"])
def test_streaming(found, case):
    """Deltas join to the plain answer, and `[DONE]` ends them."""
    chunks = found[case]["chunks"]
    joined = "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"])

    assert (found[case]["status"], found[case]["done"]) == ("200", True)
    assert joined == text(found["chat"])
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_tools(found):
    """A call with both cities, then the answer to its result."""
    choice = found["tools"]["first"]["body"]["choices"][0]
    (call,) = choice["message"]["tool_calls"]

    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(call["function"]["arguments"]) == {"origin_city": "Miami", "destination_city": "Seattle"}
    assert found["tools"]["last"]["body"]["choices"][0]["finish_reason"] == "stop"
    assert text(found["tools"]["last"])


def test_json(found):
    """JSON mode gives JSON."""
    assert isinstance(json.loads(text(found["json"])), dict)


def test_extra_parameters(found):
    """Taken with the header `extra-parameters`, refused without (E17)."""
    assert found["extras"]["status"] == "200"
    assert found["extrasRefused"]["status"] == "400"
    assert "safe_prompt" in found["extrasRefused"]["body"]["detail"]


def test_images(found):
    """A text and a data URL in one message; Phi answers with a leading space."""
    assert text(found["image"]).startswith(" ")


@pytest.mark.parametrize(("case", "count"), [("embeddings", 2), ("imageEmbeddings", 1)])
def test_embeddings(found, case, count):
    """Vectors of texts and of images."""
    assert [len(item["embedding"]) for item in found[case]["body"]["data"]] == [1024] * count


@pytest.mark.parametrize(("case", "status"), [("wrongKey", "401"), ("filtered", "400"), ("refused", "422"), ("textAsNumber", "422")])  # fmt: skip
def test_refusals(found, case, status):
    """The client says that the answer is an unexpected one."""
    assert found[case]["status"] == status
    assert found[case]["unexpected"] is True


def test_refusals_say_why(found):
    """E5 for the key, E1 for the filter, E14 for the parameter."""
    assert found["wrongKey"]["body"]["statusCode"] == 401
    assert found["filtered"]["body"]["error"]["code"] == "content_filter"
    assert found["refused"]["body"]["detail"] == {"loc": ["body", "response_format"], "input": "json_object"}


def test_what_was_sent(found, server):
    """The key in both headers, the api-version of the client, a request id of its own."""
    sent = next(item for item in server.requests if item.route == "chat/completions")

    assert (sent.headers["authorization"], sent.headers["api-key"]) == ("Bearer ***", "***")
    assert sent.query["api-version"] == "2024-05-01-preview"
    assert sent.headers["x-ms-client-request-id"]
