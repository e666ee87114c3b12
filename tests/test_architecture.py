"""The diagrams of docs/architecture.md are the import graph: no arrow too many, none too few."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import documents
import import_graph
from documents import DOCS
from import_graph import SOURCE

PAGE = DOCS / "architecture.md"
PACKAGES, CORE = (block.code for block in documents.blocks(PAGE) if block.language == "mermaid")


def arrows(text: str) -> set[tuple[str, str]]:
    """The edges of a flowchart; every line is the head, an edge, or nothing."""
    head, *lines = text.strip().splitlines()
    assert re.fullmatch(r"flowchart (LR|TD)", head)
    found = [re.fullmatch(r"    ([\w-]+) --> ([\w-]+)", line) for line in lines]
    assert all(found), [line for line, edge in zip(lines, found, strict=True) if edge is None]
    return {(edge[1], edge[2]) for edge in found if edge is not None}


def edges(graph: import_graph.Graph) -> set[tuple[str, str]]:
    """The edges of a graph."""
    return {(name, other) for name, near in graph.items() for other in near}


def drawn(expected: set[tuple[str, str]]) -> str:
    """How a page would say it."""
    return "The diagram should have:\n" + "\n".join(f"    {a} --> {b}" for a, b in sorted(expected))


def test_the_diagram_of_the_packages_is_what_they_import() -> None:
    """Ours and others, those imported inside functions too; the standard library is not shown."""
    expected = edges(import_graph.packages())

    assert arrows(PACKAGES) == expected, drawn(expected)


CORE_MODULES = import_graph.all_modules("azureai_core", type_checking=True)


def without_root(graph: import_graph.Graph) -> import_graph.Graph:
    """The names inside the core. Its `__init__.py` hands names on; the version is everybody's."""
    left_out = {"azureai_core", "azureai_core._version"}
    return {
        name.removeprefix("azureai_core."): {other.removeprefix("azureai_core.") for other in near - left_out}
        for name, near in graph.items()
        if name not in left_out
    }


def test_the_diagram_of_the_core_is_its_import_graph() -> None:
    """Each arrow is an import, and each import is an arrow or a way along several; a folder counts as one."""
    expected = edges(import_graph.reduced(without_root(import_graph.subpackages(CORE_MODULES))))

    assert arrows(CORE) == expected, drawn(expected)


def test_the_table_of_the_core_names_each_file() -> None:
    """Exactly those that there are."""
    rows = {row[0].strip("`").replace("/", ".") for row in documents.table(PAGE, "The core")}
    folders = {name for name in without_root(CORE_MODULES) if (SOURCE / "azureai_core" / name).is_dir()}

    assert rows == set(without_root(CORE_MODULES)) - folders


def test_the_core_has_no_circles() -> None:
    """Neither its modules nor its folders, imports for types and inside functions included."""
    assert import_graph.circular(CORE_MODULES) == []
    assert import_graph.circular(import_graph.subpackages(CORE_MODULES)) == []


@pytest.mark.parametrize(("one", "other"), [("protocols", "transport"), ("transport", "protocols")])
def test_protocols_and_transport_do_not_see_each_other(one: str, other: str) -> None:
    """What is on the wire is one thing, how it gets there another."""
    assert other not in without_root(import_graph.subpackages(CORE_MODULES))[one]


@pytest.mark.parametrize("package", ["langchain_azureai", "llamaindex_azureai", "azureai_cli"])
def test_no_other_package_has_circles(package: str) -> None:
    """Imports for types and inside functions included."""
    assert import_graph.circular(import_graph.all_modules(package, type_checking=True)) == []


EMULATOR = import_graph.all_modules("azureai_emulator", type_checking=True)


def test_the_emulator_has_no_circles() -> None:
    """No module imports itself by way of others, imports for types and inside functions included."""
    assert import_graph.circular(EMULATOR) == []


def test_the_emulators_sub_packages_import_only_those_listed_above_them() -> None:
    """The table of the page is their order, from what goes over the connection to the running server."""
    names = [f"azureai_emulator.{row[0].strip('`/')}" for row in documents.table(DOCS / "emulator.md", "The code")]
    graph = import_graph.subpackages(EMULATOR)
    level = {name: place for place, name in enumerate(names)}
    upward = [(a, b) for a, b in edges(graph) if a in level and level.get(b, len(names)) >= level[a]]

    assert set(names) == {name for name in graph if (SOURCE / name.replace(".", "/")).is_dir()} - {"azureai_emulator"}
    assert upward == []
    assert import_graph.circular(graph) == []


@pytest.mark.parametrize("type_checking", [True, False])
def test_a_circle_is_found(type_checking: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that runs through a nested module, a function and an import for types."""
    (tmp_path / "p" / "inner").mkdir(parents=True)
    (tmp_path / "p" / "__init__.py").write_text("")
    (tmp_path / "p" / "a.py").write_text("from p.inner import b\n")
    (tmp_path / "p" / "inner" / "__init__.py").write_text("")
    (tmp_path / "p" / "inner" / "b.py").write_text("def f():\n    from ..c import value\n")
    (tmp_path / "p" / "c.py").write_text(
        "if TYPE_CHECKING:\n    from . import a\nimport p.inner.b as other\nvalue = 1\n"
    )
    monkeypatch.setattr(import_graph, "SOURCE", tmp_path)

    graph = import_graph.all_modules("p", type_checking=type_checking)

    assert graph["p.a"] == {"p.inner.b"}
    assert graph["p.inner.b"] == {"p.c"}
    assert graph["p.c"] == ({"p.a", "p.inner.b"} if type_checking else {"p.inner.b"})
    assert import_graph.circular(graph) == (["p.a", "p.c", "p.inner.b"] if type_checking else ["p.c", "p.inner.b"])


def test_each_package_is_described() -> None:
    """The first table has a row for each."""
    assert {row[0].strip("`") for row in documents.table(PAGE, "The packages")} == set(import_graph.packages())
