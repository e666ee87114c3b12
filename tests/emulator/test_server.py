"""The server as a program: start, stop, records, faults, concurrency, the command line, the plugin."""

import asyncio
import socket
import subprocess
import sys
import time

import httpx
import pytest

import azureai_emulator
from azureai_emulator import Deployment, Fault, Profile, serve
from azureai_emulator.__main__ import main


def body(**fields):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], **fields}


def test_it_unpacks_as_url_and_key():
    """`url, key = emulator`, on loopback, with a random key."""
    with serve() as emulator, serve() as other:
        url, key = emulator

        assert url.startswith("http://127.0.0.1:")
        assert (emulator.url, emulator.key) == (url, key)
        assert key != other.key
        assert httpx.get(url + "/health").status_code == 200


async def test_it_is_an_async_context_manager_too():
    """`async with` gives the same, and the server is gone afterwards."""
    async with httpx.AsyncClient() as client:
        async with serve(key="k") as emulator:
            assert (await client.get(emulator.url + "/health")).status_code == 200
        assert emulator.key == "k"
        with pytest.raises(httpx.ConnectError):
            await client.get(emulator.url + "/health")


def test_only_chosen_deployments_are_served():
    """Names of shipped ones, or one's own."""
    own = Deployment("my-model", Profile(name="mine", provider="me"), ("serverless",))
    with serve(deployments=["gpt-4o", own]) as emulator:
        listed = httpx.get(emulator.url + "/deployments", headers={"api-key": emulator.key}).json()

        assert [item["name"] for item in listed] == ["gpt-4o", "my-model"]
        assert emulator.endpoint("my-model") == emulator.url + "/serverless/my-model"


def test_unknown_names_are_clear_errors(emulator):
    """A wrong deployment or kind is named together with the right ones."""
    with pytest.raises(ValueError, match="No deployment 'nope'"):
        serve(deployments=["nope"])
    with pytest.raises(ValueError, match="No deployment 'nope'"):
        emulator.endpoint("nope")
    with pytest.raises(ValueError, match="not served as 'serverless'"):
        emulator.endpoint("gpt-4o", "serverless")


def test_it_has_to_run_first():
    """Before the start there are no requests."""
    with pytest.raises(RuntimeError, match="not running"):
        _ = serve().requests


def test_requests_are_recorded_without_secrets(wire, emulator):
    """Method, path, query, headers, bodies, status, times; the key is masked."""
    wire.chat("gpt-4o", "models")
    (seen,) = emulator.requests

    assert (seen.method, seen.path) == ("POST", "/models/chat/completions")
    assert seen.query == {"api-version": "2024-05-01-preview"}
    assert seen.body["messages"][0]["content"] == "Hi there, emulator"
    assert (seen.status, seen.deployment) == (200, "gpt-4o")
    assert seen.response["choices"]
    assert seen.elapsed > 0
    assert abs(seen.started - time.time()) < 60
    assert seen.headers["authorization"] == "Bearer ***"
    assert emulator.key not in repr(seen)


def test_streams_are_recorded_as_frames(wire, emulator):
    """The response is the list of frames."""
    frames = wire.frames()

    assert emulator.requests[-1].response == frames


def test_refusals_are_recorded(wire, emulator):
    """An error body as well."""
    wire.chat(foo=1)

    assert emulator.requests[-1].status == 400
    assert "foo" in emulator.requests[-1].response["error"]["message"]


def test_faults_come_first_and_once(wire, emulator):
    """429 with Retry-After and its documented body, then normal answers again."""
    emulator.faults(Fault(429, headers={"Retry-After": "7"}), Fault(500, times=2))
    answers = [wire.chat() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [429, 500, 500, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert "retry after 7 seconds" in answers[0].json()["error"]["message"]


def test_faults_for_one_deployment(wire, emulator):
    """Others are not disturbed."""
    emulator.faults(Fault(503, body="<html>busy</html>"), deployment="gpt-4o-mini")

    assert wire.chat("gpt-4o").status_code == 200
    broken = wire.chat("gpt-4o-mini")
    assert (broken.status_code, broken.text) == (503, "<html>busy</html>")


def test_latency(wire, emulator):
    """The answer waits."""
    emulator.faults(Fault(latency=0.2))
    started = time.perf_counter()

    assert wire.chat().status_code == 200
    assert time.perf_counter() - started >= 0.2


def test_reset_connection(wire, emulator):
    """No answer at all."""
    emulator.faults(Fault(reset_before_body=True))

    with pytest.raises(httpx.TransportError):
        wire.chat()
    assert wire.chat().status_code == 200


def test_cut_stream(wire, emulator):
    """The connection ends after so many frames."""
    emulator.faults(Fault(cut_stream_after=3))

    with pytest.raises(httpx.RemoteProtocolError):
        wire.chat(stream=True)
    assert len(emulator.requests[-1].response) == 3


def test_error_frame(wire, emulator):
    """E30: an error object after the first frames of a 200."""
    emulator.faults(Fault(error_frame_after=3))
    text = wire.chat(stream=True).text

    assert '{"error":{' in text.split("\n\n")[3]
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(framing="crlf"), "\r\n\r\n"),
        (Fault(framing="comments"), ": keep-alive\n\n"),
        (Fault(framing="events"), "event: message\n"),
        (Fault(framing="no-space"), 'data:{"'),
        (Fault(split_bytes=1), "data: [DONE]\n\n"),
    ],
)
def test_unusual_framing(wire, emulator, fault, expected):
    """Everything server-sent events allow."""
    emulator.faults(fault)

    assert expected in wire.chat(stream=True).text


def test_stream_without_done_or_last_newline(wire, emulator):
    """Ends that real servers have."""
    emulator.faults(Fault(without_done=True), Fault(framing="no-final-newline"))

    assert "[DONE]" not in wire.chat(stream=True).text
    assert wire.chat(stream=True).text.endswith("[DONE]")


async def test_fifty_streams_at_once(emulator):
    """They all arrive whole."""
    headers = {"api-key": emulator.key}
    async with httpx.AsyncClient(headers=headers, timeout=30, limits=httpx.Limits(max_connections=50)) as client:
        url = emulator.url + "/openai/v1/chat/completions"
        answers = await asyncio.gather(*(client.post(url, json=body(stream=True)) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.text.endswith("data: [DONE]\n\n") for answer in answers)


def test_kept_alive_connections_answer_at_once(wire):
    """No 40 ms wait of Nagle against delayed acknowledgement."""
    wire.chat()
    started = time.perf_counter()
    for _ in range(20):
        wire.chat()

    assert time.perf_counter() - started < 0.6


def start(*arguments):
    command = [sys.executable, "-m", "azureai_emulator", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGINT"])
def test_command_line_serves_until_a_signal(stop):
    """It prints its URL, answers, and ends with code 0 and a silent stderr."""
    import signal

    process = start("--port", "0", "--key", "secret-key")
    first = process.stdout.readline().strip()
    url = first.removeprefix("Azure AI emulator on ")
    answer = httpx.post(url + "/openai/v1/chat/completions", json=body(), headers={"api-key": "secret-key"})
    process.send_signal(getattr(signal, stop))
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(timeout=10)
    process.stdout.close()
    process.stderr.close()

    assert first == f"Azure AI emulator on {url}"
    assert answer.status_code == 200
    assert "gpt-4o" in out
    assert "secret-key" not in out
    assert (process.returncode, err) == (0, "")


def test_port_in_use_is_one_sentence(capsys):
    """Exit code 2, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert main(["--port", str(port)]) == 2

    err = capsys.readouterr().err
    assert err.startswith(f"azureai_emulator: cannot listen on 127.0.0.1:{port}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--port", "70000"], ["--host", "0.0.0.0"], ["--key", " "]])
def test_bad_arguments_exit_with_2(arguments):
    """One clear sentence and the usage, no traceback."""
    process = start(*arguments)
    _, err = process.communicate(timeout=10)

    assert process.returncode == 2
    assert "Traceback" not in err


def test_import_needs_neither_starlette_nor_uvicorn():
    """Importing is free of the extra; serving without it names the extra."""
    code = (
        "import sys; sys.modules['uvicorn'] = None; sys.modules['starlette'] = None\n"
        "import azureai_emulator, azureai_emulator.pytest_plugin\n"
        "try: azureai_emulator.serve().start()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)

    assert 'pip install "azureai-adapters[emulator]"' in done.stdout


def test_public_names():
    """`__all__` holds what the package promises."""
    assert all(hasattr(azureai_emulator, name) for name in azureai_emulator.__all__)


def test_emulator_imports_nothing_of_the_project():
    """Only the standard library, starlette, uvicorn and, in the plugin, pytest."""
    code = (
        "import sys, azureai_emulator, azureai_emulator.__main__, azureai_emulator.server.app\n"
        "bad = {name.partition('.')[0] for name in sys.modules} & {'azureai_core', 'httpx', 'pydantic', 'langchain_core'}\n"
        "print(sorted(bad))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
