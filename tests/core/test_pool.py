"""Connections: used again, one owner each, none leaked; in threads, event loops and forks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace

import httpx
import pytest

from azureai_core import (
    APIConnectionError,
    APITimeoutError,
    AzureAIError,
    InferenceClient,
    RateLimit,
    RetryPolicy,
    StreamInterruptedError,
    deployments,
)
from azureai_core import client as _client
from azureai_core.transport import auth as _auth
from azureai_core.transport import pool as pool_module
from azureai_core.transport import tls
from azureai_core.transport.clients import Clients
from fakes import CUT, HANG, KEY, RESET, FakeService, Reply, chat, delta, events, frame, streamed, vectors

HI = {"messages": [{"role": "user", "content": "hi"}]}
ONCE = RetryPolicy(max_retries=0)


def echo(request):
    return chat(request.body["messages"][0]["content"])


def ask(text):
    return {"messages": [{"role": "user", "content": text}]}


def test_a_connection_is_used_again(fake_service, make_client):
    """For whole answers, streams that were read to their end, and refusals."""
    fake_service.plays(chat(), streamed("a"), Reply(400, "no"), chat(), vectors([1.0]))
    client = make_client()
    client.complete(HI)
    list(client.stream(HI))
    with pytest.raises(Exception, match="no"):
        client.complete(HI)
    client.complete(HI)
    client.embed(["a"])

    assert fake_service.connections == 1


def test_a_connection_is_used_again_in_async_code(fake_service, make_client):
    """The same within one event loop."""
    fake_service.plays(chat(), streamed("a"), Reply(400, "no"), chat())

    async def run():
        client = make_client()
        await client.acomplete(HI)
        assert [d.content async for d in client.astream(HI)] == ["a", ""]
        with pytest.raises(Exception, match="no"):
            await client.acomplete(HI)
        await client.acomplete(HI)

    asyncio.run(run())

    assert fake_service.connections == 1


def test_the_last_connection_given_back_is_the_first_taken(fake_service, make_client):
    """So the others grow old, and are closed."""
    client = make_client()
    fake_service.default = streamed("a", "b")
    streams = [client.stream(HI) for _ in range(3)]
    for stream in streams:
        next(stream)
    for stream in (streams[2], streams[0], streams[1]):
        list(stream)

    list(client.stream(HI))

    assert [r.connection for r in fake_service.requests] == [1, 2, 3, 2]


def test_old_connections_are_closed(fake_service, make_client, monkeypatch):
    """Those that were idle for too long, in both colours; the latest stays."""
    fake_service.default = streamed("a", "b")
    now = [0.0]
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(monotonic=lambda: now[0]))  # only the pool's own clock
    client = make_client(timeout=60)
    streams = [client.stream(HI) for _ in range(3)]
    for stream in streams:
        next(stream)
    for stream in streams:
        list(stream)
    now[0] = pool_module.MAX_IDLE + 1

    list(client.stream(HI))

    assert fake_service.last.connection == 4
    fake_service.wait_until(lambda: fake_service.open == 1)


def test_old_connections_are_closed_in_async_code(fake_service, make_client, monkeypatch):
    """The same within one event loop."""
    monkeypatch.setattr(pool_module, "MAX_IDLE", -1.0)

    async def run():
        client = make_client()
        for _ in range(3):
            await client.acomplete(HI)
        assert fake_service.connections == 3
        await client.aclose()

    asyncio.run(run())
    fake_service.wait_until(lambda: fake_service.open == 0)


@pytest.mark.parametrize("retry", [ONCE, RetryPolicy()])
def test_a_hang_up_between_requests_is_not_noticed(retry, fake_service, make_client):
    """A kept connection that the server closed meanwhile is replaced, without using up a repeat."""
    fake_service.default = Reply(body=chat().body, hang_up=True)
    client = make_client(retry=retry)

    for n in range(3):
        client.complete(HI)
        fake_service.wait_until(lambda: fake_service.open == 0)
        assert fake_service.connections == n + 1


def test_a_hang_up_at_the_same_moment_is_repeated_once(fake_service, make_client, colour):
    """The kept connection breaks as the request is sent: one more try on a new one."""
    fake_service.plays(chat(), Reply(fault=RESET), chat(), Reply(fault=RESET), Reply(fault=RESET))

    async def run():
        await client.acomplete(HI)
        await client.acomplete(HI)
        with pytest.raises(Exception, match="broke"):
            await client.acomplete(HI)

    client = make_client(retry=ONCE)
    if colour.name == "async":
        asyncio.run(run())
    else:
        client.complete(HI)
        client.complete(HI)
        with pytest.raises(Exception, match="broke"):
            client.complete(HI)

    assert len(fake_service.requests) == 5


def test_a_hang_up_between_requests_in_async_code(fake_service, make_client):
    """The same within one event loop."""
    fake_service.default = Reply(body=chat().body, hang_up=True)

    async def run():
        client = make_client(retry=ONCE)
        for n in range(3):
            await client.acomplete(HI)
            await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)
            assert fake_service.connections == n + 1

    asyncio.run(run())


LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"


def test_what_comes_on_an_idle_connection_is_nobodys_answer(fake_service, make_client, colour):
    """Some gateways say 408 before they close an idle connection: it must not become the next call's answer."""
    fake_service.default = Reply(body=chat().body, late=LATE)
    client = make_client(retry=ONCE)

    async def run():
        for n in (1, 2, 3):
            assert (await client.acomplete(HI)).content == "Hello"
            await asyncio.to_thread(fake_service.wait_until, lambda n=n: fake_service.late == n)

    if colour.name == "async":
        asyncio.run(run())
    else:
        for n in (1, 2, 3):
            assert client.complete(HI).content == "Hello"
            fake_service.wait_until(lambda n=n: fake_service.late == n)

    assert len(fake_service.requests) == fake_service.connections == 3


def test_64_threads_share_one_client(fake_service, make_client):
    """Each gets its own answer; the second burst opens no connection."""
    fake_service.answer = echo
    client = make_client()
    barrier = threading.Barrier(64)

    def work(n):
        barrier.wait()
        return [client.complete(ask(f"{n}-{m}")).content == f"{n}-{m}" for m in range(10)]

    with ThreadPoolExecutor(64) as threads:
        assert all(all(answers) for answers in threads.map(work, range(64)))
        opened = fake_service.connections
        assert all(all(answers) for answers in threads.map(work, range(64)))

    assert opened <= 64
    assert fake_service.connections <= 64
    client.close()
    fake_service.wait_until(lambda: fake_service.open == 0)


def test_500_tasks_share_one_client(fake_service, make_client):
    """Each gets its own answer; nothing is left open."""
    fake_service.answer = echo

    async def run():
        client = make_client()
        answers = await asyncio.gather(*(client.acomplete(ask(str(n))) for n in range(500)))
        opened = fake_service.connections
        await asyncio.gather(*(client.acomplete(ask(str(n))) for n in range(500)))
        assert fake_service.connections == opened
        return answers

    assert [answer.content for answer in asyncio.run(run())] == [str(n) for n in range(500)]
    fake_service.wait_until(lambda: fake_service.open == 0)


def test_the_number_of_connections_is_bounded(fake_service, make_client, monkeypatch):
    """A request beyond the bound waits for its turn."""
    monkeypatch.setattr(pool_module, "MAX_CONNECTIONS", 3)
    client = make_client()

    async def run():
        await asyncio.gather(*(client.acomplete(HI) for _ in range(30)))

    asyncio.run(run())
    assert fake_service.connections <= 3
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: client.complete(HI), range(30)))

    assert fake_service.connections <= 6
    assert len(fake_service.requests) == 60


def test_failed_requests_give_their_place_back(fake_service, make_client, monkeypatch, colour):
    """Refused, broken, timed-out and left requests do not use up the bound."""
    monkeypatch.setattr(pool_module, "MAX_CONNECTIONS", 1)
    client = make_client(retry=ONCE, timeout=0.5)
    for reply in (Reply(fault=RESET), Reply(500), Reply(fault=HANG), events(delta("a"), RESET)):
        fake_service.plays(reply)
        with pytest.raises(Exception, match=r"500|broke|in time|ended before"):
            colour.each(client, "stream", HI)

    assert colour.call(client, "complete", HI).content == "Hello"


@pytest.mark.parametrize("reply", [Reply(fault=HANG), Reply(pieces=[b"{", HANG])], ids=["before", "in the body"])
def test_a_cancelled_call_releases_its_slot(reply, fake_service, make_client, monkeypatch):
    """The one in flight, and one that waited for its slot; the next call gets it."""
    monkeypatch.setattr(pool_module, "MAX_CONNECTIONS", 1)
    fake_service.plays(reply)

    async def run():
        client = make_client(retry=ONCE, timeout=5)
        tasks = [asyncio.create_task(client.acomplete(HI)) for _ in range(2)]
        await asyncio.to_thread(fake_service.wait_until, lambda: len(fake_service.requests) == 1)
        for task in reversed(tasks):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return await client.acomplete(HI)

    assert asyncio.run(run()).content == "Hello"
    assert len(fake_service.requests) == 2


@pytest.mark.parametrize(
    ("timeout", "retry"), [(httpx.Timeout(10, pool=0.1), ONCE), (10, RetryPolicy(max_retries=0, deadline=0.1))]
)
def test_a_place_is_not_waited_for_without_end(timeout, retry, fake_service, make_client, monkeypatch, colour):
    """The pool part of the timeout holds, and the deadline."""
    monkeypatch.setattr(pool_module, "MAX_CONNECTIONS", 1)
    fake_service.plays(events(delta("a"), HANG))
    client = make_client(timeout=timeout, retry=retry)

    async def run():
        stream = client.astream(HI)
        await anext(stream)
        with pytest.raises(APITimeoutError, match="all connections of the client are in use"):
            await client.acomplete(HI)
        await stream.aclose()
        return await client.acomplete(HI)

    def run_sync():
        stream = client.stream(HI)
        next(stream)
        with pytest.raises(APITimeoutError, match="all connections of the client are in use"):
            client.complete(HI)
        stream.close()
        return client.complete(HI)

    assert (asyncio.run(run()) if colour.name == "async" else run_sync()).content == "Hello"


def test_leaving_a_stream_early_closes_its_connection(fake_service, make_client):
    """By leaving the loop, and by `close`."""
    fake_service.default = events(delta("a"), delta("b"), HANG)
    client = make_client()
    for d in client.stream(HI):
        assert d.content == "a"
        break
    gc.collect()
    fake_service.wait_until(lambda: fake_service.open == 0)
    stream = client.stream(HI)
    next(stream)
    stream.close()
    fake_service.wait_until(lambda: fake_service.open == 0)

    assert len(fake_service.requests) == 2


def test_leaving_an_async_stream_early_closes_its_connection(fake_service, make_client):
    """By leaving the loop, by `aclose`, and by cancelling the task."""
    fake_service.default = events(delta("a"), delta("b"), HANG)

    async def run():
        client = make_client()
        async for d in client.astream(HI):
            assert d.content == "a"
            break
        gc.collect()
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)
        stream = client.astream(HI)
        await anext(stream)
        await stream.aclose()
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)

        async def read():
            async for _ in client.astream(HI):
                pass

        task = asyncio.create_task(read())
        await asyncio.to_thread(fake_service.wait_until, lambda: len(fake_service.requests) == 3)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)

    asyncio.run(run())


def test_a_cancelled_call_closes_its_connection(fake_service, make_client):
    """While waiting for the answer, and inside its body; the next call works."""
    fake_service.plays(Reply(fault=HANG), Reply(pieces=[b"{", HANG]))

    async def run():
        client = make_client()
        for n in (1, 2):
            task = asyncio.create_task(client.acomplete(HI))
            await asyncio.to_thread(fake_service.wait_until, lambda n=n: len(fake_service.requests) == n)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)
        assert (await client.acomplete(HI)).content == "Hello"

    asyncio.run(run())


def test_a_stream_that_only_pings_has_stalled(fake_service, make_client, colour):
    """Comments keep the connection alive, but are no events: `partial` has what came."""
    fake_service.plays(events(delta("Hel"), *([b": ping\n\n", 0.01] * 2000)))
    texts = []

    with pytest.raises(APITimeoutError, match=r"stalled: no event for 0\.2 s") as caught:
        texts.extend(colour.each(make_client(timeout=0.2), "stream", HI))

    assert caught.value.partial.content == "Hel"
    fake_service.wait_until(lambda: fake_service.open == 0)


def test_a_stream_that_is_silent_has_stalled(fake_service, make_client, colour):
    """No byte for longer than the read timeout."""
    fake_service.plays(events(delta("Hel"), HANG))

    with pytest.raises(APITimeoutError, match=r"stalled: no event for 0\.1 s") as caught:
        colour.each(make_client(timeout=0.1), "stream", HI)

    assert caught.value.partial.content == "Hel"


@pytest.mark.parametrize("rest", [(HANG,), (b": ping\n\n", 0.01) * 2000], ids=["silent", "pings"])
def test_a_stall_after_the_finish_is_none(rest, fake_service, make_client, colour):
    """The answer is whole."""
    fake_service.plays(events(delta("Hello"), delta(finish="stop"), *rest))

    deltas = colour.each(make_client(timeout=0.1), "stream", HI)

    assert "".join(d.content for d in deltas) == "Hello"


def test_a_slow_reader_is_no_stall(fake_service, make_client):
    """What the caller does between two deltas does not count."""
    fake_service.plays(events(delta("a"), b": ping\n\n", 0.01, b": ping\n\n", 0.01, delta("b"), delta(finish="stop")))
    texts = []
    for d in make_client(timeout=0.5).stream(HI):
        texts.append(d.content)
        threading.Event().wait(0.6 if d.content == "a" else 0)

    assert "".join(texts) == "ab"


# ---------------------------------------------------------------------------- event loops, processes


def test_three_event_loops_one_client(fake_service, make_client):
    """`asyncio.run` three times: connections are closed with each loop, without warnings."""
    client = make_client()

    for _ in range(3):
        assert asyncio.run(client.acomplete(HI)).content == "Hello"
        fake_service.wait_until(lambda: fake_service.open == 0)
    gc.collect()

    assert fake_service.connections == 3


def test_event_loops_in_threads(fake_service, make_client):
    """Loops that run at the same time each have connections of their own."""
    fake_service.answer = echo
    client = make_client()

    async def run(n):
        answers = await asyncio.gather(*(client.acomplete(ask(f"{n}-{m}")) for m in range(20)))
        return [answer.content for answer in answers]

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda n: asyncio.run(run(n)), range(8)))

    assert results == [[f"{n}-{m}" for m in range(20)] for n in range(8)]
    fake_service.wait_until(lambda: fake_service.open == 0)


def test_a_loop_that_was_not_shut_down_is_forgotten(fake_service, make_client):
    """`loop.close()` alone ends nothing, but the next loop works and the old one is dropped."""
    client = make_client()
    fake_service.default = Reply(body=chat().body, headers={"connection": "close"})
    for _ in range(2):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(client.acomplete(HI)).content == "Hello"
        loop.close()

    assert asyncio.run(client.acomplete(HI)).content == "Hello"


def test_a_client_dropped_inside_a_live_loop_is_closed(fake_service):
    """Without `aclose`: when nobody refers to it any more."""

    async def run():
        client = InferenceClient(fake_service.url, KEY)
        await client.acomplete(HI)
        client.complete(HI)
        assert fake_service.open == 2
        del client
        gc.collect()
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)

    asyncio.run(run())


def test_close_and_use_again(fake_service, make_client):
    """`with` closes; a later call opens anew, in both colours."""
    client = make_client()
    client.close()
    with client:
        client.complete(HI)
    fake_service.wait_until(lambda: fake_service.open == 0)
    client.complete(HI)
    client.close()

    async def run():
        await InferenceClient(fake_service.url, KEY).aclose()
        async with client:
            await client.acomplete(HI)
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)
        await client.acomplete(HI)

    asyncio.run(run())
    fake_service.wait_until(lambda: fake_service.open == 0)

    assert fake_service.connections == 4


def test_a_stream_outlives_close(fake_service, make_client):
    """It is read to its end; its connection is closed then, not kept."""
    fake_service.default = streamed("a", "b")
    client = make_client()
    stream = client.stream(HI)
    first = next(stream).content
    client.close()

    assert first + "".join(d.content for d in stream) == "ab"
    fake_service.wait_until(lambda: fake_service.open == 0)


def test_aclose_cuts_a_stream_with_a_typed_error(fake_service, make_client):
    """An event loop that ends cannot wait for it; the partial answer is kept."""
    fake_service.default = events(delta("a"), HANG)

    async def run():
        client = make_client()
        stream = client.astream(HI)
        await anext(stream)
        await client.aclose()
        with pytest.raises(StreamInterruptedError) as caught:
            await anext(stream)
        assert caught.value.partial.content == "a"
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)

    asyncio.run(run())


@pytest.mark.parametrize("used", [False, True])
def test_a_client_is_pickled_by_its_arguments(used, fake_service, make_client):
    """Before and after use; a subclass stays one."""
    client = make_client("/models", retry=None, model="m")
    if used:
        client.complete(HI)

    copy = pickle.loads(pickle.dumps(client))

    with copy:
        assert copy.complete(HI).content == "Hello"
    assert fake_service.last.body["model"] == "m"
    assert fake_service.last.header("api-key") == KEY
    assert type(pickle.loads(pickle.dumps(_Special("https://h.r.models.ai.azure.com", "k")))) is _Special


class _Special(InferenceClient):
    """A subclass."""


def test_a_client_with_its_own_httpx_client_is_not_pickled(make_client):
    """And says why."""
    with httpx.Client() as own, pytest.raises(TypeError, match="own http_client cannot be pickled"):
        pickle.dumps(make_client(http_client=own))


def test_a_fork_leaves_its_parents_connections_alone(fake_service, make_client):
    """Parent and child each speak on sockets of their own, in both colours."""
    fake_service.answer = echo
    client = make_client()
    assert client.complete(ask("parent")).content == "parent"
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def child():
        results.put([client.complete(ask("child")).content, asyncio.run(client.acomplete(ask("async"))).content])
        os._exit(0)

    process = context.Process(target=child)
    process.start()
    process.join(20)

    assert results.get() == ["child", "async"]
    assert client.complete(ask("parent again")).content == "parent again"
    by_text = {r.body["messages"][0]["content"]: r.connection for r in fake_service.requests}
    assert by_text["parent"] == by_text["parent again"]
    assert len({by_text["parent"], by_text["child"], by_text["async"]}) == 3


# ---------------------------------------------------------------------------- the caller's own clients, proxies


def test_the_callers_own_clients(fake_service, make_client, clock):
    """Used as they are: their headers and hooks; auth, retries and error mapping are ours; never closed."""
    seen = []
    fake_service.plays(Reply(503), chat(), Reply(404, "no"), streamed("a"))
    with httpx.Client(headers={"x-own": "yes"}, event_hooks={"request": [seen.append]}) as own:
        with make_client(http_client=own) as client:
            assert client.complete(HI).content == "Hello"
            with pytest.raises(Exception, match="404 from POST"):
                client.complete(HI)
            assert "".join(d.content for d in client.stream(HI)) == "a"
        assert not own.is_closed

    assert {r.header("x-own") for r in fake_service.requests} == {"yes"}
    assert {r.header("api-key") for r in fake_service.requests} == {KEY}
    assert len(seen) == 4
    assert len(clock.slept) == 1


@pytest.mark.timeout(20)  # reading a body twice would wait for ever
def test_a_hook_of_the_callers_client_may_read_the_body(fake_service, make_client):
    """As those that log answers do; whole answers and streams come all the same."""
    fake_service.plays(chat(), streamed("a"))
    own = httpx.Client(event_hooks={"response": [lambda response: response.read()]})
    with own, make_client(http_client=own) as client:
        assert client.complete(HI).content == "Hello"
        assert "".join(d.content for d in client.stream(HI)) == "a"


@pytest.mark.timeout(20)
async def test_a_hook_of_the_callers_async_client_may_read_the_body(fake_service, make_client):
    """The same, async."""
    fake_service.plays(chat(), streamed("a"))
    own = httpx.AsyncClient(event_hooks={"response": [lambda response: response.aread()]})
    async with own, make_client(async_http_client=own) as client:
        assert (await client.acomplete(HI)).content == "Hello"
        assert [d.content async for d in client.astream(HI)] == ["a", ""]


def test_the_callers_own_async_client(fake_service, make_client, clock):
    """The same, async; sync calls of the same object use a client of ours."""
    fake_service.plays(Reply(503), chat(), Reply(404, "no"), streamed("a"), chat())

    async def run():
        async with httpx.AsyncClient(headers={"x-own": "yes"}) as own:
            async with make_client(async_http_client=own) as client:
                assert (await client.acomplete(HI)).content == "Hello"
                with pytest.raises(Exception, match="404 from POST"):
                    await client.acomplete(HI)
                assert [d.content async for d in client.astream(HI)] == ["a", ""]
            assert not own.is_closed
            client.complete(HI)

    asyncio.run(run())

    assert [r.header("x-own") for r in fake_service.requests] == ["yes"] * 4 + [None]


def test_the_callers_own_timeout_counts(fake_service, make_client):
    """Unless one is given here."""
    fake_service.default = Reply(fault=HANG)
    with httpx.Client(timeout=0.1) as own, pytest.raises(APITimeoutError):
        make_client(http_client=own).complete(HI)
    with httpx.Client(timeout=60) as own, pytest.raises(APITimeoutError):
        make_client(http_client=own, timeout=0.1).complete(HI)


def test_a_proxy_from_the_environment_is_used(make_client, monkeypatch, colour):
    """The request goes to the proxy, which httpx's own transport speaks to."""
    proxy = FakeService().start()
    try:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with InferenceClient("http://service.invalid/serverless/m", KEY) as client:
            assert colour.call(client, "complete", HI).content == "Hello"
            assert colour.call(client, "complete", HI).content == "Hello"
        assert proxy.last.header("host") == "service.invalid"
    finally:
        proxy.stop()


def test_no_proxy_is_obeyed(fake_service, make_client, monkeypatch, colour):
    """A host that is exempt is reached directly."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    assert colour.call(make_client(), "complete", HI).content == "Hello"


def test_tls_is_checked_with_one_context_for_all(fake_service, colour):
    """A plain-text server behind https:// is a typed error; the context is made once."""
    port = fake_service.port
    for _ in range(2):
        with (
            InferenceClient(f"https://127.0.0.1:{port}", KEY, retry=ONCE, timeout=0.1) as client,
            pytest.raises(Exception, match=r"could not be reached|broke"),
        ):
            colour.call(client, "complete", HI)

    assert tls.ssl_context() is tls.ssl_context()


BAD_HEAD = Reply(200, "", {"x": "y\r\nno header"})


@pytest.mark.parametrize(
    ("fault", "policy", "asked"),
    [
        (Reply(fault=CUT), ONCE, 3),
        (Reply(fault=RESET), ONCE, 3),
        (Reply(fault=CUT), RetryPolicy(retry_broken=False), 2),
        (Reply(fault=RESET), RetryPolicy(retry_broken=False), 2),
        (BAD_HEAD, ONCE, 2),
    ],
    ids=["ended", "reset", "ended, not to be repeated", "reset, not to be repeated", "a malformed answer"],
)
def test_a_kept_connection_that_fails(fault, policy, asked, fake_service, make_client):
    """What ends without a byte was closed while idle, and is sent once more, unless the policy forbids even that."""
    fake_service.plays(chat(), fault)
    client = make_client(retry=policy)
    client.complete(HI)

    with nullcontext() if asked == 3 else pytest.raises(APIConnectionError):
        client.complete(HI)

    assert len(fake_service.requests) == asked


def test_a_kept_connection_that_fails_in_async_code(fake_service, make_client):
    """The same."""

    async def run(policy):
        async with make_client(retry=policy) as client:
            await client.acomplete(HI)
            await client.acomplete(HI)

    fake_service.plays(chat(), Reply(fault=CUT))
    asyncio.run(run(ONCE))
    fake_service.plays(chat(), Reply(fault=CUT))
    with pytest.raises(APIConnectionError):
        asyncio.run(run(RetryPolicy(retry_broken=False)))

    assert len(fake_service.requests) == 5


def _ask_after_fork(client):
    os._exit(client.complete(HI).content != "Hello")


def test_a_fork_while_a_lock_is_held(fake_service, make_client):
    """The thread that holds it is not there in the child, which goes on all the same."""
    client = make_client(retry=RetryPolicy(), limits=RateLimit(requests_per_minute=6000))
    client.complete(HI)
    state = client.deployment().state
    context = multiprocessing.get_context("fork")
    unused = make_client(retry=RetryPolicy(), limits=RateLimit(requests_per_minute=6000))
    child = context.Process(target=_ask_after_fork, args=(unused,))
    locks = [deployments._states_lock, state._lock, state.pause.lock, _auth._BackgroundLoop._lock]
    with ExitStack() as held:
        for lock in [*locks, _client._making]:
            held.enter_context(lock)
        child.start()
    child.join(10)
    stuck = child.is_alive()
    child.kill()
    child.join()

    assert not stuck
    assert child.exitcode == 0


def test_a_fork_while_a_token_is_fetched(fake_service, make_client):
    """The thread that fetches it is not there in the child, which fetches one itself."""
    asked, go_on = threading.Event(), threading.Event()
    parent = os.getpid()

    def fetch():
        asked.set()
        return "token" if os.getpid() != parent or go_on.wait(20) else None

    client = make_client(credential=fetch, allow_http_token=True, retry=RetryPolicy())
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.complete, HI)
        assert asked.wait(10)
        child = multiprocessing.get_context("fork").Process(target=_ask_after_fork, args=(client,))
        child.start()
        child.join(10)
        stuck = child.is_alive()
        child.kill()
        child.join()
        go_on.set()

    assert not stuck
    assert child.exitcode == 0
    assert call.result().content == "Hello"


class _Interrupted(Clients):
    """Clients whose lock, when it is renewed after a fork, lets another thread go first."""

    meanwhile = None

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "_lock" and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            with ThreadPoolExecutor(1) as pool:
                pool.submit(meanwhile).result()


def test_two_threads_of_a_child_leave_the_parents_connections_alone(make_client):
    """The second must not believe that the first is done."""
    clients = _Interrupted(make_client().endpoint, None, None, resend=True)
    parents = clients.sync()
    found = []
    clients.meanwhile = lambda: found.append(clients.sync())
    clients._pid = -1  # as a child sees it

    found.append(clients.sync())

    assert len(found) == 2
    assert parents not in found


def test_the_parameters_of_an_own_client_are_added(fake_service, make_client):
    """Ours stay, and win."""
    with httpx.Client(params={"sub": "s", "api-version": "1"}) as own:
        make_client("/openai/deployments/d?x=y", http_client=own, api_version="2").complete(HI)

    assert sorted(fake_service.last.query) == [("api-version", "2"), ("sub", "s"), ("x", "y")]


@pytest.fixture
def no_collector():
    """Nothing but references keeps objects alive, or frees them."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


FAILURES = {
    "401": Reply(401, {}),
    "500": Reply(500, {}),
    "ended": Reply(fault=CUT),
    "reset": Reply(fault=RESET),
    "no answer": Reply(fault=HANG),
    "no JSON": Reply(200, "hello"),
    "an error in the stream": events(delta("a"), frame({"error": {"message": "x"}})),
    "a stream that is cut": events(delta("a"), RESET),
}


@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES)
def test_a_call_that_failed_leaves_no_socket(reply, no_collector, fake_service, mode):
    """A client that is dropped closes what its failed call has opened, without waiting for the collector."""
    fake_service.default = reply
    options = {"model": "m", "retry": ONCE, "timeout": 0.3}

    async def ask():
        client = InferenceClient(fake_service.url + "/v1", KEY, **options)
        with contextlib.suppress(AzureAIError):
            await (anext(client.astream(HI)) if mode.streams else client.acomplete(HI))
        del client
        await asyncio.to_thread(fake_service.wait_until, lambda: fake_service.open == 0)

    if mode.colour.name == "async":
        asyncio.run(ask())
        return
    client = InferenceClient(fake_service.url + "/v1", KEY, **options)
    with contextlib.suppress(AzureAIError):
        mode.ask(client, HI)
    del client
    fake_service.wait_until(lambda: fake_service.open == 0)
