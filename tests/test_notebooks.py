"""Each notebook runs top to bottom against the emulator; its checked-in outputs are of the same kind."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # jupyter's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    """Every cell ends without an error, and prints where the checked-in notebook shows print."""
    notebook = nbformat.read(path, as_version=4)
    shown = [bool(cell.get("outputs")) for cell in notebook.cells]

    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

    assert [bool(cell.get("outputs")) for cell in notebook.cells] == shown


def test_there_are_notebooks() -> None:
    """The folder is not empty."""
    assert NOTEBOOKS
