"""The release tools judge rightly: what they would say of a bad wheel, of an advisory, of a licence."""

from __future__ import annotations

import importlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
audit: Any = importlib.import_module("audit")
dist: Any = importlib.import_module("check_distribution")
lowest: Any = importlib.import_module("lowest")
newcomer: Any = importlib.import_module("newcomer")

METADATA = """\
Metadata-Version: 2.4
Name: azureai-adapters
Version: 0.1.0
Summary: adapters
Author: developers
License-Expression: MIT
Keywords: azure
Classifier: Development Status :: 3 - Alpha
Classifier: Programming Language :: Python :: 3.11
Classifier: Topic :: Software Development
Classifier: Typing :: Typed
Requires-Python: >=3.11
Requires-Dist: certifi
Requires-Dist: httpcore<2,>=1
Requires-Dist: httpx<1,>=0.27
Requires-Dist: pydantic-core>=2.23
Requires-Dist: pydantic<3,>=2.9
Provides-Extra: all
Provides-Extra: cli
Provides-Extra: emulator
Provides-Extra: identity
Provides-Extra: langchain
Provides-Extra: llamaindex
Provides-Extra: otel
Description-Content-Type: text/markdown

# azureai-adapters
"""
ENTRY_POINTS = """\
[console_scripts]
azureai = azureai_cli:main
[pytest11]
azureai_emulator = azureai_emulator.pytest_plugin
"""


def wheel(folder: Path, **changes: str | None) -> Path:
    """A wheel of the tree's files; `changes` are further files, or `None` for one that is left out."""
    info = "azureai_adapters-0.1.0.dist-info"
    files = {name: (ROOT / name).read_bytes() for name in dist.source_files()}
    files |= {f"{info}/METADATA": METADATA.encode(), f"{info}/entry_points.txt": ENTRY_POINTS.encode()}
    files[f"{info}/licenses/LICENSE"] = b"MIT"
    for name, text in changes.items():
        place = name.replace("INFO", info)
        files.pop(place, None)
        if text is not None:
            files[place] = text.encode()
    path = folder / "made.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_right_wheel_passes(tmp_path: Path) -> None:
    """All files of the packages, the metadata and the entry points are there."""
    dist.check_wheel(wheel(tmp_path))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"azureai_core/py.typed": None}, "lacks azureai_core/py.typed"),
        ({"azureai_emulator/page/index.html": None}, "lacks azureai_emulator/page/index.html"),
        ({"tests/test_a.py": ""}, "not in the tree: tests/test_a.py"),
        ({"azureai_core/__pycache__/_sse.cpython-311.pyc": ""}, "not in the tree"),
        ({"INFO/licenses/LICENSE": None}, "no licence text"),
        ({"INFO/METADATA": METADATA.replace("Summary: adapters\n", "")}, "no Summary"),
        ({"INFO/METADATA": METADATA.replace("Classifier: Topic :: Software Development\n", "")}, "No classifier"),
        ({"INFO/METADATA": METADATA.replace("text/markdown", "text/plain")}, "Markdown"),
        ({"INFO/METADATA": METADATA.replace("Keywords", "Requires-Dist: requests>=2\nKeywords")}, "Core needs"),
        ({"INFO/entry_points.txt": ENTRY_POINTS.replace("azureai_cli:main", "azureai_cli:app")}, "No command azureai"),
    ],
)
def test_what_is_wrong_with_a_wheel_is_said(tmp_path: Path, changes: dict[str, str | None], complaint: str) -> None:
    """One sentence names it."""
    with pytest.raises(dist.DistributionError, match=complaint):
        dist.check_wheel(wheel(tmp_path, **changes))


def test_two_builds_in_a_folder_are_refused(tmp_path: Path) -> None:
    """Nobody can tell which one was meant."""
    for name in ("a.whl", "b.whl"):
        (tmp_path / name).touch()

    with pytest.raises(dist.DistributionError, match="2 files"):
        dist.the_one(tmp_path, "*.whl")


def test_every_extra_of_users_is_installed_alone() -> None:
    """The ones that a user chooses between; engines of large jobs and the local model have tests of their own."""
    checked = {item.extra for item in dist.INSTALLS}

    assert checked == {"", "all", "langchain", "llamaindex", "identity", "otel", "emulator", "cli"}
    assert all((dist.CHECKS / f"{extra or 'core'}.py").exists() for extra in checked)


HTTPX = {"name": "httpx", "version": "0.28.1", "vulns": []}
KNOWN = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.2"]}]}
UNKNOWN = {"name": "anyio", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("report", "status", "said"),
    [
        ({"dependencies": [HTTPX]}, 0, "1 packages, no known vulnerability"),
        ({"dependencies": [HTTPX, KNOWN]}, 1, "h11 0.1: PYSEC-1 (fixed in 0.2)"),
        ({"dependencies": [HTTPX, UNKNOWN]}, 2, "1 of 2 packages could not be audited"),
        ({"dependencies": [UNKNOWN]}, 2, "Nothing was audited"),
        (None, 2, "Nothing was audited"),
    ],
)
def test_an_audit_that_could_not_look_is_no_success(report: dict[str, Any] | None, status: int, said: str) -> None:
    """pip-audit itself ends with success there."""
    judged, message = audit.judge(report)

    assert judged == status
    assert said in message


def test_the_oldest_versions_are_those_of_the_project() -> None:
    """Each lower bound of pyproject.toml stands in constraints-lowest.txt, as the version or one of its patches."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = ("langchain", "llamaindex", "identity", "otel", "emulator", "cli")
    bounds = [*project["dependencies"], *(line for name in names for line in extras[name])]
    promised = {lowest.name_of(line): line.split(">=")[1].split(",")[0] for line in bounds if ">=" in line}
    pinned = dict(line.split("==") for line in lowest.oldest(frozenset()))

    assert {name: pinned[name] for name in promised if not pinned[name].startswith(promised[name])} == {}


def test_a_newcomer_types_what_the_readme_says() -> None:
    """The commands of the path stand in README.md or CONTRIBUTING.md, and are targets."""
    pages = (ROOT / "README.md").read_text("utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")

    for step in newcomer.steps(Path("x"), copy=True, quick=False)[1:]:
        command = " ".join(step.command)
        assert f"\n{step.command[1]}:" in makefile
        assert command in pages, command


def test_a_failed_step_ends_the_path(tmp_path: Path) -> None:
    """Later steps are not tried; what was printed is in the log."""
    path = [
        newcomer.Step("one", (sys.executable, "-c", "print('first')"), ""),
        newcomer.Step("two", (sys.executable, "-c", "raise SystemExit('broken')"), "there"),
        newcomer.Step("three", (sys.executable, "-c", "print('third')"), ""),
    ]
    done, failed = newcomer.walk(path, tmp_path, tmp_path / "log.txt")

    assert [name for name, _ in done] == ["one", "two"]
    assert failed.look == "there"
    assert (tmp_path / "log.txt").read_text("utf-8").split() == ["first", "broken"]


def test_a_step_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it started; the log says so."""
    monkeypatch.setattr(newcomer, "LIMIT", 0.5)
    hangs = newcomer.Step("hangs", ("sh", "-c", "sleep 60 & wait"), "")
    done, failed = newcomer.walk([hangs], tmp_path, tmp_path / "log.txt")

    assert failed is hangs
    assert done[0][1] < 30
    assert "Stopped after 0.5 s." in (tmp_path / "log.txt").read_text("utf-8")


def test_a_newcomer_has_no_endpoint_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set here would hide what is missing there."""
    for name in ("AZURE_INFERENCE_ENDPOINT", "VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS"):
        monkeypatch.setenv(name, "set")

    assert "set" not in newcomer.environment().values()
