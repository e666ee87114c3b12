"""The shared core of azureai-adapters: one client of the Azure AI Model Inference API and its neighbours, on httpx.

>>> from azureai_core import InferenceClient
>>> client = InferenceClient("https://NAME.eastus2.models.ai.azure.com", "<key>")
>>> client.endpoint.kind
<Kind.SERVERLESS: 'serverless'>
"""

from typing import TYPE_CHECKING, Any

from ._call import ExtraParameters, UnsupportedParameters
from ._client import InferenceClient
from ._endpoint import Endpoint, Kind
from ._errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    AzureAIError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContentFilterStreamError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
    StreamInterruptedError,
    UnprocessableEntityError,
    UnsupportedParameterWarning,
    error_from_response,
)
from ._history import repair_history
from ._inputs import ImageInput, data_url
from ._limits import RateLimit
from ._profiles import ModelProfile, profile_for
from ._types import (
    ChatPayload,
    Completion,
    Delta,
    Embeddings,
    EmbeddingsPayload,
    ModelInfo,
    ResponseMeta,
    TextPayload,
    ToolCall,
    Usage,
    parse_completion,
)

if TYPE_CHECKING:
    from ._batch import BatchChat, BatchEmbed
    from ._retry import RetryPolicy

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "AzureAIError",
    "BadRequestError",
    "BatchChat",
    "BatchEmbed",
    "ChatPayload",
    "Completion",
    "ConfigurationError",
    "ContentFilterError",
    "ContentFilterStreamError",
    "Delta",
    "Embeddings",
    "EmbeddingsPayload",
    "Endpoint",
    "ExtraParameters",
    "ImageInput",
    "InferenceClient",
    "Kind",
    "ModelInfo",
    "ModelProfile",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimit",
    "RateLimitError",
    "ResponseMeta",
    "RetryPolicy",
    "ServerError",
    "StreamError",
    "StreamInterruptedError",
    "TextPayload",
    "ToolCall",
    "UnprocessableEntityError",
    "UnsupportedParameterWarning",
    "UnsupportedParameters",
    "Usage",
    "data_url",
    "error_from_response",
    "parse_completion",
    "profile_for",
    "repair_history",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415

        return version("azureai-adapters")
    if name == "RetryPolicy":  # stands on httpcore, which is not loaded before it is needed
        from ._retry import RetryPolicy  # noqa: PLC0415

        return RetryPolicy
    if name in {"BatchChat", "BatchEmbed"}:  # of use to few
        from . import _batch  # noqa: PLC0415

        return getattr(_batch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
