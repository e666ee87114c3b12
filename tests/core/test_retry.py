"""What is sent again, and after which wait; with a clock that does not wait."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import httpx
import pytest

from azureai_core import (
    APIConnectionError,
    APITimeoutError,
    InferenceClient,
    RateLimit,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnsupportedParameterWarning,
)
from azureai_core.limits import Throttle, asked_wait
from fakes import CUT, HANG, RESET, FakeClock, Reply, chat, delta, events, until_error

HI = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_two_repeats_by_default(status, fake_service, make_client, mode, clock):
    """Three requests; the waits double, less up to a quarter."""
    fake_service.plays(Reply(status), Reply(status), mode.reply())

    assert mode.ask(make_client()).content == "Hello"

    assert 0.375 <= clock.slept[0] <= 0.5
    assert 0.75 <= clock.slept[1] <= 1.0
    assert len({r.header("x-ms-client-request-id") for r in fake_service.requests}) == 1
    assert len({r.connection for r in fake_service.requests}) == 1, "a refused answer is read to its end"


def test_after_the_last_repeat_the_error_is_raised(fake_service, make_client, mode, clock):
    """With what the service said last."""
    fake_service.default = Reply(503, {"error": {"message": "down"}})

    with pytest.raises(ServerError, match="down"):
        mode.ask(make_client(retry=clock.policy(max_retries=4)))

    assert len(fake_service.requests) == 5


def test_retries_can_be_turned_off(fake_service, make_client, mode):
    """`max_retries=0`: one attempt."""
    fake_service.default = Reply(429, "", {"Retry-After": "1"})

    with pytest.raises(RateLimitError):
        mode.ask(make_client(retry=None, max_retries=0))

    assert len(fake_service.requests) == 1


@pytest.mark.parametrize("fault", [RESET, CUT])
def test_a_connection_that_breaks_before_the_answer_is_repeated(fault, fake_service, make_client, mode, clock):
    """Reset or closed before the status line."""
    fake_service.plays(Reply(fault=fault), Reply(fault=fault), mode.reply())

    assert mode.ask(make_client()).content == "Hello"
    assert len(clock.slept) == 2


@pytest.mark.parametrize("fault", [RESET, CUT])
def test_that_can_be_turned_off(fault, fake_service, make_client, mode, clock):
    """The first try may have cost tokens."""
    fake_service.default = Reply(fault=fault)

    with pytest.raises(
        APIConnectionError, match=r"The connection to http://\S+ broke .*Send the request again"
    ) as caught:
        mode.ask(make_client(retry=clock.policy(retry_broken=False)))

    assert not isinstance(caught.value, APITimeoutError)
    assert len(fake_service.requests) == 1


def test_an_unreachable_host_is_tried_again(clock, mode):
    """Nothing listens on port 1."""
    with (
        InferenceClient("http://127.0.0.1:1", "key", retry=clock.policy()) as client,
        pytest.raises(APIConnectionError, match="Check the endpoint URL and the network"),
    ):
        mode.ask(client)

    assert len(clock.slept) == 2


def test_no_answer_in_time_is_not_repeated(fake_service, make_client, mode, clock):
    """The service may still be at work, and it costs."""
    fake_service.default = Reply(fault=HANG)

    with pytest.raises(APITimeoutError, match="did not answer in time"):
        mode.ask(make_client(timeout=0.1))

    assert len(fake_service.requests) == 1
    fake_service.wait_until(lambda: fake_service.open == 0)


def test_a_delivered_token_is_never_repeated(fake_service, make_client, colour, clock):
    """A stream that breaks after its first delta: one request."""
    fake_service.plays(events(delta("Hel"), 0.02, RESET))

    texts, _ = until_error(colour, make_client())

    assert texts == ["Hel"]
    assert (len(fake_service.requests), clock.slept) == (1, [])


@pytest.mark.parametrize("fault", [RESET, CUT])
def test_a_body_that_breaks_is_a_typed_error(fault, fake_service, make_client, colour):
    """The answer had begun: it is not asked for again."""
    fake_service.plays(Reply(headers={"content-type": "application/json"}, pieces=[b'{"choices"', 0.02, fault]))

    with pytest.raises(APIConnectionError, match="broke"):
        colour.call(make_client(), "complete", HI)

    assert len(fake_service.requests) == 1


@pytest.mark.parametrize("fault", [RESET, CUT])
def test_a_refusal_whose_body_breaks_is_repeated(fault, fake_service, make_client, mode):
    """The status was seen."""
    fake_service.plays(Reply(503, pieces=[b"{", 0.02, fault]), mode.reply())

    assert mode.ask(make_client()).content == "Hello"


def test_a_body_that_never_ends_times_out(fake_service, make_client, colour):
    """The read part of the timeout bounds the gap between two reads."""
    fake_service.default = Reply(headers={"content-type": "application/json"}, pieces=[b'{"choices"', HANG])

    with pytest.raises(APITimeoutError, match="Raise timeout="):
        colour.call(make_client(timeout=httpx.Timeout(5, read=0.1)), "complete", HI)


def test_a_slow_drip_is_read_to_its_end(fake_service, make_client, colour):
    """Each gap is shorter than the timeout."""
    body = chat().content()
    fake_service.plays(
        Reply(
            headers={"content-type": "application/json"},
            pieces=[part for n in range(0, len(body), 40) for part in (body[n : n + 40], 0.001)],
        )
    )

    assert colour.call(make_client(timeout=5), "complete", HI).content == "Hello"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2),
        ({"retry-after-ms": "Thu, 01 Jan 2099 00:00:00 GMT", "retry-after": "2"}, 2),
        ({"x-ms-retry-after-ms": "20", "retry-after": "2"}, 0.02),
    ],
)
def test_three_spellings_of_the_wait(headers, wait):
    """Milliseconds first; what cannot be read counts as not said."""
    assert asked_wait(headers) == wait


def test_the_wait_as_a_date():
    """An HTTP date is a moment, not a length."""
    assert asked_wait({"retry-after": formatdate(time.time() + 100, usegmt=True)}) == pytest.approx(100, abs=60)


def test_a_wait_up_to_the_cap_is_slept(fake_service, make_client, mode, clock):
    """60 s are; 61 s raise at once."""
    fake_service.plays(Reply(503, "", {"Retry-After": "60"}), mode.reply())
    mode.ask(make_client())
    fake_service.plays(Reply(503, "", {"Retry-After": "61"}))

    with pytest.raises(ServerError):
        mode.ask(make_client())

    assert clock.slept == [60]


def test_the_deadline_ends_the_repeats(fake_service, make_client, mode, clock):
    """No repeat starts after it."""
    fake_service.default = Reply(503, "", {"Retry-After": "4"})

    with pytest.raises(ServerError):
        mode.ask(make_client(retry=clock.policy(max_retries=9, deadline=10)))

    assert clock.slept == [4, 4]


def test_the_deadline_is_of_the_whole_call(fake_service, make_client, colour, clock):
    """Also of one that was sent again without what was refused."""
    busy = Reply(503, "", {"Retry-After": "4"})
    said = "Unsupported parameter: 'seed' is not supported with this model."
    fake_service.plays(busy, Reply(400, {"error": {"message": said, "param": "seed"}}), busy, chat())
    client = make_client(f"/serverless/{colour.name}", retry=clock.policy(deadline=5), unsupported_parameters="drop")

    with pytest.warns(UnsupportedParameterWarning), pytest.raises(ServerError):
        colour.call(client, "complete", {**HI, "seed": 1})

    assert clock.slept == [4]


def test_the_deadline_cuts_the_timeouts_of_an_attempt(fake_service, make_client, mode, clock):
    """An attempt may not last longer than what is left; a body that has begun is not cut."""
    fake_service.default = Reply(fault=HANG)
    with pytest.raises(APITimeoutError):
        mode.ask(make_client(retry=clock.policy(deadline=0.1), timeout=httpx.Timeout(30, connect=None)))

    body = mode.reply()
    pieces = [*body.pieces] if body.pieces is not None else [body.content()[:9], body.content()[9:]]
    slow = Reply(headers=body.headers or {"content-type": "application/json"}, pieces=[pieces[0], 1.1, *pieces[1:]])
    fake_service.plays(slow)

    assert mode.ask(make_client(retry=clock.policy(deadline=0.8))).content == "Hello"


def test_backoff_has_bounds():
    """Half a second doubled up to eight, less up to a quarter."""
    policy = RetryPolicy(max_retries=99)
    refused = httpx.Response(503)

    for attempt in range(10):
        waits = [policy.wait_after_answer(attempt, refused) for _ in range(200)]
        top = min(8.0, 0.5 * 2**attempt)
        assert all(0.75 * top <= wait <= top for wait in waits)
        assert len(set(waits)) > 100


# ---------------------------------------------------------------------------- pauses and limits


def test_a_429_pauses_all_callers_of_the_deployment(fake_service, make_client, clock):
    """One caller is refused and asked to wait 10 s; a hundred others, of another client, do not run into it."""
    fake_service.plays(Reply(429, "", {"Retry-After": "10"}))
    sent_at = []
    fake_service.answer = lambda request: (sent_at.append(clock.now), fake_service._next())[1]
    with pytest.raises(RateLimitError):
        make_client(retry=clock.policy(max_retries=0)).complete(HI)
    other = make_client()

    async def run():
        return await asyncio.gather(*(other.acomplete(HI) for _ in range(100)))

    answers = asyncio.run(run())

    assert [answer.content for answer in answers] == ["Hello"] * 100
    assert clock.slept[0] == 10
    assert sent_at[0] == 1000
    assert min(sent_at[1:]) >= 1010


def test_a_pause_holds_whatever_the_limits_are(fake_service, make_client, clock, colour):
    """Clients of one deployment share it, each with a limit of its own or none."""
    fake_service.plays(Reply(429, "", {"Retry-After": "10"}))
    with pytest.raises(RateLimitError):
        colour.call(make_client(retry=clock.policy(max_retries=0)), "complete", HI)

    colour.call(make_client(limits=RateLimit(requests_per_minute=600)), "complete", HI)

    assert clock.slept == [10]


class _Refused(FakeClock):
    """A clock with which another caller meets a 429 while the first one sleeps."""

    throttle = None

    def __init__(self, times=1):
        super().__init__()
        self.times = times

    def sleep(self, seconds):
        if len(self.slept) < self.times:
            self.throttle.learn(self.now, {}, 60)
        super().sleep(seconds)


@pytest.mark.parametrize(("limits", "slept"), [(None, [10, 50]), (RateLimit(requests_per_minute=60), [11, 50])])
def test_a_pause_that_grows_meanwhile_holds(limits, slept, fake_service, make_client, colour):
    """The caller sleeps on, as far from others as its limit wants."""
    clock = _Refused()
    client = make_client(retry=clock.policy(), limits=limits)
    clock.throttle = client.deployment().state.throttle(limits)
    clock.throttle.delay(clock.now)  # the first place is taken
    clock.throttle.learn(clock.now, {}, 10)
    if limits:
        clock.throttle.delay(clock.now)  # and the one at the end of the pause

    colour.call(client, "complete", HI)

    assert clock.slept == pytest.approx(slept)


def test_a_pause_that_grows_for_ever_is_not_waited_for(fake_service, make_client, colour):
    """As long as repeats of its own would have taken: two of at most 60 s each."""
    clock = _Refused(times=99)
    client = make_client(retry=clock.policy())
    clock.throttle = client.deployment().state.throttle(None)
    clock.throttle.learn(clock.now, {}, 10)

    colour.call(client, "complete", HI)

    assert 1010 <= clock.now <= 1130


def test_a_pause_that_grows_past_the_deadline_is_an_error(fake_service, make_client, colour):
    """Nothing is sent."""
    clock = _Refused()
    client = make_client(retry=clock.policy(deadline=30))
    clock.throttle = client.deployment().state.throttle(None)
    clock.throttle.learn(clock.now, {}, 10)

    with pytest.raises(APITimeoutError, match="paused for 50 s, past the deadline"):
        colour.call(client, "complete", HI)

    assert fake_service.requests == []


def test_a_pause_is_of_one_deployment_only(fake_service, make_client, clock):
    """Another model behind the same URL goes on."""
    fake_service.plays(Reply(429, "", {"Retry-After": "10"}))
    with pytest.raises(RateLimitError):
        make_client("/models", model="a", max_retries=0, retry=None).complete(HI)

    make_client("/models", model="b").complete(HI)

    assert clock.slept == []


def test_a_pause_past_the_deadline_is_an_error(fake_service, make_client, clock, mode):
    """It is not slept, and nothing is sent."""
    fake_service.plays(Reply(429, "", {"Retry-After": "10"}))
    with pytest.raises(RateLimitError):
        mode.ask(make_client(retry=clock.policy(deadline=5)))

    with pytest.raises(APITimeoutError, match="paused for 10 s, past the deadline"):
        mode.ask(make_client(retry=clock.policy(deadline=5)))

    assert len(fake_service.requests) == 1
    assert clock.slept == []


def test_a_known_limit_spreads_the_requests(fake_service, make_client, clock, colour):
    """60 a minute: one each second, as the service expects. Source: 'Azure OpenAI quotas and limits', rate limits."""
    client = make_client(limits=RateLimit(requests_per_minute=60))

    for _ in range(13):
        colour.call(client, "complete", HI)

    assert clock.slept == pytest.approx([1] * 12)


def test_a_limit_of_tokens_counts_what_is_asked(fake_service, make_client, clock, colour):
    """About four characters a token, and the answer's limit; six seconds' worth may go at once."""
    client = make_client(limits=RateLimit(tokens_per_minute=6000))
    payload = {"messages": [{"role": "user", "content": "x" * 4000}], "max_tokens": 1000}

    colour.call(client, "complete", payload)
    colour.call(client, "complete", payload)

    assert sum(clock.slept) == pytest.approx(34, rel=0.05)


LONG = "x" * 4000


def _shown(url):
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


@pytest.mark.parametrize(
    ("model", "payload", "seconds"),
    [
        ("m", {"messages": [{"role": "user", "content": LONG}], "max_tokens": 1000}, 34),
        ("m", {"messages": [{"role": "user", "content": LONG}], "max_completion_tokens": 1000}, 34),
        ("o3-mini", {"messages": [{"role": "user", "content": LONG}], "max_tokens": 1000}, 34),
        ("m", _shown("data:image/png;base64," + "A" * 1_000_000), 24),
    ],
)
def test_what_a_request_counts_as(model, payload, seconds, fake_service, make_client, clock, colour):
    """The answer's limit by either name, also renamed; an image as 1,500 tokens, not by its bytes."""
    client = make_client(model=model, limits=RateLimit(tokens_per_minute=6000))

    colour.call(client, "complete", payload)
    colour.call(client, "complete", payload)

    assert sum(clock.slept) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(("window", "count"), [(1, "requests"), (10, "requests"), (60, "tokens")])
def test_a_limit_a_tenth_below_the_quota_holds_in_each_window(window, count):
    """Also at the start and after a rest. Source of the windows: 'Azure OpenAI quotas and limits', rate limits."""
    quota = 6000
    throttle = Throttle(RateLimit(**{f"{count}_per_minute": 0.9 * quota}))
    sent = []
    for began in (0.0, 1000.0):
        now = began
        while now < began + 120:
            now += throttle.delay(now, tokens=10)
            sent.append(now)
    allowed = quota / 60 * window / (1 if count == "requests" else 10)

    assert max(bisect_left(sent, start + window - 1e-6) - n for n, start in enumerate(sent)) <= allowed


def test_limits_are_learnt_from_the_headers(fake_service, make_client, clock, colour):
    """`RateLimit()` takes what the service names. Source: recorded Azure OpenAI answers."""
    named = {"x-ratelimit-limit-requests": "6", "x-ratelimit-limit-tokens": "soon"}
    fake_service.default = Reply(body=chat().body, headers=named)
    client = make_client(limits=RateLimit())

    for _ in range(4):
        colour.call(client, "complete", HI)

    assert clock.slept == pytest.approx([10, 10])


def test_a_throttle_serves_many_threads():
    """No request is counted twice or lost."""
    throttle = Throttle(RateLimit(requests_per_minute=6))
    with ThreadPoolExecutor(16) as pool:
        waits = sorted(pool.map(lambda _: throttle.delay(0.0), range(32)))

    assert waits == pytest.approx([10 * n for n in range(32)])


def test_the_end_of_a_pause_is_no_burst():
    """Who waited for it goes out as evenly spread as all others."""
    throttle = Throttle(RateLimit(requests_per_minute=60))
    waits = [throttle.delay(0.0)]
    throttle.learn(0.0, {}, 10)
    waits += [throttle.delay(now) for now in (0.5, 1.0, 4.0)]
    waits += [throttle.delay(now) for now in (10.0, 100.0)]

    assert waits == pytest.approx([0, 9.5, 10, 8, 3, 0])


def test_a_shorter_pause_does_not_end_a_longer_one():
    """Another caller's 429 that asks for less says nothing about the first."""
    throttle = Throttle()
    throttle.learn(0.0, {}, 60)
    throttle.learn(1.0, {}, 2)

    assert throttle.delay(1.0) == 59


def test_a_limit_holds_without_repeats(fake_service, make_client, clock, colour):
    """Only the pause after a 429 is the caller's own then."""
    fake_service.plays(Reply(429, "", {"Retry-After": "50"}))
    client = make_client(retry=clock.policy(max_retries=0), limits=RateLimit(requests_per_minute=6))
    with pytest.raises(RateLimitError):
        colour.call(client, "complete", {"messages": []})

    colour.call(client, "complete", {"messages": []})

    assert clock.slept == pytest.approx([10])
