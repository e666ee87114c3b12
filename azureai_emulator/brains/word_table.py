"""Word embeddings of 64 numbers: a table distilled from MiniLM by `tools/distil_embeddings.py`."""

import sys
from array import array
from functools import lru_cache

from .wordpiece import DATA, pieces, without_accents

DIMENSIONS = 64


@lru_cache(maxsize=1)
def _table() -> "tuple[memoryview, array[float]]":
    """The rows as signed bytes, and the factor of each row."""
    factors = array("f", (DATA / "pieces.f32").read_bytes())
    if sys.byteorder == "big":
        factors.byteswap()
    return memoryview((DATA / "pieces.i8").read_bytes()).cast("b"), factors


@lru_cache(maxsize=16384)
def word_meaning(word: str) -> "array[float] | None":
    """The sum of the word's pieces, longer for rare words than for frequent ones; `None` for unknown words.

    Only words in Latin letters are known, without accents: the table has only single letters of other scripts.
    """
    plain = without_accents(word)
    rows = pieces(plain) if plain.isascii() else None
    if not rows:
        return None
    table, factors = _table()
    parts = [_row(table, factors, row) for row in rows]
    return array("f", map(sum, zip(*parts, strict=True)))


def _row(table: memoryview, factors: "array[float]", row: int) -> list[float]:
    factor = factors[row]
    return [value * factor for value in table[row * DIMENSIONS : (row + 1) * DIMENSIONS]]
