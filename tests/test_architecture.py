"""The diagrams of docs/architecture.md are the import graph: no arrow too many, none too few."""

from __future__ import annotations

import re

import documents
import import_graph
from documents import DOCS

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


def test_the_diagram_of_the_core_is_its_import_graph() -> None:
    """Each arrow is an import, and each import is an arrow or a way along several."""
    expected = edges(import_graph.reduced(import_graph.modules("azureai_core")))

    assert arrows(CORE) == expected, drawn(expected)


def test_the_table_of_the_core_names_each_file_with_its_imports() -> None:
    """Exactly those, in alphabetical order."""
    rows = {row[0].strip("`"): row[-1] for row in documents.table(PAGE, "The core")}
    graph = import_graph.modules("azureai_core")
    expected = {name: " ".join(f"`{other}`" for other in sorted(near)) or documents.NO for name, near in graph.items()}

    assert rows == expected


def test_the_core_has_no_circles() -> None:
    """An import graph with a circle has no top and no bottom."""
    graph = import_graph.modules("azureai_core")

    assert [name for name in graph if name in import_graph._reachable(graph, name)] == []


def test_each_package_is_described() -> None:
    """The first table has a row for each."""
    assert {row[0].strip("`") for row in documents.table(PAGE, "The packages")} == set(import_graph.packages())
