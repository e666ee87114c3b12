"""What is said on start and on a failed start, by `python -m azureai_emulator` and by `azureai emulate`."""

import io
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from azureai_cli import _emulate
from azureai_emulator import DEPLOYMENTS, Deployment, Record, serve
from azureai_emulator.__main__ import main
from azureai_emulator.catalog.shipped import MISTRAL, PHI_3
from azureai_emulator.server.banner import plain, skills


@pytest.fixture(scope="module")
def shipped():
    with serve(key="emulator-key") as emulator:
        yield emulator


@pytest.fixture
def on_screen():
    """What a terminal of a width shows, without colours."""
    from rich.console import Console

    def on_screen(emulator, width):
        console = Console(file=io.StringIO(), width=width, highlight=False)
        console.print(_emulate.screen(emulator, width))
        return console.file.getvalue()

    return on_screen


def test_plain_text_has_everything(shipped):
    """Name, kinds, skills and a URL that can be copied for each; page, key and shared URLs; 80 columns."""
    text = plain(shipped)
    lines = [line.strip() for line in text.splitlines()]

    assert text.startswith(f"Azure AI emulator on {shipped.url}\n")
    assert max(map(len, text.splitlines())) <= 80
    for item in DEPLOYMENTS:
        assert shipped.endpoint(item.name) in lines
        assert any(line.startswith(item.name + " ") and line.endswith(skills(item.profile)) for line in lines)
    for part in ("Served as serverless, models, github", f"Page       {shipped.url}/", "Key        emulator-key"):
        assert part in lines
    assert f"openai-v1  {shipped.url}/openai/v1  (name one in `model`)" in lines


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_a_terminal_never_cuts_names_and_urls(shipped, on_screen, width):
    """A table where it fits, two lines per deployment where not."""
    text = on_screen(shipped, width)
    lines = text.splitlines()
    row = next(line for line in lines if line.strip().startswith("mistral-large-2411"))

    assert "…" not in text
    assert max(map(len, lines)) <= width
    assert all(re.search(re.escape(shipped.endpoint(item.name)) + r"\s*$", text, re.MULTILINE) for item in DEPLOYMENTS)
    assert ("http://" in row) == (width >= 120)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt-4o", "tools, JSON schema, images, audio, files"),
        ("mistral-large-2411", "tools, JSON"),
        ("deepseek-r1", "reasoning"),
        ("phi-3-mini-4k-instruct", "text only"),
        ("cohere-embed-v3-english", "embeddings (1024), images"),
    ],
)
def test_skills_in_a_few_words(name, words):
    """What the profile says, no more."""
    assert skills(next(item.profile for item in DEPLOYMENTS if item.name == name)) == words


def test_a_key_of_the_users_is_not_shown(on_screen):
    """Neither in plain text nor on a terminal."""
    with serve(key="canary-key-1") as emulator:
        for text in (plain(emulator), on_screen(emulator, 80)):
            assert "canary-key-1" not in text
            assert "the one given with --key" in text


def test_a_tape_is_named(tmp_path, on_screen):
    """Where requests go and where they are kept; the upstream's key is not shown."""
    tape = Record(tmp_path, "https://example.services.ai.azure.com", "canary-key-2")
    with serve(tape=tape) as emulator:
        for text in (plain(emulator, tape), on_screen(emulator, 120)):
            where = f"Recording https://example.services.ai.azure.com into {tmp_path}"
            assert "".join(where.split()) in "".join(text.split())  # a long path goes to the next line
            assert "canary-key-2" not in text


def test_deployments_of_ones_own(on_screen):
    """Kinds in any order are put together; shared URLs only where they are served."""
    own = [
        Deployment("a", MISTRAL, ("serverless",)),
        Deployment("b", PHI_3, ("models",)),
        Deployment("c", MISTRAL, ("serverless",)),
    ]
    with serve(deployments=own) as emulator:
        for text in (plain(emulator), on_screen(emulator, 80)):
            assert text.lower().count("served as serverless") == 1
            assert "openai-v1" not in text


@pytest.fixture(params=["module", "cli"])
def fails(request, capsys):
    """Runs a command that has to end with code 2; what it says."""

    def fails(*arguments):
        if request.param == "cli":
            from typer.testing import CliRunner

            from azureai_cli._app import app

            result = CliRunner().invoke(app, ["emulate", *arguments])
            assert result.exit_code == 2
            return result.stderr
        with pytest.raises(SystemExit) as ended:  # argparse ends the program itself
            sys.exit(main(arguments))
        assert ended.value.code == 2
        return capsys.readouterr().err

    return fails


BAD_TOML = '[[deployments]]\nname = "a"\nprofile = "mistral"\n'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[", "not valid TOML"),
        (BAD_TOML.replace('"mistral"', '"mistal"'), "no profile 'mistal'; allowed are"),
        (BAD_TOML + 'brain = "brian"\n', "no brain 'brian'; allowed are rules"),
        (BAD_TOML + 'kinds = ["serverles"]\n', "'serverles' is not allowed; allowed are 'serverless'"),
        (BAD_TOML + "speed = 1\n", "unknown field 'speed'; allowed are"),
        ("", "at least one table [[deployments]] is needed"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_bad_file_is_one_sentence(fails, tmp_path, content, reason):
    """File, place, what is allowed; code 2."""
    path = tmp_path / "deployments.toml"
    if content is not None:
        path.write_text(content)
    said = fails("--port", "0", "--deployments", str(path))

    assert said.count("\n") == 1
    assert str(path) in said
    assert reason in said


def test_a_port_in_use_is_one_sentence(fails):
    """The address, the reason, what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = fails("--port", str(port))

    assert said.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); choose another --port" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--replay", "nowhere"), "nowhere: not a folder of recorded exchanges."),
        (("--replay", "."), "no recorded exchanges in this folder."),
        (("--record", "tape"), "The upstream is the URL of an endpoint"),
        (("--record", "tape", "--upstream", "ftp://x"), "not 'ftp://x'."),
        (("--record", "tape", "--upstream", "http://127.0.0.1:9"), "The upstream needs a key"),
    ],
)
def test_bad_tapes_are_one_sentence(fails, tmp_path, monkeypatch, arguments, reason):
    """Missing folders, missing URL, missing key."""
    monkeypatch.chdir(tmp_path)
    said = fails("--port", "0", *arguments)

    assert said.count("\n") == 1
    assert reason in said


@pytest.mark.parametrize(
    "arguments",
    [("--port", "99999"), ("--port", "x"), ("--key", " "), ("--host", "0.0.0.0"), ("--nonsense",), ("--record",)],
)
def test_bad_options_say_which(fails, arguments):
    """argparse's usage, and the option."""
    assert arguments[0] in fails(*arguments)


def chat(url, fault):
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
    head = f"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {host}\r\napi-key: emulator-key\r\nx-emulator-fault: {fault}\r\n"
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


@pytest.mark.parametrize(
    "command", [["-m", "azureai_emulator"], ["-c", "from azureai_cli import main; main()", "emulate"]]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_with_open_streams(command, number):
    """Streams that would last for minutes are cut; nothing is written, the code is 0."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *command, "--port", "0"], **pipes) as process:
        url = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        streams = [chat(url, fault) for fault in ("frame-latency=60", "latency=60", "drip")]
        assert streams[0].recv(15) == b"HTTP/1.1 200 OK"
        started = time.monotonic()
        process.send_signal(number)
        errors = process.communicate(timeout=20)[1]
        for stream in streams:
            stream.close()

    assert process.returncode == 0
    assert errors == ""
    assert time.monotonic() - started < 10


@pytest.mark.timeout(20)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_interrupts_no_wait_is_heard(number):
    """As one right before the wait does, and one that another thread gets."""
    elsewhere = threading.Timer(0.1, signal.raise_signal, [number])

    assert main(["--port", "0"], show=lambda _: elsewhere.start()) == 0


def test_nothing_is_logged_about_what_is_cut(caplog):
    """Not for waits, not for streams, not for a client that reads nothing of an endless answer, not for late ones."""
    caplog.set_level(logging.INFO)
    with serve(key="emulator-key") as emulator:
        emulator.script(["word " * 100_000] * 5)
        clients = [chat(emulator.url, fault) for fault in ("frame-latency=60", "latency=60", "drip")]
        clients.append(chat(emulator.url, "framing=lf"))
        assert clients[0].recv(15) == clients[3].recv(15) == b"HTTP/1.1 200 OK"
        started = time.monotonic()
        clients.append(chat(emulator.url, "latency=60"))
    for client in clients:
        client.close()

    assert [record for record in caplog.records if record.levelno > logging.INFO or record.exc_info] == []
    assert time.monotonic() - started < 5
