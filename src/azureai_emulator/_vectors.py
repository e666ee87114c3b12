"""Embeddings without a model: hashed words and character pieces, so that similar texts lie close to each other."""

import base64
import math
import struct
import zlib
from collections import Counter
from functools import lru_cache

from ._text import STOP_WORDS, stem, words

_STOP_WEIGHT = 0.1
_PIECE_WEIGHT = 0.35
_PIECE = 4
_QUERY_SHIFT = 0.15
_DIGITS = 7


@lru_cache(maxsize=65536)
def _slot(feature: str) -> tuple[int, float]:
    digest = zlib.crc32(feature.encode("utf-8", "replace"))
    return digest >> 1, 1.0 if digest & 1 else -1.0


@lru_cache(maxsize=16384)
def _word_features(word: str) -> tuple[tuple[str, float], ...]:
    if word in STOP_WORDS:
        return ((word, _STOP_WEIGHT),)
    padded = f"<{word}>"
    pieces = (padded[start : start + _PIECE] for start in range(max(1, len(padded) - _PIECE + 1)))
    return ((stem(word), 1.0), *((f"#{piece}", _PIECE_WEIGHT) for piece in pieces))


def text_vector(text: str, dimensions: int, input_type: str | None = None) -> list[float]:
    """A unit vector for a text; `query` and `document` of the same text differ a little.

    >>> len(text_vector("cats", 8)), round(sum(x * x for x in text_vector("cats", 8)), 3)
    (8, 1.0)
    """
    features: Counter[str] = Counter()
    for word in words(text):
        for feature, weight in _word_features(word):
            features[feature] += weight  # type: ignore[assignment]  # Counter adds floats as well
    return _project(dict(features), dimensions, input_type)


def _project(features: dict[str, float], dimensions: int, input_type: str | None) -> list[float]:
    vector = [0.0] * dimensions
    for feature, weight in features.items():
        digest, sign = _slot(feature)
        vector[digest % dimensions] += sign * math.sqrt(weight) * _damp(weight)
    if input_type in ("query", "document"):
        vector[_slot(f"@{input_type}")[0] % dimensions] += _QUERY_SHIFT
    return _normalise(vector)


def _damp(weight: float) -> float:
    return 1.0 if weight >= 1 else math.sqrt(weight)


def _normalise(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    if not length:
        return [1.0, *vector[1:]]
    return [round(value / length, _DIGITS) if value else 0.0 for value in vector]


def image_vector(raw: bytes, text: str, dimensions: int, input_type: str | None = None) -> list[float]:
    """A unit vector for an image's bytes, and for the text that came with it."""
    histogram = Counter(byte >> 2 for byte in raw)
    features = {f"byte:{bucket}": count / len(raw) for bucket, count in histogram.items()}
    features.update({f"block:{zlib.crc32(raw[start : start + 256])}": 0.05 for start in range(0, len(raw), 256)})
    for word in words(text):
        features.update(_word_features(word))
    return _project(features, dimensions, input_type)


def encode(vector: list[float], encoding: str) -> list[float] | list[int] | str:
    """The vector in the requested encoding; `base64` is little-endian float32.

    Source: recorded Cohere answer, decoded. The integer encodings are lists; their scale is our choice.
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
