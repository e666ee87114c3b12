"""The Makefile's environments: one per Python that is named, and none with a Python that is too old."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space in its name, and what the first step of each target reads."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def python(folder: Path, name: str, version: tuple[int, int], code: str = "") -> str:
    """The path of a program that runs `-c` as Python of that version would, and other arguments as `code` says."""
    path = folder / name
    lines = (
        f"#!{sys.executable}",
        "import sys",
        f"sys.version_info = {(*version, 0)}",
        "if sys.argv[1] == '-c':",
        "    exec(sys.argv[2])",
        "else:",
        f"    {code or 'sys.exit(3)'}",
    )
    path.write_text("\n".join(lines), "utf-8")
    path.chmod(0o755)
    return str(path)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Without what a `make test PYTHON=…` that runs these tests hands on."""
    kept = {name: value for name, value in os.environ.items() if not re.match("M(AKE)?FLAGS|MAKELEVEL|PYTHON$", name)}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=kept, capture_output=True, encoding="utf-8", check=False
    )


def test_a_python_that_is_too_old_is_refused_in_one_sentence(checkout: Path, tmp_path: Path) -> None:
    """Before anything is made, with what to do; and a new enough one can follow."""
    done = make(checkout, "demo", f"PYTHON={python(tmp_path, 'python3.10', (3, 10))}")
    sentences = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]

    assert done.returncode != 0
    assert len(sentences) == 1
    assert "needs Python 3.11 or newer" in sentences[0]
    assert "python3.10 is 3.10: " in sentences[0]
    assert list(checkout.glob(".venv*")) == []


def test_an_environment_that_could_not_be_made_leaves_nothing(checkout: Path, tmp_path: Path) -> None:
    """As on Debian without python3-venv, which stops when the folder is half made."""
    half = "import os; os.makedirs(sys.argv[-1] + '/bin'); print(sys.argv, file=sys.stderr); sys.exit(1)"
    done = make(checkout, "demo", f"PYTHON={python(tmp_path, 'python3', (3, 12), half)}")

    assert done.returncode != 0
    assert "'venv'" in done.stderr
    assert list(checkout.glob(".venv*")) == []


def test_a_named_python_gets_an_environment_of_its_own(checkout: Path, tmp_path: Path) -> None:
    """So that two versions can be tested in turns."""
    named = make(checkout, "--dry-run", "test", f"PYTHON={python(tmp_path, 'python', (3, 99))}").stdout

    assert ".venv-3.99/bin/python -m pytest" in named
    assert ".venv/" not in named
    assert ".venv/bin/python -m pytest" in make(checkout, "--dry-run", "test").stdout


def test_users_find_their_targets_first() -> None:
    """The demo is what a newcomer runs."""
    listed = [line for line in make(ROOT).stdout.splitlines() if line]

    assert listed[:2] == ["To try it", next(line for line in listed if line.startswith("demo "))]
