"""One key per test: its own record, faults and script on the same server."""

import inspect
import re
from pathlib import Path

import httpx
import pytest

from azureai_emulator import Deployment, Endpoint, Fault, serve
from azureai_emulator.catalog.shipped import GPT

VERSION = {"api-version": "2024-05-01-preview"}
DOCS = Path(__file__).parents[2] / "docs" / "emulator.md"


@pytest.fixture
def ask(azureai_endpoint, http):
    def ask(name="gpt-4o", kind="openai-v1", endpoint=azureai_endpoint, **fields):
        url = endpoint.endpoint(name, kind) + "/chat/completions"
        body = {"model": name, "messages": [{"role": "user", "content": "hi"}], **fields}
        headers = {"Authorization": f"Bearer {endpoint.key}"}
        return http.post(url, params=VERSION if kind != "openai-v1" else {}, headers=headers, json=body)

    return ask


def message(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def test_it_is_the_same_server_with_its_own_record(azureai_emulator, azureai_endpoint, ask):
    """Requests of one key are not seen by another."""
    before = len(azureai_emulator.requests)
    with azureai_emulator.isolated() as other:
        ask()
        ask(endpoint=other)

        assert isinstance(azureai_endpoint, Endpoint)
        assert tuple(azureai_endpoint) == (azureai_emulator.url, azureai_endpoint.key)
        assert len({azureai_endpoint.key, other.key, azureai_emulator.key}) == 3
        assert (len(azureai_endpoint.requests), len(other.requests)) == (1, 1)
        assert len(azureai_emulator.requests) == before


def test_its_faults_disturb_nobody_else(azureai_emulator, azureai_endpoint, ask):
    """By the object and by HTTP."""
    azureai_endpoint.faults(Fault(503))
    httpx.post(
        azureai_endpoint.url + "/_emulator/faults", json="504", headers={"api-key": azureai_endpoint.key}
    ).raise_for_status()

    assert ask(endpoint=azureai_emulator).status_code == 200
    assert [ask().status_code for _ in range(3)] == [503, 504, 200]


def test_its_key_is_wrong_afterwards(azureai_emulator, ask):
    """The session is closed with the block."""
    with azureai_emulator.isolated() as endpoint:
        assert ask(endpoint=endpoint).status_code == 200
    assert ask(endpoint=endpoint).status_code == 401


def test_each_has_its_own_allowance(http):
    """Rate limits are counted per key."""
    with serve(deployments=[Deployment("a", GPT, ("openai-v1",), requests_per_minute=1)]) as emulator:
        body = {"model": "a", "messages": [{"role": "user", "content": "hi"}]}
        with emulator.isolated() as one, emulator.isolated() as two:
            url = emulator.url + "/openai/v1/chat/completions"
            seen = [
                http.post(url, json=body, headers={"api-key": key}).status_code for key in (one.key, one.key, two.key)
            ]

    assert seen == [200, 429, 200]


CALL = {"name": "get_weather", "arguments": {"city": "Oslo"}}


def test_texts_and_calls_in_order(azureai_endpoint, ask):
    """Text, one call, two calls, a message with everything."""
    whole = {"content": "Let me see.", "tool_calls": [{**CALL, "id": "call_7"}]}
    azureai_endpoint.script(["one", CALL, [CALL, {"name": "add", "arguments": '{"a": 1}'}], whole])
    said = [message(ask()) for _ in range(4)]

    assert said[0]["content"] == "one"
    assert said[1]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert [call["function"]["arguments"] for call in said[2]["tool_calls"]] == ['{"city": "Oslo"}', '{"a": 1}']
    assert (said[3]["content"], said[3]["tool_calls"][0]["id"]) == ("Let me see.", "call_7")


@pytest.mark.parametrize(
    ("name", "kind"), [("gpt-4o", "openai-v1"), ("mistral-large-2411", "serverless"), ("deepseek-r1", "models")]
)
def test_replies_are_streamed_in_the_dialect_of_the_deployment(
    azureai_endpoint, ask, read_events, join_text, name, kind
):
    """The same script, each deployment's own frames."""
    azureai_endpoint.script(["A few words come in pieces.", CALL])
    text = join_text(read_events(ask(name, kind, stream=True).text))
    frames = read_events(ask(name, kind, stream=True).text)
    deltas = [d for f in frames for c in f["choices"] for d in c.get("delta", {}).get("tool_calls", [])]

    assert text.endswith("A few words come in pieces.")
    assert "".join(delta["function"].get("arguments", "") for delta in deltas) == '{"city": "Oslo"}'
    assert ("index" in deltas[0]) == (name != "mistral-large-2411")


def test_reasoning_and_text_completions(azureai_endpoint, ask, http):
    """Reasoning goes where the deployment puts it; `/completions` reads the same script."""
    azureai_endpoint.script([{"content": "42", "reasoning": "6 times 7"}, "Upon a time."])
    thought = message(ask("deepseek-r1", "models"))["content"]
    text = http.post(
        azureai_endpoint.endpoint("gpt-4o", "openai-v1") + "/completions",
        json={"model": "gpt-4o", "prompt": "Once"},
        headers={"api-key": azureai_endpoint.key},
    )

    assert thought == "<think>\n6 times 7\n</think>\n\n42"
    assert text.json()["choices"][0]["text"] == "Upon a time."


BODY = {
    "id": "x",
    "choices": [{"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "odd", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}}],
    "usage": {"total_tokens": 7},
    "strange": True,
}  # fmt: skip


def test_whole_bodies_are_sent_as_they_are(azureai_endpoint, ask, read_events):
    """Even what no service would say; streamed as frames."""
    azureai_endpoint.script([BODY, BODY])
    first, last, usage = read_events((ask(), ask(stream=True))[1].text)

    assert azureai_endpoint.requests[0].response == BODY
    assert first["choices"][0]["delta"]["tool_calls"] == [
        {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{"}}
    ]
    assert last["choices"][0]["finish_reason"] == "length"
    assert usage["usage"] == {"total_tokens": 7}


def test_one_more_than_scripted_is_refused(azureai_endpoint, ask):
    """A test that asks too often is told so."""
    azureai_endpoint.script(["one"])
    ask()
    refused = ask()

    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "The script of 1 replies is used up."
    azureai_endpoint.script(["two"], rules_after=True)
    assert [ask().status_code, ask().status_code] == [200, 200]


def test_a_refused_request_uses_no_reply(azureai_endpoint, ask):
    """The script waits for a request that the service would take."""
    azureai_endpoint.script(["one"])

    assert ask(foo=1).status_code == 400
    assert azureai_endpoint.scripted_left == 1
    assert message(ask())["content"] == "one"


@pytest.mark.parametrize("reply", [7, None, {}, [], {"text": "x"}, [{"arguments": {}}]])
def test_an_unknown_kind_of_reply_is_refused_at_once(azureai_endpoint, reply):
    """In the test's own line, not later."""
    with pytest.raises(ValueError, match="A scripted reply is a string"):
        azureai_endpoint.script([reply])


def examples():
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    return [block for block in blocks if "def test_" in block]


@pytest.mark.parametrize("code", examples(), ids=lambda code: re.search(r"def (\w+)", code)[1])
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")  # of the workflow library
async def test_examples_of_the_documentation_work(azureai_endpoint, code):
    """What the page shows runs as it stands."""
    pytest.importorskip("langchain")
    pytest.importorskip("llama_index.core")
    from langchain_azureai import ChatAzureAI

    names = {"ChatAzureAI": ChatAzureAI}
    exec(compile(code, str(DOCS), "exec"), names)
    name = re.search(r"def (\w+)", code)[1]
    result = names[name](azureai_endpoint)
    if inspect.isawaitable(result):
        await result

    assert azureai_endpoint.requests
