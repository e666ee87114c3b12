"""The emulator's start-up table, in colour and as wide as the terminal allows."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from azureai_emulator import Emulator
from azureai_emulator.server.banner import Row, facts, groups

_INDENT = "  "
_SKILLS = 22
"""Columns that the second column of the table has at least."""


def show(emulator: Emulator) -> None:
    """Print what is served, and where."""
    console = Console(highlight=False)
    console.print(screen(emulator, console.width), soft_wrap=not _is_wide(_rows(emulator), console.width))


def screen(emulator: Emulator, width: int) -> RenderableType:
    """What is shown on a terminal of that width; names and URLs are never cut."""
    wide = _is_wide(_rows(emulator), width)
    parts: list[RenderableType] = [Text.assemble(("Azure AI emulator", "bold"), " on ", (emulator.url, "bold cyan"))]
    for kinds, rows in groups(emulator):
        heading = Text.assemble("\nserved as ", (kinds, "yellow"))
        parts += [heading, _table(rows, _rows(emulator)) if wide else _list(rows, _rows(emulator))]
    return Group(*parts, Text(), _facts(emulator), Text("Stop with Ctrl+C.", "dim"))


def _rows(emulator: Emulator) -> list[Row]:
    return [row for _, rows in groups(emulator) for row in rows]


def _widths(rows: list[Row]) -> tuple[int, int]:
    """Columns that the longest name and the longest URL take."""
    return max((len(row.name) for row in rows), default=0), max((len(row.url) for row in rows), default=0)


def _is_wide(rows: list[Row], width: int) -> bool:
    return sum(_widths(rows)) + len(_INDENT) + 2 * _GAP + _SKILLS <= width


_GAP = 3


def _table(rows: list[Row], every: list[Row]) -> RenderableType:
    """A line per deployment; what it can do is wrapped where it has to be."""
    name, url = _widths(every)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False, expand=True)
    table.add_column(width=name + len(_INDENT), no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(width=url, no_wrap=True)
    for row in rows:
        table.add_row(Text(_INDENT + row.name, "bold"), row.skills, Text(row.url, "cyan"))
    return table


def _list(rows: list[Row], every: list[Row]) -> RenderableType:
    """Two lines per deployment."""
    name, _ = _widths(every)
    lines: list[Text] = []
    for row in rows:
        lines.append(Text.assemble((f"{_INDENT}{row.name:<{name}}", "bold"), f"  {row.skills}"))
        lines.append(Text(f"{_INDENT * 2}{row.url}", "cyan"))
    return Group(*lines)


def _facts(emulator: Emulator) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
    for name, value in facts(emulator, emulator.tape):
        table.add_row(Text(name, "bold"), Text(value))
    return table
