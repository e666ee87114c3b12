"""The demo runs to its end, against the emulator it starts and against an endpoint it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from azureai_emulator import Emulator

DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.py"
PARTS = ("LangChain: a chain", "LangGraph: an agent", "structured output", "RAG query", "FunctionAgent", "On the wire")


def run(**variables: str) -> str:
    """What the demo prints."""
    done = subprocess.run(
        [sys.executable, str(DEMO)],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(120)
def test_the_demo_shows_every_part() -> None:
    """Tools are called, the schema is filled, sources are named, usage is shown, the exchange is masked."""
    shown = run()

    assert all(part in shown for part in PARTS)
    assert 'the model calls get_weather({"city": "Lisbon"})' in shown
    assert "multiply returned 391" in shown
    assert "Trip(city='Lisbon', travellers=3, reason='a conference')" in shown
    assert "source endpoints-and-auth.md" in shown
    assert "authorization: ***" in shown
    assert "(tokens)" in shown
    assert shown.strip().endswith("All parts ran.")


@pytest.mark.timeout(120)
def test_the_demo_runs_on_a_given_endpoint_that_has_no_embeddings(azureai_emulator: Emulator) -> None:
    """The variables of the README; the key is not shown."""
    shown = run(
        AZURE_INFERENCE_ENDPOINT=azureai_emulator.url + "/serverless/mistral-large-2411",
        AZURE_INFERENCE_CREDENTIAL=azureai_emulator.key,
    )

    assert "has no embeddings for us" in shown
    assert azureai_emulator.key not in shown
    assert shown.strip().endswith("All parts ran.")
