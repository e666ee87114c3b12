"""LangChain without LlamaIndex."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from loopback import absent, serving

from langchain_azureai import AzureAIEmbeddings, ChatAzureAI

absent("llama_index", "starlette", "typer", "azure")
with serving() as url:
    model = ChatAzureAI(endpoint=url, credential="key", model="m")
    assert model.invoke("hi").text == "Hello"
    assert AzureAIEmbeddings(endpoint=url, credential="key", model="m").embed_query("a") == [1.0, 0.0]
    model.close()
print("chat and embeddings")
