"""The commands on the pages work: each is typed as it stands, and those that cannot be are looked at.

A `text` block right behind some commands is what they show at last, with any number for a number, whatever the width.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import httpx
import pytest

import documents
import import_graph
from azureai_emulator import Emulator, serve
from documents import DOCS, ROOT, Block
from reader import Reader, Typed

PAGES = documents.pages()
CONSOLE = ("console", "bash", "sh", "shell")
BLOCKS = [block for page in PAGES for block in documents.blocks(page)]

NOT_TYPED = {
    r"pip install ": "asks a package index; `make dist` installs each extra in an environment of its own",
    r"git clone URL |cd azureai-adapters$": "the address is the reader's; `make newcomer` clones",
    r"make (demo|test|check)\b": "they are this very run, or contain it; tests/test_demo.py has the demo",
    r"azureai models pull": "fetches 93 MB",
    r"azureai emulate .*--brain local": "needs what `azureai models pull` fetches; tests/emulator/test_local_brain.py",
    r"python examples/scale_ray\.py": "needs Ray; `make test-scale` runs it",
    r"export .*=…": "the values are the reader's; the script beside it has to read them",
    r"python benchmarks/conformance/": "installs other adapters from a package index",
}
"""Commands that are not typed → why not. What can be said without running them is checked all the same."""

SHOWS = {
    r"azureai --help": "Find out what an endpoint is",
    r"azureai doctor .*gpt-5 ": r"no deployment called 'gpt-5'",
    r"azureai doctor ": r"✓ Answers a question",
    r"azureai chat ": r"(mistral-large-2411|deepseek-r1) · \d+ \+ \d+ tokens",
    r"echo .*\| azureai chat ": r"mistral-large-2411 · \d+ \+ \d+ tokens",
    r"azureai embed ": r"\.embeddings\.jsonl: \d+ embedded, 0 with an error",
    r"printf .* > ": "^$",
    r"cat cities.embeddings.jsonl": r'^\{"line": 1, "embedding": \[',
    r"curl -i .*x-emulator-fault": r"429 Too Many Requests\s(.*\s)*?retry-after: 2\s",
    r"curl .*\"stream\": true": r"data: \[DONE\]\s*$",
    r"curl ": r'"choices":\[\{.*"content":"',
}
"""What a command shows, by how it begins; a longer beginning comes first."""


def typed(block: Block) -> list[str]:
    """The lines of a block that a reader of this page can type here."""
    reasons = [*NOT_TYPED, *([] if shutil.which("curl") else ["curl "])]
    return [line for line in documents.lines(block) if not any(re.match(start, line) for start in reasons)]


WITH_COMMANDS = [
    page for page in PAGES if any(typed(block) for block in documents.blocks(page) if block.language in CONSOLE)
]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with serve(key="KEY") as running:
        yield running


@pytest.fixture
def reader(emulator: Emulator, tmp_path: Path) -> Iterator[Reader]:
    """A folder with the file that the pages speak of."""
    (tmp_path / "texts.txt").write_text("One\nTwo\n")
    someone = Reader(tmp_path, emulator)
    yield someone
    someone.stop_server()


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=documents.name_of)
def test_the_commands_of_a_page_work(page: Path, reader: Reader, tmp_path: Path) -> None:
    """From top to bottom, servers included; each ends as it should and shows what it should."""
    for block in documents.blocks(page):
        if block.language == "toml":
            (tmp_path / "deployments.toml").write_text(block.code, "utf-8")
    console = [block for block in documents.blocks(page) if block.language in CONSOLE]
    for _, blocks in groupby(console, documents.section):
        for block in blocks:
            check(block, [found for line in typed(block) if (found := reader.type(line)) is not None])
        reader.stop_server()


def check(block: Block, done: list[Typed]) -> None:
    """Each ended as the page says, and showed what such a command shows."""
    assert [found.code for found in done] == [block.exit_code] * len(done), done
    for found in done:
        check_shown(found)
    shown = "".join(found.shown for found in done)
    assert block.output is None or shape(shown).endswith(shape(block.output)), f"{block} showed:\n{shown}"


def check_shown(found: Typed) -> None:
    wanted = next((shows for start, shows in SHOWS.items() if re.match(start, found.line)), None)
    assert wanted is not None, f"SHOWS does not say what this shows: {found.line}"
    assert re.search(wanted, found.shown), found


def shape(text: str) -> str:
    """The words, with every number as `N`, and without the frame of a box, which is as wide as the terminal."""
    return re.sub(r"-?\d[\d,]*(\.\d+)?(e-\d+)?", "N", " ".join(re.sub("[─│╭╮╰╯]", " ", text).split()))


# ---------------------------------------------------------------------------- what is not typed


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in CONSOLE], ids=str)
def test_commands_exist(block: Block) -> None:
    """Targets, extras, scripts, options and sub-commands that a page names are there."""
    assert [fault for words in documents.commands(block) if (fault := documents.fault_of(words))] == []


@pytest.mark.parametrize("page", PAGES, ids=documents.name_of)
def test_commands_in_sentences_exist(page: Path) -> None:
    """Those in backticks, in the middle of the text."""
    assert [fault for words in documents.spoken(page) if (fault := documents.fault_of(words))] == []


@pytest.mark.parametrize("start", NOT_TYPED)
def test_what_is_not_typed_is_on_a_page(start: str) -> None:
    """A reason without a command is one that nobody looks at again."""
    lines = [line for block in BLOCKS if block.language in CONSOLE for line in documents.lines(block)]

    assert any(re.match(start, line) for line in lines)


def test_make_knows_how_to_begin_what_is_not_made_here() -> None:
    """A dry run: each target of the pages has what it needs, down to the environment."""
    targets = {
        word
        for block in BLOCKS
        if block.language in CONSOLE
        for command, *words in documents.commands(block)
        for word in words
        if command == "make" and "=" not in word
    }
    done = subprocess.run(
        ["make", "--dry-run", *sorted(targets)], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )

    assert targets
    assert done.returncode == 0, done.stderr


def test_make_alone_lists_every_target() -> None:
    """With a sentence about each."""
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    listed = re.findall(r"^([a-z-]+) {2,}\S", done.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)

    assert phony is not None
    assert set(listed) == set(phony[1].split())


def test_variables_that_a_page_sets_for_a_script_are_read_by_it() -> None:
    """Those with the reader's own values."""
    files = [*(ROOT / "examples").rglob("*.py"), *import_graph.SOURCES]
    code = "".join(path.read_text("utf-8") for path in files)
    lines = [line for block in BLOCKS if block.language in CONSOLE for line in documents.lines(block)]
    names = [name for line in lines if line.startswith("export") for name in re.findall(r"(\w+)=…", line)]

    assert names
    assert [name for name in names if f'"{name}"' not in code] == []


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "make test ARGS=tests/nothing.py",
        "pip install azureai-adapters[nothing]",
        "python benchmarks/nothing.py",
        "python benchmarks/run.py --nothing",
        "python -m azureai_emulator --nothing",
        "azureai nothing",
        "azureai doctor --nothing",
        "nothing",
    ],
)
def test_commands_that_do_not_exist_are_found(command: str) -> None:
    """The tests above can fail."""
    assert documents.fault_of(command.split()) is not None


# ---------------------------------------------------------------------------- what is no command

CHECKED_ELSEWHERE = {
    "python": "tests/test_docs.py, tests/test_readme.py",
    "javascript": "tests/emulator/test_snippets.py",
    "mermaid": "tests/test_architecture.py",
    "{eval-rst}": "tests/test_docs.py, and the site's build",
    "{toctree}": "tests/test_docs.py, and the site's build",
    "{include}": "the site's build",
}


def test_every_block_is_checked_by_some_test() -> None:
    """A language that no test knows would be code that nobody runs; text stands behind what prints it."""
    known = {*CONSOLE, *CHECKED_ELSEWHERE, "json", "toml"}

    assert [str(block) for block in BLOCKS if block.language not in known] == []
    assert all((ROOT / path).exists() for where in CHECKED_ELSEWHERE.values() for path in re.findall(r"\S+\.py", where))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_each_toml_is_a_file_of_deployments(block: Block, tmp_path: Path) -> None:
    """The emulator serves what it names, with what it says."""
    path = tmp_path / "deployments.toml"
    path.write_text(block.code, "utf-8")
    (said,) = tomllib.loads(block.code)["deployments"]
    with serve(deployments=path) as emulator:
        (found,) = httpx.get(emulator.url + "/deployments", headers={"api-key": emulator.key}).json()

    assert (found["name"], found["profile"], found["kinds"]) == (said["name"], said["profile"], said["kinds"])
    assert any(str(said["overrides"]["context_window"]) in quirk for quirk in found["quirks"])


JSON = [block for block in BLOCKS if block.language == "json"]


@pytest.mark.parametrize("block", [block for block in JSON if block.page.name == "emulator.md"], ids=str)
def test_each_json_for_the_emulator_queues_faults(block: Block) -> None:
    """As many as it says, the same ones again for the same seed."""
    with serve() as emulator:
        url, headers = emulator.url + "/_emulator/faults", {"api-key": emulator.key}
        queued = []
        for _ in range(2):
            assert httpx.post(url, content=block.code, headers=headers).is_success
            queued.append(httpx.get(url, headers=headers).json())
            httpx.delete(url, headers=headers)

    assert queued[0] == queued[1]
    assert json.dumps(queued[0]).count("429") > 0


def test_each_other_json_is_output_of_the_command_line() -> None:
    """tests/cli/test_docs.py compares those with what is printed."""
    pages = {block.page.relative_to(DOCS).as_posix() for block in JSON}

    assert pages == {"emulator.md", "command-line.md"}
    assert all(json.loads(block.code) for block in JSON)
