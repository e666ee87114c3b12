"""LlamaIndex adapters for models on Azure AI: chat, text completion, text and image embeddings."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import_module("llama_index.core")
except ImportError as error:
    raise ImportError(
        'llamaindex_azureai needs LlamaIndex: pip install "azureai-adapters[llamaindex]" (llama-index-core >= 0.14.8).'
    ) from error

if TYPE_CHECKING:
    from .embeddings import (
        AzureAIEmbedding,
        AzureAIEmbeddingsModel,
        AzureAIImageEmbeddingsModel,
        AzureAIMultiModalEmbedding,
    )
    from .llm import AzureAI, AzureAICompletionsModel
    from .text_llm import AzureAITextCompletion, AzureAITextCompletionsModel

__all__ = [
    "AzureAI",
    "AzureAICompletionsModel",
    "AzureAIEmbedding",
    "AzureAIEmbeddingsModel",
    "AzureAIImageEmbeddingsModel",
    "AzureAIMultiModalEmbedding",
    "AzureAITextCompletion",
    "AzureAITextCompletionsModel",
]

# Each class on first use: pydantic builds it, and most programs need one or two.
_HOMES = {
    "AzureAI": "llm",
    "AzureAICompletionsModel": "llm",
    "AzureAIEmbedding": "embeddings",
    "AzureAIEmbeddingsModel": "embeddings",
    "AzureAIImageEmbeddingsModel": "embeddings",
    "AzureAIMultiModalEmbedding": "embeddings",
    "AzureAITextCompletion": "text_llm",
    "AzureAITextCompletionsModel": "text_llm",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
