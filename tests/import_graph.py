"""Which module imports which, read from the source without running it."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
PACKAGES = ("azureai_core", "langchain_azureai", "llamaindex_azureai", "azureai_emulator", "azureai_cli")
SOURCES = [file for name in PACKAGES for file in sorted((SOURCE / name).rglob("*.py"))]
"""All modules of the packages."""
Graph = dict[str, set[str]]


def modules(package: str) -> Graph:
    """Module of a package → the package's modules that it imports, at the top or inside functions; types not counted.

    A package inside the package counts as one module.
    """
    files = {name: _files(SOURCE / package / name) for name in _names(SOURCE / package)}
    return {
        name: {other for file in files[name] for node in _at_run_time(file) for other in _near(node, file, package)}
        & set(files) - {name}
        for name in sorted(files)
    }


def packages() -> Graph:
    """Package of ours → what it imports of ours and of others, the standard library not counted."""
    import sys

    found: Graph = {}
    for name in PACKAGES:
        folder = SOURCE / name
        roots = {root for file in folder.rglob("*.py") for node in _at_run_time(file) for root in _roots(node)}
        found[name] = roots - set(sys.stdlib_module_names) - {name}
    return found


def reduced(graph: Graph) -> Graph:
    """The graph without the imports that others imply: the same order with as few arrows as that takes."""
    below = {name: _reachable(graph, name) for name in graph}
    return {
        name: {b for b in near if not any(b in below.get(other, ()) for other in near - {b})}
        for name, near in graph.items()
    }


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = set(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= graph.get(name, set()) - seen
    return seen


def _names(folder: Path) -> set[str]:
    inner = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    return {file.stem for file in folder.glob("*.py")} - {"__init__"} | inner


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def _at_run_time(file: Path) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a file, except those under `if TYPE_CHECKING:`."""
    tree = ast.parse(file.read_text("utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    return [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and n not in for_types]


def _near(node: ast.Import | ast.ImportFrom, file: Path, package: str) -> set[str]:
    """The modules of the package, at its first level, that an import names."""
    if not isinstance(node, ast.ImportFrom):
        return set()
    place = file.relative_to(SOURCE).with_suffix("").parts[: -node.level] if node.level else ()
    module = (*place, *(node.module.split(".") if node.module else ()))
    if module[:1] != (package,):
        return set()
    return {module[1]} if len(module) > 1 else {alias.name for alias in node.names}


def _roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if node.level == 0 else set()
