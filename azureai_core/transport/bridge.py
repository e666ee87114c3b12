"""The bodies that our own pool delivers, as httpx's: for errors, which show a response, and for compressed answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx


def stream_of(body: Any) -> httpx.SyncByteStream | httpx.AsyncByteStream:
    """A body of either colour."""
    return _Stream(body) if hasattr(body, "close") else _AsyncStream(body)


class _Stream(httpx.SyncByteStream):
    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    def close(self) -> None:
        self._body.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, body: Any) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()
