"""LlamaIndex adapters for models on Azure AI: chat, text completion, text and image embeddings."""

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
    _load("llama_index.core")
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
        return getattr(_load(f".{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
