"""What `InferenceClient.stream` gives: the deltas of an answer, and the answer that they make."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Self

from .types import Completion, Delta


class StreamState:
    """What the generator of a stream shares with its owner.

    The generator does not refer to the owner, so that a stream that is dropped is closed at once.
    """

    __slots__ = ("completion",)

    def __init__(self) -> None:
        self.completion: Callable[[], Completion] = _no_completion


def _no_completion() -> Completion:
    return Completion("")


class DeltaStream(Iterator[Delta]):
    """The deltas of an answer.

    The connection is closed when the answer ends, at `close()`, at the end of a `with` block, and when the stream is
    dropped, as after a loop over `client.stream(…)` that is left early.
    """

    __slots__ = ("_deltas", "_state")

    def __init__(self, deltas: Generator[Delta, None, None], state: StreamState) -> None:
        self._deltas, self._state = deltas, state

    def __iter__(self) -> Iterator[Delta]:  # noqa: PYI034
        """The generator itself, so that a loop costs nothing more."""
        return self._deltas

    def __next__(self) -> Delta:
        return next(self._deltas)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; a stream that is over is closed already."""
        self._deltas.close()

    @property
    def completion(self) -> Completion:
        """The answer as far as it has come: the whole of it once the stream is over."""
        return self._state.completion()


class AsyncDeltaStream(AsyncIterator[Delta]):
    """The same for `async for`."""

    __slots__ = ("_deltas", "_state")

    def __init__(self, deltas: AsyncGenerator[Delta, None], state: StreamState) -> None:
        self._deltas, self._state = deltas, state

    def __aiter__(self) -> AsyncIterator[Delta]:  # noqa: PYI034
        """The generator itself, so that a loop costs nothing more."""
        return self._deltas

    async def __anext__(self) -> Delta:
        return await anext(self._deltas)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection; a stream that is over is closed already."""
        await self._deltas.aclose()

    @property
    def completion(self) -> Completion:
        """The answer as far as it has come: the whole of it once the stream is over."""
        return self._state.completion()
