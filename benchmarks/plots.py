"""The pictures of the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("Agg")

from contenders import CONTENDERS
from figures import Run, Spread, measured
from matplotlib import pyplot as plt
from report import FRAMEWORKS
from scenarios import SCENARIOS
from targets import BEST_PEER, TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS = {"langchain": "ours-langchain", "llamaindex": "ours-llamaindex"}
COLORS = {
    "httpx": "#444444",
    "azureai_core": "#7b3294",
    "ours": "#0571b0",
    "floor": "#92c5de",
}
GROWTH_COLORS = {
    "ours-langchain": "#0571b0",
    "ours-llamaindex": "#018571",
    "lc-floor": "#92c5de",
    "li-floor": "#80cdc1",
    "httpx": "#444444",
}
PEER_COLORS = ("#ca0020", "#f4a582", "#e6a100")
MARKS = {"base": "|", "ours": "o", "floor": "v", "peer": "s"}
DPI = 110
TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
NO_COST = 0.005


def draw(run: Run, folder: Path) -> dict[str, str]:
    """Writes the pictures for which there are figures; file → what it shows."""
    plt.style.use("seaborn-v0_8-whitegrid")
    made: dict[str, str] = {}
    for framework, title in FRAMEWORKS.items():
        if framework and _peer_scenarios(run, framework):
            figure = _best_peer(run, framework, title)
            made |= _save(
                figure, folder, f"best-peer-{framework}.png", f"{title}: ours over the best peer, with targets"
            )
        if framework and _cost_scenarios(run):
            figure = _costs(run, framework, title)
            made |= _save(
                figure, folder, f"httpx-{framework}.png", f"{title}: every contender as a multiple of plain httpx"
            )
    if any(name.startswith("growth-") for name in measured(run)):
        made |= _save(_growth(run), folder, "growth.png", "CPU per unit at ten times the size")
    return made


def _save(figure: Figure, folder: Path, file: str, text: str) -> dict[str, str]:
    figure.savefig(folder / file, dpi=DPI, bbox_inches="tight")
    plt.close(figure)
    return {file: text}


# ---------------------------------------------------------------------------- ours over the best peer


def _peer_scenarios(run: Run, framework: str) -> list[tuple[str, str]]:
    """Scenario and metric of each target against the best peer for which there is a figure."""
    wanted = [
        (target.scenario, target.metric)
        for target in TARGETS
        if target.against == BEST_PEER and target.contender == OURS[framework]
    ]
    return [pair for pair in wanted if run.to_best_peer(pair[0], OURS[framework], pair[1])]


def _best_peer(run: Run, framework: str, title: str) -> Figure:
    pairs = _peer_scenarios(run, framework)[::-1]
    figure, axes = plt.subplots(figsize=(9, 1.6 + 0.34 * len(pairs)))
    bounds = {
        (t.scenario, t.metric): (t.bound, t.stretch)
        for t in TARGETS
        if t.against == BEST_PEER and t.contender == OURS[framework]
    }
    for place, pair in enumerate(pairs):
        found = run.to_best_peer(pair[0], OURS[framework], pair[1])
        assert found is not None
        met = found.median <= bounds[pair][0]
        axes.barh(place, found.median, height=0.6, color="#0571b0" if met else "#ca0020")
        _whisker(axes, place, found)
    _marks(axes, [bounds[pair][0] for pair in pairs], "target", "#222222", 2.5)
    _marks(axes, [bounds[pair][1] or 0 for pair in pairs], "stretch", "#888888", 1.2)
    axes.set_yticks(range(len(pairs)), [f"{scenario} ({metric})" for scenario, metric in pairs])
    axes.axvline(1, color="#222222", linestyle=":", label="the best peer")
    axes.set_xlim(0, max(1.05, axes.get_xlim()[1]))
    axes.set_xlabel("ratio to the best peer of the scenario (median; whisker: lowest to highest round)")
    axes.set_title(f"{title}: ours over the best peer, lower is better")
    _legend_outside(axes, {"met": "#0571b0", "not met": "#ca0020"})
    return figure


def _whisker(axes: Axes, place: float, found: Spread) -> None:
    axes.plot([found.low, found.high], [place, place], color="#222222", linewidth=1)


def _marks(axes: Axes, values: list[float], label: str, color: str, width: float) -> None:
    places = range(len(values))
    axes.vlines(
        values, [p - 0.42 for p in places], [p + 0.42 for p in places], color=color, linewidth=width, label=label
    )


def _legend_outside(axes: Axes, bars: dict[str, str] | None = None) -> None:
    for label, color in (bars or {}).items():
        axes.barh([0], [0], color=color, label=label)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


# ---------------------------------------------------------------------------- every contender over httpx


def _cost_scenarios(run: Run) -> list[str]:
    """Scenarios with a cost per unit that plain httpx takes part in."""
    return [name for name in measured(run) if SCENARIOS[name].value in {"cpu", "wall"} and "httpx" in run.results[name]]


def _costs(run: Run, framework: str, title: str) -> Figure:
    scenarios = _cost_scenarios(run)[::-1]
    names = [name for name in run.about["contenders"] if CONTENDERS[name].framework == framework]
    figure, axes = plt.subplots(figsize=(9, 1.6 + 0.34 * len(scenarios)))
    for index, name in enumerate(names):
        points = _points(run, name, scenarios)
        if points:
            values, rows = zip(*points, strict=True)
            # Equal values would hide one another.
            places = [row + ((len(names) - 1) / 2 - index) * 0.13 for row in rows]
            mark = MARKS[CONTENDERS[name].kind]
            axes.scatter(values, places, label=name, marker=mark, color=_color(name, names), s=48, zorder=3)
    axes.axvline(1, color=COLORS["httpx"], linestyle=":", label="plain httpx")
    axes.set_xscale("log")
    axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.set_yticks(range(len(scenarios)), scenarios)
    axes.set_xlabel("multiple of plain httpx (logarithmic; CPU, for ttfc wall time)")
    axes.set_title(f"{title}: cost as a multiple of plain httpx, lower is better")
    _legend_outside(axes)
    return figure


def _points(run: Run, name: str, scenarios: list[str]) -> list[tuple[float, int]]:
    """The ratio and the row of each scenario the contender can do."""
    found = [
        (run.ratio(scenario, name, "httpx", SCENARIOS[scenario].value), row) for row, scenario in enumerate(scenarios)
    ]
    # LangChain's floor for embeddings is a list that is there already: no cost to show.
    return [(ratio.median, row) for ratio, row in found if ratio is not None and ratio.median > NO_COST]


def _color(name: str, names: list[str]) -> str:
    kind = CONTENDERS[name].kind
    if kind != "peer":
        return COLORS[kind]
    peers = [one for one in names if CONTENDERS[one].kind == "peer"]
    return PEER_COLORS[peers.index(name) % len(PEER_COLORS)]


# ---------------------------------------------------------------------------- growth


def _growth(run: Run) -> Figure:
    scenarios = [name for name in measured(run) if name.startswith("growth-")]
    names = [n for n in GROWTH_COLORS if n in run.about["contenders"]]
    figure, axes = plt.subplots(figsize=(9, 4.2))
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        points = [(row, found) for row, one in enumerate(scenarios) if (found := run.spread(one, name, "ratio"))]
        places = [row + (index - (len(names) - 1) / 2) * width for row, _ in points]
        axes.bar(
            places, [found.median for _, found in points], width=width * 0.9, label=name, color=GROWTH_COLORS[name]
        )
        for place, (_, found) in zip(places, points, strict=True):
            axes.plot([place, place], [found.low, found.high], color="#222222", linewidth=1)
    axes.axhline(1, color="#222222", linestyle=":", label="flat")
    axes.set_xticks(range(len(scenarios)), [name.removeprefix("growth-") for name in scenarios])
    axes.set_ylabel("CPU per unit, over that of the job")
    axes.set_title("Growth: cost per unit of a job ten times as large (whisker: lowest to highest round)")
    _legend_outside(axes)
    return figure
