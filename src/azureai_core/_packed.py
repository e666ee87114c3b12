"""Answers of the embeddings route whose vectors are not made into lists of floats yet."""

from __future__ import annotations

from dataclasses import dataclass

from ._errors import AzureAIError
from ._types import Embeddings, Json, ResponseMeta, dicts, parse_embeddings


@dataclass(frozen=True, slots=True)
class PackedEmbeddings:
    """An answer of the embeddings route before its last step: base64 vectors are bytes, which take a tenth of lists."""

    wanted: int
    """How many inputs were sent."""
    body: Json
    meta: ResponseMeta

    def unpacked(self) -> Embeddings:
        """The vectors. Raises `AzureAIError` when they are not as many as inputs: none may be lost or shifted."""
        embeddings = parse_embeddings(self.body, self.meta)
        if len(embeddings.vectors) != self.wanted:
            raise self._miscount(len(embeddings.vectors))
        return embeddings

    def _miscount(self, got: int) -> AzureAIError:
        unreadable = got < self.wanted == len(dicts(self.body.get("data")))
        return AzureAIError(
            f"The service gave {got} vectors for {self.wanted} inputs (request id {self.meta.request_id}): "
            + (
                "the others are empty or cannot be read. Check that the model embeds, or pass encoding_format='float'."
                if unreadable
                else "send them again."
            )
        )
