"""A report as text in a terminal."""

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ._connect import printable
from ._diagnosis import Problem
from ._examine import Report
from ._probing import Outcome, Verdict
from ._report import called_url, langchain_code, llamaindex_code, profile_code

_SIGNS = {
    Verdict.YES: ("✓", "bold green"),
    Verdict.NO: ("✗", "bold red"),
    Verdict.UNCLEAR: ("?", "bold yellow"),
    Verdict.NOTE: ("•", "bold cyan"),
}
_LABEL_WIDTH = 30


def show(report: Report, console: Console) -> None:
    """Print the whole report."""
    console.print(_heading("\n  Endpoint"))
    _show_url(printable(called_url(report)), console)
    console.print(_endpoint(report))
    if report.findings:
        console.print(_findings(report))
        console.print(_legend(report))
    if report.problem is None:
        for title, code in _code_blocks(report):
            console.print(Rule(title, align="left", style="dim"))
            console.print(_code(code), soft_wrap=True)  # no wrapped lines, so that it can be pasted
    if report.problem is not None:
        console.print("", problem_panel(report.problem))


def _show_url(url: str, console: Console) -> None:
    """Print a URL unwrapped, so that it can be copied; a long one starts at the left margin."""
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
        grid.add_row("", label, Text(printable(value)))
    for name, outcome in report.auth:
        label, _, scope = name.replace("Authorization: ", "").partition(" for ")
        grid.add_row(_sign(outcome), label, Text(scope or printable(outcome.detail), style="dim"))
    return grid


def _info(report: Report) -> str:
    info = report.info
    if info is None:
        return report.info_error or "not requested"
    return f"{info.model_name} ({info.model_type}) by {info.model_provider_name or 'an unnamed provider'}"


def _findings(report: Report) -> Table:
    grid, group, before = _grid(), "", Outcome(Verdict.NOTE)
    for finding in report.findings:
        if finding.probe.group != group:
            group = finding.probe.group
            grid.add_row("", "", "")
            grid.add_row("", _heading(group), "")
        grid.add_row(_sign(finding.outcome), finding.probe.label, _detail_unless_repeated(before, finding.outcome))
        before = finding.outcome
    return grid


def _detail_unless_repeated(before: Outcome, outcome: Outcome) -> Text:
    """The detail of an outcome, unless it repeats the one above."""
    same = outcome.verdict is Verdict.NO and outcome.detail == before.detail
    return Text("the same", style="dim") if same else _detail_text(outcome)


def _sign(outcome: Outcome) -> Text:
    return Text(*_SIGNS[outcome.verdict])


def _detail_text(outcome: Outcome) -> Text:
    return Text(printable(outcome.detail), style="" if outcome.verdict is Verdict.NOTE else "dim")


def _legend(report: Report) -> RenderableType:
    signs = "✓ works  ✗ refused or ignored  ? not clear from the answer  • observed"
    return Text(f"\n{signs}\n{report.requests} requests, {report.tokens:,} tokens\n", style="dim")


def _code_blocks(report: Report) -> tuple[tuple[str, str], ...]:
    return (
        ("LangChain", langchain_code(report)),
        ("LlamaIndex", llamaindex_code(report)),
        ("Profile: the deployment's capabilities as data", profile_code(report)),
    )


def _code(code: str) -> Text:
    return Syntax(code, "python", theme="ansi_dark", background_color="default").highlight(code)


def problem_panel(problem: Problem) -> Panel:
    """What failed, the most likely cause, and what to do."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    what = f"{problem.status}: {problem.what}" if problem.status else problem.what
    grid.add_row("What", Text(what))
    if problem.cause:
        grid.add_row("Likely cause", Text(problem.cause))
        grid.add_row("What to do", Text(problem.fix))
    return Panel(grid, title="This does not work", title_align="left", border_style="red", box=box.ROUNDED)
