"""The shared core of azureai-adapters: one client of the Azure AI Model Inference API and its neighbours, on httpx.

>>> from azureai_core import InferenceClient
>>> client = InferenceClient("https://NAME.eastus2.models.ai.azure.com", "<key>")
>>> client.endpoint.kind
<Kind.SERVERLESS: 'serverless'>
"""

from typing import TYPE_CHECKING, Any

from ._version import __version__
from .adapters.history import repair_history
from .client import InferenceClient
from .endpoints import Endpoint, Kind
from .errors import (
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
from .inputs import ImageInput, data_url
from .limits import RateLimit
from .negotiation import ExtraParameters, UnsupportedParameters
from .profiles import ModelProfile, profile_for
from .types import (
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
    from .jobs.map_jobs import BatchChat, BatchEmbed
    from .transport.retry import RetryPolicy

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
    "__version__",
    "data_url",
    "error_from_response",
    "parse_completion",
    "profile_for",
    "repair_history",
]


def __getattr__(name: str) -> Any:
    if name == "RetryPolicy":  # stands on httpcore, which is not loaded before it is needed
        from .transport.retry import RetryPolicy  # noqa: PLC0415

        return RetryPolicy
    if name in {"BatchChat", "BatchEmbed"}:  # of use to few
        from .jobs import map_jobs  # noqa: PLC0415

        return getattr(map_jobs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
