"""The command `azureai`."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import version

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
