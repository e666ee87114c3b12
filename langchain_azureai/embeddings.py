"""`AzureAIEmbeddings`: text and image embeddings for LangChain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field, model_validator

from azureai_core import Embeddings as EmbeddingsResponse
from azureai_core import ImageInput, Usage

from ._config import ClientConfig
from ._errors import model_errors


class AzureAIEmbeddings(ClientConfig, Embeddings):
    """Embed texts and images with a model behind any Azure AI endpoint.

    Queries and documents are embedded differently (`input_type`) where the model's profile or the arguments say so.
    Vectors are lists of floats in input order, not normalised here.

    Example:
        >>> model = AzureAIEmbeddings(
        ...     endpoint="https://NAME.services.ai.azure.com/models", credential="<key>", model="embed-v3"
        ... )
        >>> model.embed_query("Hello")  # doctest: +SKIP
    """

    model_config = ConfigDict(defer_build=False)

    dimensions: int | None = None
    """Length of the vectors, where the model can shorten them."""
    encoding_format: str | None = None
    """`"float"`, `"base64"`, …; by default base64 where the service takes it, which is faster for the same floats."""
    query_input_type: str | None = None
    """`input_type` of queries; `"query"` by default where the model's profile knows the difference."""
    document_input_type: str | None = None
    """`input_type` of documents; `"document"` by default where the model's profile knows the difference."""
    batch_size: int | None = Field(default=None, ge=1)
    """Texts of one request; by default what the model takes, at most 256."""
    max_concurrency: int | None = Field(default=None, ge=1, le=64)
    """Requests in flight; default 4."""
    on_progress: Callable[[int, int | None], object] | None = Field(default=None, exclude=True, repr=False)
    """Called after each batch of documents with the number of texts done and of all texts."""

    on_usage: Callable[[Usage], object] | None = Field(default=None, exclude=True, repr=False)
    """Called after each request with its `azureai_core.Usage`: LangChain has no other way for the tokens."""

    @model_validator(mode="after")
    def _check_azureai_connection(self) -> Self:
        _ = self.client  # raises for a missing endpoint or credential; opens nothing
        return self

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector per text. Raises `ConfigurationError` that names the index of an empty text."""
        with model_errors:
            return self.client.embed_all(texts, **self._job("document", self.document_input_type))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """`embed_documents` without blocking the event loop."""
        with model_errors:
            return await self.client.aembed_all(texts, **self._job("document", self.document_input_type))

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        options = self._options("query", self.query_input_type)
        with model_errors:
            return self._vectors(self.client.embed([text], **options))[0]

    async def aembed_query(self, text: str) -> list[float]:
        """`embed_query` without blocking the event loop."""
        options = self._options("query", self.query_input_type)
        with model_errors:
            return self._vectors(await self.client.aembed([text], **options))[0]

    def embed_images(self, images: Sequence[ImageInput]) -> list[list[float]]:
        """One vector per image: a data URL, path, bytes, open file, or `{"image": one of these, "text": str}`."""
        with model_errors:
            return self._vectors(self.client.embed_images(images, **self._image_options()))

    async def aembed_images(self, images: Sequence[ImageInput]) -> list[list[float]]:
        """`embed_images` without blocking the event loop."""
        with model_errors:
            return self._vectors(await self.client.aembed_images(images, **self._image_options()))

    def _vectors(self, response: EmbeddingsResponse) -> list[list[float]]:
        """The vectors of a response; `on_usage` gets its usage."""
        if self.on_usage is not None and response.usage is not None:
            self.on_usage(response.usage)
        return response.vectors

    def _options(self, kind: str, input_type: str | None) -> dict[str, Any]:
        """The arguments of a request; the kind goes along where the model's profile knows the difference."""
        known = self.client.deployment().profile.input_type
        return {
            **self._image_options(),
            "input_type": input_type,
            "default_input_type": kind if known else None,
        }

    def _image_options(self) -> dict[str, Any]:
        return {
            "dimensions": self.dimensions,
            "encoding_format": self.encoding_format,
            "extra": self.model_kwargs or None,
        }

    def _job(self, kind: str, input_type: str | None) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size,
            "max_concurrency": self.max_concurrency,
            "on_progress": self.on_progress,
            "on_usage": self.on_usage,
            **self._options(kind, input_type),
        }


AzureAIEmbeddingsModel = AzureAIEmbeddings
"""The class under the retired adapter's name."""
