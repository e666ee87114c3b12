"""From the bytes of a streamed answer to deltas, without I/O; sync and async code drive the same reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json

from azureai_core.errors import AzureAIError, StreamError, StreamInterruptedError, with_id
from azureai_core.json_text import from_odd_text
from azureai_core.masking import mask, public_url
from azureai_core.types import Completion, Delta, ResponseMeta

from .base import StreamDecoder
from .error_responses import error_from_frame
from .sse import SSEDecoder

if TYPE_CHECKING:
    import httpx

DONE = b"[DONE]"
Failure = TypeVar("Failure", bound=AzureAIError)


class DeltaReader:
    """Reads the body of one stream: the deltas of each chunk that it is fed, and what is left at its end."""

    def __init__(
        self,
        response: httpx.Response,
        decoder: StreamDecoder,
        meta: ResponseMeta,
        secrets: Callable[[], tuple[str, ...]],
    ) -> None:
        self._response = response
        self._meta = meta
        self._secrets = secrets
        self._sse = SSEDecoder()
        self._decoder = decoder
        self._done = False
        self.began: float | None = None
        """When the first delta came, in seconds of `time.perf_counter`."""
        self.saw_events = False
        """Whether the body had any event, be it one that says nothing."""
        self._silent_since: float | None = None

    def feed(self, chunk: bytes) -> Iterable[Delta]:
        """The deltas of the events that a chunk completes, each before the next event is looked at."""
        events = self._sse.feed(chunk)
        if not events:  # a comment that only keeps the connection alive is no event
            self._wait(chunk)
            return ()
        self.saw_events, self._silent_since = True, None
        if len(events) > 1:
            return self._each(events)
        delta = self._delta(events[0])
        return () if delta is None else (delta,)

    def _wait(self, chunk: bytes) -> None:
        """Takes note of a chunk that completes no event."""

    def _each(self, events: list[bytes]) -> Iterator[Delta]:
        for event in events:
            if (delta := self._delta(event)) is not None:
                yield delta

    def _delta(self, event: bytes) -> Delta | None:
        """The delta of an event; what follows `[DONE]` is ignored."""
        if self._done or (not event.startswith(b"{") and not self._is_frame(event.strip())):
            return None
        try:
            frame = from_json(event)
        except ValueError:
            frame = from_odd_text(event)
        if type(frame) is not dict or frame.get("error") or frame.get("object") == "error":
            raise self._no_delta(event, frame)
        delta = self._decoder.parse(frame)
        if self.began is not None:
            return delta
        self.began = time.perf_counter()
        return replace(delta, meta=self._meta)

    def _is_frame(self, event: bytes) -> bool:
        """Whether an event may be a frame: it is not blank, and not the end mark, which is noted."""
        self._done = event == DONE
        return bool(event) and not self._done

    def end(self) -> Iterator[Delta]:
        """The deltas left at the end of the body."""
        events = self._sse.flush()
        self.saw_events = self.saw_events or bool(events)
        yield from self._each(events)
        rest = self._decoder.flush()
        if rest is not None:
            yield rest

    @property
    def is_complete(self) -> bool:
        """Whether a finish reason was seen. `[DONE]` is not asked for: Azure DeepSeek leaves it out."""
        return self._decoder.finish_reason is not None

    def interrupted(self, reason: str = "") -> StreamInterruptedError:
        """The error of a stream that ended too early."""
        why = f" ({reason})" if reason else ""
        error = StreamInterruptedError(
            f"The stream from {self.source} ended before its finish reason{why}: the answer "
            "is not whole. What arrived is in .partial; send the request again."
        )
        return self.with_partial(error)

    @property
    def source(self) -> str:
        """Where the stream comes from, for messages."""
        url = public_url(self._response.request.url)
        return url + mask(with_id(self._meta.request_id), self._secrets())

    def with_partial(self, error: Failure) -> Failure:
        """The error, carrying the answer as far as it has come, if it had begun."""
        self._decoder.flush()  # text held back as the beginning of a tag is part of the answer
        error.partial = None if self.began is None else self.so_far()
        return error

    def so_far(self) -> Completion:
        """The answer as far as it has come."""
        return self._decoder.so_far(self._meta)

    def _no_delta(self, event: bytes, frame: Any) -> AzureAIError:
        """The error that an event is, or that it is no frame."""
        if type(frame) is dict:
            return self.with_partial(error_from_frame(frame, self._response, secrets=self._secrets()))
        text = mask(event[:200].decode("utf-8", "replace"), self._secrets())
        return self.with_partial(
            StreamError(
                f"The stream from {self.source} has a frame that is not a JSON object: {text!r}. "
                "What arrived is in .partial; check the endpoint URL."
            )
        )
