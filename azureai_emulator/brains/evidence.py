"""Values in a user's text that can be arguments: numbers, quotations, names, dates, addresses.

Each span is used once where possible, so that two calls for two cities get one city each.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .text import shorten, stem, word_set, words

Number = int | float

_QUOTES = re.compile(
    r"\"([^\"\n]+)\"|“([^”\n]+)”|「([^」\n]+)」|『([^』\n]+)』|«([^»\n]+)»|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)"
)
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d)")
_CAPITALS = re.compile(
    r"[^\W\d_a-zß-öø-ÿ][\w'\u2019.-]*(?:\s+(?:(?:de|la|of|the|van|von|del|do)\s+)?[^\W\d_a-zß-öø-ÿ][\w'\u2019-]*)*"
)
_STATE = re.compile(r",\s*[A-Z]{2}\b")
_NOT_NAMES = word_set(
    """
    I What Which Who Where When Why How The A An Please Use Call Tell Give Is Are Do Does Can Could Get Find Show Write
    Extract Make Create Translate Convert Calculate Compute Add Multiply Return My Hello Hi It This That And Then Also
    In On At For To From Of Search Look Plan Book Send Check Hand If There He She They We You Your Our Their Its
    """
)
_FORMATS = {
    "date": re.compile(r"\b\d{4}-\d{2}-\d{2}\b"),
    "date-time": re.compile(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?"),
    "time": re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b"),
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "uri": re.compile(r"\bhttps?://[^\s\"'<>]+"),
    "uuid": re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
}


@dataclass
class Evidence:
    """The spans of one text, and which of them were used."""

    text: str
    used: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.quotes = [(m.start(), _first_group(m)) for m in _QUOTES.finditer(self.text)]
        self.numbers = [(m.start(), m.group()) for m in _NUMBER.finditer(_blank_quotes(self.text))]
        self.names = list(_names(self.text))
        self.places = list(_places(self.text, self.names))
        self.stems = {stem(word) for word in words(self.text)}

    def quote(self) -> str | None:
        """The next quotation."""
        return self._next(self.quotes)

    def all_quotes(self) -> list[str]:
        """The quotations that are not used yet."""
        return self._rest(self.quotes)

    def name(self) -> str | None:
        """The next capitalised name."""
        return self._next(self.names)

    def place(self) -> str | None:
        """The next name used as a place: after `in`, `to` and the like."""
        return self._next(self.places)

    def mention(self, values: Iterable[str]) -> str | None:
        """The first unused value that the text mentions, else the first used one."""
        spans = sorted((self.text.lower().find(value.lower()), value) for value in values if self.mentions(value))
        return self._next(spans) or (spans[0][1] if spans else None)

    def all_names(self) -> list[str]:
        """The names that are not used yet."""
        return self._rest(self.names)

    def number(self, *, whole: bool) -> Number | None:
        """The next number."""
        fitting = [span for span in self.numbers if not whole or _is_whole(span[1])]
        found = self._next(fitting)
        return None if found is None else to_number(found)

    def all_numbers(self) -> list[Number]:
        """The numbers that are not used yet."""
        return [to_number(text) for text in self._rest(self.numbers)]

    def number_near(self, label: str, *, whole: bool) -> Number | None:
        """The unused number beside a word of the label: `age 30`, `30 years`, `next 3 days`."""
        wanted = {stem(word) for word in words(label)}
        for start, text in self.numbers:
            if (
                (start, text) not in self.used
                and (not whole or _is_whole(text))
                and self._is_beside(start, text, wanted)
            ):
                self.used.add((start, text))
                return to_number(text)
        return None

    def _is_beside(self, start: int, text: str, wanted: set[str]) -> bool:
        before = words(self.text[max(0, start - 40) : start])[-3:]
        after = words(self.text[start + len(text) : start + len(text) + 30])[:2]
        return bool(wanted & {stem(word) for word in before + after})

    def labelled(self, label: str) -> str | None:
        """What follows the label: `name: Ada`, `title = "X"`, `city is Rome`."""
        spoken = re.escape(" ".join(words(label))).replace(r"\ ", r"[\s_-]*")
        pattern = rf"\b{spoken}\b\s*(?:[:=]|\bis\b|\bnamed\b|\bcalled\b)\s*[\"'“]?([^\"'”,;.\n]+)"
        match = re.search(pattern, self.text, re.IGNORECASE)
        return match[1].strip() if match else None

    def of_format(self, name: str) -> str | None:
        """The next span in the given JSON schema format."""
        pattern = _FORMATS.get("uri" if name in ("url", "uri-reference") else name)
        return self._next([(m.start(), m.group()) for m in pattern.finditer(self.text)]) if pattern else None

    def mentions(self, value: str) -> bool:
        """Whether the text has all the words of the value."""
        lowered = {stem(word) for word in words(value)}
        return value.lower() in self.text.lower() or (bool(lowered) and lowered <= self.stems)

    def whole(self) -> str:
        """The text on one line."""
        return shorten(self.text, 300)

    def _next(self, spans: Iterable[tuple[int, str]]) -> str | None:
        found = next((span for span in spans if span not in self.used), None)
        if found is None:
            return None
        self.used.add(found)
        return found[1]

    def _rest(self, spans: list[tuple[int, str]]) -> list[str]:
        left = [span for span in spans if span not in self.used]
        self.used.update(left)
        return [text for _, text in left]


def _first_group(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group is not None)


def _blank_quotes(text: str) -> str:
    return _QUOTES.sub(lambda match: " " * len(match.group()), text)


def _is_whole(text: str) -> bool:
    return "." not in text


def to_number(text: str) -> Number:
    """The number in JSON.

    >>> to_number("1,200"), to_number("2.5")
    (1200, 2.5)
    """
    plain = text.replace(",", "")
    return int(plain) if _is_whole(plain) else float(plain)


def _names(text: str) -> Iterable[tuple[int, str]]:
    """Runs of capitalised words, without those that only begin a sentence. `San Francisco, CA` is one name."""
    after = 0
    for match in _CAPITALS.finditer(_blank_quotes(text)):
        if match.start() < after:
            continue
        name, start = _without_openers(match.group(), match.start())
        state = _STATE.match(text, start + len(name))
        if name and not (_begins_sentence(text, start) and " " not in name and not state):
            after = state.end() if state else 0
            yield start, name.rstrip(".") + (state.group() if state else "")


def _places(text: str, names: list[tuple[int, str]]) -> Iterable[tuple[int, str]]:
    end_of_last = -1
    for start, name in names:
        if _BEFORE_PLACE.search(text[:start]) or (end_of_last >= 0 and _LIST_GAP.fullmatch(text[end_of_last:start])):
            end_of_last = start + len(name)
            yield start, name


_BEFORE_PLACE = re.compile(r"\b(?:in|at|for|to|from|near|around|of|visit)\s+(?:the\s+)?$", re.IGNORECASE)
_LIST_GAP = re.compile(r"\s*(?:,|and|or|&|,\s*and|,\s*or)\s*")


def _without_openers(name: str, start: int) -> tuple[str, int]:
    while name.split(" ", 1)[0].removesuffix("'s") in _NOT_NAMES:
        _, space, rest = name.partition(" ")
        start += len(name) - len(rest)
        name = rest if space else ""
        if not name:
            break
    return name, start


def _begins_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before or (before[-1] in "!?.\n:" and not before[-3:-1].isupper())
