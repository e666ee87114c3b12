"""Ours has not become slow: CPU as a ratio to plain httpx and to the framework's own floor, within one short run.

The bounds are those of `benchmarks/targets.py` half as much again, so that a busy machine does not fail the test; times
are never compared. Contenders take turns in five rounds, and what fails is measured once more.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "benchmarks" / "run.py"
SLACK = 1.5
LANGCHAIN, LLAMAINDEX = "ours-langchain", "ours-llamaindex"
# Scenario, ours, other → the most that CPU per unit may be of the other's, before the slack. What a floor allows follows
# from what it is of plain httpx: 0.27 and 0.14 for a chat, 0.85 and 1.0 for an event, 0.17 and 0.09 for a history, 2.17
# for a fragment of a tool call in LangChain (3.4 before langchain-core 1.8).
BOUNDS = {
    ("chat", LANGCHAIN, "httpx"): 1.2,
    ("chat", LLAMAINDEX, "httpx"): 1.2,
    ("chat", LANGCHAIN, "lc-floor"): 4.4,
    ("chat", LLAMAINDEX, "li-floor"): 8.6,
    ("stream", LANGCHAIN, "httpx"): 1.8,
    ("stream", LLAMAINDEX, "httpx"): 2.2,
    ("stream", LANGCHAIN, "lc-floor"): 2.1,
    ("stream", LLAMAINDEX, "li-floor"): 2.2,
    ("tools", LANGCHAIN, "httpx"): 2.2,
    ("tools", LLAMAINDEX, "httpx"): 2.2,
    ("tools", LANGCHAIN, "lc-floor"): 1.02,
    ("tools", LLAMAINDEX, "li-floor"): 2.4,
    ("history", LANGCHAIN, "httpx"): 1.5,
    ("history", LLAMAINDEX, "httpx"): 1.5,
    ("history", LANGCHAIN, "lc-floor"): 8.8,
    ("history", LLAMAINDEX, "li-floor"): 16.7,
    ("embed", LANGCHAIN, "httpx"): 0.27,
    ("embed", LLAMAINDEX, "httpx"): 0.36,
}
CONTENDERS = ("httpx", LANGCHAIN, LLAMAINDEX, "lc-floor", "li-floor")


def measured(scenarios: list[str], file: Path) -> dict[tuple[str, str, str], float]:
    """The ratios of a run: taken within each round, the median over the rounds."""
    command = [sys.executable, str(RUN), *scenarios, "--mode", "guard", "--same-processes", "--json", str(file)]
    done = subprocess.run([*command, "--only", *CONTENDERS], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(file.read_text("utf-8"))["results"]

    def ratio(scenario: str, ours: str, other: str) -> float:
        found = results[scenario]
        rounds = zip(found[ours], found[other], strict=True)
        return statistics.median(one["cpu"] / base["cpu"] for one, base in rounds)

    return {key: ratio(*key) for key in BOUNDS if key[0] in scenarios}


def too_slow(ratios: dict[tuple[str, str, str], float]) -> dict[tuple[str, str, str], float]:
    """What is over its bound."""
    return {key: ratio for key, ratio in ratios.items() if ratio > BOUNDS[key] * SLACK}


@pytest.mark.slow
@pytest.mark.skipif(not RUN.exists(), reason="the source distribution has no benchmarks")
@pytest.mark.timeout(500)
def test_ours_costs_no_more_than_its_bounds(tmp_path):
    """Chats, streams, tool calls, a long history and embeddings, in both frameworks."""
    scenarios = list(dict.fromkeys(scenario for scenario, _, _ in BOUNDS))

    slow = too_slow(measured(scenarios, tmp_path / "first.json"))
    if slow:
        again = list(dict.fromkeys(scenario for scenario, _, _ in slow))
        slow = too_slow(measured(again, tmp_path / "second.json"))

    assert slow == {}


def test_a_ratio_over_its_bound_is_found():
    """The guard can fail: by more than the slack, not by less."""
    key = ("chat", LANGCHAIN, "httpx")

    assert too_slow({key: BOUNDS[key] * SLACK * 1.01}) != {}
    assert too_slow({key: BOUNDS[key] * SLACK * 0.99}) == {}
