"""A view of a key-value store under other collection names."""

from __future__ import annotations

from typing import Any

from llama_index.core.storage.kvstore.types import BaseKVStore


class Collection(BaseKVStore):
    """A store's collections under names with a suffix, so that the same key can stand for two things."""

    def __init__(self, store: BaseKVStore, suffix: str) -> None:
        self._store = store
        self._suffix = suffix

    def put(self, key: str, val: dict[str, Any], collection: str = "data") -> None:
        self._store.put(key, val, collection + self._suffix)

    async def aput(self, key: str, val: dict[str, Any], collection: str = "data") -> None:
        await self._store.aput(key, val, collection + self._suffix)

    def get(self, key: str, collection: str = "data") -> dict[str, Any] | None:
        return self._store.get(key, collection + self._suffix)

    async def aget(self, key: str, collection: str = "data") -> dict[str, Any] | None:
        return await self._store.aget(key, collection + self._suffix)

    def get_all(self, collection: str = "data") -> dict[str, dict[str, Any]]:
        return self._store.get_all(collection + self._suffix)

    async def aget_all(self, collection: str = "data") -> dict[str, dict[str, Any]]:
        return await self._store.aget_all(collection + self._suffix)

    def delete(self, key: str, collection: str = "data") -> bool:
        return self._store.delete(key, collection + self._suffix)

    async def adelete(self, key: str, collection: str = "data") -> bool:
        return await self._store.adelete(key, collection + self._suffix)
