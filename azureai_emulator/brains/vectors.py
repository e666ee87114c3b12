"""Embeddings without a model: the meaning of known words from a table, everything else as hashed features.

A vector has two layers. The meaning, 64 numbers, is spread over all dimensions in a way that keeps angles. Words that
the table does not have, images and `input_type` are hashed to single dimensions.
"""

import base64
import math
import struct
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .text import words
from .word_table import DIMENSIONS, word_meaning

_GROUP_WEIGHT = 0.25
_GROUP = 4
_QUERY_SHIFT = 0.15
_DIGITS = 7


@lru_cache(maxsize=65536)
def _slot(feature: str) -> tuple[int, float]:
    digest = zlib.crc32(feature.encode("utf-8", "replace"))
    return digest >> 1, 1.0 if digest & 1 else -1.0


def text_vector(text: str, dimensions: int, input_type: str | None = None) -> list[float]:
    """A unit vector for a text; `query` and `document` of the same text differ slightly.

    >>> len(text_vector("cats", 8)), round(sum(x * x for x in text_vector("cats", 8)), 3)
    (8, 1.0)
    """
    meaning, features = _read(text)
    return _vector(meaning, features, dimensions, input_type)


def meaning_vector(meaning: Sequence[float], dimensions: int, input_type: str | None = None) -> list[float]:
    """A unit vector for a meaning computed by a model."""
    return _vector(meaning, {}, dimensions, input_type)


def _read(text: str) -> tuple[Sequence[float], dict[str, float]]:
    """The meaning of the known words, and features of the others; never both empty."""
    known: list[array[float]] = []
    features: dict[str, float] = {}
    for word in words(text):
        meaning = word_meaning(word)
        if meaning is None:
            features.update(_word_features(word))
        else:
            known.append(meaning)
    if not known and not features:
        return _NO_MEANING, {f"text:{text}": 1.0}
    return [sum(column) for column in zip(*known, strict=True)] if known else _NO_MEANING, features


_NO_MEANING = (0.0,) * DIMENSIONS


@lru_cache(maxsize=16384)
def _word_features(word: str) -> tuple[tuple[str, float], ...]:
    """Features of an unknown word: itself and its groups of four letters, which inflected forms share."""
    padded = f"<{word}>"
    groups = (padded[start : start + _GROUP] for start in range(max(1, len(padded) - _GROUP + 1)))
    return ((word, 0.5), *((f"#{group}", _GROUP_WEIGHT) for group in groups))


def image_vector(
    raw: bytes, text: str, dimensions: int, input_type: str | None = None, meaning: Sequence[float] | None = None
) -> list[float]:
    """A unit vector for an image's bytes; with a text, halfway to that text's vector.

    `meaning` is a model's embedding of the text; without it the table is used.
    """
    histogram = Counter(byte >> 2 for byte in raw)
    image_features = {f"byte:{bucket}": count / len(raw) for bucket, count in histogram.items()}
    image_features.update({f"block:{zlib.crc32(raw[start : start + 256])}": 0.05 for start in range(0, len(raw), 256)})
    features: dict[str, float] = {}
    if text and meaning is None:
        meaning, features = _read(text)
    meaning = _NO_MEANING if meaning is None else meaning
    text_length = _length([*meaning, *features.values()]) or 1.0
    image_length = _length(image_features.values()) or 1.0
    features = {name: weight / text_length for name, weight in features.items()}
    features |= {name: weight / image_length for name, weight in image_features.items()}
    return _vector([value / text_length for value in meaning], features, dimensions, input_type)


def _length(values: Iterable[float]) -> float:
    return math.sqrt(sum(value * value for value in values))


@dataclass(frozen=True)
class _Spread:
    """How the numbers of a meaning fill a vector: each is repeated with a sign, in equal shares."""

    sources: tuple[int, ...]
    """For each dimension the index of its number; indexes beyond the last number mean its negative."""
    shares: tuple[float, ...]
    """The factor of each number, which keeps lengths and angles."""

    def at(self, shared: Sequence[float], slot: int) -> float:
        """The value of one dimension."""
        source = self.sources[slot]
        return shared[source] if source < len(shared) else -shared[source - len(shared)]

    def over(self, shared: list[float]) -> list[float]:
        """The whole vector."""
        both = [*shared, *(-value for value in shared)]
        return [both[source] for source in self.sources]


@lru_cache(maxsize=64)
def _spread(dimensions: int, numbers: int) -> _Spread:
    width = min(numbers, dimensions)
    signs = (_slot(f"dimension {index}")[1] for index in range(dimensions))
    sources = tuple(index % width + (width if sign < 0 else 0) for index, sign in enumerate(signs))
    counts = Counter(index % width for index in range(dimensions))
    return _Spread(sources, tuple(1 / math.sqrt(counts[number]) for number in range(width)))


def _vector(
    meaning: Sequence[float], features: Mapping[str, float], dimensions: int, input_type: str | None
) -> list[float]:
    """Meaning and features as one unit vector. With fewer dimensions than numbers, only the first numbers are used."""
    spread = _spread(dimensions, len(meaning))
    shared = [value * share for value, share in zip(meaning, spread.shares, strict=False)]
    cells: dict[int, float] = {}
    square = sum(value * value for value in meaning[:dimensions])
    for feature, weight in features.items():
        square += _added(cells, spread, shared, feature, weight)
    if input_type in ("query", "document"):
        square += _added(cells, spread, shared, f"@{input_type}", _QUERY_SHIFT * math.sqrt(max(square, 0.0)))
    if square <= _NOTHING:
        return [1.0] + [0.0] * (dimensions - 1)
    scale = 1 / math.sqrt(square)
    vector = spread.over([round(value * scale, _DIGITS) for value in shared])
    for slot, value in cells.items():
        vector[slot] = round(value * scale, _DIGITS)
    return vector


_NOTHING = 1e-12


def _added(cells: dict[int, float], spread: _Spread, shared: Sequence[float], feature: str, weight: float) -> float:
    """Adds a feature to its cell; returns the change of the vector's squared length."""
    digest, sign = _slot(feature)
    slot = digest % len(spread.sources)
    before = cells[slot] if slot in cells else spread.at(shared, slot)
    cells[slot] = before + sign * weight
    return cells[slot] ** 2 - before**2


def encode(vector: list[float], encoding: str) -> list[float] | list[int] | str:
    """The vector in the requested encoding; `base64` is little-endian float32.

    Source: recorded Cohere answer, decoded. The integer encodings are lists; their scale is undocumented and ours.
    """
    match encoding:
        case "base64":
            return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        case "int8":
            return [round(value * 127) for value in vector]
        case "uint8":
            return [round(value * 127) + 128 for value in vector]
        case "binary":
            return [bits - 128 for bits in _packed_signs(vector)]
        case "ubinary":
            return _packed_signs(vector)
        case _:
            return vector


def _packed_signs(vector: list[float]) -> list[int]:
    groups = (vector[start : start + 8] for start in range(0, len(vector), 8))
    return [sum((value > 0) << (7 - place) for place, value in enumerate(group)) for group in groups]
