"""Words, stems and sentences of a text."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")  # noqa: RUF001 - full-width stops end Japanese sentences
_SUFFIXES = ("ations", "ation", "ings", "ing", "ers", "ies", "ied", "ed", "er", "es", "ly", "s")


def word_set(text: str) -> frozenset[str]:
    """The words of a text, split at white space."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """
    a about after again all also am an and any are as at be because been before being between both but by can could
    current currently did do does doing done down each eight either else every few first five for four from further get
    gets give given gives go got had has have he hello help her here hers hi him his how i if in into is it its itself
    just know last let like make many may me might mine more most much must my name named need nine no nor not now of
    off on once one only or other our out over own please put same say second see seven shall she should six so some
    such take tell ten than thanks that the their them then there these they thing think this those three through to
    too two under until up us use used user useful uses using value values very want wants was we well were what when
    where which while who whom whose why will with would yes yet you your
    tool tools function functions call calls called calling input inputs output outputs argument arguments parameter
    parameters return returns returned result results number numbers question answer based following string text
    """
)

# Questions rarely use the word of the tool's author, so synonyms map to one word.
_SYNONYMS = {
    "times": "multiply", "multiplied": "multiply", "multiplication": "multiply", "product": "multiply",
    "plus": "add", "sum": "add", "addition": "add", "added": "add",
    "minus": "subtract", "subtraction": "subtract", "difference": "subtract",
    "divided": "divide", "division": "divide", "quotient": "divide",
    "forecast": "weather", "temperature": "weather", "rain": "weather", "raining": "weather", "sunny": "weather",
    "dollars": "currency", "euros": "currency", "usd": "currency", "eur": "currency", "exchange": "currency",
    "calculator": "calculate", "compute": "calculate", "computation": "calculate",
    "lookup": "search", "retrieve": "search", "retriever": "search", "find": "search",
    "transfer": "handoff", "handing": "handoff", "handed": "handoff",
}  # fmt: skip

_OPERATORS = ((r"\d\s*[*×]\s*-?\d", "multiply"), (r"\d\s*\+\s*-?\d", "add"), (r"\d\s+-\s+\d", "subtract"))  # noqa: RUF001
_PHRASES = ((r"\bhand(?:ing|s)?[ -]+(?:\w+\s+)?off\b", "handoff"), *_OPERATORS, (r"\d\s*[/÷]\s*\d", "divide"))
_HIDDEN_WORDS = tuple((re.compile(pattern, re.IGNORECASE), word) for pattern, word in _PHRASES)


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """The word without its ending; synonyms become one word.

    >>> stem("multiplying"), stem("cities"), stem("city"), stem("times")
    ('multiply', 'city', 'city', 'multiply')
    """
    word = _SYNONYMS.get(word, word)
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM_LENGTH:
            return _restore(word.removesuffix(suffix), suffix)
    return word.removesuffix("e") if len(word) > _MIN_STEM_LENGTH else word


_MIN_STEM_LENGTH = 3


def _restore(root: str, suffix: str) -> str:
    if suffix in ("ies", "ied"):
        return root + "y"
    if len(root) > _MIN_STEM_LENGTH and root[-1] == root[-2] and root[-1] not in "aeiouls":
        return root[:-1]  # planning -> plan
    return _SYNONYMS.get(root, root).removesuffix("e") if len(root) > _MIN_STEM_LENGTH else root


def words(text: str) -> list[str]:
    """Lower-case words and digit runs in order; snake_case and camelCase are split."""
    return _WORD.findall(_CAMEL.sub(" ", text).lower())


def stems(text: str) -> list[str]:
    """Stems of the words that are not stop words, in order.

    >>> stems("What is the weather in Paris?")
    ['weather', 'pari']
    """
    return [stem(word) for word in words(text) if word not in STOP_WORDS and not word.isdigit()]


def request_stems(text: str) -> list[str]:
    """Stems of a user's request, where arithmetic operators and some phrases count as words.

    >>> request_stems("17 * 23")
    ['multiply']
    """
    return stems(text) + [stem(word) for pattern, word in _HIDDEN_WORDS if pattern.search(text)]


def sentences(text: str) -> list[str]:
    """Sentences and lines, trimmed, none empty."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part and part.strip()]


def shorten(text: str, limit: int) -> str:
    """The text on one line, at most `limit` characters, cut at a word."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[:limit].rsplit(" ", 1)[0] + "…"
