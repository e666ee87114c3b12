"""docs/command-line.md says what the commands do: its output is what they print, its tables are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from azureai_cli._app import app
from azureai_cli._connect import EXIT_CODES, ExitCode
from azureai_cli._probes import CHAT, EMBEDDINGS
from azureai_cli._probing import Verdict

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text("utf-8")
COMMANDS = ("doctor", "chat", "embed")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def shape(text: str) -> list[str]:
    """The lines, with every number as `N` and without trailing blanks."""
    return [re.sub(r"\d[\d,]*", "N", line.rstrip()) for line in text.strip("\n").splitlines()]


def test_the_report_on_the_page_is_the_one_that_is_printed(cli, emulator, monkeypatch):
    """Line by line, except for the numbers."""
    monkeypatch.setenv("COLUMNS", "88")
    done = cli("doctor", emulator.endpoint("mistral-large-2411", "serverless"), "--yes")
    shown = blocks("text")[0].split("\n", 1)
    announced = " ".join(done.err.split())

    assert shape(shown[0]) == shape(announced)
    assert shape(shown[1]) == shape(done.out)


def test_the_failure_on_the_page_is_the_one_that_is_printed(cli, emulator, monkeypatch):
    """Including the panel with the cause."""
    monkeypatch.setenv("COLUMNS", "88")
    done = cli("doctor", f"{emulator.url}/openai/v1", "--model", "gpt-5", "--yes")

    assert shape(blocks("text")[1]) == shape(done.out)


def test_the_json_on_the_page_has_the_keys_that_are_printed(cli, emulator, tmp_path, monkeypatch):
    """A report, an answer and a summary."""
    monkeypatch.chdir(tmp_path)
    Path("cities.txt").write_text("One\n")
    report, answer, summary = (json.loads(block) for block in blocks("json"))
    url = emulator.endpoint("cohere-embed-v3-english", "models")
    real = json.loads(cli("doctor", url, "--model", "cohere-embed-v3-english", "--json").out)
    answered = cli("chat", emulator.endpoint("deepseek-r1", "models"), "--model", "deepseek-r1", "-m", "Hi", "--json")
    job = cli("embed", "cities.txt", "--endpoint", url, "--model", "cohere-embed-v3-english", "--json")

    assert list(report) == list(real)
    assert [item["name"] for item in report["findings"]] == [item["name"] for item in real["findings"]]
    assert list(answer) == list(json.loads(answered.out))
    assert list(summary) == list(json.loads(job.out))


def test_every_finding_sign_and_exit_code_is_explained():
    """The page names each finding, each verdict and each exit code."""
    for probe in (*CHAT, *EMBEDDINGS):
        assert f"`{probe.name}`" in PAGE
    for verdict in Verdict:
        assert f"`{verdict}`" in PAGE
    for code in ExitCode:
        assert f"| {int(code)} |" in PAGE
        assert re.search(rf"\b{int(code)} ", EXIT_CODES)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_on_the_page_and_in_the_help(cli, name):
    """The help ends with the exit codes."""
    command = get_command(app).commands[name]
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    help_text = cli(name, "--help").out

    for option in options:
        assert option in PAGE
        assert option in help_text
    assert "Exit codes" in help_text


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_takes_the_key(name):
    """A key on the command line would stay in the shell's history."""
    options = {option for parameter in get_command(app).commands[name].params for option in parameter.opts}

    assert not options & {"--key", "--api-key", "--credential", "--token"}
