"""What a probe works with: the calls it may make, what they cost, and how an answer becomes a finding."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from azureai_core import (
    APIConnectionError,
    APIStatusError,
    AzureAIError,
    Completion,
    ContentFilterError,
    Delta,
    Embeddings,
    InferenceClient,
    Usage,
)

from ._diagnosis import said

ANSWER_LIMIT = 1024
"""Tokens that an answer may have, where the deployment takes a limit: enough for a model that reasons first."""
_REFUSALS = frozenset({400, 404, 405, 413, 415, 422, 424})


class Verdict(StrEnum):
    """What a probe found."""

    YES = "yes"
    """The service did it."""
    NO = "no"
    """The service refused it, or demonstrably ignored it."""
    UNCLEAR = "unclear"
    """It was not refused, but the answer does not show it either; or the call failed for another reason."""
    NOTE = "note"
    """No yes or no: a value that was seen."""


@dataclass(frozen=True)
class Outcome:
    """A verdict, what was said or seen, and a value where there is one to measure."""

    verdict: Verdict
    said: str = ""
    value: Any = None


@dataclass(frozen=True)
class Finding:
    """The outcome of one probe."""

    probe: "Probe"
    outcome: Outcome


@dataclass(frozen=True)
class Probe:
    """One question to a deployment."""

    name: str
    label: str
    group: str
    run: Callable[["Bench"], Outcome]
    tokens: int = 100
    """About how many tokens it costs, prompt and answer."""
    calls: int = 1


@dataclass
class Bench:
    """The calls of an examination. Each request leaves as a probe wrote it: negotiation is off."""

    client: InferenceClient
    limit: dict[str, int] = field(default_factory=dict)
    """The output limit in the spelling that the deployment takes, once that is known."""
    hello: Completion | None = None
    vector: list[float] | None = None
    findings: dict[str, Outcome] = field(default_factory=dict)
    requests: int = 0
    tokens: int = 0

    def complete(self, payload: Mapping[str, Any], *, limited: bool = True) -> Completion:
        """The answer to a payload, cut at `ANSWER_LIMIT` tokens where that is possible."""
        self.requests += 1
        answer = self.client.complete({**(self.limit if limited else {}), **payload})
        self._count(answer.usage)
        return answer

    def stream(self, payload: Mapping[str, Any]) -> list[Delta]:
        """The pieces of a streamed answer. `stream_options` is sent only where the payload has it."""
        self.requests += 1
        deltas = list(self.client.stream({**self.limit, **payload}))
        for delta in deltas:
            self._count(delta.usage)
        return deltas

    def embed(self, texts: list[str], **options: Any) -> Embeddings:
        """The vectors of texts."""
        self.requests += 1
        answer = self.client.embed(texts, **options)
        self._count(answer.usage)
        return answer

    def embed_image(self, image: bytes) -> Embeddings:
        """The vector of an image."""
        self.requests += 1
        answer = self.client.embed_images([image])
        self._count(answer.usage)
        return answer

    def verdict(self, name: str) -> Verdict:
        """What an earlier probe found."""
        return self.findings[name].verdict

    def _count(self, usage: Usage | None) -> None:
        self.tokens += usage.total_tokens if usage is not None else 0


def run(probes: tuple[Probe, ...], bench: Bench, on_probe: Callable[[Probe], object]) -> Iterator[Finding]:
    """The findings of probes, one after the other; later ones may look at earlier ones.

    Raises `APIConnectionError` when the service has gone: one broken connection may be the question's fault.
    """
    lost = 0
    for probe in probes:
        on_probe(probe)
        try:
            outcome = probe.run(bench)
            lost = 0
        except AzureAIError as error:
            lost = lost + 1 if isinstance(error, APIConnectionError) else 0
            if lost == _GONE:
                raise
            outcome = refusal(error)
        bench.findings[probe.name] = outcome
        yield Finding(probe, outcome)


_GONE = 3
"""Probes in a row without an answer."""


def refusal(error: AzureAIError) -> Outcome:
    """`NO` where the service refused the request for what it asks; `UNCLEAR` for any other failure."""
    if isinstance(error, ContentFilterError):
        return Outcome(Verdict.UNCLEAR, "the content filter refused the probe")
    if isinstance(error, APIStatusError):
        verdict = Verdict.NO if error.status_code in _REFUSALS else Verdict.UNCLEAR
        return Outcome(verdict, f"{error.status_code}: {said(error)}")
    return Outcome(Verdict.UNCLEAR, said(error))
