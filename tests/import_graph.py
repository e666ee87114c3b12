"""Which module imports which, read from the source without running it."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
PACKAGES = ("azureai_core", "langchain_azureai", "llamaindex_azureai", "azureai_emulator", "azureai_cli")
SOURCES = [file for name in PACKAGES for file in sorted((SOURCE / name).rglob("*.py"))]
"""All modules of the packages."""
Graph = dict[str, set[str]]


def all_modules(package: str, *, type_checking: bool) -> Graph:
    """Dotted name → dotted names of what it imports of its own package, over every module of every level.

    With `type_checking`, imports under `if TYPE_CHECKING:` count as well. A package is named like its folder, and stands
    for its `__init__.py`. An import of a module runs the `__init__.py` of the packages above it; those do not count.
    """
    files = {_dotted(file): file for file in (SOURCE / package).rglob("*.py")}
    return {name: _imported(file, set(files), type_checking) - {name} for name, file in sorted(files.items())}


def subpackages(graph: Graph) -> Graph:
    """A graph of `all_modules` with the modules of one sub-package as one: `a.b.c` and `a.b` count as `a.b`."""
    found: Graph = {_second_level(name): set() for name in graph}
    for name, near in graph.items():
        found[_second_level(name)] |= {_second_level(other) for other in near} - {_second_level(name)}
    return found


def circular(graph: Graph) -> list[str]:
    """The names that can be reached from themselves."""
    return [name for name in graph if name in _reachable(graph, name)]


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


def _dotted(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _second_level(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _imported(file: Path, known: set[str], type_checking: bool) -> set[str]:
    nodes = _all_imports(file) if type_checking else _at_run_time(file)
    return {name for node in nodes for name in _targets(node, file, known)}


def _targets(node: ast.Import | ast.ImportFrom, file: Path, known: set[str]) -> set[str]:
    """The known modules that an import names: `from a import b` is `a.b` where that is a module, else `a`."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} & known
    place = file.relative_to(SOURCE).with_suffix("").parts[: -node.level] if node.level else ()
    module = ".".join((*place, *([node.module] if node.module else [])))
    inner = {f"{module}.{alias.name}" for alias in node.names}
    return inner & known | ({module} & known if inner - known else set())


def _at_run_time(file: Path) -> list[ast.Import | ast.ImportFrom]:
    """The imports of a file, except those under `if TYPE_CHECKING:`."""
    tree = ast.parse(file.read_text("utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    return [node for node in _imports(tree) if node not in for_types]


def _all_imports(file: Path) -> list[ast.Import | ast.ImportFrom]:
    return _imports(ast.parse(file.read_text("utf-8")))


def _imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def _roots(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if node.level == 0 else set()
