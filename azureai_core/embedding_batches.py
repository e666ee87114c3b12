"""Many texts in batches: bounded in flight, in order, and split where the service takes fewer at once."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sized,
)
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from contextvars import copy_context
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from .deployments import Deployment, RouteState
from .errors import APIStatusError, AzureAIError, ConfigurationError
from .inputs import DEFAULT_BATCH, batches
from .protocols.embeddings import EMBEDDINGS, EncodedEmbeddings
from .types import Embeddings, Usage

DEFAULT_CONCURRENCY, MAX_CONCURRENCY = 4, 64


_Part = tuple[int, EncodedEmbeddings]
"""The place of a request's first text, and the answer; batch by batch, lists are made of it when its turn has come."""


class Batches:
    """One job of `embed_many`."""

    def __init__(
        self,
        deployment_of: Callable[[str | None], Deployment],
        send: Callable[..., EncodedEmbeddings],
        asend: Callable[..., Awaitable[EncodedEmbeddings]],
        texts: Iterable[str],
        batch_size: int | None,
        max_concurrency: int | None,
        on_progress: Callable[[int, int | None], object] | None,
        options: Mapping[str, Any],
        on_usage: Callable[[Usage], object] | None = None,
    ) -> None:
        if isinstance(texts, str):
            raise ConfigurationError("texts is one string: pass a list of strings.")
        if batch_size is not None and batch_size < 1:
            raise ConfigurationError(f"batch_size={batch_size!r}: use 1 or more.")
        if max_concurrency is not None and not 1 <= max_concurrency <= MAX_CONCURRENCY:
            raise ConfigurationError(f"max_concurrency={max_concurrency!r}: use 1 to {MAX_CONCURRENCY}.")
        deployment = deployment_of((options.get("extra") or {}).get("model"))
        self._send, self._asend = send, asend
        self._options = options
        self._state = deployment.route(EMBEDDINGS.route)
        self._size = batch_size or min(deployment.profile.max_batch or DEFAULT_BATCH, DEFAULT_BATCH)
        self._concurrency = max_concurrency or DEFAULT_CONCURRENCY
        self._texts = texts
        self._total = len(texts) if isinstance(texts, Sized) else None
        self._on_progress, self._on_usage = on_progress, on_usage
        self._finished = 0
        self._buffers: list[list[float]] | None = None

    def run(self) -> Iterator[Embeddings]:
        """The batches' vectors in input order."""
        with closing(self._answers()) as answers:
            for parts in answers:
                yield self._done(parts)

    async def arun(self) -> AsyncIterator[Embeddings]:
        """The batches' vectors in input order."""
        async with aclosing(self._aanswers()) as answers:
            async for parts in answers:
                yield self._done(parts)

    def run_all(self) -> list[list[float]]:
        """All vectors; see `_new_buffers`."""
        self._buffers = self._new_buffers()
        with closing(self._answers()) as answers:
            for parts in answers:
                self._report(parts)
        return self._buffers

    async def arun_all(self) -> list[list[float]]:
        """All vectors; see `_new_buffers`."""
        self._buffers = self._new_buffers()
        async with aclosing(self._aanswers()) as answers:
            async for parts in answers:
                self._report(parts)
        return self._buffers

    def _new_buffers(self) -> list[list[float]]:
        """A list in the place of each vector to come.

        Python's garbage collector walks all that is new whenever there are 700 more lists and such than before: with
        vectors each of their floats, a quarter of the time of the job. Here a vector takes the place of a list that
        goes.
        """
        if self._total is None:
            self._texts = texts = list(self._texts)
            self._total = len(texts)
        return [[] for _ in range(self._total)]

    def _answers(self) -> Generator[list[_Part], None, None]:
        """The batches' answers in input order, requests in threads; a single batch needs none."""
        batches = self._batches()
        first = list(islice(batches, 2))
        if len(first) < 2:  # noqa: PLR2004
            yield from (self._embed(start, batch) for start, batch in first)
            return
        pending: deque[Future[list[_Part]]] = deque()
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="azureai-embed")
        try:
            for start, batch in chain(first, batches):
                pending.append(pool.submit(copy_context().run, self._embed, start, batch))
                if len(pending) >= self._concurrency:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # What is in flight ends by itself: the caller is not made to wait for an answer that nobody wants.
            pool.shutdown(wait=not pending, cancel_futures=True)

    async def _aanswers(self) -> AsyncGenerator[list[_Part], None]:
        """The batches' answers in input order, requests in tasks."""
        pending: deque[asyncio.Task[list[_Part]]] = deque()
        try:
            for start, batch in self._batches():
                pending.append(asyncio.ensure_future(self._aembed(start, batch)))
                if len(pending) >= self._concurrency:
                    yield await pending.popleft()
            while pending:
                yield await pending.popleft()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _embed(self, start: int, batch: list[str], limit: int | None = None) -> list[_Part]:
        """The answers to one batch, several where the service takes fewer texts at once."""
        parts: list[_Part] = []
        for first, chunk in self._chunks(start, batch, limit):
            try:
                encoded = self._send(chunk, **self._options)
            except AzureAIError as error:
                parts += self._embed(first, chunk, self._smaller(error, first, chunk))
            else:
                parts.append(self._part(first, encoded))
        return parts

    async def _aembed(self, start: int, batch: list[str], limit: int | None = None) -> list[_Part]:
        parts: list[_Part] = []
        for first, chunk in self._chunks(start, batch, limit):
            try:
                encoded = await self._asend(chunk, **self._options)
            except AzureAIError as error:
                parts += await self._aembed(first, chunk, self._smaller(error, first, chunk))
            else:
                parts.append(self._part(first, encoded))
        return parts

    def _part(self, first: int, encoded: EncodedEmbeddings) -> _Part:
        """The part, its vectors in their buffers where all are wanted at once: now, with the bytes still at hand."""
        if self._buffers is not None:
            with self._located_errors(first, encoded):
                encoded.fill(self._buffers, first)
        return first, encoded

    def _batches(self) -> Iterator[tuple[int, list[str]]]:
        start = 0
        for batch in batches(self._texts, self._size):
            yield start, batch
            start += len(batch)

    def _chunks(self, start: int, batch: list[str], limit: int | None) -> Iterator[tuple[int, list[str]]]:
        """The batch in chunks of what the service is known to take by now."""
        size = min(self._state.max_batch or len(batch), limit or len(batch), len(batch))
        for offset in range(0, len(batch), size):
            yield start + offset, batch[offset : offset + size]

    def _smaller(self, error: AzureAIError, first: int, chunk: list[str]) -> int:
        """The size to try next, or raises the error with the place of the batch.

        A limit of inputs is remembered; that a body was too large (413) says nothing about shorter texts.
        """
        limit = refused_size(error, len(chunk))
        if limit is None:
            raise self._located(error, first, len(chunk))
        if not _is_too_large(error):
            _lower(self._state, limit)
        return limit

    @contextmanager
    def _located_errors(self, first: int, encoded: EncodedEmbeddings) -> Iterator[None]:
        """Errors of an answer say which texts it was for."""
        try:
            yield
        except AzureAIError as error:
            raise self._located(error, first, encoded.wanted) from None

    def _located(self, error: AzureAIError, first: int, count: int) -> AzureAIError:
        """The error, saying which texts it is about; who takes batch by batch has the vectors of those before."""
        before = "; those before are done" if self._buffers is None else ""
        error.locate(range(first, first + count), rest=before)
        return error

    def _done(self, parts: list[_Part]) -> Embeddings:
        decoded = []
        for first, encoded in parts:
            with self._located_errors(first, encoded):
                decoded.append(encoded.decoded())
        self._report(parts)
        return _merged(decoded)

    def _report(self, parts: list[_Part]) -> None:
        """Reports what is done."""
        for _, encoded in parts:
            self._finished += encoded.wanted
            if self._on_usage is not None and encoded.usage is not None:
                self._on_usage(encoded.usage)
        if self._on_progress is not None:
            self._on_progress(self._finished, self._total)


# Cohere: "total number of texts must be at most 96 - received 128"; Azure OpenAI: "the max number of inputs is 2048".
_TOO_MANY = re.compile(
    r"too many (?:inputs|texts)|number of (?:inputs|texts)|batch.?size|(?:inputs|texts) .*at most", re.IGNORECASE
)
_LIMIT = re.compile(r"(?:at most|maximum|max number|limit)[^\d.]{0,60}(\d+)", re.IGNORECASE)
"""Any other number may be of the model's name, or how many there were."""


def refused_size(error: AzureAIError, size: int) -> int | None:
    """How many inputs the service takes, when it refused a request for having too many; else `None`."""
    if not isinstance(error, APIStatusError) or size < 2 or error.status_code not in {400, 413, 422}:  # noqa: PLR2004
        return None
    if _is_too_large(error):
        return size // 2
    if not _TOO_MANY.search(error.message):
        return None
    named = [int(number) for number in _LIMIT.findall(error.message.split("[", 1)[0]) if 0 < int(number) < size]
    return max(named) if named else size // 2


def _is_too_large(error: AzureAIError) -> bool:
    return isinstance(error, APIStatusError) and error.status_code == 413  # noqa: PLR2004


def _lower(state: RouteState, limit: int) -> None:
    state.max_batch = min(limit, state.max_batch or limit)


def _merged(parts: list[Embeddings]) -> Embeddings:
    """The answers to the chunks of one batch as one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    vectors = [vector for part in parts for vector in part.vectors]
    usages = [part.usage for part in parts if part.usage is not None]
    usage = Usage(sum(u.prompt_tokens for u in usages), 0, sum(u.total_tokens for u in usages)) if usages else None
    return replace(first, vectors=vectors, usage=usage)
