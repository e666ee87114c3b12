"""The logprobs of an answer: the brain's own, else values made up from the letters of each token.

Source of both shapes: Azure OpenAI REST reference, 'Chat completions' and 'Completions'.
"""

import math
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from . import tokens

Json = Any

_MIN_PROBABILITY, _PROBABILITY_RANGE = 0.55, 0.449
_LOWEST = -9999.0
"""In place of minus infinity, which JSON cannot express."""
_OTHERS = (
    "the", "a", "of", "and", "to", "in", "is", "it", "that", "for", "on", "as", "with", "at", "by", "this", "or", "an",
    "be", "from", "so", "not", "but", "are",
)  # fmt: skip


def asked_for(body: Json) -> int | None:
    """How many alternatives for each token a request wants; `None` when it wants no logprobs at all.

    Chat uses `logprobs` and `top_logprobs`, text completions `logprobs` alone.
    """
    wanted = body.get("logprobs")
    if wanted is None or wanted is False:
        return None
    return (body.get("top_logprobs") or 0) if wanted is True else int(wanted)


class Scores:
    """The logprobs of one choice, in the order in which its chunks are sent."""

    def __init__(self, choice: Any, top: int) -> None:
        self._choice, self._top = choice, top
        self._tokens = self._bytes = self._characters = 0

    def chat(self, chunk: str) -> Json:
        """The `logprobs` of a chunk of chat content, or of all of it."""
        return {"content": self._entries(chunk), "refusal": None}

    def text(self, chunk: str) -> Json:
        """The same for a text completion."""
        entries = self._entries(chunk)
        return {
            "tokens": [entry["token"] for entry in entries],
            "token_logprobs": [entry["logprob"] for entry in entries],
            "top_logprobs": [{item["token"]: item["logprob"] for item in entry["top_logprobs"]} for entry in entries],
            "text_offset": [self._offset(entry["token"]) for entry in entries],
        }

    def _offset(self, token: str) -> int:
        before, self._characters = self._characters, self._characters + len(token)
        return before

    def _entries(self, chunk: str) -> list[Json]:
        known = self._choice.scores
        return list(self._invented(chunk) if known is None else self._known(known))

    def _known(self, scores: list[Json]) -> Iterator[Json]:
        """The scores of the tokens that were sent since the last call."""
        left = len(self._choice.text.encode())
        for score in scores[self._tokens :]:
            size = len(bytes(score["bytes"]))
            if self._bytes + size > left:
                return
            self._tokens, self._bytes = self._tokens + 1, self._bytes + size
            top = [_plain(item) for item in score["top_logprobs"][: self._top]]
            yield {**_plain(score), "top_logprobs": top}

    def _invented(self, chunk: str) -> Iterator[Json]:
        for token in tokens.split(chunk):
            yield _invented_score(token, self._tokens, self._top)
            self._tokens += 1


def _plain(score: Json) -> Json:
    return {"token": score["token"], "logprob": max(score["logprob"], _LOWEST), "bytes": list(score["bytes"])}


def _invented_score(token: str, position: int, top: int) -> Json:
    """The token is the most likely; each made-up alternative gets a share of the remaining probability."""
    seed = crc32(f"{position} {token}".encode("utf-8", "replace"))
    probability = _MIN_PROBABILITY + _PROBABILITY_RANGE * (seed % 9973) / 9973
    first = _score(token, probability)
    others = (
        word for index in range(len(_OTHERS)) if (word := _OTHERS[(seed + index) % len(_OTHERS)]) != token.strip()
    )
    space = " " if token[:1].isspace() else ""
    rest = [_score(space + next(others), (1 - probability) * 0.6 * 0.4**index) for index in range(top - 1)]
    return {**first, "top_logprobs": [first, *rest][:top]}


def _score(token: str, probability: float) -> Json:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode("utf-8", "replace"))}
