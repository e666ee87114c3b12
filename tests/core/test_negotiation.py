"""What is left out, renamed or withdrawn when a deployment refuses it, and remembered."""

from __future__ import annotations

import warnings

import pytest

from azureai_core import (
    APIStatusError,
    BadRequestError,
    ConfigurationError,
    UnprocessableEntityError,
    UnsupportedParameterWarning,
)
from fakes import Reply, chat, streamed, vectors

HI = {"messages": [{"role": "user", "content": "hi"}]}


def refuses(*names, status=422, good=None):
    """A service that refuses the first of these fields it is sent, as E14."""

    def answer(request):
        for name in names:
            if name in request.body:
                detail = {"loc": ["body", name], "input": request.body[name]}
                return Reply(status, {"code": "parameter_not_supported", "detail": detail, "message": "Invalid."})
        return good or (streamed("Hello") if request.body.get("stream") else chat())

    return answer


def test_a_refused_parameter_is_an_error_by_default(fake_service, make_client, mode):
    """One request; the error names it and the way out."""
    fake_service.answer = refuses("seed")

    with pytest.raises(UnprocessableEntityError, match=r"seed.*unsupported_parameters='drop'") as caught:
        mode.ask(make_client(), {**HI, "seed": 1})

    assert caught.value.parameters == ("seed",)
    assert len(fake_service.requests) == 1


def test_a_refused_parameter_is_dropped_on_request(fake_service, make_client, mode):
    """One warning each, the request once more, the names in the metadata; remembered for the next call and client."""
    fake_service.answer = refuses("seed", "top_p")
    payload = {**HI, "seed": 1, "top_p": 0.5, "temperature": 0}
    drop = {"unsupported_parameters": "drop"}

    with pytest.warns(UnsupportedParameterWarning) as caught:
        first = mode.ask(make_client(**drop), payload)
    second = mode.ask(make_client(**drop), payload)

    assert [str(w.message).split(" left out")[0] for w in caught] == ["seed=1", "top_p=0.5"]
    assert first.content == second.content == "Hello"
    assert first.meta.dropped == second.meta.dropped == ("seed", "top_p") or set(first.meta.dropped) == {
        "seed",
        "top_p",
    }
    assert len(fake_service.requests) == 4
    assert fake_service.last.body["temperature"] == 0
    assert payload == {**HI, "seed": 1, "top_p": 0.5, "temperature": 0}


def test_what_was_learnt_is_of_one_deployment(fake_service, make_client, mode):
    """Another model, and a client that wants errors, still send it."""
    fake_service.answer = refuses("seed")
    with pytest.warns(UnsupportedParameterWarning):
        mode.ask(make_client("/models", model="a", unsupported_parameters="drop"), {**HI, "seed": 1})

    for client in (make_client("/models", model="a"), make_client("/models", model="b")):
        with pytest.raises(UnprocessableEntityError):
            mode.ask(client, {**HI, "seed": 1})

    assert len(fake_service.requests) == 4


@pytest.mark.parametrize("name", ["messages", "tools", "model"])
def test_what_a_request_is_about_is_never_dropped(name, fake_service, make_client, mode):
    """Without it, it would be another question; and the advice is not to leave it out."""
    fake_service.answer = refuses(name)
    payload = {**HI, "tools": [{"type": "function", "function": {"name": "f"}}], "model": "m"}

    with pytest.raises(UnprocessableEntityError) as caught:
        mode.ask(make_client(unsupported_parameters="drop"), payload)

    assert caught.value.parameters == (name,)
    assert "Leave it out" not in str(caught.value)
    assert len(fake_service.requests) == 1


@pytest.mark.parametrize(
    "code", ["invalid_type", "invalid_value", "decimal_above_max_value", "integer_below_min_value"]
)
def test_a_wrong_value_is_never_dropped(code, fake_service, make_client, mode):
    """The field is taken, its value is a mistake of the caller's. Source: recorded E21 and its siblings."""
    error = {"message": "Invalid 'temperature': 7", "param": "temperature", "code": code}
    fake_service.default = Reply(400, {"error": error})

    with pytest.raises(BadRequestError):
        mode.ask(make_client(unsupported_parameters="drop"), {**HI, "temperature": 7})

    assert len(fake_service.requests) == 1


def test_a_name_that_was_not_sent_is_an_error(fake_service, make_client, mode):
    """Nothing can be changed in the request."""
    error = {"code": "parameter_not_supported", "detail": {"loc": ["body", "unheard_of"]}, "message": "x"}
    fake_service.default = Reply(422, error)

    with pytest.raises(UnprocessableEntityError):
        mode.ask(make_client("/openai/v1", model="m", unsupported_parameters="drop"), HI)

    assert len(fake_service.requests) == 1


STREAM_OPTIONS = [
    Reply(
        422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"], "msg": "no"}]}
    ),
    Reply(
        400, {"error": {"message": "Validation error at #/stream_options: Extra inputs are not permitted", "code": 400}}
    ),
    Reply(400, {"error": {"message": "Unrecognized request argument supplied: stream_options"}}),
    Reply(400, {"error": {"message": "Extra inputs are not permitted"}}),
    Reply(400, {"error": {"message": "This model knows no stream_options here"}}),
]


@pytest.mark.parametrize("refusal", STREAM_OPTIONS, ids=range(5))
def test_stream_options_are_withdrawn_once(refusal, fake_service, make_client, colour):
    """Ours, so without a word; and not asked for again. Sources: BerriAI/litellm#11696, semantic-kernel#10510."""
    fake_service.answer = lambda r: refusal if "stream_options" in r.body else streamed("Hello")
    client = make_client("/openai/v1", model="m")

    for _ in range(2):
        assert "".join(d.content for d in colour.each(client, "stream", HI)) == "Hello"

    assert ["stream_options" in r.body for r in fake_service.requests] == [True, False, False]


def test_the_users_stream_options_are_never_withdrawn(fake_service, make_client, colour):
    """What the user asked for is refused aloud."""
    fake_service.default = STREAM_OPTIONS[0]

    with pytest.raises(UnprocessableEntityError):
        colour.each(make_client("/openai/v1", model="m"), "stream", {**HI, "stream_options": {}})

    assert len(fake_service.requests) == 1


@pytest.mark.parametrize("field", ["encoding_format", "input_type"])
def test_our_embedding_fields_are_withdrawn_once(field, fake_service, make_client, colour):
    """base64, and the profile's input_type; floats in a list are as good."""
    fake_service.answer = refuses(field, good=vectors([1.0]))
    client = make_client("/models", model="embed-v-4-0")

    for _ in range(2):
        assert colour.call(client, "embed", ["a"]).vectors == [[1.0]]

    assert [field in r.body for r in fake_service.requests] == [True, False, False]


@pytest.mark.parametrize("field", ["encoding_format", "input_type"])
def test_the_users_embedding_fields_are_never_withdrawn(field, fake_service, make_client, colour):
    """What the user asked for is refused aloud."""
    fake_service.answer = refuses(field, good=vectors([1.0]))
    given = {"encoding_format": "float", "input_type": "query"}[field]

    with pytest.raises(UnprocessableEntityError):
        colour.call(make_client(), "embed", ["a"], **{field: given})

    assert len(fake_service.requests) == 1


def spelt(name, other, said):
    """A service that takes the output limit under one name only."""

    def answer(request):
        if other in request.body:
            return Reply(400, {"error": {"message": said, "param": other, "code": "unsupported_parameter"}})
        assert request.body[name] == 7
        return streamed("Hello") if request.body.get("stream") else chat()

    return answer


@pytest.mark.parametrize(
    ("name", "other", "said"),
    [
        (
            "max_completion_tokens",
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ),
        ("max_tokens", "max_completion_tokens", "Extra inputs are not permitted"),
    ],
)
def test_the_output_limit_is_respelt_once(name, other, said, fake_service, make_client, mode):
    """Both directions, whatever the policy; remembered. Sources: Azure OpenAI reasoning page; Mistral's E16."""
    fake_service.answer = spelt(name, other, said)
    client = make_client()

    with warnings.catch_warnings():
        for _ in range(2):
            assert mode.ask(client, {**HI, other: 7}).content == "Hello"

    assert [other in r.body for r in fake_service.requests] == [True, False, False]


def test_the_profile_spells_the_output_limit(fake_service, make_client, mode):
    """o-series models take only the new spelling."""
    fake_service.plays(mode.reply())

    mode.ask(make_client("/openai/v1", model="o3-mini"), {**HI, "max_tokens": 7})

    assert fake_service.last.body["max_completion_tokens"] == 7
    assert "max_tokens" not in fake_service.last.body


def test_a_limit_refused_in_both_spellings_is_an_error(fake_service, make_client, mode):
    """It does not go round in circles."""

    def answer(request):
        name = "max_tokens" if "max_tokens" in request.body else "max_completion_tokens"
        text = "not supported; use max_completion_tokens" if name == "max_tokens" else "unknown"
        return Reply(400, {"error": {"message": text, "param": name}})

    fake_service.answer = answer

    with pytest.raises(BadRequestError):
        mode.ask(make_client(), {**HI, "max_tokens": 7})

    assert len(fake_service.requests) == 3


def test_both_spellings_are_never_merged(fake_service, make_client, mode):
    """A caller who gives both is told, and loses neither value."""
    fake_service.answer = spelt("max_completion_tokens", "max_tokens", "use max_completion_tokens")

    with pytest.raises(APIStatusError):
        mode.ask(make_client(), {**HI, "max_tokens": 5, "max_completion_tokens": 7})

    assert len(fake_service.requests) == 1


def test_a_stream_is_asked_for_by_its_method(make_client, colour):
    """`stream: true` in a payload of `complete` would give no answer."""
    with pytest.raises(ConfigurationError, match=r"use stream\(\) or astream\(\)"):
        colour.call(make_client(), "complete", {**HI, "stream": True})


WRONG = [
    {"detail": [{"type": "less_than_equal", "loc": ["body", "temperature"], "msg": "Input should be at most 1"}]},
    {"detail": [{"type": "float_type", "loc": ["body", "temperature"], "msg": "not allowed"}]},
    {"detail": [{"type": "value_error", "loc": ["body", "temperature"], "msg": "this is not supported"}]},
    {"code": "parameter_not_supported", "detail": {"loc": ["body", "temperature"], "type": "literal_error"}},
    {"error": {"message": "Invalid schema for 'temperature': x is not permitted", "param": "temperature"}},
    {"error": {"message": "temperature must be between 0 and 1", "param": "temperature", "code": None}},
    {"error": {"message": "Something is odd", "param": "temperature", "code": None}},
]


@pytest.mark.parametrize("body", WRONG)
def test_a_refused_value_is_neither_dropped_nor_remembered(body, fake_service, make_client, mode):
    """Whatever the shape of the refusal; a good value goes out afterwards."""
    fake_service.answer = lambda r: Reply(422, body) if r.body.get("temperature", 0) > 1 else refuses()(r)
    client = make_client(unsupported_parameters="drop")

    with pytest.raises(APIStatusError) as caught:
        mode.ask(client, {**HI, "temperature": 5})
    mode.ask(client, {**HI, "temperature": 0.2})

    assert caught.value.parameters == ("temperature",)
    assert caught.value.unsupported == ()
    assert "'drop'" not in str(caught.value)
    assert fake_service.last.body["temperature"] == 0.2


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "value_error.extra", "loc": ["body", "input_type"], "msg": "not permitted"}]},
        {"error": {"message": "'input_type' is not supported with this model", "param": "input_type"}},
        {"error": {"message": "Unsupported parameter: 'input_type'", "code": "unsupported_parameter"}},
    ],
)
def test_an_unknown_field_is_dropped_whatever_its_name(body, fake_service, make_client, mode):
    """A name such as `input_type` is no word about the value's type."""
    fake_service.answer = lambda r: Reply(422, body) if "input_type" in r.body else refuses()(r)

    with pytest.warns(UnsupportedParameterWarning):
        answer = mode.ask(make_client(unsupported_parameters="drop"), {**HI, "input_type": "x"})

    assert answer.meta.dropped == ("input_type",)


@pytest.mark.parametrize("payload", [{**HI, "max_tokens": 5}, {**HI, "seed": 1}])
def test_without_negotiation_a_payload_leaves_as_it_is_and_once(fake_service, make_client, mode, payload):
    """Nothing is added on a kind that is otherwise asked for usage, nothing renamed, dropped or remembered."""
    fake_service.answer = refuses("max_tokens", "seed", status=400)
    options = {"model": "o3-mini", "unsupported_parameters": "drop", "negotiate": False}

    for _ in range(2):
        with pytest.raises(BadRequestError):
            mode.ask(make_client("/openai/v1", **options), payload)

    sent = [{k: v for k, v in r.body.items() if k != "stream"} for r in fake_service.requests]
    assert sent == [{**payload, "model": "o3-mini"}] * 2


def test_without_negotiation_embeddings_ask_for_nothing_more(fake_service, make_client):
    """No base64, and no `input_type` for a model that is known to take it."""
    fake_service.answer = lambda _: vectors([0.5, 0.25])
    make_client("/models", model="cohere-embed-v3-english", negotiate=False).embed(["a"])

    assert fake_service.requests[0].body == {"input": ["a"], "model": "cohere-embed-v3-english"}
