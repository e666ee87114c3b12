"""What is loaded and opened, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

from azureai_core import InferenceClient

HEAVY = ("httpx", "httpcore", "azure", "pydantic", "opentelemetry", "langchain_core", "llama_index")


@pytest.mark.parametrize(
    "code",
    [
        "import azureai_core",
        "import azureai_core; c = azureai_core.InferenceClient('https://h.r.models.ai.azure.com', 'key'); repr(c)",
        "import azureai_core, pickle; pickle.dumps(azureai_core.InferenceClient('https://h.x', 'key').endpoint)",
    ],
    ids=["import", "construct", "pickle"],
)
def test_nothing_heavy_is_loaded_before_the_first_call(code):
    """Neither the HTTP library nor any framework; and nothing warns."""
    check = f"{code}\nimport sys; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", check], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_constructor_opens_nothing(fake_service, make_client):
    """Nor do the endpoint's properties or a stream that is not begun."""
    client = make_client("/models", model="m")
    assert client.endpoint.needs_model
    client.stream({"messages": []})
    client.embed_many(["a"])

    assert fake_service.connections == 0
    assert isinstance(client, InferenceClient)
