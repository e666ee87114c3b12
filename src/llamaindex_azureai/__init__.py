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
    from .embeddings import AzureAIEmbeddingsModel, AzureAIImageEmbeddingsModel
    from .llm import AzureAICompletionsModel
    from .text_llm import AzureAITextCompletionsModel

__all__ = [
    "AzureAICompletionsModel",
    "AzureAIEmbeddingsModel",
    "AzureAIImageEmbeddingsModel",
    "AzureAITextCompletionsModel",
]

# Each class on first use: pydantic builds it, and most programs need one or two.
_HOMES = {
    "AzureAICompletionsModel": "llm",
    "AzureAIEmbeddingsModel": "embeddings",
    "AzureAIImageEmbeddingsModel": "embeddings",
    "AzureAITextCompletionsModel": "text_llm",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
