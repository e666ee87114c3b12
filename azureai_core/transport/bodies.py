"""The body of a response, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx


def chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body in chunks, decompressed.

    httpx's own iteration costs as much as parsing the chunks. It is needed for compressed bodies, and where somebody
    has read the body already, such as an event hook of the user's client: the connection would wait for more for ever.
    """
    stream: Any = response.stream
    return iter(stream) if _is_plain(response) else response.iter_bytes()


def achunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """`chunks` of an async response."""
    stream: Any = response.stream
    return aiter(stream) if _is_plain(response) else response.aiter_bytes()


def _is_plain(response: httpx.Response) -> bool:
    """Whether the body comes as it is, and nobody has read it."""
    return "content-encoding" not in response.headers and not response.is_stream_consumed
