"""`GET /info`: what model stands behind a single-model endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureai_core.types import Json, ModelInfo, ResponseMeta

from .base import WireProtocol
from .reading import text_of

# Spellings seen of the type: chat-completion, chat-completions, chat_completion, text_embeddings, image embedding, ...
# Source: REST reference, 'Get info', and recorded answers.
_MODEL_TYPES = {
    "chat": "chat-completion",
    "chatcompletion": "chat-completion",
    "completion": "completion",
    "textgeneration": "completion",
    "embedding": "embedding",
    "textembedding": "embedding",
    "imageembedding": "image-embedding",
}


def parse_info(body: Json) -> ModelInfo:
    """The model's names, with the many spellings of its type folded into one."""
    kind = text_of(body.get("model_type"))
    folded = kind.lower().replace("-", "").replace("_", "").replace(" ", "").removesuffix("s")
    return ModelInfo(
        model_name=text_of(body.get("model_name")),
        model_type=_MODEL_TYPES.get(folded, kind),
        model_provider_name=text_of(body.get("model_provider_name")),
        raw=body,
    )


def _decode(body: Json, _meta: ResponseMeta, _payload: Mapping[str, Any]) -> ModelInfo:
    return parse_info(body)


INFO: WireProtocol[ModelInfo] = WireProtocol(route="/info", operation="", fields=frozenset(), decode=_decode)
