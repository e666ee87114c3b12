"""The shared core of azureai-adapters: one client of the Azure AI Model Inference API and its neighbours, on httpx.

>>> from azureai_core import InferenceClient
>>> client = InferenceClient("https://NAME.eastus2.models.ai.azure.com", "<key>")
>>> client.endpoint.kind
<EndpointKind.SERVERLESS: 'serverless'>
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .client import InferenceClient
from .deployments import Deployment, reset_deployments
from .endpoints import Endpoint, EndpointKind
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
)
from .inputs import ImageInput, base64_data_url, data_url
from .limits import RateLimit
from .negotiation import ExtraParameters, UnsupportedParameters
from .profiles import ModelProfile, profile_for
from .protocols.chat_completions import parse_completion
from .streams import AsyncDeltaStream, DeltaStream
from .types import (
    ChatPayload,
    Choice,
    Completion,
    Delta,
    Embeddings,
    EmbeddingsPayload,
    ModelInfo,
    Part,
    ReasoningPart,
    RefusalPart,
    ResponseMeta,
    TextPart,
    TextPayload,
    TokenLogprob,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from .adapters import repair_history
    from .jobs.map_jobs import BatchChat, BatchEmbed
    from .protocols.error_responses import error_from_response
    from .transport.retry import RetryPolicy

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncDeltaStream",
    "AuthenticationError",
    "AzureAIError",
    "BadRequestError",
    "BatchChat",
    "BatchEmbed",
    "ChatPayload",
    "Choice",
    "Completion",
    "ConfigurationError",
    "ContentFilterError",
    "ContentFilterStreamError",
    "Delta",
    "DeltaStream",
    "Deployment",
    "Embeddings",
    "EmbeddingsPayload",
    "Endpoint",
    "EndpointKind",
    "ExtraParameters",
    "ImageInput",
    "InferenceClient",
    "ModelInfo",
    "ModelProfile",
    "NotFoundError",
    "Part",
    "PermissionDeniedError",
    "RateLimit",
    "RateLimitError",
    "ReasoningPart",
    "RefusalPart",
    "ResponseMeta",
    "RetryPolicy",
    "ServerError",
    "StreamError",
    "StreamInterruptedError",
    "TextPart",
    "TextPayload",
    "TokenLogprob",
    "ToolCall",
    "UnprocessableEntityError",
    "UnsupportedParameterWarning",
    "UnsupportedParameters",
    "Usage",
    "__version__",
    "base64_data_url",
    "data_url",
    "error_from_response",
    "parse_completion",
    "profile_for",
    "repair_history",
    "reset_deployments",
]


Kind = EndpointKind
"""Its name in version 0.1."""

# Loaded when they are first used: what they stand on is heavy, or of use to few.
_HOMES = {
    "BatchChat": ".jobs.map_jobs",
    "BatchEmbed": ".jobs.map_jobs",
    "RetryPolicy": ".transport.retry",
    "error_from_response": ".protocols.error_responses",
    "repair_history": ".adapters",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
