"""Answers of the embeddings route whose vectors are not made into lists of floats yet."""

from __future__ import annotations

from dataclasses import dataclass

from azureai_core.errors import AzureAIError
from azureai_core.types import Embeddings, Json, ResponseMeta, Usage, parse_embeddings, parse_usage, parse_vectors


@dataclass(frozen=True, slots=True)
class PackedEmbeddings:
    """An answer of the embeddings route before its last step: base64 vectors are bytes, which take a tenth of lists."""

    wanted: int
    """How many inputs were sent."""
    body: Json
    meta: ResponseMeta

    def unpacked(self) -> Embeddings:
        """The vectors. Raises `AzureAIError` when they are not as many as inputs, or not alike: none may be lost."""
        embeddings = parse_embeddings(self.body, self.meta)
        self._check_count(len(embeddings.vectors))
        self._check_shape(embeddings.vectors)
        return embeddings

    def fill(self, places: list[list[float]], first: int) -> None:
        """Moves the vectors into a list from a place on, each for what lies there. Raises as `unpacked` does."""
        count = 0
        for vector in parse_vectors(self.body):
            if count < self.wanted:
                places[first + count] = vector
            count += 1
        self._check_count(count)
        self._check_shape(places[first : first + count])
        self.body["data"] = None

    @property
    def usage(self) -> Usage | None:
        """The token counts of the answer."""
        return parse_usage(self.body.get("usage"))

    def _check_count(self, count: int) -> None:
        if count != self.wanted:
            raise self._miscount(count)

    def _check_shape(self, vectors: list[list[float]]) -> None:
        """Looks at lengths and first elements only: looking at each would cost a fifth of the decoding."""
        lengths = sorted(set(map(len, vectors)))
        odd = [vector[0] for vector in vectors if not isinstance(vector[0], int | float)]
        if len(lengths) > 1 or odd:
            what = f"elements such as {odd[0]!r:.50}" if odd else f"lengths from {lengths[0]} to {lengths[-1]}"
            raise AzureAIError(
                f"The service gave vectors with {what} (request id {self.meta.request_id}): send the inputs again, or "
                "pass encoding_format='float'."
            )

    def _miscount(self, got: int) -> AzureAIError:
        data = self.body.get("data")
        unreadable = got < self.wanted == (len(data) if isinstance(data, list) else 0)
        return AzureAIError(
            f"The service gave {got} vectors for {self.wanted} inputs (request id {self.meta.request_id}): "
            + (
                "the others are empty or cannot be read. Check that the model embeds, or pass encoding_format='float'."
                if unreadable
                else "send them again."
            )
        )
