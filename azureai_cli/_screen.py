"""A report as people read it in a terminal."""

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ._bench import Outcome, Verdict
from ._connect import clean
from ._diagnosis import Problem
from ._examine import Report
from ._report import called_url, langchain_line, llamaindex_line, profile_code

_SIGNS = {
    Verdict.YES: ("✓", "bold green"),
    Verdict.NO: ("✗", "bold red"),
    Verdict.UNCLEAR: ("?", "bold yellow"),
    Verdict.NOTE: ("•", "bold cyan"),
}
_LABEL_WIDTH = 30


def show(report: Report, console: Console) -> None:
    """Prints the whole report."""
    console.print(_heading("\n  Endpoint"))
    _show_url(clean(called_url(report)), console)
    console.print(_endpoint(report))
    if report.findings:
        console.print(_findings(report))
        console.print(_legend(report))
    if report.problem is None:
        for title, code in _lines(report):
            console.print(Rule(title, align="left", style="dim"))
            console.print(_code(code), soft_wrap=True)  # to be copied: no line is broken
    if report.problem is not None:
        console.print("", problem_panel(report.problem))


def _show_url(url: str, console: Console) -> None:
    """In one piece, so that it can be copied; a long one begins at the margin."""
    margin = "  " if len(url) + 2 <= console.width else ""
    console.print(margin + url, markup=False, soft_wrap=True)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=_LABEL_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    return grid


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _endpoint(report: Report) -> Table:
    grid, endpoint = _grid(), report.target.endpoint
    for label, value in (
        ("Kind", str(endpoint.kind)),
        ("Model", report.target.model or "named by the URL"),
        ("/info", _info(report)),
    ):
        grid.add_row("", label, Text(clean(value)))
    for name, outcome in report.auth:
        label, _, scope = name.replace("Authorization: ", "").partition(" for ")
        grid.add_row(_sign(outcome), label, Text(scope or clean(outcome.said), style="dim"))
    return grid


def _info(report: Report) -> str:
    info = report.info
    if info is None:
        return report.info_said or "not asked"
    return f"{info.model_name} ({info.model_type}) by {info.model_provider_name or 'an unnamed provider'}"


def _findings(report: Report) -> Table:
    grid, group, before = _grid(), "", Outcome(Verdict.NOTE)
    for finding in report.findings:
        if finding.probe.group != group:
            group = finding.probe.group
            grid.add_row("", "", "")
            grid.add_row("", _heading(group), "")
        grid.add_row(_sign(finding.outcome), finding.probe.label, _said_after(before, finding.outcome))
        before = finding.outcome
    return grid


def _said_after(before: Outcome, outcome: Outcome) -> Text:
    """What was said, unless it is what stands above."""
    same = outcome.verdict is Verdict.NO and outcome.said == before.said
    return Text("the same", style="dim") if same else _said(outcome)


def _sign(outcome: Outcome) -> Text:
    return Text(*_SIGNS[outcome.verdict])


def _said(outcome: Outcome) -> Text:
    return Text(clean(outcome.said), style="" if outcome.verdict is Verdict.NOTE else "dim")


def _legend(report: Report) -> RenderableType:
    signs = "✓ done  ✗ refused or ignored  ? not clear from the answer  • seen"
    return Text(f"\n{signs}\n{report.requests} requests, {report.tokens:,} tokens\n", style="dim")


def _lines(report: Report) -> tuple[tuple[str, str], ...]:
    return (
        ("LangChain", langchain_line(report)),
        ("LlamaIndex", llamaindex_line(report)),
        ("Profile: what the deployment takes, as data", profile_code(report)),
    )


def _code(code: str) -> Text:
    return Syntax(code, "python", theme="ansi_dark", background_color="default").highlight(code)


def problem_panel(problem: Problem) -> Panel:
    """What failed, why most likely, and what to do."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    said = f"{problem.status}: {problem.what}" if problem.status else problem.what
    grid.add_row("What", Text(said))
    if problem.cause:
        grid.add_row("Most likely", Text(problem.cause))
        grid.add_row("What to do", Text(problem.fix))
    return Panel(grid, title="This does not work yet", title_align="left", border_style="red", box=box.ROUNDED)
