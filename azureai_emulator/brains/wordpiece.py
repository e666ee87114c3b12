"""WordPiece tokenisation with the vocabulary of MiniLM.

Source: BERT's 'uncased' tokenisation, by which MiniLM was trained.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
UNKNOWN, FIRST, LAST = "[UNK]", "[CLS]", "[SEP]"
_MAX_WORD_LENGTH = 100
# Letters and digits form words; every other sign and every Chinese character is a word of its own.
_IDEOGRAPH = "\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002fa1f"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}]|(?:(?![{_IDEOGRAPH}_])\w)+|[^\w\s]|_")


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, int]:
    """Each piece with its row; a piece that continues a word begins with `##`."""
    lines = (DATA / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    return {piece: row for row, piece in enumerate(lines) if piece}


def without_accents(text: str) -> str:
    """The text in letters without marks.

    >>> without_accents("crème brûlée")
    'creme brulee'
    """
    if text.isascii():
        return text
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if unicodedata.category(sign) != "Mn")


def pieces(word: str) -> list[int] | None:
    """The rows of the longest pieces that make up a lower-case word, or `None` when there are none.

    >>> names = list(vocabulary())
    >>> [names[row] for row in pieces("embeddings")]
    ['em', '##bed', '##ding', '##s']
    """
    if len(word) > _MAX_WORD_LENGTH:
        return None
    known, rows, start = vocabulary(), [], 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if mark + word[start:end] in known), None)
        if end is None:
            return None
        rows.append(known[mark + word[start:end]])
        start = end
    return rows


def token_ids(text: str, limit: int) -> list[int]:
    """The model's input: the text's pieces between the two special tokens, at most `limit` in total."""
    known = vocabulary()
    rows: list[int] = []
    for word in _words(text):
        rows += pieces(word) or [known[UNKNOWN]]
        if len(rows) >= limit:
            break
    return [known[FIRST], *rows[: limit - 2], known[LAST]]


def _words(text: str) -> Iterator[str]:
    return (match.group() for match in _TOKEN.finditer(without_accents(text.lower())))
