"""Someone who types the commands of a page: one folder, one environment, one server at a time.

Three things differ from the page. Its port 8100 is a free one, its `https://NAME.services.ai.azure.com` is an emulator,
and what reads from the keyboard gets `TYPED`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from azureai_emulator import Emulator
from azureai_emulator.__main__ import _parser

TYPED = "Why is the sea salty?\n"
_SERVER = re.compile(r"(python -m azureai_emulator|azureai emulate)\b(?!.* (--help|-h)\b)")
_PORT = "http://127.0.0.1:8100"
_RESOURCE = "https://NAME.services.ai.azure.com"


@dataclass(frozen=True)
class Typed:
    """A command that was run, and what it showed: stdout and stderr as they came."""

    line: str
    code: int
    shown: str


class Reader:
    """Types line by line; `emulator` is what listens where the page's own server does not."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self._folder = folder
        self._emulator = emulator
        self._server: Server | None = None
        self.environment = {
            **os.environ,
            # Commands are those of this environment, not what the machine may have under the same names.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AZURE_INFERENCE_ENDPOINT": _PORT + "/models",
            "AZURE_INFERENCE_CREDENTIAL": emulator.key,
            "COLUMNS": "88",
        }

    def type(self, line: str) -> Typed | None:
        """What a line showed; `None` for one that shows nothing by itself: a variable, or a server."""
        if _SERVER.match(line):
            self.stop_server()
            environment = self._environment_here()
            self._server = Server(line.replace(_RESOURCE, self._emulator.url), self._folder, environment)
            return None
        if line.startswith("export "):
            self.environment |= dict(word.split("=", 1) for word in shlex.split(line, comments=True)[1:])
            return None
        return self._run(line)

    def stop_server(self) -> None:
        """Presses Ctrl-C where the server runs. It must end cleanly."""
        server, self._server = self._server, None
        if server is not None:
            assert server.stop() == 0

    def _run(self, line: str) -> Typed:
        done = subprocess.run(
            ["sh", "-c", self._here(line)],
            input=TYPED,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            cwd=self._folder,
            env=self._environment_here(),
            timeout=60,
            check=False,
        )
        return Typed(line, done.returncode, done.stdout.replace(self._url, _PORT))

    def _environment_here(self) -> dict[str, str]:
        return {name: self._here(value) for name, value in self.environment.items()}

    def _here(self, text: str) -> str:
        return text.replace(_PORT, self._url).replace(_RESOURCE, self._url)

    @property
    def _url(self) -> str:
        return self._server.url if self._server is not None else self._emulator.url


class Server:
    """An emulator that a page's command started, and that has answered once."""

    def __init__(self, line: str, folder: Path, environment: dict[str, str]) -> None:
        words = shlex.split(line, comments=True)
        self.options = _parser("").parse_args(words[3:] if words[0] == "python" else words[2:])
        self._process = subprocess.Popen(
            [*words, "--port", "0"], stdout=subprocess.PIPE, encoding="utf-8", cwd=folder, env=environment
        )
        try:
            self.url = self._first_line().split()[-1]
            self._ask()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """Its exit code after Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        assert self._process.stdout is not None
        self._process.stdout.read()
        self._process.stdout.close()
        return self._process.wait(30)

    def _first_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("Azure AI emulator on http://127.0.0.1:"), line
        return line

    def _ask(self) -> None:
        """A question, with the key of the command, to what the command serves."""
        url, body = f"{self.url}/models", {"messages": [{"role": "user", "content": "Hello"}]}
        model = "mistral-large-2411"
        if self.options.deployments is not None:
            first = self._get("/deployments")[0]
            url, model = next(iter(first["urls"].values())), first["name"]
        answer = httpx.post(
            f"{url}/chat/completions?api-version=2024-05-01-preview",
            json={**body, "model": model},
            headers=self._headers,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]

    def _get(self, path: str) -> Any:
        return httpx.get(self.url + path, headers=self._headers).raise_for_status().json()

    @property
    def _headers(self) -> dict[str, str]:
        # Endpoint kinds disagree on which they read.
        return {"api-key": self.options.key, "authorization": f"Bearer {self.options.key}"}
