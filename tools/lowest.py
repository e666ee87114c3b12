"""Run the tests with the oldest versions that pyproject.toml promises (constraints-lowest.txt), in fresh environments.

There are two, since no single one can have all the oldest versions: LlamaIndex needs a newer pydantic than we do, and
LangChain's standard tests a newer httpx. `--keep DIR` keeps the environments there and uses them again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    """What is installed, which of the oldest versions cannot be had with it, and which tests run."""

    name: str
    extras: str
    tests: tuple[str, ...]
    newer: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()


NO_STANDARD_SUITE = "--ignore=tests/langchain/test_standard.py"
ENVIRONMENTS = (
    Environment(
        "core and LangChain",
        "langchain,identity,emulator,cli,otel,dask,parquet",
        ("tests/core", "tests/contract", "tests/emulator", "tests/langchain", "tests/test_cli.py", NO_STANDARD_SUITE),
        newer=frozenset({"llama-index-core"}),
        without=frozenset({"langchain-tests"}),
    ),
    Environment(
        "both frameworks",
        "langchain,llamaindex,identity,emulator,cli,otel",
        ("tests/langchain", "tests/llamaindex", "tests/dropin"),
        newer=frozenset({"httpx", "pydantic"}),
    ),
)


def name_of(requirement: str) -> str:
    """The package of a requirement."""
    return re.split(r"[\[<>=! ]", requirement, maxsplit=1)[0]


def oldest(leave_out: frozenset[str]) -> list[str]:
    """The pins of constraints-lowest.txt, without some."""
    lines = (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines()
    return [line for line in lines if "==" in line and name_of(line) not in leave_out]


def tools_of_tests(leave_out: frozenset[str]) -> list[str]:
    """What the tests here need. pytest-benchmark otherwise comes with langchain-tests; the pytest options name it."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    wanted = [item for item in groups["test"] + groups["demo"] if isinstance(item, str)]  # not the group in it
    return [item for item in wanted if name_of(item) not in leave_out] + ["pytest-benchmark"]


def install(environment: Environment, folder: Path) -> Path:
    """Makes the environment, or takes the one that is there; its python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    pins = folder / "oldest.txt"
    pins.write_text("\n".join(oldest(environment.newer)), encoding="utf-8")
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    project: list[str | Path] = ["--editable", f"{ROOT}[{environment.extras}]"]
    subprocess.run([*pip, "--constraint", pins, *project, *tools_of_tests(environment.without)], check=True)
    return python


def run(environment: Environment, folder: Path, arguments: list[str]) -> int:
    """The status of the tests in the environment; a warning of an old version is no error."""
    print(f"Installing the oldest versions: {environment.name}", flush=True)
    python = install(environment, folder)
    command: list[str | Path] = [python, "-m", "pytest", "-q", "-W", "default"]
    return subprocess.run([*command, *environment.tests, *arguments], cwd=ROOT, check=False).returncode


def main() -> int:
    """The status: 0 when the tests pass in both environments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="keep the environments below this folder")
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        base = options.keep or Path(temporary)
        folders = [base / f"lowest-{number}" for number in range(len(ENVIRONMENTS))]
        statuses = [run(item, folder, arguments) for item, folder in zip(ENVIRONMENTS, folders, strict=True)]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
