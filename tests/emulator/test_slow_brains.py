"""Slow brains: run in a thread, one at a time, streamed as they generate, cancelled when the caller disconnects."""

import json
import threading
import time
from dataclasses import replace

import httpx
import pytest

from azureai_emulator import DEPLOYMENTS, Answer, Fault, serve
from azureai_emulator.brains.work_queue import disconnect_event

WORDS = [f"word{number} " for number in range(20)]


class Writer:
    """A brain that writes twenty words, the next one whenever the test allows it."""

    slow = True

    def __init__(self):
        self.pen = threading.Semaphore(0)
        self.busy = self.most = self.written = 0
        self.left = threading.Event()
        self.thread = None

    def answer(self, ask):
        self.thread = threading.current_thread().name
        return Answer(written=self.write(disconnect_event()))

    def write(self, abandoned):
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            for word in WORDS:
                while not self.pen.acquire(timeout=0.01):
                    if abandoned.is_set():
                        return None
                self.written += 1
                yield word
            return None
        finally:
            self.busy -= 1
            self.left.set()

    def allow(self, words=20):
        self.pen.release(words)


@pytest.fixture
def writer():
    return Writer()


@pytest.fixture
def slow(writer):
    with serve(deployments=["gpt-4o", "mistral-large-2411", "deepseek-r1"], brain=writer) as it:
        yield it


def send(emulator, name="mistral-large-2411", kind="models", timeout=30, **fields):
    """A stream, opened."""
    body = {"model": name, "messages": [{"role": "user", "content": "Write"}], **fields}
    headers = {"api-key": emulator.key, "Authorization": f"Bearer {emulator.key}"}
    params = {} if kind == "openai-v1" else {"api-version": "2024-05-01-preview"}
    url = f"{emulator.endpoint(name, kind)}/chat/completions"
    return httpx.stream("POST", url, json=body, headers=headers, params=params, timeout=timeout)


def answer(emulator, *args, **fields):
    with send(emulator, *args, **fields) as response:
        response.read()
    assert response.status_code == 200, response.text
    return response.json()


def frames(lines):
    found = (line.removeprefix("data: ") for line in lines if line.startswith("data: "))
    return (json.loads(line) for line in found if line != "[DONE]")


def text_of(frame):
    return "".join(choice.get("delta", {}).get("content") or "" for choice in frame["choices"])


def test_words_arrive_while_the_next_ones_are_not_yet_written(slow, writer):
    """Two words are allowed, two words come; then the rest."""
    with send(slow, stream=True) as response:
        arriving = filter(None, map(text_of, frames(response.iter_lines())))
        writer.allow(2)
        assert [next(arriving), next(arriving)] == WORDS[:2]
        assert writer.written == 2
        writer.allow()
        assert "".join(arriving) == "".join(WORDS[2:])
    assert writer.thread != "azureai-emulator"


def test_a_plain_answer_is_the_whole_of_it(slow, writer):
    """The same words, usage as the emulator counts everywhere."""
    writer.allow()

    body = answer(slow)

    assert body["choices"][0]["message"]["content"] == "".join(WORDS)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == len(WORDS)


@pytest.mark.parametrize("stream", [False, True])
def test_max_tokens_ends_the_writing(slow, writer, stream):
    """Finish reason `length`, as many tokens as asked for, and the brain stops early."""
    writer.allow()
    with send(slow, stream=stream, max_tokens=5) as response:
        if stream:
            *parts, last = list(frames(response.iter_lines()))
            said, finish, usage = "".join(map(text_of, parts)), last["choices"][0]["finish_reason"], last["usage"]
        else:
            body = json.loads(response.read())
            said, finish = body["choices"][0]["message"]["content"], body["choices"][0]["finish_reason"]
            usage = body["usage"]

    assert (said.split(), finish, usage["completion_tokens"]) == ([word.strip() for word in WORDS[:5]], "length", 5)
    assert writer.left.wait(5)
    assert writer.written < len(WORDS)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_sequence_is_cut_out_though_it_comes_in_chunks(slow, writer, stream):
    """`3 word4` is split over two chunks."""
    writer.allow()
    with send(slow, stream=stream, stop=["3 word4"]) as response:
        if stream:
            parts = list(frames(response.iter_lines()))
            said, finish = "".join(map(text_of, parts)), parts[-1]["choices"][0]["finish_reason"]
        else:
            choice = json.loads(response.read())["choices"][0]
            said, finish = choice["message"]["content"], choice["finish_reason"]

    assert (said, finish) == ("word0 word1 word2 word", "stop")


def test_usage_of_a_stream_is_that_of_the_plain_answer(slow, writer):
    """Also in the record, and in an extra frame where the profile sends it that way."""
    writer.allow(3 * len(WORDS))
    plain = answer(slow, "gpt-4o", "openai-v1")["usage"]
    with send(slow, "gpt-4o", "openai-v1", stream=True, stream_options={"include_usage": True}) as response:
        streamed = list(frames(response.iter_lines()))

    assert streamed[-1]["usage"] == plain
    assert streamed[0]["choices"] == []  # the profile's opening frame is there as ever
    assert [exchange.tokens for exchange in slow.requests] == [plain["total_tokens"]] * 2


def test_profiles_apply_to_slow_brains_too(slow, writer):
    """A reasoning model sends its reasoning first."""
    writer.allow()
    with send(slow, "deepseek-r1", stream=True) as response:
        thought = "".join(map(text_of, frames(response.iter_lines())))

    assert thought.startswith("<think>\n")
    assert thought.endswith("</think>\n\n" + "".join(WORDS))


def test_one_request_at_a_time_the_others_wait(slow, writer):
    """Four at once: never two in the model, and all are answered."""
    writer.allow(4 * len(WORDS))
    found = []
    threads = [threading.Thread(target=lambda: found.append(answer(slow))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [body["choices"][0]["message"]["content"] for body in found] == ["".join(WORDS)] * 4
    assert writer.most == 1


def test_other_requests_are_served_meanwhile(slow, writer):
    """The event loop is free: routes that need no brain answer at once."""
    with send(slow, stream=True) as response:
        arriving = filter(None, map(text_of, frames(response.iter_lines())))
        writer.allow(1)
        assert next(arriving) == WORDS[0]
        assert httpx.get(f"{slow.url}/health", timeout=5).status_code == 200
        writer.allow()
        assert len(list(arriving)) == len(WORDS) - 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_generation_stops_when_the_caller_disconnects(slow, writer, stream):
    """And the next request is answered."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Write"}], "stream": stream}
    headers = {"Authorization": f"Bearer {slow.key}"}
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{slow.url}/openai/v1/chat/completions", json=body, headers=headers, timeout=0.3)

    assert writer.left.wait(5)
    assert writer.written == 0
    writer.allow()
    assert answer(slow)["choices"][0]["message"]["content"] == "".join(WORDS)


def test_a_caller_who_hangs_up_while_waiting_is_forgotten(slow, writer):
    """It is never run; the requests behind it are answered."""
    with send(slow, stream=True) as first:
        arriving = filter(None, map(text_of, frames(first.iter_lines())))
        writer.allow(1)
        next(arriving)
        with pytest.raises(httpx.TimeoutException):
            answer(slow, timeout=0.3)
        writer.allow(2 * len(WORDS))
        assert len(list(arriving)) == len(WORDS) - 1


def test_faults_cut_a_slow_stream_too(slow, writer):
    """The brain sees that the caller has gone."""
    slow.faults(Fault(cut_stream_after=3))
    writer.allow(3)
    with pytest.raises(httpx.RemoteProtocolError), send(slow, stream=True) as response:
        list(response.iter_lines())

    deadline = time.monotonic() + 5
    while writer.busy and time.monotonic() < deadline:
        writer.left.wait(0.05)
    assert writer.busy == 0


def test_the_server_stops_while_a_brain_is_writing(writer):
    """Within a moment."""
    with serve(deployments=["mistral-large-2411"], brain=writer) as emulator, send(emulator, stream=True) as response:
        writer.allow(1)
        assert next(filter(None, map(text_of, frames(response.iter_lines())))) == WORDS[0]
        begun = time.monotonic()
        emulator.stop()

    assert time.monotonic() - begun < 5
    assert writer.left.wait(5)


def test_a_deployments_own_brain_comes_before_the_servers():
    """`serve(brain=...)` is for those that have none."""

    class Fixed:
        def __init__(self, text):
            self.text = text

        def answer(self, ask):
            return Answer(self.text)

    own = replace(DEPLOYMENTS[0], brain=Fixed("own"))
    with serve(deployments=[own, "mistral-large-2411"], brain=Fixed("the server's")) as emulator:
        said = [answer(emulator, name)["choices"][0]["message"]["content"] for name in (own.name, "mistral-large-2411")]

    assert said == ["own", "the server's"]
