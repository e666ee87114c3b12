"""What a probe needs: the calls that it can make, their cost, and how an error becomes an outcome."""

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

from ._diagnosis import service_message

ANSWER_LIMIT = 1024
"""Most tokens of an answer, if the deployment accepts a limit: enough for a model that reasons first."""
_REFUSALS = frozenset({400, 404, 405, 413, 415, 422, 424})


class Verdict(StrEnum):
    """What a probe found."""

    YES = "yes"
    """The service did it."""
    NO = "no"
    """The service refused it, or demonstrably ignored it."""
    UNCLEAR = "unclear"
    """Not refused, but the answer does not show it either; or the call failed for another reason."""
    NOTE = "note"
    """Neither yes nor no: an observed value."""


@dataclass(frozen=True)
class Outcome:
    """A verdict, what was answered or observed, and a value if one was measured."""

    verdict: Verdict
    detail: str = ""
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
    run: Callable[["ProbeSession"], Outcome]
    tokens: int = 100
    """Estimated tokens of prompt and answer."""
    calls: int = 1


@dataclass
class ProbeSession:
    """The calls of an examination. Each request is sent as the probe wrote it: negotiation is off."""

    client: InferenceClient
    limit: dict[str, int] = field(default_factory=dict)
    """The output limit, by the field that the deployment accepts, once that is known."""
    hello: Completion | None = None
    vector: list[float] | None = None
    findings: dict[str, Outcome] = field(default_factory=dict)
    requests: int = 0
    tokens: int = 0

    def complete(self, payload: Mapping[str, Any], *, limited: bool = True) -> Completion:
        """The answer to a payload, limited to `ANSWER_LIMIT` tokens if the deployment accepts a limit."""
        self.requests += 1
        answer = self.client.complete({**(self.limit if limited else {}), **payload})
        self._count(answer.usage)
        return answer

    def stream(self, payload: Mapping[str, Any]) -> list[Delta]:
        """The deltas of a streamed answer. `stream_options` is sent only if the payload contains it."""
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


def run(probes: tuple[Probe, ...], session: ProbeSession, on_probe: Callable[[Probe], object]) -> Iterator[Finding]:
    """The findings of probes, one after the other; later probes can read earlier outcomes.

    Raises `APIConnectionError` if several probes in a row get no answer: a single one may be the probe's fault.
    """
    unanswered = 0
    for probe in probes:
        on_probe(probe)
        try:
            outcome = probe.run(session)
            unanswered = 0
        except AzureAIError as error:
            unanswered = unanswered + 1 if isinstance(error, APIConnectionError) else 0
            if unanswered == _MAX_UNANSWERED:
                raise
            outcome = outcome_of(error)
        session.findings[probe.name] = outcome
        yield Finding(probe, outcome)


_MAX_UNANSWERED = 3
"""Probes in a row without an answer, after which the service counts as unreachable."""


def outcome_of(error: AzureAIError) -> Outcome:
    """`NO` if the service refused what the request asks for; `UNCLEAR` for any other failure."""
    if isinstance(error, ContentFilterError):
        return Outcome(Verdict.UNCLEAR, "the content filter refused the probe")
    if isinstance(error, APIStatusError):
        verdict = Verdict.NO if error.status_code in _REFUSALS else Verdict.UNCLEAR
        return Outcome(verdict, f"{error.status_code}: {service_message(error)}")
    return Outcome(Verdict.UNCLEAR, service_message(error))
