"""From measurements to figures: medians, ratios taken within a turn, the best peer, and what became of the targets."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from contenders import CONTENDERS
from scenarios import SCENARIOS
from targets import BEST_PEER, FLOOR, HTTPX, ITSELF, TARGETS, Target

FLOORS = {"langchain": "lc-floor", "llamaindex": "li-floor"}
NEGLIGIBLE = 0.01
"""Below this share of what is measured, a floor is none."""


@dataclass(frozen=True)
class Spread:
    """The median over all turns, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread | None:
        """`None` where nothing was measured."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass
class Run:
    """All measurements of a run: scenario → contender → one result per turn, or why there is none."""

    about: dict[str, Any]
    results: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    unable: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, scenario: str, contender: str, reply: dict[str, Any]) -> None:
        """Notes a result; a contender that failed once is out of the scenario."""
        if "unable" in reply:
            self.unable.setdefault(scenario, {}).setdefault(contender, str(reply["unable"]))
            self.results.get(scenario, {}).pop(contender, None)
        elif contender not in self.unable.get(scenario, {}):
            rounded = {metric: float(f"{value:.5g}") for metric, value in reply.items()}
            self.results.setdefault(scenario, {}).setdefault(contender, []).append(rounded)

    def values(self, scenario: str, contender: str, metric: str) -> list[float]:
        """A figure, one per turn."""
        return [result[metric] for result in self.results.get(scenario, {}).get(contender, []) if metric in result]

    def spread(self, scenario: str, contender: str, metric: str) -> Spread | None:
        """A figure over all turns."""
        return Spread.of(self.values(scenario, contender, metric))

    def ratio(self, scenario: str, contender: str, base: str, metric: str) -> Spread | None:
        """The ratio of two contenders, taken within each turn."""
        pairs = zip(self.values(scenario, contender, metric), self.values(scenario, base, metric), strict=False)
        return Spread.of([one / other for one, other in pairs if other > 0])

    def best_peer(self, scenario: str, framework: str, metric: str) -> str | None:
        """The peer of a framework with the lowest median."""
        medians = {
            name: found.median
            for name, entry in CONTENDERS.items()
            if entry.kind == "peer" and entry.framework == framework
            and (found := self.spread(scenario, name, metric)) is not None
        }  # fmt: skip
        return min(medians, key=lambda name: medians[name]) if medians else None

    def to_best_peer(self, scenario: str, contender: str, metric: str) -> Spread | None:
        """The ratio to the best peer of the contender's framework."""
        best = self.best_peer(scenario, CONTENDERS[contender].framework, metric)
        return None if best is None else self.ratio(scenario, contender, best, metric)

    def to_floor(self, scenario: str, contender: str, metric: str) -> Spread | None:
        """The ratio to the framework's own floor; `None` where the framework costs next to nothing."""
        floor = FLOORS.get(CONTENDERS[contender].framework)
        found = None if floor is None else self.ratio(scenario, contender, floor, metric)
        return None if found is None or found.median * NEGLIGIBLE > 1 else found


@dataclass(frozen=True)
class Verdict:
    """What was measured of a target."""

    target: Target
    found: Spread | None
    base: str
    """Whom it was compared with."""

    @property
    def value(self) -> float | None:
        """What is held against the bound."""
        if self.found is None:
            return None
        return self.found.high if self.target.worst else self.found.median

    @property
    def word(self) -> str:
        """`met`, `not met`, or `not measured`."""
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.target.bound else "**not met**"

    @property
    def missed(self) -> bool:
        """Whether the target was measured and not met."""
        return self.value is not None and self.value > self.target.bound


def verdict(run: Run, target: Target) -> Verdict:
    """A target held against the run."""
    name, scenario, metric = target.contender, target.scenario, target.metric
    framework = CONTENDERS[name].framework
    if target.against == BEST_PEER:
        base = run.best_peer(scenario, framework, metric) or BEST_PEER
        return Verdict(target, run.to_best_peer(scenario, name, metric), base)
    if target.against == ITSELF:
        return Verdict(target, run.spread(scenario, name, metric), "")
    base = {HTTPX: "httpx", FLOOR: FLOORS.get(framework, "")}[target.against]
    return Verdict(target, run.ratio(scenario, name, base, metric), base)


def verdicts(run: Run) -> list[Verdict]:
    """All targets whose scenario is in the run."""
    return [verdict(run, target) for target in TARGETS if target.scenario in run.results]


def measured(run: Run) -> list[str]:
    """The scenarios of the run, in their order."""
    return [name for name in SCENARIOS if name in run.results]
