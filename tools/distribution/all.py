"""Everything together: both frameworks against the emulator, and the checks of the emulator and the command line."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

os.environ["IS_TESTING"] = "1"  # else LlamaIndex builds OpenAI defaults

import azure.identity  # noqa: F401  its extra is part of `all`
import opentelemetry.trace  # noqa: F401  likewise

from azureai_emulator import serve
from langchain_azureai import AzureAIEmbeddings, ChatAzureAI
from llamaindex_azureai import AzureAI

with serve() as emulator:
    chat = {"endpoint": emulator.url + "/models", "credential": emulator.key, "model": "mistral-large-2411"}
    model, llm = ChatAzureAI(**chat), AzureAI(**chat)
    assert model.invoke("What is 2 plus 2?").text == llm.complete("What is 2 plus 2?").text
    embeddings = AzureAIEmbeddings(**{**chat, "model": "cohere-embed-v3-english"})
    assert len(embeddings.embed_query("a")) == 1024
    for used in (model, llm, embeddings):
        used.close()
command = Path(sys.executable).with_name("azureai")
subprocess.run([command, "--help"], capture_output=True, check=True)
version = importlib.metadata.version("azureai-adapters")
print(f"both frameworks against the emulator, version {version}")
