"""Rare moments of a call: each was found by trying, or by reading the code as an adversary."""

from __future__ import annotations

import asyncio
import threading
import warnings

import httpx
import pytest

from azureai_core import (
    APIStatusError,
    APITimeoutError,
    InferenceClient,
    RateLimitError,
    RetryPolicy,
    StreamError,
    UnsupportedParameterWarning,
)
from azureai_core.transport import pool
from fakes import DONE, HANG, KEY, Reply, chat, delta, events, frame, streamed

HI = {"messages": [{"role": "user", "content": "hi"}]}
ONCE = RetryPolicy(max_retries=0)


def test_a_client_may_be_closed_while_a_call_waits_for_its_retry(fake_service, make_client):
    """The retry goes out over a new connection."""
    fake_service.plays(Reply(503), chat())
    client = make_client(retry=RetryPolicy(backoff=0.2))
    threading.Timer(0.05, client.close).start()

    assert client.complete(HI).content == "Hello"


async def test_an_async_client_may_be_closed_while_a_call_waits_for_its_retry(fake_service, make_client):
    """The same within an event loop."""
    fake_service.plays(Reply(503), chat())
    client = make_client(retry=RetryPolicy(backoff=0.2))
    call = asyncio.ensure_future(client.acomplete(HI))
    await asyncio.sleep(0.05)
    await client.aclose()

    assert (await call).content == "Hello"


ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "mocked"}, "finish_reason": "stop"}]}


async def _mocked(*_):
    return httpx.Response(200, json=ANSWER)


def test_a_response_that_was_read_already_gives_its_slot_back(monkeypatch, make_client, mode):
    """As one of a function that stands in the place of httpx's transport."""
    monkeypatch.setattr(pool, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: httpx.Response(200, json=ANSWER))
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", _mocked)
    client = make_client(retry=ONCE, timeout=0.2)

    assert [mode.ask(client, HI).content for _ in range(3)] == ["mocked"] * 3


@pytest.mark.parametrize("location", ["https://elsewhere/", "https://host:bad/", ""])
def test_a_redirect_is_an_error_wherever_it_leads(location, fake_service, make_client, mode):
    """Asked once, and not followed."""
    fake_service.default = Reply(302, "", {"Location": location})

    with pytest.raises(APIStatusError, match="Redirects are not followed"):
        mode.ask(make_client(retry=RetryPolicy()), HI)
    assert len(fake_service.requests) == 1


def test_a_stream_is_closed_by_a_with_block(fake_service, make_client):
    """Also when its loop is left early and the stream is kept."""
    fake_service.default = events(delta("a"), HANG)
    with make_client(retry=ONCE).stream(HI) as stream:
        for _ in stream:
            break

    fake_service.wait_until(lambda: fake_service.open == 0)
    assert stream.completion.content == "a"


async def test_an_async_stream_is_closed_by_a_with_block(fake_service, make_client):
    """The same within an event loop."""
    fake_service.default = events(delta("a"), HANG)
    async with make_client(retry=ONCE).astream(HI) as stream:
        async for _ in stream:
            break

    await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)
    assert stream.completion.content == "a"


def test_spoken_output_of_a_stream_is_joined(fake_service, make_client):
    """Also where two fragments are equal, as in silence."""
    spoken = [{"id": "a1", "data": data, "transcript": "ha "} for data in ("AAAA", "AAAA", "BBBB")]
    fake_service.plays(events(*(delta(None, audio=audio) for audio in spoken), delta(finish="stop"), DONE))
    stream = make_client().stream(HI)
    list(stream)

    assert stream.completion.audio == {"id": "a1", "data": "AAAAAAAABBBB", "transcript": "ha ha ha "}


def test_log_probabilities_of_a_streamed_text_are_joined(fake_service, make_client):
    """Those of text completions are lists side by side. Source: OpenAI's completions reference, 'logprobs'."""
    parts = [{"tokens": [text], "token_logprobs": [-0.5], "top_logprobs": None} for text in ("a", "b")]
    frames = [frame({"choices": [{"index": 0, "text": p["tokens"][0], "logprobs": p}]}) for p in parts]
    fake_service.plays(events(*frames, frame({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}), DONE))
    stream = make_client().stream_text({"prompt": "x"})
    list(stream)

    assert stream.completion.logprobs == {"tokens": ["a", "b"], "token_logprobs": [-0.5, -0.5]}
    assert stream.completion.raw["choices"][0]["text"] == "ab"


def test_a_dropped_parameter_is_warned_of_where_the_call_stands(fake_service, make_client, mode):
    """Filters by module, and readers, look for the caller's own line."""
    refusal = {"error": {"code": "unsupported_parameter", "param": "top_k", "message": "Unsupported parameter: top_k"}}
    fake_service.plays(Reply(400, refusal), streamed("Hello") if mode.streams else chat())
    client = make_client("/openai/v1", model="m", unsupported_parameters="drop")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mode.ask(client, {**HI, "top_k": 5})

    (warning,) = (w for w in caught if issubclass(w.category, UnsupportedParameterWarning))
    assert "azureai_core" not in warning.filename


def test_a_secret_that_is_a_word_of_json_does_not_spoil_an_error(fake_service, make_client):
    """`true` in a header counts as a secret where the header's name says so."""
    fake_service.plays(events(delta("a"), frame({"error": {"message": "busy", "code": 429, "retriable": True}})))

    with pytest.raises((StreamError, RateLimitError), match="busy"):
        list(make_client(headers={"x-auth-passthrough": "true"}).stream(HI))


def test_a_stall_without_a_read_timeout_is_a_timeout(make_client):
    """The system may give up on a connection by itself."""

    class Stalls(httpx.SyncByteStream):
        def __iter__(self):
            yield delta("a")
            raise httpx.ReadTimeout("timed out")

    head = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=head, stream=Stalls()))
    with httpx.Client(transport=transport, timeout=None) as own, pytest.raises(APITimeoutError) as caught:
        list(make_client(http_client=own).stream(HI))
    assert caught.value.partial.content == "a"


class _Resigned(httpx.Auth):
    """Sends a request of its own making, as some gateways' signing does."""

    def auth_flow(self, request):
        yield httpx.Request(request.method, request.url, headers=request.headers, content=request.content)


def test_a_users_client_may_send_a_request_of_its_own_making(fake_service, make_client):
    """Plain and streaming: what is read of the request is what was sent."""
    fake_service.plays(chat(), streamed("a"))
    with httpx.Client(auth=_Resigned()) as own:
        client = make_client(http_client=own)

        assert client.complete(HI).content == "Hello"
        assert [d.content for d in client.stream(HI)] == ["a", ""]


async def test_a_users_async_client_may_send_a_request_of_its_own_making(fake_service, make_client):
    """The same without blocking."""
    fake_service.plays(chat(), streamed("a"))
    async with httpx.AsyncClient(auth=_Resigned()) as own:
        client = make_client(async_http_client=own)

        assert (await client.acomplete(HI)).content == "Hello"
        assert [d.content async for d in client.astream(HI)] == ["a", ""]


def test_other_event_loops_work(fake_service):
    """uvloop, which servers use, has transports that are none of asyncio's classes."""
    uvloop = pytest.importorskip("uvloop")
    fake_service.plays(chat(), streamed("a", "b"), Reply(401, {}))

    async def run():
        async with InferenceClient(fake_service.url + "/v1", KEY, model="m", retry=ONCE) as client:
            whole = await client.acomplete(HI)
            parts = [d.content async for d in client.astream(HI)]
            with pytest.raises(APIStatusError):
                await client.acomplete(HI)
        return whole.content, "".join(parts)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == ("Hello", "ab")
