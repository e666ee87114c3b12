"""How likely an answer's tokens were: what the brain knows of them, else figures made from their letters.

Source of both shapes: Azure OpenAI REST reference, 'Chat completions' and 'Completions'.
"""

import math
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from . import tokens

Json = Any

_LEAST_SURE, _SURENESS = 0.55, 0.449
_LOWEST = -9999.0
"""In place of minus infinity, which JSON has not."""
_OTHERS = (
    "the", "a", "of", "and", "to", "in", "is", "it", "that", "for", "on", "as", "with", "at", "by", "this", "or", "an",
    "be", "from", "so", "not", "but", "are",
)  # fmt: skip


def asked_for(body: Json) -> int | None:
    """How many alternatives for each token a request wants; `None` when it wants no logprobs at all.

    Chat says it in `logprobs` and `top_logprobs`, text completions in `logprobs` alone.
    """
    wanted = body.get("logprobs")
    if wanted is None or wanted is False:
        return None
    return (body.get("top_logprobs") or 0) if wanted is True else int(wanted)


class Scores:
    """The logprobs of one choice, in the order in which its pieces leave."""

    def __init__(self, choice: Any, top: int) -> None:
        self._choice, self._top = choice, top
        self._tokens = self._bytes = self._characters = 0

    def chat(self, piece: str) -> Json:
        """The `logprobs` beside a piece of chat content, or beside all of it."""
        return {"content": self._entries(piece), "refusal": None}

    def text(self, piece: str) -> Json:
        """The same for a text completion."""
        entries = self._entries(piece)
        return {
            "tokens": [entry["token"] for entry in entries],
            "token_logprobs": [entry["logprob"] for entry in entries],
            "top_logprobs": [{item["token"]: item["logprob"] for item in entry["top_logprobs"]} for entry in entries],
            "text_offset": [self._offset(entry["token"]) for entry in entries],
        }

    def _offset(self, token: str) -> int:
        before, self._characters = self._characters, self._characters + len(token)
        return before

    def _entries(self, piece: str) -> list[Json]:
        known = self._choice.scores
        return list(self._made_up(piece) if known is None else self._known(known))

    def _known(self, scores: list[Json]) -> Iterator[Json]:
        """Those of the tokens that have left by now."""
        left = len(self._choice.text.encode())
        for score in scores[self._tokens :]:
            size = len(bytes(score["bytes"]))
            if self._bytes + size > left:
                return
            self._tokens, self._bytes = self._tokens + 1, self._bytes + size
            top = [_plain(item) for item in score["top_logprobs"][: self._top]]
            yield {**_plain(score), "top_logprobs": top}

    def _made_up(self, piece: str) -> Iterator[Json]:
        for token in tokens.split(piece):
            yield _figures(token, self._tokens, self._top)
            self._tokens += 1


def _plain(score: Json) -> Json:
    return {"token": score["token"], "logprob": max(score["logprob"], _LOWEST), "bytes": list(score["bytes"])}


def _figures(token: str, position: int, top: int) -> Json:
    """The token itself is the likeliest; a made-up alternative has 0.6 of what is left, the next 0.4 of that."""
    seed = crc32(f"{position} {token}".encode("utf-8", "replace"))
    sure = _LEAST_SURE + _SURENESS * (seed % 9973) / 9973
    first = _score(token, sure)
    others = (
        word for index in range(len(_OTHERS)) if (word := _OTHERS[(seed + index) % len(_OTHERS)]) != token.strip()
    )
    space = " " if token[:1].isspace() else ""
    rest = [_score(space + next(others), (1 - sure) * 0.6 * 0.4**index) for index in range(top - 1)]
    return {**first, "top_logprobs": [first, *rest][:top]}


def _score(token: str, probability: float) -> Json:
    return {"token": token, "logprob": math.log(probability), "bytes": list(token.encode("utf-8", "replace"))}
