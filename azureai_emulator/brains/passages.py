"""Answers from passages in the prompt: the sentences that share the rarest words with the question."""

import math
import re
from collections import Counter
from dataclasses import dataclass

from .text import sentences, stems

_QUESTION = re.compile(
    r"(?:^|\n)\s*(?:Query|Question|User Question|(?:The )?original query is as follows)\s*:\s*(.+)", re.IGNORECASE
)
_SOURCE = re.compile(r"Source (\d+):\s*\n?(.*?)(?=\n\s*Source \d+:|\n-{3,}|\Z)", re.DOTALL)
_CONTEXTS = (
    re.compile(r"-{5,}\s*\n(.*?)\n\s*-{5,}", re.DOTALL),
    re.compile(r"<context>(.*?)</context>", re.DOTALL | re.IGNORECASE),
    re.compile(r"relevant documents for the context:\s*\n(.*?)(?=\n\s*Instruction:|\Z)", re.DOTALL | re.IGNORECASE),
    re.compile(
        r"(?:^|\n)\s*Context[^:\n]{0,40}:\s*\n?(.*?)(?=\n\s*(?:Question|Query|Answer|Helpful Answer)\b|\Z)", re.DOTALL
    ),
)
_EXAMPLE_SOURCES = re.compile(r"For example:.*?Now it's your turn\.", re.DOTALL)
_MIN_RELATIVE_SCORE = 0.6
_MAX_SENTENCES = 3


@dataclass(frozen=True)
class Passage:
    """A passage of context, with its source number if it has one."""

    text: str
    source: str | None = None


def find_passages(text: str) -> list[Passage]:
    """The context passages in a prompt."""
    text = _EXAMPLE_SOURCES.sub("", text)
    sources = [Passage(body.strip(), number) for number, body in _SOURCE.findall(text) if body.strip()]
    if sources:
        return sources
    found = next((match[1] for pattern in _CONTEXTS if (match := pattern.search(text))), None)
    return [Passage(found)] if found and found.strip() else []


def find_question(text: str) -> str | None:
    """The question beside the context."""
    found = _QUESTION.findall(_EXAMPLE_SOURCES.sub("", text))
    return found[-1].strip() if found else None


def answer_from(passages: list[Passage], question: str) -> str | None:
    """One to three sentences that answer the question, `[n]` after those from a numbered source, or `None`."""
    candidates = [(sentence, passage.source) for passage in passages for sentence in sentences(passage.text)]
    scores = _scores([sentence for sentence, _ in candidates], question)
    best = max(scores, default=0.0)
    if best <= 0:
        return None
    good = sorted(
        (i for i, score in enumerate(scores) if score >= best * _MIN_RELATIVE_SCORE), key=lambda i: -scores[i]
    )[:_MAX_SENTENCES]
    return " ".join(_cited(*candidates[index]) for index in sorted(good))


def _scores(texts: list[str], question: str) -> list[float]:
    bags = [set(stems(text)) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    wanted = set(stems(question))
    weight = {word: math.log(1 + len(bags) / frequency[word]) for word in wanted if frequency[word]}
    return [sum(weight.get(word, 0.0) for word in bag) for bag in bags]


def _cited(sentence: str, source: str | None) -> str:
    if source is None:
        return sentence
    end = sentence[-1] if sentence[-1] in ".!?" else "."
    return f"{sentence.rstrip('.!?')} [{source}]{end}"
