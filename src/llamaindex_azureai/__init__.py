"""LlamaIndex adapters for models on Azure AI: chat, text completion, text and image embeddings."""

try:
    import llama_index.core  # noqa: F401
except ImportError as error:
    raise ImportError(
        'llamaindex_azureai needs LlamaIndex: pip install "azureai-adapters[llamaindex]" (llama-index-core >= 0.14.8).'
    ) from error

from .embeddings import AzureAIEmbeddingsModel, AzureAIImageEmbeddingsModel
from .llm import AzureAICompletionsModel
from .text_llm import AzureAITextCompletionsModel

__all__ = [
    "AzureAICompletionsModel",
    "AzureAIEmbeddingsModel",
    "AzureAIImageEmbeddingsModel",
    "AzureAITextCompletionsModel",
]
