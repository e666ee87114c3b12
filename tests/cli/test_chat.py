"""`azureai chat`: one answer for a pipe, a conversation for a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess

import pytest

from azureai_emulator import Fault

RED = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde\x00\x00\x00\x0c"
    b"IDATx\x9cc\xf8\xcf\xc0\x00\x00\x03\x01\x01\x00\xc9\xfe\x92\xef\x00\x00\x00\x00IEND\xaeB`\x82"
)


@pytest.fixture
def chat(cli):
    """`azureai chat` with gpt-4o, or another deployment."""

    def run(*arguments, name="gpt-4o", kind="openai-v1", stdin=None):
        url = cli.emulator.endpoint(name, kind)
        return cli("chat", url, "--model", name, *arguments, stdin=stdin)

    return run


def body(emulator):
    return json.loads(emulator.requests[-1].body_bytes)


def test_a_question_from_a_pipe_is_answered_on_stdout(chat):
    """Only the answer goes to stdout; the usage line goes to stderr."""
    done = chat(stdin="Hello from a pipe\n")

    assert done.code == 0
    assert done.out.startswith('You said "Hello from a pipe".')
    assert done.out.count("\n") == 1
    assert "tokens" in done.err


def test_a_question_on_the_command_line_is_answered(chat, emulator):
    """`-m`, with all options in the request, zero included."""
    chat("-m", "Hello", "--system", "Be kind.", "--temperature", "0", "--max-tokens", "50")
    sent = body(emulator)

    assert sent["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    assert (sent["temperature"], sent["max_tokens"], sent["stream"]) == (0, 50, True)


def test_options_that_were_not_given_are_not_sent(chat, emulator):
    """No temperature, no limit."""
    chat("-m", "Hello", name="mistral-large-2411", kind="serverless")

    assert body(emulator).keys() == {"messages", "model", "stream"}


@pytest.mark.slow
def test_the_answer_is_printed_while_it_streams(cli, emulator):
    """The first words are printed before the stream ends."""
    emulator.faults(Fault(frame_latency=0.2))
    url = emulator.endpoint("gpt-4o")
    process = cli.start("chat", url, "-m", "Hello", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = process.stdout.read(3)
    early = process.poll() is None
    rest, _ = process.communicate(timeout=60)

    assert early
    assert (first + rest).decode().startswith('You said "Hello".')


def test_reasoning_goes_to_stderr(chat):
    """A pipe gets only the answer."""
    done = chat("-m", "Hello", name="deepseek-r1", kind="models")

    assert "<think>" not in done.out
    assert done.out.startswith("You said")
    assert "The user wrote" in done.err


def test_json_has_the_whole_answer(chat):
    """One object, with text, reasoning, usage and request id."""
    done = chat("-m", "Hello", "--json", name="deepseek-r1", kind="models")
    answer = json.loads(done.out)

    assert answer["content"].startswith("You said")
    assert answer["reasoning"].startswith("The user wrote")
    assert answer["usage"]["total_tokens"] > 0
    assert (answer["finish_reason"], answer["model"]) == ("stop", "deepseek-r1")
    assert answer["request_id"]
    assert done.err == ""


def test_an_image_is_sent_with_the_question(chat, emulator, tmp_path):
    """It is sent as a data URL."""
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    done = chat("-m", "What is it?", "--image", path)

    assert "image/png" in done.out
    assert [part["type"] for part in body(emulator)["messages"][0]["content"]] == ["text", "image_url"]


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_file_that_is_not_an_image_ends_with_2(chat, emulator, tmp_path, content):
    """A missing file, or one of another format; nothing is sent."""
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    done = chat("-m", "What is it?", "--image", path)

    assert done.code == 2
    assert str(path) in done.err
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (Fault(status=401, times=9), 4, "AZURE_INFERENCE_CREDENTIAL"),
        (Fault(status=400, body={"error": {"message": "no"}}, times=9), 1, "does not accept"),
        (Fault(status=503, headers={"retry-after": "0"}, times=9), 1, "failed"),
        (Fault(reset_before_body=True, times=9), 3, "connection"),
        (Fault(cut_stream_after=3), 1, "interrupted"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(chat, emulator, fault, code, said):
    """There is no traceback."""
    emulator.faults(fault)
    done = chat("-m", "Hello")

    assert done.code == code
    assert said in done.err
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


def test_a_filtered_prompt_is_reported_as_such(chat):
    """The message names the content filter."""
    done = chat("-m", "emulator:violence")

    assert done.code == 1
    assert "content filter" in done.err


def test_the_error_names_an_unknown_deployment(chat, cli):
    """The exit code is 5."""
    done = cli("chat", f"{cli.emulator.url}/openai/v1", "--model", "nope", "-m", "hi")

    assert done.code == 5
    assert "'nope'" in done.err


def test_an_empty_question_ends_with_2(chat, emulator):
    """Nothing is sent."""
    assert chat(stdin="  \n").code == 2
    assert emulator.requests == []


def test_a_pipe_that_is_not_text_ends_with_2(chat, emulator):
    """One sentence is printed, and nothing is sent."""
    done = chat(stdin=b"caf\xe9\n")

    assert done.code == 2
    assert "stdin is not UTF-8 text" in done.err
    assert emulator.requests == []


def test_a_byte_order_mark_is_not_sent(chat, emulator):
    """Windows puts one before the text."""
    chat(stdin="\ufeffHello\n".encode())

    assert body(emulator)["messages"][0]["content"] == "Hello"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_character_that_stdout_cannot_encode_is_replaced(cli, emulator, encoding):
    """By `?` in text, by an escape sequence in JSON, as with a pipe on Windows."""
    emulator.script(["Done \u2713", "Done \u2713"])
    command = ("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o", "-m", "Hello")
    options = {"stdout": subprocess.PIPE, "env": os.environ | {"PYTHONIOENCODING": encoding}}
    plain, as_json = (cli.start(*command, *more, **options).communicate(timeout=60)[0] for more in ((), ("--json",)))

    assert plain.decode(encoding).strip() == "Done ?"
    assert json.loads(as_json)["content"] == "Done \u2713"


def test_a_conversation_has_a_history(terminal, emulator):
    """The second request contains the first answer; `/exit` ends the conversation."""
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o", "--system", "Be kind.")
    screen.wait_for("/exit")
    screen.type("My name is Ada.\n")
    screen.wait_for("tokens")
    screen.type("What is my name?\n")
    screen.wait_for("Your name is Ada")
    screen.wait_for("tokens")
    screen.type("/exit\n")

    assert screen.end() == 0
    roles = [message["role"] for message in body(emulator)["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_answers_can_go_to_a_file_and_prompts_stay_on_the_screen(cli, emulator):
    """`azureai chat --json > answers.jsonl`, typed in a terminal."""
    controller, terminal_side = pty.openpty()
    command = ("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o", "--json")
    process = cli.start(*command, stdin=terminal_side, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.write(controller, b"Hello\nHello again\n/exit\n")
    out, screen = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal_side)

    assert process.returncode == 0
    assert [json.loads(line)["finish_reason"] for line in out.splitlines()] == ["stop", "stop"]
    assert screen.count(b"> ") == 3


@pytest.mark.slow
def test_ctrl_c_stops_the_answer_not_the_program(terminal, emulator):
    """The partial answer is kept, the next question is answered, and Ctrl-D ends the conversation."""
    emulator.faults(Fault(frame_latency=0.4))
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o")
    screen.wait_for("/exit")
    screen.type("Tell me much.\n")
    screen.wait_for("You said")
    screen.type("\x03")
    screen.wait_for("(stopped)")
    screen.type("Hello again\n")
    screen.wait_for('You said "Hello again"')
    screen.wait_for("tokens")
    screen.wait_for(">")
    screen.type("\x04")

    assert screen.end() == 0
    messages = body(emulator)["messages"]
    assert messages[1]["role"] == "assistant"
    assert messages[1]["content"].startswith("You")
    assert "not a model" not in messages[1]["content"]


@pytest.mark.slow
def test_an_image_is_sent_once_even_if_its_answer_was_stopped(terminal, emulator, tmp_path):
    """Later requests contain it only in the history."""
    (tmp_path / "red.png").write_bytes(RED)
    emulator.faults(Fault(frame_latency=0.4))
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o", "--image", tmp_path / "red.png")
    screen.wait_for("/exit")
    screen.type("What is this?\n")
    screen.wait_for("The emulator received")
    screen.type("\x03")
    screen.wait_for("(stopped)")
    screen.type("Hello again\n")
    screen.wait_for("tokens")
    screen.type("/exit\n")

    assert screen.end() == 0
    assert [isinstance(message["content"], list) for message in body(emulator)["messages"]] == [True, False, False]


def test_ctrl_c_at_the_prompt_starts_a_new_line(terminal, emulator):
    """The conversation continues."""
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o")
    screen.wait_for(">")
    screen.type("half a quest")
    screen.wait_for("half a quest")
    screen.interrupt(">")
    screen.type("/exit\n")

    assert screen.end() == 0
    assert emulator.requests == []


def test_an_error_does_not_end_the_conversation(terminal, emulator):
    """The refused question is removed from the history."""
    emulator.faults(Fault(status=400, body={"error": {"message": "no"}}))
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o")
    screen.wait_for("/exit")
    screen.type("First\n")
    screen.wait_for("does not accept")
    screen.type("Second\n")
    screen.wait_for('You said "Second"')
    screen.wait_for("tokens")
    screen.wait_for(">")
    screen.type("\x04")

    assert screen.end() == 0
    assert [message["content"] for message in body(emulator)["messages"]] == ["Second"]


@pytest.mark.slow
def test_ctrl_c_ends_a_single_answer_with_130(terminal, emulator):
    """Without a conversation, Ctrl-C ends the command."""
    emulator.faults(Fault(frame_latency=0.4))
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o", "-m", "Hello")
    screen.wait_for("You")
    screen.type("\x03")

    assert screen.end() == 130
    assert "Traceback" not in screen.screen


def test_an_answer_cannot_rewrite_the_terminal(terminal, emulator):
    """Escape sequences of a model do not reach the screen."""
    emulator.script(["before \x1b[2J\x07 after"])
    screen = terminal("chat", emulator.endpoint("gpt-4o"), "--model", "gpt-4o", "-m", "Hello")

    assert screen.end() == 0
    assert "after" in screen.screen
    assert "\x1b[2J" not in screen.screen
