"""The emulator: it serves, its page and its data are there, it runs as a module, its fixtures are pytest's."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import httpx
from loopback import absent

from azureai_core import InferenceClient
from azureai_emulator import serve

absent("langchain_core", "llama_index", "typer", "rich")
ASKED = {"messages": [{"role": "user", "content": "What is 2 plus 2?"}]}
with serve() as emulator:
    with InferenceClient(emulator.endpoint("gpt-4o", "models"), emulator.key, model="gpt-4o") as client:
        assert client.complete(ASKED).content
    with InferenceClient(emulator.endpoint("cohere-embed-v3-english"), emulator.key) as client:
        assert len(client.embed(["a"]).vectors[0]) == 1024
    page = httpx.get(emulator.url + "/")
    assert page.status_code == 200, page
    assert "text/html" in page.headers["content-type"], page.headers

FIXTURE = """
def test_the_fixture(azureai_endpoint):
    assert azureai_endpoint.url.startswith("http://127.0.0.1:")
"""
with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "test_fixture.py").write_text(FIXTURE, encoding="utf-8")
    pytest = [sys.executable, "-I", "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
    done = subprocess.run(pytest, capture_output=True, encoding="utf-8", cwd=folder, check=False)
    assert done.returncode == 0, done.stdout
module = [sys.executable, "-I", "-m", "azureai_emulator", "--help"]
assert "--port" in subprocess.run(module, capture_output=True, encoding="utf-8", check=True).stdout
print("serves, shows its page; fixtures and module run")
