"""The same calls on a real endpoint: run with `pytest -m live` and the variables of the README set."""

from __future__ import annotations

import os
from typing import Any

import pytest

from azureai_core import InferenceClient
from langchain_azureai import ChatAzureAI

pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(
        not (os.environ.get("AZURE_INFERENCE_ENDPOINT") and os.environ.get("AZURE_INFERENCE_CREDENTIAL")),
        reason="AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL are not set",
    ),
]
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 20}
MODEL = os.environ.get("AZURE_INFERENCE_MODEL")


async def test_the_client_answers_in_all_four_modes() -> None:
    """Text, plain and streamed, sync and async."""
    client = InferenceClient(model=MODEL)

    assert client.complete(HELLO).content
    assert (await client.acomplete(HELLO)).content
    assert "".join(delta.content for delta in client.stream(HELLO))
    assert "".join([delta.content async for delta in client.astream(HELLO)])


def test_langchain_reports_usage() -> None:
    """The tokens of a real call."""
    usage = ChatAzureAI(model=MODEL, max_tokens=20).invoke("Say hello.").usage_metadata

    assert usage is not None
    assert usage["total_tokens"] > 0
