"""Requests and whole answers as ASGI messages."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from .errors import Reply
from .json_text import encode_json

Json = Any
Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The request body, or `None` when it is larger than the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if size <= limit else None


def request_headers(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def query_pairs(scope: Scope) -> list[tuple[str, str]]:
    """The query parameters in order; a parameter may be there several times."""
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def start_message(status: int, headers: Mapping[str, str]) -> Json:
    """The ASGI message that begins an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(_encoded(headers.items()))}


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)


_BODILESS = frozenset({204, 304})


async def send_reply(send: Send, reply: Reply, headers: Mapping[str, str]) -> None:
    """Send a whole answer: a string as plain text, everything else as JSON, no body where HTTP forbids one."""
    if reply.status in _BODILESS:
        await send(start_message(reply.status, {**headers, **reply.headers}))
        await send({"type": "http.response.body", "body": b""})
        return
    text = isinstance(reply.body, str)
    body = reply.body.encode() if text else encode_json(reply.body)
    media_type = "text/plain; charset=utf-8" if text else "application/json"
    merged = {**headers, "content-type": media_type, "content-length": str(len(body)), **reply.headers}
    await send(start_message(reply.status, merged))
    await send({"type": "http.response.body", "body": body})
