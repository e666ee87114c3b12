"""Walk a newcomer's path with a clock: clone, demo, tests, docs, by the README's commands alone.

`python tools/newcomer.py` clones the committed state of this repository into a fresh folder with a space in its path.
`--copy` takes the files as they are on disk instead. `--quick` runs a part of the tests. Needs the package index and
this machine, nothing else. Stops at the first step that fails, and says where to look.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1800
"""Seconds after which a step is taken to hang."""
LEFT_OUT = (".git", ".venv*", "__pycache__", ".*_cache", "dist", "build", "htmlcov", "_build", ".peers")


@dataclass(frozen=True)
class Step:
    """A command of the README, and where to look when it fails."""

    name: str
    command: tuple[str, ...]
    look: str


def steps(folder: Path, *, copy: bool, quick: bool) -> list[Step]:
    """The path, in order."""
    clone = () if copy else ("git", "clone", "--quiet", str(ROOT), str(folder))
    tests = ("ARGS=-q tests/core tests/test_demo.py",) if quick else ()
    install = "the lines before the error: pip says which package it could not install, and from where"
    return [
        Step("clone", clone, f"git's message: is {ROOT} a repository with a commit?"),
        Step("make demo", ("make", "demo"), f"examples/demo.py, or {install}"),
        Step("make test", ("make", "test", *tests), f"the first failed test, or {install}"),
        Step("make docs", ("make", "docs"), "docs/conf.py, and the page that the message names"),
    ]


def environment() -> dict[str, str]:
    """A newcomer's: no virtual environment is active, no endpoint is set, no setting of another make goes along."""
    foreign = ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS", "PYTHONHOME")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {name: value for name, value in kept.items() if not name.startswith(("AZURE_", "AZUREAI_"))}


def walk(path: Sequence[Step], folder: Path, log: Path) -> tuple[list[tuple[str, float]], Step | None]:
    """The seconds of each step, and the step that failed, if one did. What they print goes into the log."""
    done: list[tuple[str, float]] = []
    for step in path:
        started = time.monotonic()
        print(f"  {step.name} …", flush=True)
        ended = run(step, folder, log)
        done.append((step.name, time.monotonic() - started))
        if not ended:
            return done, step
    return done, None


def run(step: Step, folder: Path, log: Path) -> bool:
    """Whether the step ended well."""
    if not step.command:
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
        return True
    place = folder if folder.exists() else folder.parent
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            step.command,
            cwd=place,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(LIMIT) == 0
        except subprocess.TimeoutExpired:
            output.write(f"Stopped after {LIMIT} s.\n")
            return False
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends what a step has started and left running: make's own children too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main() -> int:
    """The status: 0 when every step ended well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copy", action="store_true", help="take the files on disk, committed or not")
    parser.add_argument("--quick", action="store_true", help="run the core's tests and the demo's only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="newcomer ") as base:
        folder, log = Path(base) / "azureai adapters", Path(base) / "log.txt"
        print(f"In {folder}")
        done, failed = walk(steps(folder, copy=options.copy, quick=options.quick), folder, log)
        for name, seconds in [*done, ("together", sum(seconds for _, seconds in done))]:
            print(f"  {name:<12} {seconds:7.1f} s")
        if failed is None:
            print("A newcomer gets through.")
            return 0
        said = log.read_text("utf-8").splitlines()[-40:] if log.exists() else []
        print("\n".join(said), file=sys.stderr)
        print(f"\n{failed.name} failed. Look at {failed.look}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
