"""Answer from recorded exchanges; a request that matches none gets a 404 with the nearest one."""

import difflib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from azureai_emulator.faults.fault import NO_FAULT
from azureai_emulator.faults.stream import write_stream
from azureai_emulator.wire.conversation import Conversation
from azureai_emulator.wire.errors import Reply, recording_not_found
from azureai_emulator.wire.stream import Stream

from .cassette import Cassette, Recording, canonical, sanitised

Json = Any

_MAX_COMPARED = 20_000
_MAX_DIFFERENCES = 20
_MAX_SHOWN = 80


class Replay:
    """Answers from the exchanges of a folder. A repeated request gets the next answer recorded for it, or the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = Cassette(folder).read()
        if not self._files:
            raise ValueError(f"{folder}: no recorded exchanges in this folder.")
        self._answers: dict[str, list[Recording]] = {}
        for _, recording in self._files:
            self._answers.setdefault(canonical(recording.method, recording.path, recording.request), []).append(
                recording
            )

    async def answer(self, conversation: Conversation, _body: bytes) -> bool:
        """Answer one request; true when the connection must be cut, as in the recording."""
        asked = sanitised(conversation.exchange.body, [conversation.key])
        found = self._answers.get(canonical(conversation.exchange.method, conversation.exchange.path, asked))
        if found is None:
            await conversation.reply(self._no_match(conversation.exchange.method, conversation.exchange.path, asked))
            return False
        return await _send(conversation, found.pop(0) if len(found) > 1 else found[0])

    def _no_match(self, method: str, path: str, asked: Json) -> Reply:
        wanted = canonical(method, path, asked)[:_MAX_COMPARED]
        file, near = max(self._files, key=lambda item: _similarity(item[1], method, path, wanted))
        differences = (
            [] if (near.method, near.path) == (method, path) else [f"{method} {path}, not {near.method} {near.path}"]
        )
        differences += list(_differences("", near.request, asked))[:_MAX_DIFFERENCES]
        nearest = {
            "file": file,
            "method": near.method,
            "path": near.path,
            "body": near.request,
        }
        return recording_not_found(f"{method} {path}", {**nearest, "differences": differences})


def _similarity(recording: Recording, method: str, path: str, wanted: str) -> tuple[bool, float]:
    text = canonical(recording.method, recording.path, recording.request)[:_MAX_COMPARED]
    return (recording.method, recording.path) == (method, path), difflib.SequenceMatcher(
        None, text, wanted
    ).quick_ratio()


def _differences(place: str, recorded: Json, asked: Json) -> Iterator[str]:
    """The places where two bodies differ: `messages[0].content: recorded 'a', asked 'b'`."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in [*recorded, *(name for name in asked if name not in recorded)]:
            inner = f"{place}.{name}" if place else name
            yield from _differences(inner, recorded.get(name), asked.get(name))
    elif isinstance(recorded, list) and isinstance(asked, list) and len(recorded) == len(asked):
        for index, (one, other) in enumerate(zip(recorded, asked, strict=True)):
            yield from _differences(f"{place}[{index}]", one, other)
    elif recorded != asked:
        yield f"{place or 'body'}: recorded {_short(recorded)}, asked {_short(asked)}"


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


async def _send(conversation: Conversation, recording: Recording) -> bool:
    if recording.frames is None:
        await conversation.reply(Reply(recording.status, recording.body, recording.headers))
        return False
    conversation.headers |= recording.headers
    conversation.exchange.response = []
    return await conversation.stream(_frames(recording, conversation), recording.status)


async def _frames(recording: Recording, conversation: Conversation) -> AsyncIterator[bytes | None]:
    stream = Stream((frame for _, frame in recording.frames or ()), done=recording.done)
    async for chunk in write_stream(stream, NO_FAULT, conversation.note_frame):
        yield chunk
    if not recording.complete:
        yield None
