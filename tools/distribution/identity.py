"""Entra ID: without a key, the credential of azure-identity is taken; none is asked for a token here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import azure.identity
from loopback import absent

from azureai_core import InferenceClient

absent("langchain_core", "llama_index", "starlette", "typer")
for variable in ("AZURE_INFERENCE_CREDENTIAL", "AZUREAI_ENDPOINT_KEY"):
    os.environ.pop(variable, None)
InferenceClient("https://name.services.ai.azure.com/models", model="m").close()
InferenceClient("https://name.services.ai.azure.com/models", azure.identity.DefaultAzureCredential(), model="m").close()
print("makes a client without a key")
