"""Puts this project's LangChain classes and others to the same checks, and writes the table into docs/conformance.md.

`python benchmarks/conformance/langchain_peers.py --install DIR` makes an environment per distribution in DIR, or uses
those that are there. Each check runs in a process of its own: a crash or a hang is a result, not an end.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import gettempdir

HERE = Path(__file__).parent
CHECKS = HERE / "langchain_checks.py"
PAGE = HERE.parents[1] / "docs" / "conformance.md"
BEGIN, END = "<!-- langchain: begin, written by langchain_peers.py -->", "<!-- langchain: end -->"

SECONDS = 40.0
"""After this time a check has failed; the slowest that passes takes about six."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with what the checks and some adapters need."""

    name: str
    requirements: tuple[str, ...]
    adapters: tuple[str, ...]


COMMON = ("langchain", "langgraph")
ENVIRONMENTS = (
    Environment("langchain-azure-ai", ("langchain-azure-ai[v1]>=1.2", *COMMON), ("inference", "openai-api")),
    Environment("langchain-openai", ("langchain-openai>=1", *COMMON), ("azure-openai",)),
)
COLUMNS = {
    "ours": "`langchain_azureai`",
    "inference": "langchain-azure-ai, inference class",
    "openai-api": "langchain-azure-ai, OpenAI class",
    "azure-openai": "langchain-openai, `AzureChatOpenAI`",
}
MARKS = {"pass": "✓", "fail": "✗", "n/a": "n/a"}

Result = dict[str, str]


def install(environment: Environment, folder: Path) -> Path:
    """The interpreter of an environment, made where it is not there."""
    python = folder / environment.name / "bin" / "python"
    if not python.exists():
        print(f"Installing {environment.name} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder / environment.name], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        # Without wheels only, pip goes back to old releases that it cannot build.
        subprocess.run([*pip, "--only-binary=:all:", *environment.requirements], check=True)
    return python


@dataclass(frozen=True)
class Row:
    """What the table says of a check, read from its source, so that this program needs no package."""

    name: str
    topic: str
    reference: str
    promise: str


def rows() -> list[Row]:
    """The checks in their order."""
    found = []
    for node in ast.parse(CHECKS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            call = node.decorator_list[0]
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check":
                topic, reference = (str(ast.literal_eval(argument)) for argument in call.args)
                text = " ".join((ast.get_docstring(node) or "").split())
                found.append(Row(node.name, topic, reference, text.rpartition(" (")[0] or text.rstrip(".")))
    return found


def run(python: Path, adapter: str, check: str) -> Result:
    """The result of one check of one adapter."""
    command = [str(python), str(CHECKS), adapter, check]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=gettempdir(), env=_quiet()
        )
    except subprocess.TimeoutExpired:
        return {"result": "fail", "detail": f"no end within {SECONDS:.0f} s"}
    lines = done.stdout.strip().splitlines()
    try:
        result: Result = json.loads(lines[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return {"result": "fail", "detail": f"ended with code {done.returncode}: {last[:200]}"}
    return result


def _quiet() -> dict[str, str]:
    """No tracing, and a closed port as proxy for https: nothing but the scripted server answers, on any machine."""
    offline = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return {**offline, "PATH": "/usr/bin:/bin", "LANGSMITH_TRACING": "false", "PYTHONWARNINGS": "ignore"}


def versions(python: Path, adapter: str) -> str:
    """The distributions behind an adapter."""
    command = [str(python), str(CHECKS), adapter, "--versions"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=gettempdir()).stdout.strip()


def table(checks: list[Row], results: dict[str, dict[str, Result]]) -> list[str]:
    """The Markdown table; the reason of each n/a in a footnote."""
    notes: list[str] = []
    lines = ["| about | check | reported as | " + " | ".join(COLUMNS[name] for name in results) + " |"]
    lines.append("|---|---|---|" + ":-:|" * len(results))
    for row in checks:
        cells = [_cell(results[name][row.name], notes) for name in results]
        lines.append(f"| {row.topic} | {row.promise} | {_reference(row.reference)} | {' | '.join(cells)} |")
    totals = [_total(results[name]) for name in results]
    lines.append(f"| | **passed of applicable** | | {' | '.join(totals)} |")
    return [
        *lines,
        "",
        *[f"- [{number}] n/a: {note}." for number, note in enumerate(notes, 1)],
    ]


def _cell(result: Result, notes: list[str]) -> str:
    if result["result"] != "n/a":
        return MARKS[result["result"]]
    if result["detail"] not in notes:
        notes.append(result["detail"])
    return f"n/a [{notes.index(result['detail']) + 1}]"


def _total(results: dict[str, Result]) -> str:
    counted = [result["result"] for result in results.values()]
    return f"**{counted.count('pass')} of {len(counted) - counted.count('n/a')}**"


def _reference(text: str) -> str:
    linked = []
    for part in text.split(", "):
        repository, _, number = part.partition("#")
        linked.append(f"[{part}](https://github.com/{repository}/issues/{number})" if number.isdigit() else part)
    return ", ".join(linked)


def failures(checks: list[Row], results: dict[str, dict[str, Result]]) -> list[str]:
    """Why each check failed, in the words of the error."""
    lines = []
    for name, title in COLUMNS.items():
        found = results.get(name, {})
        failed = [row for row in checks if found.get(row.name, {}).get("result") == "fail"]
        if failed:
            lines += ["", f"### {title}", ""]
            lines += [f"- `{row.name}`: {_plain(found[row.name]['detail'])}" for row in failed]
    return lines


def _plain(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"


def page(checks: list[Row], results: dict[str, dict[str, Result]], about: dict[str, str]) -> str:
    """What stands between the marks of docs/conformance.md."""
    made = datetime.now(UTC).date().isoformat()
    lines = [f"Results of {made}, Python {sys.version_info.major}.{sys.version_info.minor}:", ""]
    lines += [f"- {COLUMNS[name]}: {about[name]}" for name in results]
    lines += ["", *table(checks, results), "", "## Why a check failed"]
    lines += failures(checks, results) or ["", "None did."]
    return "\n".join(lines)


def write(text: str) -> None:
    """Puts the results between the marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Runs everything and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", type=Path, metavar="DIR", required=True, help="where the environments lie")
    parser.add_argument("--only", nargs="*", default=list(COLUMNS), choices=COLUMNS, help="these adapters; no page")
    parser.add_argument("--jobs", type=int, default=2, help="checks at a time; each may measure time")
    given = parser.parse_args()

    pythons = {"ours": Path(sys.executable)}
    for environment in ENVIRONMENTS:
        if set(environment.adapters) & set(given.only):
            python = install(environment, given.install.resolve())
            pythons.update(dict.fromkeys(environment.adapters, python))

    checks = rows()
    results: dict[str, dict[str, Result]] = {}
    for name, title in COLUMNS.items():
        if name in given.only:
            with ThreadPoolExecutor(given.jobs) as pool:
                found = pool.map(lambda row, name=name: run(pythons[name], name, row.name), checks)
                results[name] = dict(zip([row.name for row in checks], found, strict=True))
            print(f"{title}: {_total(results[name])}", flush=True)
            for line in failures(checks, {name: results[name]}):
                print(line)
    if set(given.only) == set(COLUMNS):
        write(page(checks, results, {name: versions(pythons[name], name) for name in results}))
        print(f"Written: {PAGE}")


if __name__ == "__main__":
    main()
