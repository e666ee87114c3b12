"""The command line under test: in this process if only its output matters, otherwise as a process in a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from azureai_cli._app import app
from azureai_emulator import Emulator, serve

KEY = "canary-key-of-the-command-line-0123456789"
RUN = [sys.executable, "-c", "from azureai_cli import main; main()"]

_IN_TERMINAL = [  # takes control of the terminal first, so that Ctrl-C reaches it
    sys.executable,
    "-c",
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from azureai_cli import main; main()",
]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Cli:
    """Runs commands against one emulator, its key in the environment."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.emulator = emulator
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
        monkeypatch.delenv("AZURE_INFERENCE_MODEL", raising=False)
        monkeypatch.setenv("COLUMNS", "100")

    def __call__(self, *arguments: object, stdin: str | bytes | None = None) -> Done:
        """The result of a command, run in this process; its output never contains the key."""
        found = CliRunner().invoke(app, [str(item) for item in arguments], input=stdin)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert KEY not in found.stdout + found.stderr
        return Done(found.exit_code, found.stdout, found.stderr)

    def doctor(self, name: str, kind: Any = None, *more: object) -> Done:
        """`azureai doctor` on one of the emulator's deployments."""
        return self("doctor", self.emulator.endpoint(name, kind), "--model", name, *more)

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[Any]:
        """The command as a process of its own."""
        return subprocess.Popen([*RUN, *map(str, arguments)], **options)


class Terminal:
    """A process in a terminal; `screen` is everything it has printed."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._controller, terminal_side = pty.openpty()
        self.process = subprocess.Popen(
            [*_IN_TERMINAL, *arguments],
            stdin=terminal_side,
            stdout=terminal_side,
            stderr=terminal_side,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(terminal_side)
        self.screen = ""
        self._read_up_to = 0

    def type(self, text: str) -> None:
        """Types; `\\x03` is Ctrl-C, `\\x04` is Ctrl-D."""
        os.write(self._controller, text.encode())

    def interrupt(self, text: str) -> None:
        """Press Ctrl-C at a prompt until a text appears.

        On Ctrl-C, the terminal discards unread input. If readline was just about to read such a key, it notices neither
        this Ctrl-C nor a later one until it gets a key: so one is typed and waited for.
        """
        for _ in range(20):
            self.type("\x03")
            with suppress(AssertionError):
                return self.wait_for(text, 1)
            self.type("x")
            with suppress(AssertionError):
                self.wait_for("x", 1)
        raise AssertionError(f"no {text!r} after Ctrl-C in {self.screen!r}")

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Wait until a text appears after the one that was waited for last."""
        end = time.monotonic() + seconds
        while text not in self.screen[self._read_up_to :]:
            assert time.monotonic() < end, f"no {text!r} in {self.screen!r}"
            self._read(0.2)
        self._read_up_to = self.screen.index(text, self._read_up_to) + len(text)

    def end(self, seconds: float = 30) -> int:
        """The exit code, after the rest of the output was read."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.1)
        self._read(0.1)
        assert KEY not in self.screen
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._controller)

    def _read(self, seconds: float) -> None:
        if select.select([self._controller], [], [], seconds)[0]:
            try:
                self.screen += os.read(self._controller, 65536).decode("utf-8", "replace")
            except OSError:  # the other side is gone
                time.sleep(0.05)


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[Emulator]:
    with serve(key=KEY) as running:
        yield running


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Iterator[Emulator]:
    shared_emulator.clear()
    yield shared_emulator
    shared_emulator.clear()


@pytest.fixture
def cli(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(emulator, monkeypatch)


@pytest.fixture
def terminal(cli: Cli) -> Iterator[Any]:
    """Start commands, each in its own terminal, and end those that still run."""
    opened: list[Terminal] = []

    def start(*arguments: object, **environment: str) -> Terminal:
        opened.append(Terminal([str(item) for item in arguments], environment))
        return opened[-1]

    yield start
    for item in opened:
        item.close()
