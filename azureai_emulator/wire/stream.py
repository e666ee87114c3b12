"""A streamed answer: its frames, and what to do when they end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class Stream:
    """A streamed answer: frames, whether `[DONE]` ends it, and the tokens it counts."""

    frames: Iterator[Json]
    done: bool = True
    tokens: int = 0
    """While the answer is still being generated: the prompt's tokens. `rest` counts the others at the end."""
    slow: bool = False
    """Frames take time: each is awaited in a worker thread."""
    rest: Callable[[], int] = lambda: 0
    ended: Callable[[], None] = lambda: None
    """Called when the last frame has been sent, before `[DONE]`, or when the stream was cut."""

    async def __aiter__(self) -> AsyncIterator[Json]:
        """The frames as they come."""
        if not self.slow:
            for frame in self.frames:
                yield frame
            return
        while (frame := await asyncio.to_thread(next, self.frames, _END)) is not _END:
            yield frame

    def close(self) -> None:
        """Stop the generation. A brain that runs in a thread checks by itself whether the caller has disconnected."""
        with suppress(ValueError):  # the generator is running in that thread
            getattr(self.frames, "close", _nothing)()


_END: Any = object()


def _nothing() -> None:
    """Iterators other than generators need no close."""
