"""LlamaIndex without LangChain."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["IS_TESTING"] = "1"  # else the framework builds OpenAI defaults
sys.path.insert(0, str(Path(__file__).parent))

from loopback import absent, serving

from llamaindex_azureai import AzureAI, AzureAIEmbedding

absent("langchain_core", "starlette", "typer", "azure")
with serving() as url:
    llm = AzureAI(url, "key", model="m")
    assert llm.complete("hi").text == "Hello"
    assert AzureAIEmbedding(url, "key", model="m").get_query_embedding("a") == [1.0, 0.0]
    llm.close()
print("chat and embeddings")
