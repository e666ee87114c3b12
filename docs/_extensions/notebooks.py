"""Turns the notebooks, with the outputs kept in them, into pages of the site; they are not run here."""

# ruff: noqa: INP001  scripts of the site, not a package

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
SOURCE, TARGET = HERE.parent / "notebooks", HERE / "notebooks"


def write_pages(_app: Any) -> None:
    """One Markdown page per notebook below `docs/notebooks/`, which git ignores; unchanged pages are left alone."""
    TARGET.mkdir(exist_ok=True)
    wanted = {f"{path.stem}.md": _page(path) for path in sorted(SOURCE.glob("*.ipynb"))}
    for old in TARGET.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        page = TARGET / name
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")


def _page(path: Path) -> str:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n\n".join(part for number, cell in enumerate(cells) for part in _cell(cell, f"{path.stem}-{number}"))


_LINK = re.compile(r"\]\(([^()\s]+)\)")


def _on_the_site(link: re.Match[str]) -> str:
    """A link between files of the repository as one between pages of the site."""
    target = link[1].replace("../docs/", "../", 1).replace("../README.md", "../index.md", 1)
    return f"]({re.sub(r'[.]ipynb$', '.md', target)})"


def _cell(cell: dict[str, Any], name: str) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [_LINK.sub(_on_the_site, source)]
    shown = [part for n, output in enumerate(cell.get("outputs", ())) for part in _output(output, f"{name}-{n}")]
    return [_fenced(source, "python"), *shown] if source.strip() else shown


def _output(output: dict[str, Any], name: str) -> list[str]:
    if output["output_type"] == "stream":
        return [_fenced("".join(output["text"]))]
    data = output.get("data", {})
    if "image/png" in data:
        (TARGET / f"{name}.png").write_bytes(b64decode("".join(data["image/png"])))
        return [f"![What the cell draws]({name}.png)"]
    if "text/markdown" in data:
        return ["".join(data["text/markdown"])]
    return [_fenced("".join(data["text/plain"]))] if "text/plain" in data else []


def _fenced(text: str, language: str = "text") -> str:
    return f"````{language}\n{text.rstrip()}\n````"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
