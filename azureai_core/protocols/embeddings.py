"""Answers of the embeddings routes: vectors, encoded as they came until their turn comes."""

from __future__ import annotations

import re
import sys
from array import array
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import CoreConfig, SchemaValidator, core_schema
from pydantic_core.core_schema import ValidationInfo

from azureai_core.errors import AzureAIError
from azureai_core.json_text import from_json_text
from azureai_core.types import NO_META, Embeddings, Json, ResponseMeta, Usage

from .base import WireProtocol
from .reading import count_of, dicts, text_of
from .usage import parse_usage


def parse_embeddings(body: Json, meta: ResponseMeta = NO_META) -> Embeddings:
    """The vectors of an answer in the order of the inputs; a broken vector is left out."""
    return Embeddings(
        vectors=list(parse_vectors(body)),
        model=text_of(body.get("model")) or None,
        usage=parse_usage(body.get("usage")),
        request_id=meta.request_id,
        meta=meta,
    )


def parse_vectors(body: Json) -> Iterator[list[float]]:
    """The vectors one by one, as `parse_embeddings` has them."""
    data = body.get("data")
    if not (isinstance(data, list) and data and isinstance(data[0], bytes)):
        data = _in_order(dicts(data))
    for value in data:
        if vector := parse_vector(value):
            yield vector


def _in_order(items: list[Json]) -> list[Any]:
    """The vectors as the service gave them. It may answer out of order; an answer without indices is in order."""
    order = [count_of(item.get("index")) for item in items]
    if None not in order:
        items = [item for _, item in sorted(zip(order, items, strict=True), key=lambda pair: pair[0] or 0)]
    return [item.get("embedding") for item in items]


def parse_vector(value: object) -> list[float] | None:
    """One embedding: a list as it is, or little-endian float32 values, as bytes or as their base64 text.

    Source: recorded Cohere answers.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, str | bytes):
        return None
    floats = array("f")
    try:
        floats.frombytes(a2b_base64(value) if isinstance(value, str) else value)
    except (Base64Error, ValueError):
        return None
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()


def _with(**fields: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """An object with these fields, and any others."""
    known = {name: core_schema.typed_dict_field(schema) for name, schema in fields.items()}
    return core_schema.typed_dict_schema(known, extra_behavior="allow", config=CoreConfig(val_json_bytes="base64"))


def _vector_of(item: dict[str, Any], info: ValidationInfo[list[Any]]) -> Any:
    """The vector alone, its place noted in the context: no object is kept for the garbage collector to count."""
    info.context.append(item.get("index"))
    return item["embedding"]


_ITEM = core_schema.with_info_after_validator_function(_vector_of, _with(embedding=core_schema.bytes_schema()))
_ENCODED = SchemaValidator(_with(data=core_schema.list_schema(_ITEM, fail_fast=True)))
_IS_ENCODED = re.compile(rb'"embedding"\s*:\s*"')


def from_encoded_json(content: bytes) -> Any:
    """The same for an answer of the embeddings route, whose `data` are bytes then, each base64 `embedding` decoded.

    Decoded inside pydantic_core, a vector costs half of what `a2b_base64` makes of it afterwards. An answer whose
    vectors are lists, not all of them base64, or out of order, is taken as it is.
    """
    if _IS_ENCODED.search(content, 0, 4096):
        indices: list[Any] = []
        with suppress(ValueError):
            body = _ENCODED.validate_json(content, context=indices)
            if indices in ([*range(len(indices))], [None] * len(indices)):
                return body
    return from_json_text(content)


@dataclass(frozen=True, slots=True)
class EncodedEmbeddings:
    """An answer of the embeddings route before its last step: base64 vectors are bytes, which take a tenth of lists."""

    wanted: int
    """How many inputs were sent."""
    body: Json
    meta: ResponseMeta

    def decoded(self) -> Embeddings:
        """The vectors. Raises `AzureAIError` when they are not as many as inputs, or not alike: none may be lost."""
        embeddings = parse_embeddings(self.body, self.meta)
        self._check_count(len(embeddings.vectors))
        self._check_shape(embeddings.vectors)
        return embeddings

    def fill(self, buffers: list[list[float]], first: int) -> None:
        """Moves the vectors into a list from a place on, each for what lies there. Raises as `decoded` does."""
        count = 0
        for vector in parse_vectors(self.body):
            if count < self.wanted:
                buffers[first + count] = vector
            count += 1
        self._check_count(count)
        self._check_shape(buffers[first : first + count])
        self.body["data"] = None

    @property
    def model(self) -> str | None:
        """The model that answered, as the service names it."""
        return text_of(self.body.get("model")) or None

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


def _read(content: bytes, payload: Mapping[str, Any]) -> Any:
    return from_encoded_json(content) if payload.get("encoding_format") == "base64" else from_json_text(content)


def _decode(body: Json, meta: ResponseMeta, payload: Mapping[str, Any]) -> EncodedEmbeddings:
    return EncodedEmbeddings(len(payload["input"]), body, meta)


EMBEDDINGS: WireProtocol[EncodedEmbeddings] = WireProtocol(
    route="/embeddings",
    operation="embeddings",
    fields=frozenset({"input", "model", "dimensions", "encoding_format", "input_type"}),
    answer_field="data",
    read=_read,
    decode=_decode,
)
IMAGE_EMBEDDINGS: WireProtocol[EncodedEmbeddings] = replace(EMBEDDINGS, route="/images/embeddings")
