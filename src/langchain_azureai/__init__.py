"""LangChain chat model, text-completion LLM and embeddings for models on Azure AI.

>>> from langchain_azureai import AzureAIChatCompletionsModel
>>> model = AzureAIChatCompletionsModel(endpoint="https://NAME.eastus2.models.ai.azure.com", credential="<key>")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import_module("langchain_core")
except ImportError as error:
    raise ImportError("langchain_azureai needs langchain-core: pip install 'azureai-adapters[langchain]'") from error

if TYPE_CHECKING:
    from ._messages import image_block
    from .chat_models import AzureAIChatCompletionsModel
    from .embeddings import AzureAIEmbeddingsModel
    from .llms import AzureAITextCompletionsModel

__all__ = ["AzureAIChatCompletionsModel", "AzureAIEmbeddingsModel", "AzureAITextCompletionsModel", "image_block"]

# The embeddings must not load the chat model's part of langchain-core, which costs twice as much.
_HOMES = {
    "AzureAIChatCompletionsModel": "chat_models",
    "AzureAIEmbeddingsModel": "embeddings",
    "AzureAITextCompletionsModel": "llms",
    "image_block": "_messages",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
