"""A run as Markdown: the targets first, then every contender in every scenario."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contenders import CONTENDERS
from figures import Run, Spread, Verdict, measured, verdicts
from scenarios import SCENARIOS
from targets import BEST_PEER, ITSELF

FRAMEWORKS = {"langchain": "LangChain", "llamaindex": "LlamaIndex", "": "no framework"}
ABOUT = {
    "httpx": "plain httpx, as most people write it",
    "azureai_core": "our core without a framework",
    "azure-ai-inference": "Microsoft's retired SDK (`azure-ai-inference`)",
    "lc-floor": "LangChain with a model that answers from memory",
    "ours-langchain": "`langchain_azureai`",
    "lc-azure-inference": "`langchain-azure-ai[v1]`, the classes over azure-ai-inference",
    "lc-azure-openai": "`langchain-azure-ai`, the classes over the openai SDK",
    "lc-openai": "`langchain-openai`",
    "li-floor": "LlamaIndex with a model that answers from memory",
    "ours-llamaindex": "`llamaindex_azureai`",
    "li-azure-inference": "`llama-index-llms-azure-inference` and its embeddings",
    "li-openai-like": "`llama-index-llms-openai-like` and its embeddings",
}
METRICS = {
    "cpu": "CPU",
    "wall": "wall time",
    "failed": "failed calls, worst round",
    "opened": "new connections in the second burst, worst round",
    "slowest": "slowest call in seconds, worst round",
    "peak": "peak above the floor in MB, worst round",
}
RATIO_METRICS = {"memory": "peak over the memory of the floats returned"}
MILLION = 1e6
SMALL = 100.0
ENOUGH_ROUNDS, BUSY = 3, 1.0
SPECIAL = ("memory", "batches", "import")
"""Scenarios whose figures are no cost per unit."""

HOW_TO_READ = """\
Each contender runs in a process of its own, which is made anew for each round. A round goes through the scenarios, and
measures all contenders one after the other, in rotating order: in most scenarios in two to five such turns, so that
what is compared was measured within seconds. A mock server in another process answers with the same bytes to all. A
ratio is taken within a turn; the table says the median over all turns, and in brackets the lowest and the highest. CPU
is user plus system time of the client's process, all its threads. Absolute times move with the machine and what else it
does; the ratios hardly do. What a scenario returns is checked before it is timed, which also warms the contender up.

Ours is measured on its default path: each request goes through an `httpx.Client` or `httpx.AsyncClient` of the adapter,
which mocks and tracers of httpx see, over a connection pool of the adapter's own. Nothing traces or mocks httpx while
this is measured; while something does, connections are httpx's own, and cost more."""

FAIRNESS = """\
- All run at their defaults, keep-alive included, over HTTP/1.1 without TLS on the loopback. The best peer is chosen for
  each scenario, by its median.
- LangChain's classes over the openai SDK run with `check_embedding_ctx_length=False`: their default first fetches a
  vocabulary to count tokens, which costs more. `use_responses_api=False` keeps them on the same route.
- Plain httpx asks for embeddings as floats, 256 at a time, and does not retry. Ours and the openai SDK ask for base64.
- Embeddings are timed until the call returns, their vectors all still there. To free them costs the same whoever made
  them, and is not in the figures. Before each, as much memory as they need is written to and given back: a virtual
  machine's page costs up to five times as much when its host has to find it first, as after a pause.
- Slow contenders run fewer units, for costs are per unit: embeddings on azure-ai-inference a twentieth of the texts,
  those of plain httpx two fifths; the openai SDK two fifths of the histories and a quarter of the retried answers.
- The `embed-refused` scenario compares ours, refused, with peers whose base64 is accepted; none is refused there.
- `li-azure-inference` sends no images, so its `history` is less work, and drops streamed tool calls. It opens a new
  connection for every async call.
- The floors use the frameworks' validating constructors. Ours makes stream chunks from a template, which is cheaper, so
  it can be below the floor. LangChain's floor for embeddings is nothing, and not shown.
- LlamaIndex's own decorators make an event for each call and for each response of a stream, also where nobody listens,
  as here. Ours leaves them out then; with an event handler attached, a streamed event costs about 9 µs more.
- The first burst of `concurrent` and `threads` is held by the server until all of it has arrived, so that connections
  are open for all; only the second burst is timed. Plain httpx keeps 20 connections at most, and its pool slows down
  with many in flight: compare `concurrent` with the peers instead.
- `memory` is held against what lists of floats occupy in Python: 32 bytes that its allocator gives to a float of 24,
  and 8 for the place in the list. Bare lists of the same size peak at 1.00.
- In LlamaIndex, tool calls of the long history stand in `additional_kwargs`, the one place all contenders read."""


def tables(run: Run) -> list[str]:
    """All tables, each with its heading."""
    parts = [
        _section("Targets", _targets(run)),
        _section("CPU per unit, µs (`ttfc`: wall)", _matrix(run, _absolute)),
        _section("Multiple of plain httpx", _matrix(run, _to_httpx)),
        _section("Multiple of the best peer of the same framework", _matrix(run, _to_best)),
        _section("Multiple of the framework's own floor", _matrix(run, _to_floor)),
        _section("Many at once, second burst", _bursts(run)),
        _section("Memory, and growth at ten times the size", _sizes(run)),
        _section("Where a cell has a dash", _reasons(run)),
        _section("Bytes of a request's body", _matrix(run, _bodies)),
    ]
    return [part for part in parts if part]


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


# ---------------------------------------------------------------------------- targets


def _targets(run: Run) -> list[str]:
    found = verdicts(run)
    if not found:
        return []
    missed = sum(one.missed for one in found)
    open_ = sum(one.value is None for one in found)
    lines = [
        f"{len(found) - missed - open_} of {len(found)} met, {missed} not met, {open_} not measured.",
        "",
        "| scenario | ours in | figure | target | stretch | measured | |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    return lines + [_target(one) for one in found]


def _target(one: Verdict) -> str:
    target = one.target
    ours = FRAMEWORKS[CONTENDERS[target.contender].framework]
    stretch = "" if target.stretch is None else f"{target.stretch:.2f}"
    bound = f"≤ {_number(target.bound, target.metric)}"
    return f"| {target.scenario} | {ours} | {_figure(one)} | {bound} | {stretch} | {_measured(one)} | {one.word} |"


def _figure(one: Verdict) -> str:
    target = one.target
    if target.against == ITSELF:
        return METRICS.get(target.metric) or RATIO_METRICS.get(target.scenario, "CPU per unit at ten times the size")
    base = f"best peer, {one.base}" if target.against == BEST_PEER and one.base != BEST_PEER else target.against
    return f"{METRICS[target.metric]} / {base}"


def _measured(one: Verdict) -> str:
    if one.found is None:
        return "-"
    metric = one.target.metric
    if one.target.worst:
        return _number(one.found.high, metric)
    return (
        f"{_number(one.found.median, metric)} ({_number(one.found.low, metric)} to {_number(one.found.high, metric)})"
    )


def _number(value: float, metric: str) -> str:
    if metric == "peak":
        return f"{value / MILLION:.0f}"
    return f"{value:.0f}" if metric in {"failed", "opened"} else f"{value:.2f}"


# ---------------------------------------------------------------------------- contenders and scenarios

Cell = Callable[[Run, str, str], str]


def _matrix(run: Run, cell: Cell) -> list[str]:
    """The table of a figure; rows and columns without any are left out."""
    columns = [name for name in measured(run) if name not in SPECIAL and not name.startswith("growth-")]
    cells = {name: {column: cell(run, column, name) for column in columns} for name in run.about["contenders"]}
    columns = [column for column in columns if any(row[column] != "-" for row in cells.values())]
    rows = [name for name, row in cells.items() if any(row[column] != "-" for column in columns)]
    if not rows or not columns:
        return []
    head = ["| contender | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    return head + [f"| {name} | " + " | ".join(cells[name][column] for column in columns) + " |" for name in rows]


def _absolute(run: Run, scenario: str, name: str) -> str:
    found = run.spread(scenario, name, SCENARIOS[scenario].value)
    micros = 0.0 if found is None else found.median * MILLION
    return "-" if found is None else f"{micros:,.0f}" if micros > SMALL else f"{micros:.1f}"


def _ratio(found: Spread | None) -> str:
    return "-" if found is None else f"{found.median:.2f}"


def _to_httpx(run: Run, scenario: str, name: str) -> str:
    return _ratio(run.ratio(scenario, name, "httpx", SCENARIOS[scenario].value))


def _to_best(run: Run, scenario: str, name: str) -> str:
    entry = CONTENDERS[name]
    if not entry.framework or entry.kind == "floor":
        return "-"
    return _ratio(run.to_best_peer(scenario, name, SCENARIOS[scenario].value))


def _to_floor(run: Run, scenario: str, name: str) -> str:
    if CONTENDERS[name].kind == "floor":
        return "-"
    return _ratio(run.to_floor(scenario, name, SCENARIOS[scenario].value))


def _bodies(run: Run, scenario: str, name: str) -> str:
    found = run.spread(scenario, name, "body")
    return "-" if found is None or CONTENDERS[name].kind == "floor" else f"{found.median:,.0f}"


# ---------------------------------------------------------------------------- the rest


def _bursts(run: Run) -> list[str]:
    rows = [
        (scenario, name) for scenario in ("concurrent", "threads") for name in run.results.get(scenario, {})
    ]  # fmt: skip
    if not rows:
        return []
    head = ["| scenario | contender | CPU per chat, ms | wall of the burst, s | failed | new connections |"]
    return [*head, "|---|---|---:|---:|---:|---:|", *(_burst(run, *row) for row in rows)]


def _burst(run: Run, scenario: str, name: str) -> str:
    figures = [run.spread(scenario, name, metric) for metric in ("cpu", "wall", "failed", "opened")]
    cpu, wall, failed, opened = (figure or Spread(0, 0, 0) for figure in figures)
    times = f"{cpu.median * 1000:.2f} | {wall.median:.2f} ({wall.low:.2f} to {wall.high:.2f})"
    return f"| {scenario} | {name} | {times} | {failed.high:.0f} | {opened.high:.0f} |"


def _sizes(run: Run) -> list[str]:
    lines = ["| scenario | contender | figure | median | lowest | highest |", "|---|---|---|---:|---:|---:|"]
    for scenario in measured(run):
        metric = SCENARIOS[scenario].value
        if metric not in {"ratio", "peak"}:
            continue
        for name in run.results[scenario]:
            found = run.spread(scenario, name, metric)
            if found is not None:
                values = " | ".join(_number(value, metric) for value in (found.median, found.low, found.high))
                lines.append(f"| {scenario} | {name} | {_size_figure(scenario)} | {values} |")
    return lines if len(lines) > 2 else []  # noqa: PLR2004  more than the head


def _size_figure(scenario: str) -> str:
    if scenario == "batches":
        return "peak above the floor, MB"
    return RATIO_METRICS.get(scenario, "CPU per unit at ten times the size")


def _reasons(run: Run) -> list[str]:
    return [
        f"- {scenario}: `{name}`: {reason.rstrip('.')}."
        for scenario, reasons in run.unable.items()
        for name, reason in reasons.items()
    ]


# ---------------------------------------------------------------------------- the page


def page(run: Run, pictures: dict[str, str]) -> str:
    """The whole report; pictures: file → what it shows."""
    about = run.about
    scenarios = [
        f"| {name} | {SCENARIOS[name].about} | {SCENARIOS[name].unit} | {_count(run, name)} |" for name in measured(run)
    ]
    parts = [
        "# Performance\n\nWritten by `make bench-full`; do not edit. Raw numbers: [results.json](results.json).",
        _trial(run),
        f"## How to read this\n\n{HOW_TO_READ}",
        "\n\n".join(f"![{text}]({file})" for file, text in pictures.items()),
        *tables(run),
        "## Scenarios\n\n| name | what | unit | units per turn |\n|---|---|---|---:|\n" + "\n".join(scenarios),
        "## Contenders\n\n" + "\n".join(f"- `{name}`: {ABOUT[name]}" for name in about["contenders"]),
        f"## Notes on fairness\n\n{FAIRNESS}",
        f"## The run\n\n{_run(run)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _trial(run: Run) -> str:
    """A warning where the run was too short, or the machine too busy, to be relied upon."""
    rounds, load = run.about["rounds"], float(run.about["machine"]["load average before the run"])
    if rounds >= ENOUGH_ROUNDS and load < BUSY and run.about["mode"] == "full":
        return ""
    return (
        f"**A trial run** of {rounds} round(s), on a machine with a load average of {load}: do not rely on its figures."
    )


def _count(run: Run, scenario: str) -> str:
    found = SCENARIOS[scenario]
    count = found.size(run.about["mode"], "ours-langchain")
    return f"{count:,} of {found.words:,}" if found.words else f"{count:,}"


def _run(run: Run) -> str:
    about = run.about
    lines = [f"- date: {about['date']}", f"- command: `{about['command']}`", f"- rounds: {about['rounds']}"]
    lines += [f"- {what}: {value}" for what, value in about["machine"].items()]
    for what, rate in about["ceiling"].items():
        lines.append(f"- the mock server's ceiling, with bare sockets: {rate:,.0f} {what} per second")
    for name, versions in about["versions"].items():
        lines.append(f"- environment `{name}`: " + ", ".join(f"{one} {version}" for one, version in versions.items()))
    return "\n".join(lines)


def write(run: Run, folder: Path, pictures: dict[str, str]) -> None:
    """Writes index.md."""
    (folder / "index.md").write_text(page(run, pictures), encoding="utf-8")
