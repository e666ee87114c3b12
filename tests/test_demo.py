"""The demo runs to its end, against the emulator it starts and against an endpoint it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from azureai_emulator import Emulator
from azureai_emulator.brains import local, weights

DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.py"
PARTS = ("LangChain: a chain", "LangGraph: an agent", "structured output", "RAG query", "FunctionAgent", "On the wire")


def run(*arguments: str, **variables: str) -> str:
    """What the demo prints."""
    done = subprocess.run(
        [sys.executable, str(DEMO), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_demo_shows_every_part() -> None:
    """Tools are called, the schema is filled, sources are named, usage is shown, the credential is masked."""
    shown = run()

    assert all(part in shown for part in PARTS)
    assert 'the model calls get_weather({"city": "Lisbon"})' in shown
    assert "multiply returned 391" in shown
    assert "Trip(city='Lisbon', travellers=3, reason='a conference')" in shown
    assert "source endpoints-and-auth.md" in shown
    assert "authorization: ***" in shown
    assert "(tokens)" in shown
    assert shown.strip().endswith("All parts ran.")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_demo_runs_on_a_given_endpoint_that_has_no_embeddings(azureai_emulator: Emulator) -> None:
    """The variables of the README; the key is not shown."""
    shown = run(
        AZURE_INFERENCE_ENDPOINT=azureai_emulator.url + "/serverless/mistral-large-2411",
        AZURE_INFERENCE_CREDENTIAL=azureai_emulator.key,
    )

    assert "does not serve embeddings" in shown
    assert azureai_emulator.key not in shown
    assert shown.strip().endswith("All parts ran.")


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(
    not all(find_spec(name) for name in local._LIBRARIES) or not weights.is_pulled(),
    reason='needs pip install "azureai-adapters[local]" and azureai models pull',
)
def test_the_demo_runs_wholly_on_the_local_brain() -> None:
    """It says what it checks, and what it does not judge."""
    shown = run("--brain", "local")

    assert all(part in shown for part in PARTS)
    assert "with its local brain" in shown
    assert "checked: both tools were called with the right arguments" in shown
    assert "rule-based" not in shown
    assert shown.strip().endswith("All parts ran.")


@pytest.mark.slow
def test_the_demo_does_not_start_without_the_model(tmp_path: Path) -> None:
    """Nothing else answers in its place."""
    done = subprocess.run(
        [sys.executable, str(DEMO), "--brain", "local"],
        env={**os.environ, "AZUREAI_MODELS": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )

    assert done.returncode == 1
    assert "azureai models pull" in done.stderr
    assert "==" not in done.stdout
