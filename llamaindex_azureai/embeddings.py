"""Text and image embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from io import BytesIO
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exported silently
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.utils import get_tqdm_iterable

from azureai_core import AzureAIError, ConfigurationError

from ._cache import Collection
from ._config import ClientConfig

dispatcher = get_dispatcher(BaseEmbedding.__module__)
"""Events come from where the framework's own would."""


class IndexedText(str):
    """A text that knows its index in the corpus: the framework hands on batches, and errors are to name indices."""

    __slots__ = ("index_in_corpus",)
    index_in_corpus: int


def _indexed(texts: Sequence[str]) -> list[str]:
    """The texts with their indices."""
    indexed: list[str] = []
    for index, text in enumerate(texts):
        known = IndexedText(text)
        known.index_in_corpus = index
        indexed.append(known)
    return indexed


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """The texts in batches of the framework."""
    left = iter(texts)
    while batch := list(islice(left, size)):
        yield batch


def _end_event(batch: list[str], vectors: list[Embedding]) -> EmbeddingEndEvent:
    """The event with the vectors themselves, as callbacks are given them: its constructor would copy each number."""
    event = EmbeddingEndEvent(chunks=batch, embeddings=[])
    event.embeddings = vectors
    return event


_PROGRESS = "Generating embeddings"
"""What the framework's own bar says."""

MAX_TEXTS = 256
"""Texts of one request at most, unless the model's profile says fewer."""


class AzureAIEmbedding(ClientConfig, BaseEmbedding):
    """Embeddings of any Azure AI endpoint that has the route `/embeddings`.

    Args:
        endpoint: URL as the portal shows it; else from AZURE_INFERENCE_ENDPOINT.
        credential: as for `AzureAI`.
        options: every field below by name; `model` is another name of `model_name`.

    One list of floats per text, in the order of the texts, not normalised here. Nothing is sent before the first call.
    """

    # Also the key of caches and payloads in the framework, which wants a string: "unknown" stands for none.
    model_name: str = Field(
        default="unknown", description="Deployment name; not needed where the URL serves one model."
    )
    embed_batch_size: int = Field(
        default=1024, gt=0, le=2048, description="Texts of one framework batch; sent in requests the model takes."
    )
    dimensions: int | None = Field(default=None, gt=0, description="Length of the vectors, where the model can choose.")
    query_input_type: str | None = Field(
        default=None, description="input_type of queries; else 'query' where the model is known to differ."
    )
    text_input_type: str | None = Field(
        default=None, description="input_type of texts; else 'document' where the model is known to differ."
    )
    encoding_format: str | None = Field(default=None, description="How vectors travel; else base64 where it is taken.")
    max_concurrency: int = Field(default=4, ge=1, le=64, description="Requests in flight at a time.")
    # Not dumped: a dump is hashed into the keys of ingestion caches, and a store's repr has an address in it.
    embeddings_cache: Any = Field(default=None, exclude=True, repr=False, description="A key-value store of vectors.")

    _slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = PrivateAttr(
        default_factory=WeakKeyDictionary
    )

    @classmethod
    def class_name(cls) -> str:
        """The name in dumps and traces: the retired vendor adapter's.

        Dumps are hashed into the keys of ingestion caches, so another name would have all texts embedded again.
        `from_dict` takes a dump under any name.
        """
        return "AzureAIEmbeddingsModel"

    @property
    def model(self) -> str | None:
        """The deployment's name, or `None`."""
        return None if self.model_name == "unknown" else self.model_name

    def _model_name(self) -> str | None:
        return self.model

    def to_payload(self) -> dict[str, Any]:
        """What traces show of this model: no credential, no header, no query."""
        shown = {"model_name": self.model_name, "model": self.model_name, "embed_batch_size": self.embed_batch_size}
        shape = {} if self.dimensions is None else {"dimensions": self.dimensions}
        return {"class_name": self.class_name(), **shown, **shape, **self._address()}

    # ------------------------------------------------------------------ what is sent

    def _options(self, input_type: str | None) -> dict[str, Any]:
        given = {"dimensions": self.dimensions, "input_type": input_type, "encoding_format": self.encoding_format}
        extra = {"model": self.model, **self.model_kwargs}
        return {**{k: v for k, v in given.items() if k not in extra}, "extra": extra}

    def _query_options(self) -> dict[str, Any]:
        default = "query" if self._tells_queries() else None
        return {**self._options(self.query_input_type), "default_input_type": default}

    def _text_options(self) -> dict[str, Any]:
        default = "document" if self._tells_queries() else None
        return {**self._options(self.text_input_type), "default_input_type": default}

    def _tells_queries(self) -> bool:
        """Whether the model is known to embed queries and texts differently, and has not refused `input_type`."""
        deployment = self._deployment()
        return deployment.profile.input_type and "input_type" not in deployment.route("/embeddings").withdrawn

    def _input_type(self, options: Mapping[str, Any]) -> str | None:
        """The `input_type` that is sent with these options."""
        chosen: str | None = options["extra"].get("input_type") or options.get("input_type")
        return options["default_input_type"] if chosen is None else chosen

    def _chunks(self, texts: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
        """The texts of each request, with the index of the first."""
        size = min(self._deployment().profile.max_batch or MAX_TEXTS, MAX_TEXTS)
        return [(start, texts[start : start + size]) for start in range(0, len(texts), size)]

    # ------------------------------------------------------------------ queries

    def _get_query_embedding(self, query: str) -> Embedding:
        """The vector of a query."""
        _check_texts([query])
        return self._embed([query], self._query_options())[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        """`_get_query_embedding` without blocking the event loop."""
        _check_texts([query])
        async with self._slot():
            return (await self._aembed([query], self._query_options()))[0]

    def get_query_embedding(self, query: str) -> Embedding:
        """The vector of a query. Cached apart from texts where the model embeds the two differently."""
        return super(AzureAIEmbedding, self._for_queries()).get_query_embedding(query)

    async def aget_query_embedding(self, query: str) -> Embedding:
        """`get_query_embedding` without blocking the event loop."""
        return await super(AzureAIEmbedding, self._for_queries()).aget_query_embedding(query)

    def _for_queries(self) -> AzureAIEmbedding:
        """This model, with a cache of its own for queries where they are not embedded as texts are."""
        if self.embeddings_cache is None:
            return self
        kind = self._input_type(self._query_options())
        if kind == self._input_type(self._text_options()):
            return self
        return self.model_copy(update={"embeddings_cache": Collection(self.embeddings_cache, f"/{kind}")})

    # ------------------------------------------------------------------ texts

    def _get_text_embedding(self, text: str) -> Embedding:
        """The vector of a text."""
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        """`_get_text_embedding` without blocking the event loop."""
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        """The vectors of the texts, in order; a few requests in flight where one does not take them all."""
        _check_texts(texts)
        try:
            return self._embed(texts, self._text_options())
        except AzureAIError as error:
            _name_indices(error, texts)
            raise

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        """`_get_text_embeddings` without blocking the event loop."""
        _check_texts(texts)
        tasks = [asyncio.ensure_future(self._aembed_chunk(start, chunk)) for start, chunk in self._chunks(texts)]
        try:
            return await _gathered(tasks)
        except AzureAIError as error:
            _name_indices(error, texts)
            raise

    async def _aembed_chunk(self, start: int, chunk: Sequence[str]) -> list[Embedding]:
        # The framework starts one coroutine per batch of the whole corpus: the cap has to be shared by all of them.
        async with self._slot():
            try:
                return await self._aembed(chunk, self._text_options())
            except AzureAIError as error:
                error.first_index = start + (error.first_index or 0)
                raise

    def _embed(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[Embedding]:
        return self._client.embed_all(texts, max_concurrency=self.max_concurrency, **options)

    async def _aembed(self, texts: Sequence[str], options: Mapping[str, Any]) -> list[Embedding]:
        return await self._client.aembed_all(texts, max_concurrency=1, **options)

    def _slot(self) -> asyncio.Semaphore:
        """The limit on requests in flight of the running event loop; a semaphore belongs to one loop."""
        return self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.max_concurrency))

    # The two below do what the framework's own do, but for its `EmbeddingEndEvent`, which copies every vector.

    def get_text_embedding_batch(self, texts: list[str], show_progress: bool = False, **_: Any) -> list[Embedding]:
        """One vector per text, in order. Raises `ConfigurationError` that names the index of an empty text."""
        _check_texts(texts)  # here, where indices are those of the whole corpus
        about = self.to_payload()
        vectors: list[Embedding] = []
        for batch in _batches(get_tqdm_iterable(_indexed(texts), show_progress, _PROGRESS), self.embed_batch_size):
            dispatcher.event(EmbeddingStartEvent(model_dict=about))
            with self.callback_manager.event(CBEventType.EMBEDDING, {EventPayload.SERIALIZED: about}) as event:
                found = self._embed_batch(batch)
                event.on_end({EventPayload.CHUNKS: batch, EventPayload.EMBEDDINGS: found})
            dispatcher.event(_end_event(batch, found))
            vectors += found
        return vectors

    async def aget_text_embedding_batch(
        self, texts: list[str], show_progress: bool = False, **_: Any
    ) -> list[Embedding]:
        """`get_text_embedding_batch` without blocking the event loop."""
        _check_texts(texts)
        about = self.to_payload()
        workers = asyncio.Semaphore(max(self.num_workers or len(texts), 1))
        jobs = []
        with ExitStack() as events:  # which ends them all when one batch fails
            for batch in _batches(_indexed(texts), self.embed_batch_size):
                dispatcher.event(EmbeddingStartEvent(model_dict=about))
                begun = self.callback_manager.event(CBEventType.EMBEDDING, {EventPayload.SERIALIZED: about})
                event = events.enter_context(begun)
                jobs.append((batch, event, asyncio.ensure_future(self._aembed_batch(batch, workers))))
            vectors = await _gathered([job for _, _, job in jobs], show_progress)
            for batch, event, job in jobs:
                dispatcher.event(_end_event(batch, job.result()))
                event.on_end({EventPayload.CHUNKS: batch, EventPayload.EMBEDDINGS: job.result()})
        return vectors

    def _embed_batch(self, batch: list[str]) -> list[Embedding]:
        if (limiter := self._limiter()) is not None:
            limiter.acquire()
        if self.embeddings_cache is not None:
            return self._get_text_embeddings_cached(batch)
        return self._get_text_embeddings(batch)

    async def _aembed_batch(self, batch: list[str], workers: asyncio.Semaphore) -> list[Embedding]:
        async with workers:
            if self.embeddings_cache is not None:
                return await self._aget_text_embeddings_cached(batch)
            if (limiter := self._limiter()) is not None:
                await limiter.async_acquire()
            return await self._aget_text_embeddings(batch)

    def _limiter(self) -> Any:
        """The framework's rate limiter, which its older versions do not have."""
        return getattr(self, "rate_limiter", None)


class AzureAIMultiModalEmbedding(AzureAIEmbedding, MultiModalEmbedding):
    """Embeddings of images and texts in one space, for deployments with the route `/images/embeddings`.

    An image is a path, a data URL, bytes or an open file.
    """

    image_batch_size: int = Field(
        default=1, gt=0, description="Images of one request; Cohere Embed takes one. Requests run side by side."
    )

    @classmethod
    def class_name(cls) -> str:
        """The name in dumps and traces, which dumps and caches already have; `from_dict` takes any."""
        return "AzureAIImageEmbeddingsModel"

    def _get_image_embedding(self, img_file_path: Any) -> Embedding:
        """The vector of an image."""
        return self._get_image_embeddings([img_file_path])[0]

    async def _aget_image_embedding(self, img_file_path: Any) -> Embedding:
        """`_get_image_embedding` without blocking the event loop."""
        return (await self._aget_image_embeddings([img_file_path]))[0]

    def _get_image_embeddings(self, img_file_paths: list[Any]) -> list[Embedding]:
        """The vectors of the images, in order."""
        batches = self._image_batches(img_file_paths)
        with ThreadPoolExecutor(self.max_concurrency, thread_name_prefix="azureai-embed") as pool:
            jobs = [pool.submit(copy_context().run, self._embed_images, batch) for batch in batches]
            return [vector for job in jobs for vector in job.result()]

    async def _aget_image_embeddings(self, img_file_paths: list[Any]) -> list[Embedding]:
        """`_get_image_embeddings` without blocking the event loop."""
        batches = self._image_batches(img_file_paths)
        return await _gathered([asyncio.ensure_future(self._aembed_images(batch)) for batch in batches])

    def _embed_images(self, images: Sequence[Any]) -> list[Embedding]:
        return self._client.embed_images(images, **self._options(self.text_input_type)).vectors

    async def _aembed_images(self, images: Sequence[Any]) -> list[Embedding]:
        async with self._slot():
            return (await self._client.aembed_images(images, **self._options(self.text_input_type))).vectors

    def _image_batches(self, images: Sequence[Any]) -> list[list[Any]]:
        """The images of each request. Raises `ConfigurationError` where the endpoint has no route for images."""
        if self._client.endpoint.is_openai:
            raise ConfigurationError(
                f"{self._public_url()} has no route for image embeddings: use the model's own endpoint or a Foundry "
                "/models endpoint."
            )
        whole = [image.getvalue() if isinstance(image, BytesIO) else image for image in images]  # wherever it stands
        size = self.image_batch_size
        return [whole[start : start + size] for start in range(0, len(whole), size)]


def _name_indices(error: AzureAIError, texts: Sequence[str]) -> None:
    """Counts the error's texts within the corpus instead of the framework's batch."""
    if error.first_index is not None and error.batch_size is not None:
        indices = [text.index_in_corpus if isinstance(text, IndexedText) else n for n, text in enumerate(texts)]
        error.locate(indices[error.first_index : error.first_index + error.batch_size])


async def _gathered(tasks: Sequence[asyncio.Future[list[Embedding]]], show_progress: bool = False) -> list[Embedding]:
    """The vectors of all tasks, in order. When one fails, the others are stopped."""
    try:
        for done in get_tqdm_iterable(asyncio.as_completed(tasks), show_progress, _PROGRESS, len(tasks)):
            await done
        return [vector for task in tasks for vector in task.result()]
    finally:
        for task in tasks:
            task.cancel()


def _check_texts(texts: Sequence[str]) -> None:
    """Raises `ConfigurationError` with the index of the first empty text: the service would refuse the whole batch."""
    for index, text in enumerate(texts):
        if not text:
            raise ConfigurationError(f"Text {index} is empty, and the service refuses that: leave it out.")


AzureAIEmbeddingsModel = AzureAIEmbedding
"""The name of the retired vendor adapter."""
AzureAIImageEmbeddingsModel = AzureAIMultiModalEmbedding
"""The class's name before version 0.2."""
