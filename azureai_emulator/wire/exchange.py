"""One request and its answer, as tests and the page read them."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any

_SECRET_HEADERS = frozenset({"authorization", "api-key", "ocp-apim-subscription-key", "cookie", "x-api-key"})


@dataclass
class Exchange:
    """One request and its answer. `response` is the decoded body, or the list of stream frames."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Lower-case names; secrets are masked."""
    body_bytes: bytes = b""
    status: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    response: Json = None
    deployment: str | None = None
    started: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    elapsed: float = 0.0
    """Seconds until the answer was complete."""
    route: str = ""
    tokens: int = 0
    """Tokens that the answer's usage counts, prompt and completion together."""
    frame_times: list[float] = field(default_factory=list)
    """Seconds from the start until each stream frame was sent."""
    number: int = 0
    """Counts the exchanges of a session from 1."""

    @property
    def body(self) -> Json:
        """The request body as JSON, else as text; `None` without a body."""
        return _decode(self.body_bytes)


def _decode(raw: bytes) -> Json:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def mask(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the secret part of credentials replaced; the scheme stays.

    >>> mask({"authorization": "Bearer k", "accept": "*/*"})
    {'authorization': 'Bearer ***', 'accept': '*/*'}
    """
    return {name: _mask(value) if name in _SECRET_HEADERS else value for name, value in headers.items()}


def _mask(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme}{space}***" if space else "***"
