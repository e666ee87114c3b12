"""The files of the page."""

from pathlib import Path
from typing import Any

from azureai_emulator.wire import errors
from azureai_emulator.wire.asgi import Receive, Scope, Send, send_reply
from azureai_emulator.wire.errors import Reply

Json = Any


class File:
    """A file of the page. It holds no data and needs no key."""

    def __init__(self, name: str, media_type: str) -> None:
        self._name, self._media_type = name, media_type

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            await send_reply(send, errors.method_not_allowed("GET"), {})
            return
        text = (_FOLDER / self._name).read_text(encoding="utf-8")
        await send_reply(send, Reply(200, text, {"content-type": self._media_type, **_PAGE_HEADERS}), {})


_FOLDER = Path(__file__).parent
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}
