"""Executes the notebooks, and brings what they show into a form that is the same each time and on each machine.

`python tests/notebook_runs.py [NAME …]` executes them and stores their outputs, all or the named: `make notebooks`.
The tests run it as a program of its own, since what jupyter leaves open there must not count as theirs.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_IMAGE_BYTES = 100_000

_SECONDS = 120
_NEVER = re.compile(r"IS_TESTING|.*_PROXY$", re.IGNORECASE)
_ENDPOINTS = re.compile(rf"AZURE|{_NEVER.pattern}", re.IGNORECASE)
_UNSTABLE = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "http://127.0.0.1:…"),
    (re.compile(r"(request id )[\w-]+"), r"\1…"),
    (re.compile(r"\s+at 0x[0-9a-f]+"), ""),
)
# A picture's bytes depend on the version of matplotlib.
_UNSTABLE_BYTES = (re.compile(r"\d+ bytes, sha256 [0-9a-f]+"), "… bytes")
_FIRST_RUN_OF_MATPLOTLIB = "building the font cache"


def execute(path: Path, *, on_endpoint: bool = False) -> Any:
    """The notebook, executed with an emulator of its own, or on the endpoint that the environment names.

    Raises `nbclient.exceptions.CellExecutionError` for the first cell that fails.
    """
    notebook = nbformat.read(path, as_version=4)
    left_out = _NEVER if on_endpoint else _ENDPOINTS
    client = NotebookClient(
        notebook,
        timeout=_SECONDS,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
    )
    client.execute(env={name: value for name, value in os.environ.items() if not left_out.match(name)})
    for cell in _code(notebook):
        cell.outputs = [_settled(output) for output in cell.outputs if not _is_noise(output)]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"file_extension": ".py", "name": "python"},
    }
    return notebook


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _is_noise(output: Any) -> bool:
    return output.output_type == "stream" and _FIRST_RUN_OF_MATPLOTLIB in output.text


def _settled(output: Any) -> Any:
    """The output with ports and ids taken out."""
    if output.output_type == "stream":
        output.text = _stable(output.text)
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = _stable(content)
    return output


def _stable(text: str) -> str:
    for pattern, replacement in _UNSTABLE:
        text = pattern.sub(replacement, text)
    return text


def shown(notebook: Any) -> list[list[str]]:
    """What each code cell shows: its texts, and the kinds of everything that is no text."""
    return [[_as_compared(output) for output in cell.outputs] for cell in _code(notebook)]


def _as_compared(output: Any) -> str:
    if output.output_type == "stream":
        return f"{output.name}: {_UNSTABLE_BYTES[0].sub(_UNSTABLE_BYTES[1], output.text)}"
    data = {kind: content if kind.startswith("text/") else "" for kind, content in output.data.items()}
    return f"{output.output_type}: {sorted(data.items())}"


def streams(notebook: Any, name: str) -> Iterator[str]:
    """What was written to `stdout` or `stderr`."""
    outputs = (output for cell in _code(notebook) for output in cell.outputs)
    return (output.text for output in outputs if output.output_type == "stream" and output.name == name)


def pictures(notebook: Any) -> list[str]:
    """The pictures as base64 text."""
    outputs = (output for cell in _code(notebook) for output in cell.outputs)
    return [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Execute the notebooks and store what they show.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a notebook without its ending; default: all")
    parser.add_argument("--into", type=Path, default=FOLDER, help="where to write them; default: back")
    parser.add_argument("--on-endpoint", action="store_true", help="on the endpoint that the environment names")
    given = parser.parse_args(arguments)
    for path in (path for path in NOTEBOOKS if not given.names or path.stem in given.names):
        sys.stdout.write(f"{path.name}\n")
        nbformat.write(execute(path, on_endpoint=given.on_endpoint), given.into / path.name)


if __name__ == "__main__":
    main()
