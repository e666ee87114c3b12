"""The README's code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azureai_emulator import Emulator

README = (Path(__file__).resolve().parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=[str(n) for n in range(len(BLOCKS))])
def test_each_python_block_runs(
    code: str, azureai_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Endpoint and key come from the environment, as the README says; something is printed."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", azureai_emulator.url + "/models")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", azureai_emulator.key)

    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out.strip()


def test_the_readme_has_examples() -> None:
    """The chain, the agent, the object, RAG and the bare client."""
    assert len(BLOCKS) == 5
