"""OpenTelemetry's interface is there, and a call with it and without an SDK goes through."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import opentelemetry.trace
from loopback import absent, serving

from azureai_core import InferenceClient

absent("langchain_core", "llama_index", "starlette", "typer")
assert opentelemetry.trace.get_tracer("azureai_core") is not None
with serving() as url, InferenceClient(url, "key", model="m") as client:
    assert client.complete({"messages": [{"role": "user", "content": "hi"}]}).content == "Hello"
print("calls")
