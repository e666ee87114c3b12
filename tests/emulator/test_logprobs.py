"""`logprobs`: asked for where the dialect takes them, in OpenAI's shape, for exactly the tokens that are sent."""

import json
import math

import pytest
from shapes import check, frames_of

from azureai_emulator import Answer, Deployment, serve
from azureai_emulator.catalog.shipped import GPT

PASS = {"extra-parameters": "pass-through"}
TAKING = [
    ("gpt-4o", "openai-v1"),
    ("gpt-4o", "openai-deployment"),
    ("gpt-4o", "models"),
    ("gpt-4o", "github"),
    ("llama-3.3-70b-instruct", "serverless"),
    ("deepseek-r1", "models"),
    ("phi-4-mini-instruct", "models"),
    ("phi-3-mini-4k-instruct", "serverless"),
    ("phi-3-vision-128k-instruct", "serverless"),
]


def entries(frames):
    choices = [choice for frame in frames for choice in frame["choices"]]
    return [entry for choice in choices for entry in (choice.get("logprobs") or {"content": []})["content"]]


@pytest.mark.parametrize(("name", "kind"), TAKING)
def test_the_tokens_are_the_content(wire, name, kind):
    """Plain and streamed: the same entries, and together they are the text that was sent."""
    plain = wire.chat(name, kind, logprobs=True, headers=PASS)
    streamed = frames_of(wire.chat(name, kind, logprobs=True, stream=True, headers=PASS).text)
    choice = plain.json()["choices"][0]
    found = choice["logprobs"]["content"]

    check(plain.json(), "chat.completion.json")
    for frame in streamed:
        check(frame, "chat.completion.chunk.json")
    assert "".join(entry["token"] for entry in found) == choice["message"]["content"]
    assert all(bytes(entry["bytes"]).decode() == entry["token"] for entry in found)
    assert all(entry["top_logprobs"] == [] for entry in found)
    assert len({entry["logprob"] for entry in found}) > 1
    assert "".join(entry["token"] for entry in entries(streamed)) == choice["message"]["content"]


def test_a_stream_says_the_same(wire):
    """Entry by entry, each beside the piece that it belongs to; the same again the next time."""
    asked = {"logprobs": True, "top_logprobs": 3, "messages": [{"role": "user", "content": "Zwölf €, 12 ✓ and  so on"}]}
    plain, again = (wire.chat(**asked).json()["choices"][0]["logprobs"]["content"] for _ in "12")
    frames = frames_of(wire.chat(stream=True, **asked).text)

    assert entries(frames) == plain == again
    for choice in (choice for frame in frames for choice in frame["choices"] if choice.get("logprobs")):
        assert "".join(entry["token"] for entry in choice["logprobs"]["content"]) == choice["delta"]["content"]


@pytest.mark.parametrize("top", [0, 1, 5, 20])
def test_alternatives(wire, top):
    """As many as asked for, different ones, the likeliest first, and no more probability than there is."""
    for entry in wire.chat(logprobs=True, top_logprobs=top).json()["choices"][0]["logprobs"]["content"]:
        found = [item["logprob"] for item in entry["top_logprobs"]]
        assert len({item["token"] for item in entry["top_logprobs"]}) == top
        assert found == sorted(found, reverse=True)
        assert sum(map(math.exp, found)) <= 1
        assert found[:1] == [entry["logprob"]][:top]


def test_unasked_there_are_none(wire):
    """`null` on Azure OpenAI, nothing elsewhere; nor beside tool calls."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    called = wire.chat(logprobs=True, tools=[tool], tool_choice="required").json()["choices"][0]

    assert wire.chat().json()["choices"][0]["logprobs"] is None
    assert wire.chat(logprobs=False).json()["choices"][0]["logprobs"] is None
    assert "logprobs" not in wire.chat("deepseek-r1", "models").json()["choices"][0]
    assert called["message"]["tool_calls"]
    assert called["logprobs"] is None


def test_every_choice_has_its_own(wire):
    """`n` choices, and a text cut at its limit."""
    for choice in wire.chat(logprobs=True, n=2, max_tokens=3).json()["choices"]:
        assert len(choice["logprobs"]["content"]) == 3
        assert "".join(entry["token"] for entry in choice["logprobs"]["content"]) == choice["message"]["content"]


@pytest.mark.parametrize(
    ("fields", "name", "kind", "status"),
    [
        ({"top_logprobs": 2}, "gpt-4o", "openai-v1", 400),
        ({"top_logprobs": 21, "logprobs": True}, "gpt-4o", "openai-v1", 400),
        ({"logprobs": 3}, "gpt-4o", "openai-v1", 400),
        ({"logprobs": True}, "gpt-reasoning", "openai-v1", 400),
        ({"logprobs": True}, "mistral-large-2411", "serverless", 422),
        ({"logprobs": True}, "jamba-1.5-large", "serverless", 422),
        ({"logprobs": True, "top_logprobs": 1}, "phi-3-mini-4k-instruct", "serverless", 422),
    ],
)
def test_refusals(wire, fields, name, kind, status):
    """Alternatives without logprobs, too many, a wrong type, models that do not take them."""
    assert wire.chat(name, kind, headers=PASS, **fields).status_code == status


@pytest.mark.parametrize("top", [0, 1, 5])
def test_text_completions(wire, top):
    """The older shape: four lists of the same length, offsets into the text; streamed as well."""
    body = {"prompt": "Once upon a time", "logprobs": top}
    plain = wire.post("gpt-4o", "openai-v1", "completions", body).json()
    frames = frames_of(wire.post("gpt-4o", "openai-v1", "completions", {**body, "stream": True}).text)
    found, text = plain["choices"][0]["logprobs"], plain["choices"][0]["text"]
    streamed = [choice["logprobs"] for frame in frames for choice in frame["choices"] if choice["logprobs"]]

    for value in (plain, *frames):
        check(value, "text_completion.json")
    assert "".join(found["tokens"]) == text
    assert all(text[at:].startswith(token) for at, token in zip(found["text_offset"], found["tokens"], strict=True))
    assert {len(alternatives) for alternatives in found["top_logprobs"]} == {top}
    assert {name: [item for part in streamed for item in part[name]] for name in found} == found


@pytest.mark.parametrize("wrong", [True, -1, 6, "2"])
def test_text_completions_take_a_small_number(wire, wrong):
    """From 0 to 5."""
    answer = wire.post("gpt-4o", "openai-v1", "completions", {"prompt": "Once", "logprobs": wrong})

    assert answer.status_code == 400
    assert "logprobs" in json.dumps(answer.json())


class Knowing:
    """Knows its tokens: the second one is half a letter, the last one is beyond the limit of the request."""

    def answer(self, ask):
        scores = [] if ask.logprobs is not None else None
        return Answer(written=self.write(scores), scores=scores)

    def write(self, scores):
        for piece, token, raw in (("a", "a", b"a"), ("", "", b"\xc3"), ("ä", "", b"\xa4"), (" b", " b", b" b"), (" c", " c", b" c")):  # fmt: skip
            item = {"token": token, "bytes": list(raw), "logprob": float("-inf") if piece == "a" else -0.5, "id": 7}
            if scores is not None:
                scores.append({**item, "top_logprobs": [item, {**item, "token": "x", "logprob": -2.0}]})
            if piece:
                yield piece
        return "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_brain_knows_is_said(http, stream):
    """Its own tokens, those that left and no others; minus infinity, which JSON has not, is -9999."""
    with serve(deployments=[Deployment("a", GPT, ("openai-v1",), Knowing())]) as emulator:
        body = {"model": "a", "logprobs": True, "top_logprobs": 2, "stream": stream, "stop": [" c"]}
        body["messages"] = [{"role": "user", "content": "Hi"}]
        url, headers = emulator.url + "/openai/v1/chat/completions", {"api-key": emulator.key}
        answer = http.post(url, json=body, headers=headers)
        found = entries(frames_of(answer.text) if stream else [answer.json()])

    assert b"".join(bytes(entry["bytes"]) for entry in found).decode() == "aä b"
    assert [entry["logprob"] for entry in found] == [-9999.0, -0.5, -0.5, -0.5]
    assert found[3]["top_logprobs"][1] == {"token": "x", "logprob": -2.0, "bytes": [32, 98]}
