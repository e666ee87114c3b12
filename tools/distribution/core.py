"""The core alone: httpx, pydantic and what those need, no framework, and clear words where an extra is missing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from loopback import absent, needed, normalised, serving

from azureai_core import InferenceClient

ASKED = {"messages": [{"role": "user", "content": "hi"}]}


def says(code: str) -> str:
    """The ImportError that a statement ends with."""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert "ImportError" in done.stderr, done
    return done.stderr


installed = {normalised(item.metadata["Name"]) for item in distributions()} - {"pip", "setuptools", "azureai-adapters"}
assert installed == needed("httpx", "pydantic"), installed ^ needed("httpx", "pydantic")
absent("langchain_core", "llama_index", "starlette", "typer", "azure", "opentelemetry")

with serving() as url, InferenceClient(url, "key", model="m") as client:
    assert client.complete(ASKED).content == "Hello"
    assert client.embed(["a"]).vectors == [[1.0, 0.0]]


async def once(url: str) -> str:
    """One async call."""
    async with InferenceClient(url, "key", model="m") as client:
        return (await client.acomplete(ASKED)).content


with serving() as url:
    assert asyncio.run(once(url)) == "Hello"

assert "azureai-adapters[langchain]" in says("import langchain_azureai")
assert "azureai-adapters[llamaindex]" in says("import llamaindex_azureai")
assert "azureai-adapters[emulator]" in says("import azureai_emulator; azureai_emulator.serve().start()")
command = subprocess.run(
    [Path(sys.executable).with_name("azureai")], capture_output=True, encoding="utf-8", check=False
)
assert command.returncode == 2, command
assert "azureai-adapters[cli]" in command.stderr, command.stderr
print("calls; names the extra that is missing")
