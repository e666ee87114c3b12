"""Check the wheel and the sdist in a folder: what is in them, what they say of themselves, and that they install alone.

`python tools/check_distribution.py dist` looks into both files, then installs the wheel in one fresh environment per
extra, and the sdist in one more. In each it runs `distribution/EXTRA.py`, which imports what the extra promises and
makes a call over loopback. Ends with status 1 at the first thing that is wrong, and says what.
"""

from __future__ import annotations

import argparse
import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = Path(__file__).resolve().parent / "distribution"
PACKAGES = ("azureai_cli", "azureai_core", "azureai_emulator", "langchain_azureai", "llamaindex_azureai")
TESTED_FROM = (
    "constraints-lowest.txt",
    "benchmarks/conformance/langchain_checks.py",
    "notebooks/01-langchain-chat-and-streaming.ipynb",
    "tools/check_distribution.py",
)
"""What the tests read beside `tests` and the packages."""
LEFTOVERS = ("__pycache__", ".pyc", ".pyo", ".DS_Store", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".orig")


@dataclass(frozen=True)
class Install:
    """An environment: the extra it has, what is installed beside it, and the check that runs in it."""

    extra: str
    beside: tuple[str, ...] = ()
    sdist: bool = False

    @property
    def name(self) -> str:
        """How the report calls it."""
        return (self.extra or "core") + (" (sdist)" if self.sdist else "")


INSTALLS = (
    Install("llamaindex"),
    Install("all", beside=("pytest",)),
    Install("langchain"),
    Install("emulator", beside=("pytest",)),
    Install("cli"),
    Install("identity"),
    Install("otel"),
    Install(""),
    Install("", sdist=True),
)


class DistributionError(Exception):
    """What is wrong, in one sentence."""


def require(condition: object, complaint: str) -> None:
    """Raises `DistributionError` with the complaint unless the condition holds."""
    if not condition:
        raise DistributionError(complaint)


# ---------------------------------------------------------------------------- the two files


def the_one(folder: Path, pattern: str) -> Path:
    """The file of the pattern in the folder; there must be one."""
    found = sorted(folder.glob(pattern))
    require(len(found) == 1, f"{folder} has {len(found)} files {pattern}, not one: build into an empty folder.")
    return found[0]


def source_files() -> set[str]:
    """The packages' files relative to the tree."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file())
    return {file.relative_to(ROOT).as_posix() for file in files if not is_leftover(file.as_posix())}


def is_leftover(name: str) -> bool:
    """Whether a file is what a tool left behind."""
    return any(part in name for part in LEFTOVERS)


def check_wheel(wheel: Path) -> None:
    """The wheel has the packages' files, all of them, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        info = {name for name in names if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(the_info(info, "METADATA")).decode())
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(the_info(info, "entry_points.txt")).decode())
    missing, stray = source_files() - names, names - source_files() - info
    require(not missing, f"The wheel lacks {', '.join(sorted(missing))}.")
    require(not stray, f"The wheel has what is not in the tree: {', '.join(sorted(stray))}.")
    untyped = [package for package in PACKAGES if f"{package}/py.typed" not in names]
    require(not untyped, f"No py.typed in {', '.join(untyped)}.")
    require(any(name.endswith("licenses/LICENSE") for name in info), "The wheel has no licence text.")
    check_metadata(metadata)
    check_entry_points(entries)


def the_info(names: set[str], name: str) -> str:
    """The file of that name in the wheel's dist-info."""
    found = [item for item in names if item.endswith(f".dist-info/{name}")]
    require(found, f"The wheel has no {name}.")
    return found[0]


def check_metadata(metadata: Message) -> None:
    """What an index shows: summary, description, licence, addresses, Python versions, extras."""
    for field in ("Summary", "Requires-Python", "License-Expression", "Keywords", "Author"):
        require(metadata[field], f"The metadata has no {field}: add it to [project] in pyproject.toml.")
    require(metadata["Description-Content-Type"] == "text/markdown", "The description is not declared as Markdown.")
    text = str(metadata.get_payload())
    require(text.lstrip().startswith("# ") and text.count("```") % 2 == 0, "The description is not whole Markdown.")
    classifiers = metadata.get_all("Classifier") or []
    for wanted in ("Development Status ::", "Programming Language :: Python :: 3.11", "Typing :: Typed", "Topic ::"):
        require(any(item.startswith(wanted) for item in classifiers), f"No classifier {wanted!r}.")
    extras = set(metadata.get_all("Provides-Extra") or [])
    require(extras >= {item.extra for item in INSTALLS if item.extra}, f"Extras are {sorted(extras)}.")
    core = [item for item in metadata.get_all("Requires-Dist") or [] if "extra ==" not in item]
    names = sorted(re.split(r"[<>=]", item)[0] for item in core)
    require(names == ["certifi", "httpcore", "httpx", "pydantic", "pydantic-core"], f"Core needs {core}.")


def check_entry_points(entries: configparser.ConfigParser) -> None:
    """The command and the pytest plugin."""
    require(entries["console_scripts"]["azureai"] == "azureai_cli:main", "No command azureai.")
    require(entries["pytest11"]["azureai_emulator"] == "azureai_emulator.pytest_plugin", "No pytest plugin.")


def check_sdist(sdist: Path) -> None:
    """The sdist has what the packages are built and tested from, and no leftovers."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = source_files() - names
    require(not missing, f"The sdist lacks {', '.join(sorted(missing))}.")
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "Makefile",
        "tests/conftest.py",
        *TESTED_FROM,
    ):
        require(name in names, f"The sdist lacks {name}.")
    stray = sorted(name for name in names if is_leftover(name) or name.startswith((".venv", "dist/", ".git/")))
    require(not stray, f"The sdist has {', '.join(stray)}.")


# ---------------------------------------------------------------------------- fresh environments


def run(command: list[str | Path], folder: Path, failure: str) -> str:
    """What a command prints; a `DistributionError` with its last lines when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=600)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise DistributionError(f"{failure}\n{last}")
    return done.stdout


def try_install(item: Install, wheel: Path, sdist: Path, base: Path) -> str:
    """Installs into a new environment and runs its check there; a line of the report."""
    started = time.monotonic()
    folder = base / item.name.replace(" ", "-")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    target = f"{sdist if item.sdist else wheel}{f'[{item.extra}]' if item.extra else ''}"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", target, *item.beside], folder, f"{item.name} does not install.")
    run([*pip, "check"], folder, f"{item.name}: pip check complains.")
    shutil.copytree(CHECKS, folder / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    # Outside the tree and without it on the path: only what was installed can be imported.
    program = folder / "checks" / f"{item.extra or 'core'}.py"
    check: list[str | Path] = [python, "-I", "-W", "error::ResourceWarning", program]
    said = run(check, folder, f"{item.name}: its check fails.")
    count = len(run([*pip, "freeze", "--all"], folder, "pip freeze fails.").splitlines()) - 1
    return f"  {item.name:<14} {count:>3} further packages {time.monotonic() - started:6.1f} s  {said.strip()}"


def main() -> int:
    """The status: 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the wheel and the sdist are")
    parser.add_argument("--only", nargs="*", default=None, help="extras to try; 'core' is the one without")
    parser.add_argument("--jobs", type=int, default=2, help="environments at a time")
    options = parser.parse_args()
    chosen = [item for item in INSTALLS if options.only is None or (item.extra or "core") in options.only]
    try:
        folder = options.folder.resolve()
        wheel, sdist = the_one(folder, "*.whl"), the_one(folder, "*.tar.gz")
        check_wheel(wheel)
        check_sdist(sdist)
        print(f"{wheel.name}, {sdist.name}: contents and metadata are right.")
        with tempfile.TemporaryDirectory() as base, ThreadPoolExecutor(options.jobs) as pool:
            for line in pool.map(lambda item: try_install(item, wheel, sdist, Path(base)), chosen):
                print(line, flush=True)
    except DistributionError as error:
        print(f"The distribution is not right: {error}", file=sys.stderr)
        return 1
    print("The distribution is right.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
