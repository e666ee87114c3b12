"""Forward requests to a real endpoint and keep the exchanges."""

import asyncio
import contextlib
import http.client
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azureai_emulator.wire import errors
from azureai_emulator.wire.conversation import Conversation
from azureai_emulator.wire.sse import EventReader

from .cassette import KEPT_HEADERS, Cassette, Recording

Json = Any

_FORWARDED = frozenset(
    {"content-type", "accept", "extra-parameters", "azureml-model-deployment", "x-ms-client-request-id", "user-agent"}
)
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"})
_TIMEOUT = 1800.0
_CHUNK = 65536


@dataclass(frozen=True)
class Record:
    """Forwards requests to a real endpoint and keeps the exchanges in a folder."""

    folder: Path
    upstream: str
    """The URL that replaces the emulator's own; the path of a request is appended unchanged."""
    upstream_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                "The upstream is the URL of an endpoint such as https://NAME.services.ai.azure.com, "
                f"not {self.upstream!r}."
            )
        if not self.upstream_key:
            raise ValueError(
                "The upstream needs a key: --upstream-key, or AZURE_INFERENCE_CREDENTIAL in the environment."
            )

    async def answer(self, conversation: Conversation, body: bytes) -> bool:
        """Answer one request with the upstream's answer; true when the connection must be cut."""
        caller = Upstream(self)
        try:
            response = await asyncio.to_thread(caller.send, conversation, body)
            return await self._forward(conversation, response)
        except (OSError, http.client.HTTPException) as error:
            if conversation.exchange.status:  # the answer was sent; saving it failed
                raise
            await conversation.reply(errors.upstream_failed(type(error).__name__))
            return False
        finally:
            caller.close()

    async def _forward(self, conversation: Conversation, response: http.client.HTTPResponse) -> bool:
        headers = {name.lower(): value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        recording = Recording(
            method=conversation.exchange.method,
            path=conversation.exchange.path,
            query=conversation.exchange.query,
            request=conversation.exchange.body,
            status=response.status,
            headers={name: value for name, value in headers.items() if name in KEPT_HEADERS},
        )
        if not headers.get("content-type", "").startswith("text/event-stream"):
            raw = await asyncio.to_thread(response.read)
            body = _decoded(raw)
            await conversation.raw(response.status, headers, raw, body)
            await self._keep(conversation, replace(recording, body=body))
            return False
        conversation.headers = {**headers}
        conversation.exchange.response = []
        reader = EventReader()
        chunks = _UpstreamStream(response, reader, conversation)
        cut = await conversation.stream(chunks.read(), response.status)
        frames = tuple(zip(conversation.exchange.frame_times, conversation.exchange.response, strict=True))
        await self._keep(conversation, replace(recording, frames=frames, done=reader.done, complete=not cut))
        return cut

    async def _keep(self, conversation: Conversation, recording: Recording) -> None:
        secrets = [self.upstream_key, conversation.key]
        await asyncio.to_thread(Cassette(self.folder).add, recording, secrets)


class Upstream:
    """One connection to the upstream, for one request."""

    def __init__(self, record: Record) -> None:
        self._parts = urlsplit(record.upstream)
        self._key = record.upstream_key
        secure = self._parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = make(self._parts.hostname or "", self._parts.port, timeout=_TIMEOUT)
        self._socket: socket.socket | None = None

    def send(self, conversation: Conversation, body: bytes) -> http.client.HTTPResponse:
        """Forward the request with the upstream's key in place of ours; blocks until the headers arrive."""
        target = self._parts.path.rstrip("/") + conversation.scope["raw_path"].decode("latin-1")
        if conversation.scope["query_string"]:
            target += "?" + conversation.scope["query_string"].decode("latin-1")
        headers = {name: value for name, value in conversation.exchange.headers.items() if name in _FORWARDED}
        # Each endpoint kind reads one of the two and ignores the other.
        headers |= {"authorization": f"Bearer {self._key}", "api-key": self._key, "accept-encoding": "identity"}
        self._connection.connect()
        self._socket = self._connection.sock
        self._connection.request(conversation.exchange.method, target, body or None, headers)
        return self._connection.getresponse()

    def close(self) -> None:
        """Close the connection; a thread that waits on it is woken."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class _UpstreamStream:
    """The bytes of a stream as they arrive; each frame in them is logged."""

    def __init__(self, response: http.client.HTTPResponse, reader: EventReader, conversation: Conversation) -> None:
        self._response, self._reader, self._conversation = response, reader, conversation

    async def read(self) -> AsyncIterator[bytes | None]:
        while True:
            try:
                chunk = await asyncio.to_thread(self._response.read1, _CHUNK)
            except (OSError, http.client.HTTPException):
                yield None
                return
            self._note(self._reader.feed(chunk) if chunk else self._reader.end())
            if not chunk:
                return
            yield chunk

    def _note(self, events: list[str]) -> None:
        for event in events:
            self._conversation.note_frame(_decoded(event.encode()))


def _decoded(raw: bytes) -> Json:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")
