"""Every error answer seen in the wild, in each of the four modes."""

from __future__ import annotations

import pickle

import pytest
from error_bodies import SEEN, VIOLENCE

from azureai_core import (
    APIStatusError,
    AzureAIError,
    BadRequestError,
    ContentFilterError,
    ContentFilterStreamError,
    RateLimitError,
    StreamError,
)
from fakes import DONE, KEY, Reply, chat, delta, events, frame, until_error

ASKED = {"messages": [{"role": "user", "content": "hi"}], "response_format": {"type": "json_object"}, "n": 2}


@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: seen.id)
def test_an_error_answer_becomes_its_exception(seen, fake_service, make_client, mode):
    """Class by status, code, refused parameters, request id, and a message that says what to do."""
    fake_service.default = Reply(seen.status, seen.body, {**seen.headers, "apim-request-id": "apim-1"})

    with pytest.raises(APIStatusError) as caught:
        mode.ask(make_client(), ASKED)

    error = caught.value
    assert type(error) is seen.kind
    assert (error.status_code, error.code, error.parameters) == (seen.status, seen.code, seen.parameters)
    assert error.request_id == "apim-1"
    assert error.body == seen.body
    assert all(words in str(error) for words in seen.says), str(error)
    assert str(error).endswith(
        f"[{seen.status} from POST {fake_service.url}/serverless/m/chat/completions?api-version=2024-05-01-preview, "
        "request id apim-1]"
    )
    assert '{"' not in str(error), "JSON inside the message"
    assert KEY not in repr(vars(error)) + repr(dict(error.response.request.headers))
    assert len(fake_service.requests) == seen.attempts
    assert len({request.header("x-ms-client-request-id") for request in fake_service.requests}) == 1


def test_the_filters_categories_are_told(fake_service, make_client, mode):
    """`innererror` with a singular key (E2), `inner_error` with a plural one (E3), neither (E1, E4)."""
    found = {}
    for seen in SEEN[:4]:
        fake_service.default = Reply(seen.status, seen.body)
        with pytest.raises(ContentFilterError) as caught:
            mode.ask(make_client())
        found[seen.id] = caught.value.categories

    assert found == {"E1": {}, "E2": VIOLENCE, "E3": {"jailbreak": VIOLENCE["jailbreak"]}, "E4": {}}


def test_the_asked_wait_is_told(fake_service, make_client, mode, clock):
    """E25: a wait past the cap is not slept; `retry_after` has it."""
    fake_service.default = Reply(429, "", {"Retry-After": "86400"})

    with pytest.raises(RateLimitError) as caught:
        mode.ask(make_client())

    assert caught.value.retry_after == 86400
    assert clock.slept == []


@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: seen.id)
def test_an_error_survives_pickling(seen, fake_service, make_client):
    """Errors cross process boundaries with their facts."""
    fake_service.default = Reply(seen.status, seen.body)
    with pytest.raises(APIStatusError) as caught:
        make_client().complete({"messages": []})

    copy = pickle.loads(pickle.dumps(caught.value))

    assert type(copy) is type(caught.value)
    assert (str(copy), copy.code, copy.parameters) == (
        str(caught.value),
        caught.value.code,
        caught.value.parameters,
    )


E30 = {"error": {"message": "The server had an error", "type": "server_error", "code": "500"}}
E30_FILTER = {
    "error": {"code": "content_filter", "message": "Filtered", "innererror": {"content_filter_result": VIOLENCE}}
}


@pytest.mark.parametrize("glued", [False, True], ids=["own read", "same read"])
def test_an_error_frame_raises_after_the_text_so_far(glued, fake_service, make_client, colour):
    """E30 (shape of OpenAI-compatible hosts): what came before the frame is yielded first, also from the same read."""
    pieces = [delta("Hel"), delta("lo"), frame(E30), DONE]
    fake_service.plays(events(b"".join(pieces)) if glued else events(*pieces))

    texts, error = until_error(colour, make_client())

    assert "".join(texts) == "Hello"
    assert isinstance(error, StreamError)
    assert (error.partial.content, error.code, error.status_code) == ("Hello", "500", 500)
    assert "The server had an error" in str(error)
    assert ".partial" in str(error)
    assert len(fake_service.requests) == 1


def test_a_filter_frame_is_a_filter_error(fake_service, make_client, colour):
    """E30 with the filter's code: both a `ContentFilterError` and a `StreamError`."""
    fake_service.plays(events(delta("Hel"), frame(E30_FILTER)))

    texts, error = until_error(colour, make_client())

    assert texts == ["Hel"]
    assert isinstance(error, ContentFilterStreamError)
    assert isinstance(error, ContentFilterError)
    assert isinstance(error, StreamError)
    assert error.categories == VIOLENCE
    assert error.partial.content == "Hel"


def test_a_vllm_error_frame_raises(fake_service, make_client, colour):
    """vLLM: the error object itself is the frame."""
    fake_service.plays(events(frame({"object": "error", "message": "boom", "code": 400})))

    texts, error = until_error(colour, make_client())

    assert texts == []
    assert error.partial is None
    assert "boom" in str(error)


def test_a_frame_that_is_no_object_raises(fake_service, make_client, colour):
    """A gateway's page in the stream is not silently dropped."""
    fake_service.plays(events(delta("Hel"), frame(b"<html>")))

    texts, error = until_error(colour, make_client())

    assert texts == ["Hel"]
    assert error.partial.content == "Hel"
    assert "<html>" in str(error)


def test_a_filter_that_did_not_run_is_no_error(fake_service, make_client, mode):
    """E31: a 200 whose filter result is an error of the filter's own is a valid answer. Source: content-filter page."""
    result = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    choice = {"index": 0, "finish_reason": "stop", "content_filter_results": result}
    whole = Reply(body={"choices": [{**choice, "message": {"content": "Hello"}}]})
    parts = events(frame({"choices": [{**choice, "delta": {"content": "Hello"}}]}), DONE)
    fake_service.plays(parts if mode.streams else whole)

    assert mode.ask(make_client()).content == "Hello"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        '{"choices": []}',
        '{"choices": 3}',
        '{"choices": [null]}',
        '{"choices": ["x"]}',
        '{"choices": [{"index": 1, "message": {"content": "another"}}]}',
    ],
)
def test_a_200_that_is_no_answer_raises(body, fake_service, make_client, mode):
    """Nothing that lacks an answer passes for an empty one."""
    fake_service.default = Reply(200, body, {"content-type": "application/json", "x-request-id": "r-1"})

    with pytest.raises(AzureAIError, match="answered 200, but with no") as caught:
        mode.ask(make_client())

    assert "r-1" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"error": {"code": "429", "message": "slow down"}}, RateLimitError, 429),
        ({"error": {"code": "busy", "message": "slow down"}}, APIStatusError, 200),
        ({"object": "error", "message": "slow down", "code": 400}, BadRequestError, 400),
        ({"error": {"code": "content_filter", "status": 400, "message": "slow down"}}, ContentFilterError, 400),
    ],
)
def test_a_200_that_names_an_error_raises_it(body, kind, status, fake_service, make_client, mode):
    """As a gateway in front of the service may send it; the URL is not to blame."""
    fake_service.default = Reply(200, body, {"content-type": "application/json", "x-request-id": "r-1"})

    with pytest.raises(kind, match="slow down") as caught:
        mode.ask(make_client())

    assert (type(caught.value), caught.value.status_code, caught.value.request_id) == (kind, status, "r-1")
    assert "endpoint URL" not in str(caught.value)


def test_a_whole_answer_needs_no_finish_reason(fake_service, make_client, mode):
    """It may be null there, and the JSON is whole; only a stream that ends without one was cut. Source: REST reference."""
    fake_service.default = chat("Hello", finish=None)

    answer = mode.ask(make_client())

    assert (answer.content, answer.finish_reason) == ("Hello", None)


@pytest.mark.parametrize("body", ["<html><title>Sign in</title></html>", '{"error": "quota"}'])
def test_a_200_that_is_no_stream_raises(body, fake_service, make_client, colour):
    """It is shown, and nobody is told to send the request again."""
    fake_service.default = Reply(200, body, {"content-type": "text/html", "x-request-id": "r-1"})

    _, error = until_error(colour, make_client())

    assert "answered 200, but with no event stream: " in str(error)
    assert body[:15] in str(error)
    assert "r-1" in str(error)
    assert "again" not in str(error)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"errors": [{"message": "deep reason"}, "and another"]}, "deep reason; and another"),
        ({"error": {"message": " "}, "message": "outer"}, "outer"),
        ({"error": "", "message": "outer"}, "outer"),
        ({"error": {"message": {"a": 1}}}, '{"error": {"message": {"a": 1}}}'),
        ({"unheard": "of"}, '{"unheard": "of"}'),
    ],
)
def test_a_body_of_another_shape_is_shown(body, says, fake_service, make_client, mode):
    """Whatever there is to read."""
    fake_service.default = Reply(400, body)

    with pytest.raises(BadRequestError) as caught:
        mode.ask(make_client())

    assert str(caught.value).startswith(says)
