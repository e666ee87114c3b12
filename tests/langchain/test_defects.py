"""One named test for each defect that users of such adapters report, over real HTTP.

The checks stand in `benchmarks/conformance/langchain_checks.py`, where other adapters can be put to them as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "conformance"))
checks: Any = import_module("langchain_checks")

OURS = checks.ADAPTERS["ours"]


@pytest.fixture
def server() -> Iterator[Any]:
    with checks.ScriptedServer(checks.completion()) as server:
        yield server


@pytest.mark.parametrize("check", [pytest.param(one, id=one.name) for one in checks.CHECKS])
def test_a_reported_defect_is_not_ours(check: Any, server: Any) -> None:
    """What the check's docstring promises holds for our classes."""
    check.run(OURS, server)


def test_each_check_says_what_it_guards_against() -> None:
    """A name of its own, a sentence, and a reference."""
    names = [one.name for one in checks.CHECKS]

    assert len(set(names)) == len(names)
    assert all(one.promise and one.reference for one in checks.CHECKS)


@pytest.mark.slow
def test_a_broken_adapter_fails_the_checks(server: Any) -> None:
    """A class that answers nothing passes none of those that ask it something: no check is empty."""

    class Broken(type(OURS)):
        def chat(self, url: str, **wishes: Any) -> Any:
            raise RuntimeError("nothing works")

        embeddings = chat

    results = [checks.verdict(Broken(), one)["result"] for one in checks.CHECKS]

    assert results.count("pass") == 1  # the one that runs a program of its own, by the adapter's name
