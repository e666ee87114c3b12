"""docs/licences.md is true of what is installed here, and nothing on it binds those who use the project."""

from __future__ import annotations

import importlib
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))
licences: Any = importlib.import_module("licences")
ROW = re.compile(
    r"^\| (?P<name>[a-z0-9-]+) \| (?P<version>\S+) \| (?P<licence>.+) \| (?P<kind>[a-z ]+) \|$", re.MULTILINE
)
ROWS = {
    row["name"]: row
    for row in ROW.finditer((ROOT / "docs" / "licences.md").read_text("utf-8"))
    if row["kind"] != "kind"
}
HERE = ("", "langchain", "llamaindex", "identity", "otel", "emulator", "cli")


def test_the_page_has_what_is_installed() -> None:
    """Every package that an extra needs stands on it."""
    packages = licences.installed(Path(sys.executable))
    needed = set().union(*(licences.closure(packages, extra) for extra in HERE))

    assert needed
    assert needed <= set(ROWS)


def test_the_page_has_the_tested_versions() -> None:
    """Those of constraints.txt, which leaves out setuptools as pip does."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {licences.canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}

    assert {
        name: row["version"] for name, row in ROWS.items() if pinned.get(name, row["version"]) != row["version"]
    } == {}


def test_every_licence_on_the_page_is_known() -> None:
    """Permissive, or binding for changes of the package's own files alone: no GPL, LGPL or AGPL."""
    kinds = {name: licences.kind(row["licence"]) for name, row in ROWS.items()}

    assert kinds == {name: row["kind"] for name, row in ROWS.items()}
    assert set(kinds.values()) <= {"permissive", "file copyleft"}


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("MIT", "permissive"),
        ("Apache-2.0 WITH LLVM-exception", "permissive"),
        ("MPL-2.0 AND MIT", "file copyleft"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "file copyleft"),
        ("GPL-2.0-only OR BSD-3-Clause", "permissive"),
        ("MIT AND GPL-3.0-or-later", "other"),
        ("GNU General Public License v3 (GPLv3)", "other"),
        ("GNU Lesser General Public License v3 (LGPLv3); MIT License", "other"),
        ("UNKNOWN", "other"),
    ],
)
def test_kinds_of_licences(licence: str, kind: str) -> None:
    """Of alternatives the freest counts, of licences that hold together the strictest."""
    assert licences.kind(licence) == kind


def test_what_is_needed_follows_markers_and_extras() -> None:
    """An extra's own requirements, and those of the extras that they name."""
    packages = {
        "azureai-adapters": ("1", ["httpx", 'big[fast]; extra == "ray"', 'other; extra == "spark"']),
        "httpx": ("1", ['old; python_version < "3"']),
        "big": ("1", ['quick; extra == "fast"', 'slow; extra == "slow"']),
        "quick": ("1", []),
    }

    assert licences.closure(packages, "") == {"httpx"}
    assert licences.closure(packages, "ray") == {"httpx", "big", "quick"}


def test_the_installed_core_satisfies_its_own_bounds() -> None:
    """The environment that the page was written from is one the project allows."""
    for line in licences.installed(Path(sys.executable))["azureai-adapters"][1]:
        requirement = Requirement(line)
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            continue
        assert found in requirement.specifier or requirement.marker, line
