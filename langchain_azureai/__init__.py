"""LangChain chat model, text-completion LLM and embeddings for models on Azure AI.

>>> from langchain_azureai import ChatAzureAI
>>> model = ChatAzureAI(endpoint="https://NAME.eastus2.models.ai.azure.com", credential="<key>")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import_module("langchain_core")
except ImportError as error:
    raise ImportError("langchain_azureai needs langchain-core: pip install 'azureai-adapters[langchain]'") from error

if TYPE_CHECKING:
    from ._to_wire import image_block
    from .chat_models import AzureAIChatCompletionsModel, ChatAzureAI
    from .embeddings import AzureAIEmbeddings, AzureAIEmbeddingsModel
    from .llms import AzureAILLM, AzureAITextCompletionsModel

__all__ = [
    "AzureAIChatCompletionsModel",
    "AzureAIEmbeddings",
    "AzureAIEmbeddingsModel",
    "AzureAILLM",
    "AzureAITextCompletionsModel",
    "ChatAzureAI",
    "image_block",
]

# Loaded when first used: the embeddings must not load langchain-core's chat models, which cost twice as much.
_HOMES = {
    "AzureAIChatCompletionsModel": "chat_models",
    "AzureAIEmbeddings": "embeddings",
    "AzureAIEmbeddingsModel": "embeddings",
    "AzureAILLM": "llms",
    "AzureAITextCompletionsModel": "llms",
    "ChatAzureAI": "chat_models",
    "image_block": "_to_wire",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
