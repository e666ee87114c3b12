"""Text and image embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from io import BytesIO
from itertools import islice
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]  # re-exported silently
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.utils import get_tqdm_iterable

from azureai_core import APIStatusError, AzureAIError, ConfigurationError

from ._cache import Collection
from ._connection import ALIASES, Connection

dispatcher = get_dispatcher(BaseEmbedding.__module__)
"""Events come from where the framework's own would."""


class _Placed(str):
    """A text that knows its place in the corpus: the framework hands on batches, and errors should name places.

    It keeps the list, empty yet, whose place its vector takes (`places` of `embed_all`).
    """

    __slots__ = ("place", "room")
    place: int
    room: list[float] | None

    def take_room(self) -> list[float]:
        """The list, for good: nothing else refers to it then."""
        room, self.room = self.room, None
        return [] if room is None else room


def _placed(texts: Sequence[str]) -> list[str]:
    """The texts with their places."""
    placed: list[str] = []
    for place, text in enumerate(texts):
        known = _Placed(text)
        known.place, known.room = place, []
        placed.append(known)
    return placed


def _rooms(texts: Sequence[str]) -> list[list[float]]:
    """What the vectors of the texts take the places of."""
    return [text.take_room() if isinstance(text, _Placed) else [] for text in texts]


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

PIECE = 256
"""Texts of one request at most, unless the model's profile says fewer."""


class AzureAIEmbeddingsModel(Connection, BaseEmbedding):
    """Embeddings of any Azure AI endpoint that has the route `/embeddings`.

    Args:
        endpoint: URL as the portal shows it; else from AZURE_INFERENCE_ENDPOINT.
        credential: as for `AzureAICompletionsModel`.
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

    _refused_fields: set[str] = PrivateAttr(default_factory=set)
    """Fields of ours that the deployment does not take; copies of the model share it."""
    _slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = PrivateAttr(
        default_factory=WeakKeyDictionary
    )
    _names: ClassVar[Mapping[str, str]] = {**ALIASES, "model": "model_name"}

    @classmethod
    def class_name(cls) -> str:
        """The registry key, the same as the retired vendor adapter's."""
        return "AzureAIEmbeddingsModel"

    @property
    def model(self) -> str | None:
        """The deployment's name, or `None`."""
        return None if self.model_name == "unknown" else self.model_name

    def to_payload(self) -> dict[str, Any]:
        """What traces are told of this model: no credential, no header, no query."""
        shown = {"model_name": self.model_name, "model": self.model_name, "embed_batch_size": self.embed_batch_size}
        shape = {} if self.dimensions is None else {"dimensions": self.dimensions}
        return {"class_name": self.class_name(), **shown, **shape, **self._address()}

    # ------------------------------------------------------------------ what is sent

    def _options(self, input_type: str | None) -> dict[str, Any]:
        given = {"dimensions": self.dimensions, "input_type": input_type, "encoding_format": self.encoding_format}
        extra = {"model": self.model, **self.model_kwargs}
        return {**{k: v for k, v in given.items() if k not in extra}, "extra": extra}

    def _query_types(self) -> list[str | None]:
        return self._input_types(self.query_input_type, "query")

    def _text_types(self) -> list[str | None]:
        return self._input_types(self.text_input_type, "document")

    def _input_types(self, users: str | None, ours: str) -> list[str | None]:
        """The values of `input_type` to try: the user's, or ours where the model is known to differ, then none."""
        chosen = users if users is not None else self.model_kwargs.get("input_type")
        if chosen is not None:
            return [chosen]
        if "input_type" in self._refused_fields or not self._profile(self.model).input_type:
            return [None]
        return [ours, None]

    def _withdraw(self, input_type: str | None, tried: list[str | None], error: APIStatusError) -> None:
        """Notes that the service refuses an `input_type` of ours; raises the error when it means something else."""
        if input_type == tried[-1] or "input_type" not in error.parameters:
            raise error
        self._refused_fields.add("input_type")

    def _size(self) -> int:
        """Texts of one request at most."""
        return min(self._profile(self.model).max_batch or PIECE, PIECE)

    def _pieces(self, texts: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
        """The texts in pieces of one request each, with the place of the first text."""
        size = self._size()
        return [(start, texts[start : start + size]) for start in range(0, len(texts), size)]

    # ------------------------------------------------------------------ queries

    def _get_query_embedding(self, query: str) -> Embedding:
        """The vector of a query."""
        _check_texts([query])
        return self._embed([query], self._query_types())[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        """`_get_query_embedding` without blocking the event loop."""
        _check_texts([query])
        async with self._slot():
            return (await self._aembed([query], self._query_types()))[0]

    def get_query_embedding(self, query: str) -> Embedding:
        """The vector of a query. Cached apart from texts where the model embeds the two differently."""
        return super(AzureAIEmbeddingsModel, self._for_queries()).get_query_embedding(query)

    async def aget_query_embedding(self, query: str) -> Embedding:
        """`get_query_embedding` without blocking the event loop."""
        return await super(AzureAIEmbeddingsModel, self._for_queries()).aget_query_embedding(query)

    def _for_queries(self) -> AzureAIEmbeddingsModel:
        """This model, with a cache of its own for queries where they are not embedded as texts are."""
        kind = self._query_types()[0]
        if self.embeddings_cache is None or kind == self._text_types()[0]:
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
            return self._embed(texts, self._text_types())
        except AzureAIError as error:
            _name_place(error, texts)
            raise

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        """`_get_text_embeddings` without blocking the event loop."""
        _check_texts(texts)
        tasks = [asyncio.ensure_future(self._aembed_piece(start, piece)) for start, piece in self._pieces(texts)]
        try:
            return await _gathered(tasks)
        except AzureAIError as error:
            _name_place(error, texts)
            raise

    async def _aembed_piece(self, start: int, piece: Sequence[str]) -> list[Embedding]:
        # The framework starts one coroutine per batch of the whole corpus: the cap has to be shared by all of them.
        async with self._slot():
            try:
                return await self._aembed(piece, self._text_types())
            except AzureAIError as error:
                error.first_index = start + (error.first_index or 0)
                raise

    def _embed(self, texts: Sequence[str], input_types: list[str | None]) -> list[Embedding]:
        for input_type in input_types:
            try:
                return self._client.embed_all(
                    texts,
                    batch_size=self._size(),
                    max_concurrency=self.max_concurrency,
                    places=_rooms(texts),
                    **self._options(input_type),
                )
            except APIStatusError as error:
                self._withdraw(input_type, input_types, error)
        raise AssertionError("the last try raises its error")

    async def _aembed(self, texts: Sequence[str], input_types: list[str | None]) -> list[Embedding]:
        for input_type in input_types:
            try:
                return await self._client.aembed_all(
                    texts,
                    batch_size=self._size(),
                    max_concurrency=1,
                    places=_rooms(texts),
                    **self._options(input_type),
                )
            except APIStatusError as error:
                self._withdraw(input_type, input_types, error)
        raise AssertionError("the last try raises its error")

    def _slot(self) -> asyncio.Semaphore:
        """The limit on requests in flight of the running event loop; a semaphore belongs to one loop."""
        return self._slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.max_concurrency))

    # The two below do what the framework's own do, but for its `EmbeddingEndEvent`, which copies every vector.

    def get_text_embedding_batch(self, texts: list[str], show_progress: bool = False, **_: Any) -> list[Embedding]:
        """One vector per text, in order. Raises `ConfigurationError` that names the place of an empty text."""
        _check_texts(texts)  # here, where places are those of the whole corpus
        about = self.to_payload()
        vectors: list[Embedding] = []
        for batch in _batches(get_tqdm_iterable(_placed(texts), show_progress, _PROGRESS), self.embed_batch_size):
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
            for batch in _batches(_placed(texts), self.embed_batch_size):
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


class AzureAIImageEmbeddingsModel(AzureAIEmbeddingsModel, MultiModalEmbedding):
    """Embeddings of images and texts in one space, for deployments with the route `/images/embeddings`.

    An image is a path, a data URL, bytes or an open file.
    """

    image_batch_size: int = Field(
        default=1, gt=0, description="Images of one request; Cohere Embed takes one. Requests run side by side."
    )

    @classmethod
    def class_name(cls) -> str:
        """The registry key."""
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


def _name_place(error: AzureAIError, texts: Sequence[str]) -> None:
    """Counts the error's place within the corpus instead of the framework's batch."""
    if error.first_index is not None and error.batch_size is not None:
        places = [text.place if isinstance(text, _Placed) else n for n, text in enumerate(texts)]
        error.locate(places[error.first_index : error.first_index + error.batch_size])


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
    """Raises `ConfigurationError` with the place of the first empty text: the service would refuse the whole batch."""
    for index, text in enumerate(texts):
        if not text:
            raise ConfigurationError(f"Text {index} is empty, and the service refuses that: leave it out.")
