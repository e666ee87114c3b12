"""Jobs on the engines that people have: faults, a poison row and a killed worker, and every row comes out once.

Dask runs always. Ray and Spark run with AZUREAI_SCALE=1, as `make test-scale` sets it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS, CHATS = 20_000, 2_000
POISONED, POISONED_CHAT = 12_345, 1_234
ASKED = os.environ.get("AZUREAI_SCALE") == "1"
MODULES = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}
LIMIT = 400
"""Seconds for one process; a machine with other work needs a good part of it."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(LIMIT + 30)]


@pytest.fixture(params=MODULES, scope="module")
def engine(request):
    """Each engine that is asked for."""
    if request.param != "dask" and not ASKED:
        pytest.skip("runs in `make test-scale`")
    if find_spec(MODULES[request.param]) is None:
        pytest.skip(f"{request.param} is not installed")
    return request.param


@pytest.fixture(scope="module")
def played(engine, tmp_path_factory):
    """`(folder, report)` of a scenario."""
    folder = tmp_path_factory.mktemp(engine)
    run(engine, "scenario.py", engine, str(folder))
    report = json.loads((folder / "report.json").read_text("utf-8"))
    for kind in ("embed", "chat"):
        _show(engine, kind, report)
    return folder, report


def run(engine: str, *script: str) -> str:
    """What a script of this folder prints, in a process of its own."""
    command = [sys.executable, str(HERE / script[0]), *script[1:]]
    if engine == "ray":  # it listens beyond the loopback interface wherever there is another
        command = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    paths = [str(HERE), str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "SPARK_LOCAL_IP": "127.0.0.1"}
    env |= {"PYSPARK_PYTHON": sys.executable, "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def _show(engine: str, kind: str, report: dict) -> None:
    """Prints the figures, which are half of what the run is for."""
    job, first = report[kind], report[kind]["first"]
    print(  # noqa: T201
        f"\n{engine} {kind}: {job['seconds']:.1f} s after {report['started']:.1f} s of start-up, {first['requests']} "
        f"requests {first['statuses']}, {first['answered']} rows answered, {first['repeated']} of them again, "
        f"{first['connections']} connections"
    )


def test_embeddings(played):
    """20,000 rows: each once, beside its own vector; the poison row marked; a second run does what is left alone."""
    folder, report = played[0] / "embed", played[1]["embed"]
    rows = pq.read_table(folder / "embedded").to_pandas()
    expected = np.arange(ROWS)
    good = rows[rows["id"] != POISONED]
    bad = rows[rows["id"] == POISONED]

    assert report["calls"] == 21  # a part was done twice
    assert list(rows.columns) == ["id", "text", "embedding", "prompt_tokens", "error"]
    assert rows["id"].tolist() == expected.tolist()  # the files in the order of their names
    assert good["error"].isna().all()
    assert (np.stack(good["embedding"])[:, 0] == good["id"]).all()
    assert good["prompt_tokens"].sum() == 10 * (ROWS - 1)
    assert bad["error"].tolist()[0].startswith("BadRequestError: The input cannot be processed.")
    assert bad["embedding"].isna().all()
    assert len(list((folder / "embedded").iterdir())) == 20
    _check_calls(report["first"], ROWS - 1)
    assert report["second"]["answered"] - report["first"]["answered"] == 3_000
    assert (report["again"], report["third"]) == (
        0,
        {**report["second"], "connections": report["third"]["connections"]},
    )


def test_chats(played):
    """2,000 rows: each once, beside its own answer, in order."""
    folder, report = played[0] / "chat", played[1]["chat"]
    rows = pd.read_parquet(folder / "answers.parquet")
    good = rows[rows["id"] != POISONED_CHAT]

    assert report["calls"] > 8
    assert rows["id"].tolist() == list(range(CHATS))
    assert good["answer"].tolist() == [f"answer {n}" for n in good["id"]]
    assert good["error"].isna().all()
    assert set(good["finish_reason"]) == {"stop"}
    assert good["completion_tokens"].sum() == 5 * (CHATS - 1)
    error = rows["error"][POISONED_CHAT]
    assert error.startswith("BadRequestError: The input cannot be processed.")
    _check_calls(report["first"], CHATS - 1)


def test_vectors_in_rays_own_blocks(engine, request):
    """Where a row has none, the others stay vectors: of numpy arrays Ray would make tensors, and fail."""
    if engine != "ray":
        pytest.skip("the blocks are Ray's")
    folder, _ = request.getfixturevalue("played")
    rows = pq.read_table(folder / "rows.parquet").to_pandas(ignore_metadata=True)  # pandas does not know its types
    good = rows[rows["id"] != 3]

    assert rows["id"].tolist() == list(range(400))
    assert (np.stack(good["embedding"])[:, 0] == good["id"]).all()
    assert rows["error"].notna().tolist() == [n == 3 for n in range(400)]


@pytest.mark.skipif(not ASKED, reason="runs in `make test-scale`")
def test_the_example_runs(engine, tmp_path):
    """Against the emulator; the second time there is nothing left to do."""
    printed = run(engine, "example.py", f"scale_{engine}.py", str(tmp_path))

    assert "2 parts, 2000 rows embedded" in printed
    assert "0 parts, 0 rows embedded" in printed
    assert printed.count("0 rows have an error") == 2


def _check_calls(counted: dict, rows: int) -> None:
    """Every good row was answered; the faults were met; no row was paid for again but those the killed worker held."""
    assert counted["distinct"] == rows
    assert counted["statuses"]["429"] > 0
    assert counted["statuses"]["500"] > 0
    assert 0 < counted["repeated"] < rows / 2
