"""Each notebook runs top to bottom, and shows what its stored outputs show: against the emulator, and as on an endpoint.

`make notebooks` executes them and stores their outputs anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

import notebook_runs
from azureai_emulator import Emulator, Endpoint
from notebook_runs import FOLDER, MOST_IMAGE_BYTES, NOTEBOOKS, pictures, shown, streams

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@dataclass(frozen=True)
class Runs:
    """A notebook executed twice: with an emulator of its own, and on an endpoint that the environment names."""

    path: Path
    alone: Path
    on_endpoint: Path
    endpoint: Endpoint
    complaints: dict[Path, str]

    def read(self, executed: Path) -> Any:
        """One of the two; fails with what the run said when it came to no end."""
        assert executed.exists(), self.complaints[executed]
        return nbformat.read(executed, as_version=4)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def runs(request: pytest.FixtureRequest, azureai_emulator: Emulator, tmp_path_factory: Any) -> Iterator[Runs]:
    """Both runs, side by side: most of their time is the start of a kernel and its imports."""
    path, alone, on_endpoint = request.param, tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("on_endpoint")
    with azureai_emulator.isolated() as endpoint:
        environment = {
            "AZURE_INFERENCE_ENDPOINT": endpoint.url + "/models",
            "AZURE_INFERENCE_CREDENTIAL": endpoint.key,
            "AZURE_INFERENCE_MODEL": "gpt-4o",
            "AZURE_INFERENCE_EMBEDDING_MODEL": "text-embedding-3-small",
        }
        both = {
            alone / path.name: _start(path, alone, {}),
            on_endpoint / path.name: _start(path, on_endpoint, environment, "--on-endpoint"),
        }
        complaints = {executed: process.communicate()[1] for executed, process in both.items()}
        yield Runs(path, *both, endpoint, complaints)


def _start(path: Path, into: Path, environment: dict[str, str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, notebook_runs.__file__, path.stem, "--into", str(into), *options]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_notebook_runs_and_shows_what_is_stored(runs: Runs) -> None:
    """No cell fails, nothing is written to stderr, and the stored outputs are not stale."""
    executed, stored = runs.read(runs.alone), nbformat.read(runs.path, as_version=4)

    assert list(streams(executed, "stderr")) == []
    assert shown(stored) == shown(executed), "stale outputs: run `make notebooks`"
    assert len(pictures(stored)) == len(pictures(executed))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_notebook_runs_unchanged_on_an_endpoint(runs: Runs) -> None:
    """With the two variables set its requests go to that endpoint, and what must hold holds."""
    executed = runs.read(runs.on_endpoint)

    assert list(streams(executed, "stderr")) == []
    assert 200 in {exchange.status for exchange in runs.endpoint.requests}


@each_notebook
def test_a_stored_notebook_reads_well_unexecuted(path: Path) -> None:
    """Outputs are there, in the order of the cells; pictures are small; nothing of the machine that ran it is left."""
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    text = path.read_text("utf-8")

    assert counts == list(range(1, len(counts) + 1))
    assert sum(bool(cells) for cells in shown(stored)) > len(counts) / 2
    assert all(len(picture) * 3 / 4 < MOST_IMAGE_BYTES for picture in pictures(stored))
    assert re.findall(r"127\.0\.0\.1:\d|/tmp|/home/|/root/|site-packages|emulator-[0-9a-f]{16}|Warning: ", text) == []


@each_notebook
def test_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    """Each relative link names a file of the project."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    links = {link for cell in cells for link in re.findall(r"\]\(([^)#]+)", cell.source) if "://" not in link}

    assert {link for link in links if not (FOLDER / link).exists()} == set()


def test_all_eight_are_there() -> None:
    """One notebook per subject, numbered without a gap."""
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 9)]
