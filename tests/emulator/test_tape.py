"""Record against one server, replay without it."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from azureai_emulator import Fault, Record, Replay, serve
from azureai_emulator.__main__ import main
from azureai_emulator.tape.cassette import Cassette, Recording, canonical, sanitised
from azureai_emulator.wire.sse import EventReader

CANARY = "canary-upstream-0123456789"
LOCAL = "canary-local-9876543210"
VERSION = "?api-version=2024-05-01-preview"
TOOL = {"type": "function", "function": {"name": "add", "description": "Add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}  # fmt: skip


def body(text="hi", **fields):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}


CALLS = {
    "plain": ("/openai/v1/chat/completions", body()),
    "stream": ("/openai/v1/chat/completions", body(stream=True, stream_options={"include_usage": True})),
    "tool": ("/models/chat/completions" + VERSION, body("Add 5", tools=[TOOL], tool_choice="required")),
    "tool stream": ("/models/chat/completions" + VERSION, body("Add 5", tools=[TOOL], stream=True)),
    "think": ("/models/chat/completions" + VERSION, body(model="deepseek-r1", stream=True)),
    "vectors": ("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": ["a", "ü"]}),
    "refused": ("/openai/v1/chat/completions", body(foo=1)),
    "text": ("/serverless/mistral-large-2411/embeddings" + VERSION, {"input": ["a"]}),
    "own key": ("/openai/v1/chat/completions", body(f"My key is '{LOCAL}'.", stream=True)),
    "secret": ("/openai/v1/chat/completions", body(f"My key is '{CANARY}' and '{LOCAL}'.")),
}


def post(emulator, path, sent):
    headers = {"Authorization": f"Bearer {emulator.key}", "x-ms-client-request-id": "who-i-am"}
    return httpx.post(emulator.url + path, json=sent, headers=headers)


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """The folder, and what the recording server answered."""
    folder = tmp_path_factory.mktemp("tape") / "new"
    with (
        serve(key=CANARY) as upstream,
        serve(key=LOCAL, tape=Record(folder, upstream.url, upstream.key)) as recorder,
    ):
        answers = {name: post(recorder, *call) for name, call in CALLS.items()}
        seen = recorder.requests
        heard = upstream.requests
    return folder, answers, seen, heard


@pytest.fixture(scope="module")
def replayed(tape):
    with serve(key=LOCAL, tape=Replay(tape[0])) as emulator:
        yield emulator


def decoded(text):
    reader = EventReader()
    return [*reader.feed(text.encode()), *reader.end(), reader.done]


def clean(answer):
    """The answer with what recording replaces."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        frames = decoded(answer.text)
        return [compact(sanitised(json.loads(frame), [CANARY, LOCAL])) for frame in frames[:-1]] + frames[-1:]
    if answer.headers["content-type"] == "application/json":
        return compact(sanitised(answer.json(), [CANARY, LOCAL]))
    return answer.text


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("name", [name for name in CALLS if name != "secret"])  # only the recorder knew that key
def test_replay_says_what_was_recorded(tape, replayed, name):
    """Status and body, or each decoded frame, byte for byte."""
    before, after = tape[1][name], post(replayed, *CALLS[name])

    assert after.status_code == before.status_code
    if before.headers["content-type"].startswith("text/event-stream"):
        assert decoded(after.text) == clean(before)
    else:
        assert after.text == clean(before)
    assert after.headers["content-type"] == before.headers["content-type"]


def test_recording_passes_on_as_it_is(tape):
    """The caller sees the upstream's words, and the upstream sees its own key and the caller's request id."""
    _, answers, seen, heard = tape

    assert [item.status for item in seen] == [item.status for item in heard] == [200] * 6 + [400, 404, 200, 200]
    assert answers["plain"].json()["id"] == heard[0].response["id"]
    assert answers["plain"].headers["x-ms-client-request-id"] == "who-i-am"
    assert decoded(answers["stream"].text)[-1] is True
    assert heard[0].path == "/openai/v1/chat/completions"


def test_no_secret_in_any_file(tape):
    """Neither key, nor a name of the caller, nor an id of the service."""
    folder, answers, _, _ = tape
    files = sorted(folder.iterdir())
    text = "".join(file.read_text() for file in files)

    assert [file.name for file in files][:2] == [
        "0001-openai-v1-chat-completions.json",
        "0002-openai-v1-chat-completions.json",
    ]
    assert len(files) == len(CALLS)
    for secret in (CANARY, LOCAL, "who-i-am", "127.0.0.1", answers["plain"].json()["id"]):
        assert secret not in text
    assert "My key is '***' and '***'" in text


def test_files_can_be_read(tape):
    """Plain JSON: the request, and the answer or its frames with their times."""
    content = json.loads((tape[0] / "0002-openai-v1-chat-completions.json").read_text())

    assert content["request"] == {
        "method": "POST",
        "path": "/openai/v1/chat/completions",
        "query": {},
        "body": CALLS["stream"][1],
    }
    assert content["response"]["headers"]["content-type"] == "text/event-stream; charset=utf-8"
    assert content["response"]["done"] is True
    assert content["response"]["frames"][1]["data"]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all(frame["after"] > 0 for frame in content["response"]["frames"])


def test_order_of_fields_does_not_matter(tape, replayed):
    """The body is matched as JSON."""
    path, sent = CALLS["stream"]

    assert post(replayed, path, dict(reversed(sent.items()))).status_code == 200


def test_nothing_recorded_is_said_with_the_nearest(replayed):
    """404, the file, and where the bodies differ."""
    answer = post(replayed, "/openai/v1/chat/completions", body("hello", stream=True, temperature=0))
    error = answer.json()["error"]

    assert (answer.status_code, error["code"]) == (404, "recording_not_found")
    assert error["nearest"]["file"].endswith("-openai-v1-chat-completions.json")
    assert 'messages[0].content: recorded "hi", asked "hello"' in error["nearest"]["differences"]
    assert "temperature: recorded null, asked 0" in error["nearest"]["differences"]
    assert error["message"].startswith("No recorded request matches POST /openai/v1/chat/completions.")


def test_another_route_is_named(replayed):
    """When there is none for the route."""
    error = post(replayed, "/nowhere", {}).json()["error"]

    assert error["nearest"]["differences"][0].startswith("POST /nowhere, not POST /")


def test_replay_needs_the_key(replayed):
    """As everything does."""
    assert httpx.post(replayed.url + "/openai/v1/chat/completions", json=body()).status_code == 401


def test_same_request_twice_gets_the_answers_in_order(tmp_path):
    """First the first, then the last for ever."""
    with serve() as upstream, serve(tape=Record(tmp_path, upstream.url, upstream.key)) as recorder:
        upstream.script(["one", "two"])
        for _ in range(2):
            post(recorder, "/openai/v1/chat/completions", body())
    with serve(tape=Replay(tmp_path)) as replay:
        said = [post(replay, "/openai/v1/chat/completions", body()).json() for _ in range(3)]

    assert [item["choices"][0]["message"]["content"] for item in said] == ["one", "two", "two"]


def test_tool_loop_is_found_with_the_ids_of_the_replay(tmp_path):
    """The second request carries the id that the replay gave, not the recorded one."""

    def loop(emulator):
        path = "/openai/v1/chat/completions"
        first = post(emulator, path, body("Add 5", tools=[TOOL])).json()["choices"][0]["message"]
        call = first["tool_calls"][0]
        history = [
            {"role": "user", "content": "Add 5"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "5"},
        ]
        return call["id"], post(emulator, path, body(messages=history, tools=[TOOL])).json()["choices"][0]["message"]

    with serve() as upstream, serve(tape=Record(tmp_path, upstream.url, upstream.key)) as recorder:
        recorded_id, recorded = loop(recorder)
    with serve(tape=Replay(tmp_path)) as replay:
        other_id, again = loop(replay)

    assert recorded == again
    assert other_id != recorded_id
    assert len(other_id) == len(recorded_id)


def test_exchanges_that_end_together_are_all_kept(tmp_path):
    """Each file has a number of its own."""
    said = Recording("POST", "/openai/v1/chat/completions", {}, body(), 200, {}, {"choices": []})
    with ThreadPoolExecutor(16) as pool:
        kept = list(pool.map(lambda _: Cassette(tmp_path).add(said, []), range(200)))

    assert len(set(kept)) == len(list(tmp_path.iterdir())) == 200


def test_a_cut_stream_is_cut_again(tmp_path):
    """What broke breaks in the replay as well."""
    path = "/openai/v1/chat/completions"
    with serve() as upstream, serve(tape=Record(tmp_path, upstream.url, upstream.key)) as recorder:
        upstream.faults(Fault(cut_stream_after=3))
        with pytest.raises(httpx.RemoteProtocolError):
            post(recorder, path, body(stream=True))
    with serve(tape=Replay(tmp_path)) as replay, pytest.raises(httpx.RemoteProtocolError):
        post(replay, path, body(stream=True))
    assert len(json.loads(next(tmp_path.iterdir()).read_text())["response"]["frames"]) == 3


def test_an_upstream_that_is_away_is_a_502(tmp_path):
    """Typed, and nothing is kept."""
    with serve() as gone:
        url = gone.url
    with serve(tape=Record(tmp_path, url, "k")) as recorder:
        answer = post(recorder, "/models/chat/completions", body())

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    assert not list(tmp_path.iterdir())


def test_stopping_does_not_wait_for_the_upstream(tmp_path):
    """A request that hangs upstream is given up."""
    with serve() as upstream:
        upstream.faults(Fault(latency=60))
        recorder = serve(tape=Record(tmp_path, upstream.url, upstream.key)).start()
        url, headers = recorder.url + "/openai/v1/chat/completions", {"api-key": recorder.key}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=body(), headers=headers, timeout=0.3)
        started = time.perf_counter()
        recorder.stop()

        assert time.perf_counter() - started < 5


def program(*arguments):
    command = [sys.executable, "-m", "azureai_emulator", "--port", "0", "--key", LOCAL, *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "AZURE_INFERENCE_CREDENTIAL": CANARY}
    )


def asked_of(process):
    with process:
        url = process.stdout.readline().strip().removeprefix("Azure AI emulator on ")
        answer = httpx.post(url + "/openai/v1/chat/completions", json=body(), headers={"api-key": LOCAL})
        process.terminate()
    return answer.json()["choices"]


def test_on_the_command_line(tmp_path):
    """`--record --upstream` with the key from the environment, then `--replay`."""
    folder = str(tmp_path / "tape")
    with serve(key=CANARY) as upstream:
        recorded = asked_of(program("--record", folder, "--upstream", upstream.url))

    assert asked_of(program("--replay", folder)) == recorded


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--record", "x"], "The upstream is the URL of an endpoint"),
        (["--record", "x", "--upstream", "ftp://h"], "not 'ftp://h'"),
        (["--record", "x", "--upstream", "https://h"], "The upstream needs a key"),
        (["--replay", "no-such-folder"], "not a folder of recorded exchanges"),
    ],
)
def test_bad_options_are_one_sentence(monkeypatch, capsys, arguments, reason):
    """Exit code 2."""
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL", raising=False)

    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_a_broken_file_is_named(tmp_path):
    """So is an empty folder."""
    with pytest.raises(ValueError, match="no recorded exchanges"):
        Replay(tmp_path)
    (tmp_path / "0001-x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"0001-x.json: not a recorded exchange"):
        Replay(tmp_path)


def test_the_key_is_not_shown(tmp_path):
    """Not in the repr either."""
    assert CANARY not in repr(Record(tmp_path, "https://h", CANARY))


@pytest.mark.parametrize(
    "secret", ["eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl", "sk-abcdefghijklmnopqrst", "ghp_abcdefghijklmnopqrst"]
)
def test_what_looks_like_a_secret_is_masked(secret):
    """Wherever it stands."""
    assert secret not in json.dumps(sanitised({"messages": [{"content": f"use {secret} now"}]}, []))


def test_model_names_are_no_ids():
    """Only ids of answers and calls are replaced."""
    listed = {"object": "list", "data": [{"id": "gpt-4o", "object": "model"}]}

    assert sanitised(listed, []) == listed


def test_ids_do_not_matter_for_the_match():
    """Their order does."""
    one = {"messages": [{"tool_call_id": "a"}, {"tool_call_id": "b"}, {"tool_call_id": "a"}]}
    same = {"messages": [{"tool_call_id": "x"}, {"tool_call_id": "y"}, {"tool_call_id": "x"}]}
    other = {"messages": [{"tool_call_id": "x"}, {"tool_call_id": "y"}, {"tool_call_id": "y"}]}

    assert canonical("POST", "/a", one) == canonical("POST", "/a/", same) != canonical("POST", "/a", other)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_in_pieces_of_any_size(size):
    """Comments, CRLF, several data lines, no last newline."""
    raw = ': hi\r\n\r\ndata: {"a":"ü"}\r\n\r\nevent: x\ndata:1\ndata: 2\n\ndata: [DONE]\n\ndata: late'.encode()
    reader = EventReader()
    found = [event for start in range(0, len(raw), size) for event in reader.feed(raw[start : start + size])]

    assert [*found, *reader.end()] == ['{"a":"ü"}', "1\n2", "late"]
    assert reader.done
