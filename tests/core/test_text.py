"""Characters and values that are none: named on the way out, replaced on the way in."""

from __future__ import annotations

import json

import pytest

from azureai_core import ConfigurationError
from azureai_core.json_text import from_json_text
from azureai_core.protocols.embeddings import from_encoded_json, parse_embeddings
from fakes import DONE, Reply, chat, events, frame

USER = {"role": "user"}


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"messages": [{**USER, "content": "bad \ud83d"}]}, r"messages\[0\]\.content has '\\ud83d'"),
        ({"messages": [{**USER, "content": [{"text": "\udcff"}]}]}, r"messages\[0\]\.content\[0\]\.text has"),
        ({"messages": [{**USER, "content": b"\xff"}]}, r"messages\[0\]\.content is bytes"),
        ({"messages": [], "tools": [print]}, r"tools\[0\] is builtin_function_or_method"),
        ({"messages": [], "max_tokens": "abc"}, r"max_tokens='abc': pass a whole number"),
    ],
)
def test_what_cannot_be_sent_is_named(payload, says, fake_service, make_client, mode):
    """Nothing is sent."""
    with pytest.raises(ConfigurationError, match=says):
        mode.ask(make_client(), payload)

    assert not fake_service.requests


HALF = b'{"choices":[{"index":0,"finish_reason":"stop","message":{"content":"hi \\ud83d!"},"delta":{"content":"hi \\ud83d!"}}]}'


def test_half_a_character_in_an_answer_is_replaced(fake_service, make_client, mode):
    """The rest of the answer is good, whole or streamed."""
    whole = Reply(body=HALF, headers={"content-type": "application/json"})
    fake_service.answer = lambda r: events(frame(HALF), DONE) if r.body.get("stream") else whole

    assert mode.ask(make_client(), {"messages": []}).content == "hi \ufffd!"


def test_a_byte_order_mark_before_an_answer(fake_service, make_client, mode):
    """Some gateways put one there."""
    marked = Reply(body=b"\xef\xbb\xbf" + chat("hi").content(), headers={"content-type": "application/json"})
    fake_service.default = marked

    assert mode.ask(make_client(), {"messages": []}).content == "hi"


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"{", b"\xff", b'"\\ud83d'])
def test_text_that_is_no_json(content):
    """Gives `None`, also where it would exhaust the stack."""
    assert from_json_text(content) is None


def test_a_whole_character_in_two_escapes_is_one():
    """The replacement takes only what has no other half."""
    assert from_json_text(b'\xef\xbb\xbf["\\ud83d\\ude00", "\\ude00"]') == ["😀", "\ufffd"]


@pytest.mark.parametrize(
    "vectors",
    [
        pytest.param(["AACAPwAAAEA=", "AABAQAAAgEA="], id="base64"),
        pytest.param(["+//++vv//vr7//76"], id="both characters that URL-safe base64 spells otherwise"),
        pytest.param([[1.0, 2.0], [3.0, 4.0]], id="lists"),
        pytest.param(["AACAPwAAAEA=", [3.0, 4.0]], id="mixed"),
        pytest.param(["###"], id="broken"),
        pytest.param([], id="none"),
    ],
)
def test_packed_vectors_are_the_same_by_the_shorter_way(vectors):
    """Decoding base64 while the answer is parsed changes nothing of it."""
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    body = json.dumps({"data": data, "model": "m", "usage": {"prompt_tokens": 1}}).encode()

    assert parse_embeddings(from_json_text(body)) == parse_embeddings(from_encoded_json(body))


@pytest.mark.parametrize("places", [[1, 0], [0, None], [None, None], [0, 5], [0, 0], [0.0, 1.0], ["0", "1"]], ids=str)
def test_packed_vectors_are_in_the_same_order_by_the_shorter_way(places):
    """Whatever the service says of their places."""
    data = [
        {"index": place, "embedding": vector} for place, vector in zip(places, ["AACAPw==", "AAAAQA=="], strict=True)
    ]
    body = json.dumps({"data": data}).encode()

    assert parse_embeddings(from_json_text(body)) == parse_embeddings(from_encoded_json(body))
