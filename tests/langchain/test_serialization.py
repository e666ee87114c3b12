"""Our own round trip through LangChain's serialisation, with the class allowed by name."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.load import dumpd, load

from langchain_azureai import AzureAIChatCompletionsModel, AzureAITextCompletionsModel


@pytest.mark.parametrize("cls", [AzureAIChatCompletionsModel, AzureAITextCompletionsModel])
def test_a_model_comes_back_with_its_arguments_and_the_secret_from_the_map(cls: Any) -> None:
    """The dump holds a reference to the secret, not the secret."""
    model = cls(
        endpoint="https://h.services.ai.azure.com/models",
        credential="canary-5f1c2e9a77",
        model="gpt-4o",
        temperature=0,
        model_kwargs={"top_k": 3},
    )

    dumped = dumpd(model)
    twin = load(
        dumped,
        allowed_objects=[cls],
        valid_namespaces=["langchain_azureai"],
        secrets_map={"AZURE_INFERENCE_CREDENTIAL": "canary-5f1c2e9a77"},
    )

    assert "canary" not in str(dumped)
    assert (twin.endpoint, twin.model_name, twin.temperature, twin.model_kwargs) == (
        model.endpoint,
        "gpt-4o",
        0,
        {"top_k": 3},
    )
    assert twin.credential.get_secret_value() == "canary-5f1c2e9a77"
