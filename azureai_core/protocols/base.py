"""What a protocol is: a route, and how its requests are written and its answers read. Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from azureai_core.json_text import from_json_text
from azureai_core.types import Completion, Delta, Json, ResponseMeta

Answer = TypeVar("Answer")


class StreamDecoder(Protocol):
    """Turns the frames of one stream into deltas; keeps what a frame needs to know of those before it."""

    finish_reason: str | None
    """Why the answer ends, once a frame has said so: the answer is whole then."""

    def parse(self, frame: Json) -> Delta:
        """The delta of one frame; an empty one for a frame without output. Never raises."""

    def flush(self) -> Delta | None:
        """What was held back until the end of the stream."""

    def so_far(self, meta: ResponseMeta) -> Completion:
        """The answer as far as it has come."""


def as_it_is(payload: Json) -> Json:
    """The body of a protocol whose payload is the wire's own object."""
    return payload


def any_json(content: bytes, _payload: Mapping[str, Any]) -> Any:
    """The JSON value of a body, or `None` when it is not JSON."""
    return from_json_text(content)


@dataclass(frozen=True)
class WireProtocol(Generic[Answer]):
    """One wire format on one route."""

    route: str
    """Below the endpoint's base URL, such as `/chat/completions`."""
    operation: str
    """The name of the operation in OpenTelemetry's conventions; empty where nothing is recorded."""
    fields: frozenset[str]
    """The fields of the standard body; any other key of a payload is an extra parameter. Source: REST reference."""
    decode: Callable[[Json, ResponseMeta, Mapping[str, Any]], Answer]
    """`(body, meta, payload)` → the answer."""
    answer_field: str | None = None
    """The field without which a body is not an answer."""
    holds_answer: Callable[[Json], bool] = lambda _body: True
    """Whether a body has something to read in that field."""
    encode: Callable[[Json], Json] = as_it_is
    """Payload → body."""
    read: Callable[[bytes, Mapping[str, Any]], Any] = any_json
    """`(content, payload)` → JSON value of an answer, or `None`."""
    decoder: Callable[[], StreamDecoder] | None = None
    """A decoder of one stream; `None` where the route does not stream."""

    @property
    def method(self) -> str:
        """`GET` where there is no body."""
        return "POST" if self.fields else "GET"
