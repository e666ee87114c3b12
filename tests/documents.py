"""The Markdown pages as tests see them: their code blocks, which are run, and their links, which are followed.

A Python block is run as it stands. A `text` block right behind one is what it prints, with `…` for whatever varies.
Where a block cannot run here, the line before it says why: `<!-- not run: it needs a real endpoint -->`. One behind
`<!-- run apart -->` gets a process of its own. A `console` block is typed line by line (`tests/reader.py`); where its
commands are to fail, `<!-- exit code 5 -->` stands before it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NO = "–"  # noqa: RUF001  a dash, as the tables have it
NOT_SOURCES = {"_build", "_extensions", "notebooks"}  # the last one is written by the site's build


def pages() -> list[Path]:
    """Every page a reader may open: those at the root, and those below `docs/`."""
    below = [path for path in DOCS.rglob("*.md") if not NOT_SOURCES & set(path.relative_to(DOCS).parts)]
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(below)


def name_of(path: Path) -> str:
    """The page's path from the root, as the name of a test."""
    return path.relative_to(ROOT).as_posix()


# ---------------------------------------------------------------------------- code blocks


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    """Of its first line of code, counted from 1."""
    language: str
    code: str
    not_run: str | None = None
    """Why it is not run."""
    output: str | None = None
    """What it prints, where the page says so."""
    exit_code: int = 0
    """How its commands end."""
    apart: bool = False
    """Whether it needs a process of its own, as what can be set but once per process does."""

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


_FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*([\w{}+-]*)")
_EXIT_CODE = re.compile(r"<!-- exit code (\d+) -->")
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, each output with the block that prints it."""
    lines = page.read_text("utf-8").splitlines()
    found: list[Block] = []
    after: dict[int, Block] = {}  # the line behind a block → the block
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if opening is None:
            number += 1
            continue
        indent, fence, language = opening.groups()
        end = next(n for n in range(number + 1, len(lines)) if lines[n].strip().startswith(fence))
        code = "\n".join(line.removeprefix(indent) for line in lines[number + 1 : end])
        marker = lines[_content_before(lines, number)] if number else ""
        reason = _NOT_RUN.search(marker)
        ends = _EXIT_CODE.search(marker)
        block = Block(page, number + 2, language, code, reason and reason[1], exit_code=int(ends[1]) if ends else 0)
        block = replace(block, apart="<!-- run apart -->" in marker)
        before = after.get(_content_before(lines, number))
        if language == "text" and before is not None and before.language in {"python", "console"}:
            found[found.index(before)] = replace(before, output=code)
        else:
            found.append(block)
        after[end] = block
        number = end + 1
    return found


def _content_before(lines: list[str], number: int) -> int:
    return next((n for n in range(number - 1, -1, -1) if lines[n].strip()), -1)


def run_python(block: Block, namespace: dict[str, Any], fixture: Callable[[str], Any]) -> str:
    """What a block prints. Test functions that it defines are called, with the fixtures that they ask for."""
    if block.apart:
        command = [sys.executable, "-c", block.code]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout
    before = dict(namespace)
    printed = StringIO()
    with redirect_stdout(printed), _event_loop():
        code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, namespace)  # as `exec`, but gives the coroutine of a block with `await`
        if inspect.iscoroutine(waiting):
            asyncio.run(_finished(waiting))
        for name, value in list(namespace.items()):
            if name.startswith("test_") and value is not before.get(name):
                _call_test(value, fixture)
    return printed.getvalue()


@contextmanager
def _event_loop() -> Iterator[None]:
    """A loop for libraries that take the thread's own, as LlamaIndex does, and never close it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _call_test(test: Callable[..., Any], fixture: Callable[[str], Any]) -> None:
    result = test(**{name: fixture(name) for name in inspect.signature(test).parameters})
    if inspect.iscoroutine(result):
        asyncio.run(_finished(result))


async def _finished(coroutine: Any) -> Any:
    return await coroutine


def fits(printed: str, expected: str) -> bool:
    """Whether an output is what a page shows; `…` there stands for anything.

    >>> fits("1.25 s\\n", "… s")
    True
    """
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


# ---------------------------------------------------------------------------- commands


def section(block: Block) -> int:
    """Which section of its page a block stands in, counted by headings of the second level."""
    return sum(line.startswith("## ") for line in block.page.read_text("utf-8").splitlines()[: block.line])


def lines(block: Block) -> list[str]:
    """What is typed, a line each; those that end with a backslash are joined."""
    return [line.strip() for line in block.code.replace("\\\n", " ").splitlines() if line.strip()]


def spoken(page: Path) -> Iterator[list[str]]:
    """The commands that stand in backticks in the text, as lists of words."""
    for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page)):
        if re.match(r"(make|azureai|python3?|pip|pytest) ", code):
            yield shlex.split(code)


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a console block, as lists of words, pipes split."""
    for line in lines(block):
        words = shlex.split(line, comments=True)
        for separates, part in groupby(words, _SEPARATORS.__contains__):
            command = list(dropwhile(re.compile(r"\w+=").match, part))  # VARIABLE=value may stand in front
            if command and not separates:
                yield command


_SEPARATORS = frozenset({"|", "&&", "||", ";", "&"})


def fault_of(words: list[str]) -> str | None:
    """What is wrong with a command that a page tells people to run; `None` when it exists."""
    command, rest = words[0], words[1:]
    if command in _BY_COMMAND:
        return _BY_COMMAND[command](rest)
    return None if command in _FOREIGN else f"no such command is known: {command}"


_FOREIGN = {"git", "cd", "export", "curl", "cat", "echo", "printf"}


def _make(words: list[str]) -> str | None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    missing = [word for word in words if "=" not in word and word not in targets]
    if missing:
        return f"the Makefile has no target {missing}"
    tests = [path for word in words for path in word.removeprefix("ARGS=").split() if path.startswith("tests/")]
    gone = [path for path in tests if not (ROOT / path).exists()]
    return f"there is no {gone}" if gone else None


def _pip(words: list[str]) -> str | None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = {extra for word in words for extra in _extras(word)}
    missing = extras - set(project["project"]["optional-dependencies"])
    return f"there is no extra {sorted(missing)}" if missing else None


def _extras(word: str) -> list[str]:
    own = re.fullmatch(r"(?:azureai-adapters|\.)\[([\w,-]+)\]", word)
    return own[1].split(",") if own else []


def _python(words: list[str]) -> str | None:
    if words[:2] == ["-m", "azureai_emulator"]:
        return _emulator(words[2:])
    if words[:1] == ["-m"]:
        return None if words[1] in {"venv", "pip", "pytest", "build", "http.server"} else f"no module {words[1]}"
    script = next((word for word in words if word.endswith(".py")), None)
    if script is None or not (ROOT / script).exists():
        return f"there is no script {script}"
    options = [word for word in words if word.startswith("--")]
    unknown = [option for option in options if f'"{option}"' not in (ROOT / script).read_text("utf-8")]
    return f"{script} has no option {unknown}" if unknown else None


def _emulator(words: list[str]) -> str | None:
    from azureai_emulator.__main__ import _parser

    try:
        _parser("azureai_emulator").parse_args([word for word in words if word != "..."])
    except SystemExit:
        return "the emulator does not take these arguments"
    return None


def _azureai(words: list[str]) -> str | None:
    from typer.main import get_command

    from azureai_cli._app import app

    command: Any = get_command(app)
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            return None
        if words[0] not in command.commands:
            return f"azureai has no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in getattr(command, "params", ()) for name in parameter.opts}
    if command.name == "emulate":
        return _emulator(words)
    unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in {*options, "--help"}]
    return f"azureai {command.name} has no option {unknown}" if unknown else None


_BY_COMMAND: dict[str, Callable[[list[str]], str | None]] = {
    "make": _make,
    "pip": _pip,
    "python": _python,
    "python3": _python,
    "pytest": lambda words: None,
    "pre-commit": lambda words: None,
    "azureai": _azureai,
}


# ---------------------------------------------------------------------------- links

_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+(?:\([^()]*\)[^()\s]*)*)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def prose(page: Path) -> str:
    """The page without its code blocks and comments."""
    text = re.sub(r"^( *)(`{3,}).*?^ *\2 *$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of a page's links; what stands in backticks is code."""
    return _LINK.findall(re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "`code`", prose(page)))


def anchors(page: Path) -> set[str]:
    """The names that headings have in links.

    The rule is GitHub's: lower case, punctuation dropped, spaces to hyphens.
    """
    slugs: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        slugs.add(next(s for n in range(100) if (s := plain if not n else f"{plain}-{n}") not in slugs))
    return slugs


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere. Web addresses are looked at, not asked."""
    return [f"{target}: {fault}" for target in links(page) if (fault := _fault_of_link(page, target))]


def _fault_of_link(page: Path, target: str) -> str | None:
    if re.match(r"[a-z]+:", target):
        return None if re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/[^\s]*)?", target) else "no https address"
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return "there is no such file"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return "there is no such heading"
    return None


# ---------------------------------------------------------------------------- tables


def table(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading of the second level, without its head."""
    section = page.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    start = section.index("|---")
    rows = section[start:].split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
