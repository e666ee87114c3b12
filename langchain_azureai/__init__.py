"""LangChain chat model, text-completion LLM and embeddings for models on Azure AI.

>>> from langchain_azureai import AzureAIChatCompletionsModel
>>> model = AzureAIChatCompletionsModel(endpoint="https://NAME.eastus2.models.ai.azure.com", credential="<key>")
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any


def _load(module: str) -> ModuleType:
    return import_module(module, __name__)


# CPython takes its stack of frames in blocks of 16 kB and gives each back when its last frame ends, so an import that
# goes up and down across an edge takes and gives back thousands: up to a tenth of the time that a framework takes to
# load. A frame that asks for 320 kB makes one block of 512 kB for all the calls below it.
_load.__code__ = _load.__code__.replace(co_stacksize=40_000)


try:
    _load("langchain_core")
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
        return getattr(_load(f".{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
