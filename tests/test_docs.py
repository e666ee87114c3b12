"""The pages in `docs/` are true: their code runs, their links lead somewhere, their pictures are those of the code."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import documents
import media
from azureai_core import Endpoint as InferenceEndpoint
from azureai_core import Kind
from azureai_emulator import Emulator, Endpoint
from documents import DOCS, ROOT, Block

# Those of the workflow library, which LlamaIndex's agents stand on.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within:DeprecationWarning"),
]
PAGES = documents.pages()
WITH_PYTHON = [p for p in PAGES if p.parent != ROOT and any(b.language == "python" for b in documents.blocks(p))]
BLOCKS = [block for page in PAGES for block in documents.blocks(page)]


@pytest.fixture
def reader(azureai_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a reader sits: the environment names an endpoint, and the folder holds a picture."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", azureai_endpoint.url + "/models")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", azureai_endpoint.key)
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(media.png())


@pytest.fixture
def fixture(request: pytest.FixtureRequest, azureai_emulator: Emulator) -> Iterator[Callable[[str], Any]]:
    """What a test on a page is given: each one an endpoint of its own, as in a real run."""
    with ExitStack() as stack:
        yield (
            lambda name: (
                stack.enter_context(azureai_emulator.isolated())
                if name == "azureai_endpoint"
                else request.getfixturevalue(name)
            )
        )


@pytest.mark.parametrize("page", WITH_PYTHON, ids=documents.name_of)
def test_the_python_of_a_page_runs(page: Path, reader: None, fixture: Callable[[str], Any]) -> None:
    """From top to bottom in one namespace, as someone who reads along; outputs are as shown."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in documents.blocks(page):
        if block.language == "python" and block.not_run is None:
            printed = documents.run_python(block, namespace, fixture)
            assert block.output is None or documents.fits(printed, block.output), f"{block} printed:\n{printed}"


def of(*languages: str) -> list[Block]:
    """The blocks in one of these languages."""
    return [block for block in BLOCKS if block.language in languages and block.not_run is None]


@pytest.mark.parametrize("block", of("console", "bash", "sh", "shell"), ids=str)
def test_commands_exist(block: Block) -> None:
    """Targets, extras, scripts, options and sub-commands that a page names are there."""
    assert [fault for words in documents.commands(block) if (fault := documents.fault_of(words))] == []


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "pip install azureai-adapters[nothing]",
        "python benchmarks/nothing.py",
        "python -m azureai_emulator --nothing",
        "azureai nothing",
        "azureai doctor --nothing",
        "nothing",
    ],
)
def test_commands_that_do_not_exist_are_found(command: str) -> None:
    """The test above can fail."""
    assert documents.fault_of(command.split()) is not None


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    """No file, no heading, no web address; what is code is no link."""
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](other.md) [b](#two) [c](#one) [d](http://x) [e](https://example.com/x) `[f](none.md)`")

    assert [fault.split(":")[0] for fault in documents.broken(page)] == ["other.md", "#two", "http"]


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_parses(block: Block) -> None:
    """It is JSON."""
    assert json.loads(block.code)


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_parses(block: Block) -> None:
    """It is TOML."""
    assert tomllib.loads(block.code)


def test_only_a_few_blocks_are_not_run() -> None:
    """Each says why; if many did, the pages would be promises again."""
    python = [block for block in BLOCKS if block.language == "python"]
    not_run = [block for block in python if block.not_run is not None]

    assert len(not_run) <= len(python) // 10, [f"{block}: {block.not_run}" for block in not_run]


@pytest.mark.parametrize("page", PAGES, ids=documents.name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings exist; web addresses are well-formed."""
    assert documents.broken(page) == []


def test_every_page_is_in_the_contents() -> None:
    """A page that the site's contents do not list is a page that nobody finds."""
    listed = {
        (page.parent / f"{entry.strip().rpartition('<')[2].rstrip('>')}.md").resolve()
        for page in PAGES
        for block in documents.blocks(page)
        if block.language == "{toctree}"
        for entry in block.code.splitlines()
        if entry.strip() and not entry.startswith(":")
    }

    assert {page for page in PAGES if page.parent != ROOT} - listed == {DOCS / "index.md"}


def test_every_notebook_is_listed() -> None:
    """The page of the notebooks names each of them, in order, and no other."""
    named = re.findall(r"^\| `([\w-]+)`", (DOCS / "notebooks.md").read_text("utf-8"), re.MULTILINE)

    assert named == [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


# ---------------------------------------------------------------------------- tables


@pytest.mark.parametrize("client", ["ChatCompletionsClient", "EmbeddingsClient", "ImageEmbeddingsClient"])
def test_the_page_on_the_sdk_names_each_of_its_arguments(client: str) -> None:
    """Constructor and calls of the retired SDK, as it is installed."""
    text = (DOCS / "migration-sdk.md").read_text("utf-8")
    sdk = getattr(pytest.importorskip("azure.ai.inference"), client)
    methods = [getattr(sdk, name) for name in ("__init__", "complete", "embed") if hasattr(sdk, name)]
    names = {name for method in methods for name in inspect.signature(method).parameters} - {"self", "kwargs"}

    assert [name for name in sorted(names) if f"`{name}" not in text] == []
    assert f"`{client}`" in text


KINDS = {
    "serverless": Kind.SERVERLESS,
    "managed compute": Kind.MANAGED,
    "Foundry models": Kind.MODELS,
    "Azure OpenAI deployment": Kind.DEPLOYMENT,
    "OpenAI v1": Kind.V1,
    "GitHub Models": Kind.GITHUB,
    "OpenAI-compatible": Kind.COMPATIBLE,
}


@pytest.mark.parametrize(
    ("page", "heading"),
    [(ROOT / "README.md", "Endpoints"), (DOCS / "endpoints-and-auth.md", "Which endpoint kind a URL is")],
    ids=["README", "endpoints-and-auth"],
)
def test_the_table_of_endpoint_kinds_is_that_of_the_code(page: Path, heading: str) -> None:
    """Each URL is of the kind it stands beside, has that api-version, and needs a model where the table says so."""
    rows = documents.table(page, heading)

    assert [row[0] for row in rows] == list(KINDS)
    assert set(KINDS.values()) == set(Kind)
    for kind, url, model, *version in rows:
        pasted = "https://host.example/v1" if "any URL" in url else url.strip("`")
        endpoint = InferenceEndpoint.parse(pasted)
        assert endpoint.kind is KINDS[kind]
        assert endpoint.needs_model == (model != "not needed"), kind
        assert version in ([], [f"`{endpoint.api_version}`" if endpoint.api_version else "none"]), kind


@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("core", "azureai_core"),
        ("langchain", "langchain_azureai"),
        ("llamaindex", "llamaindex_azureai"),
        ("llamaindex", "llamaindex_azureai.conformance"),
        ("emulator", "azureai_emulator"),
    ],
)
def test_the_reference_has_each_public_name(page: str, package: str) -> None:
    """What a package offers, `__all__`, stands in the reference, and nothing that it does not."""
    text = (DOCS / "api" / f"{page}.md").read_text("utf-8")
    listed = set(re.findall(r"auto(?:class|exception|function|data):: (?:[\w.]+\.)?(\w+)", text))
    offered = set(importlib.import_module(package).__all__)

    assert sorted(name for name in offered - listed if f"{name}`" not in text) == []


def test_the_table_of_langchain_errors_is_the_mapping() -> None:
    """Each of our errors is at once the error of LangChain's that stands beside it."""
    from langchain_core import exceptions as theirs

    import azureai_core
    from langchain_azureai._errors import _matching

    for ours, lc in documents.table(DOCS / "errors.md", "Which LangChain error"):
        names = zip(re.findall(r"`(\w+)`", ours), itertools.cycle(re.findall(r"`(\w+)`", lc)), strict=False)
        for name, wanted in names:
            assert _matching(getattr(azureai_core, name)) is getattr(theirs, wanted), name
    assert _matching(azureai_core.APIStatusError) is theirs.ModelInvalidRequestError
