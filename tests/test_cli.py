"""The command `azureai`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx

RUN = [sys.executable, "-c", "from azureai_cli import main; main()"]


def test_version_prints_the_installed_version() -> None:
    """One line."""
    done = subprocess.run([*RUN, "version"], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == version("azureai-adapters")


def test_emulate_serves_until_it_is_told_to_stop() -> None:
    """It prints its URL, answers there, and ends cleanly."""
    process = subprocess.Popen([*RUN, "emulate", "--port", "0", "--key", "k"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        assert httpx.get(f"{url}/deployments", headers={"api-key": "k"}).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        process.stdout.close()
        assert process.wait(30) == 0


def test_without_its_libraries_it_says_what_to_install() -> None:
    """Exit status 2 and one sentence."""
    blocked = "import sys; sys.modules['typer'] = None; from azureai_cli import main; main()"
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "pip install 'azureai-adapters[cli]'" in done.stderr


def test_a_bug_does_not_show_the_key() -> None:
    """A traceback has lines of code, not the values that they worked with."""
    broken = """
import azureai_cli._connect as connect
from azureai_cli import main

def target(*args, **kwargs):
    secret = connect._secret(None, entra=False).key
    raise RuntimeError("a bug")

connect.target = target
main()
"""
    environment = os.environ | {"AZURE_INFERENCE_CREDENTIAL": "canary-key-of-a-traceback", "COLUMNS": "200"}
    command = [sys.executable, "-c", broken, "chat", "-m", "Hello"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert done.returncode == 1
    assert "RuntimeError: a bug" in done.stderr
    assert "canary-key" not in done.stdout + done.stderr


def test_ctrl_c_ends_a_download_with_130(tmp_path: Path) -> None:
    """One word; nothing is left where the model would lie."""
    with socket.create_server(("127.0.0.1", 0)) as index:  # takes the request, and never answers
        index.settimeout(60)
        environment = os.environ | {
            "AZUREAI_MODELS": str(tmp_path / "models"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/simple/",
        }
        environment.pop("PIP_EXTRA_INDEX_URL", None)
        process = subprocess.Popen([*RUN, "models", "pull"], stderr=subprocess.PIPE, text=True, env=environment)
        asked, _ = index.accept()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        asked.close()

    assert process.returncode == 130
    assert said.strip() == "azureai: Stopped."
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
