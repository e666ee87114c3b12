"""The pages in `docs/` are true: their code runs, their links lead somewhere, their pictures are those of the code."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import documents
import import_graph
import media
from azureai_core import BatchChat, BatchEmbed, EndpointKind, RetryPolicy
from azureai_core import Endpoint as InferenceEndpoint
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


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    """No file, no heading, no web address; what is code is no link."""
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](other.md) [b](#two) [c](#one) [d](http://x) [e](https://example.com/x) `[f](none.md)`")

    assert [fault.split(":")[0] for fault in documents.broken(page)] == ["other.md", "#two", "http"]


PYTHON = [block for block in BLOCKS if block.language == "python"]
NOT_RUN = [block for block in PYTHON if block.not_run is not None]
OURS = {"azureai_core", "langchain_azureai", "llamaindex_azureai", "azureai_emulator"}


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_what_is_not_run_is_made_of_what_exists(block: Block, reader: None) -> None:
    """The names that it imports from us are there, and its calls of them fit, also those that Ray makes."""
    tree = ast.parse(block.code)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in OURS]
    ours = {
        name.name: getattr(importlib.import_module(str(node.module)), name.name)
        for node in imports
        for name in node.names
    }
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in ours:
            ours[call.func.id](**{str(word.arg): ast.literal_eval(word.value) for word in call.keywords})
        options = {word.arg: word.value for word in call.keywords}
        if "fn_constructor_kwargs" in options and isinstance(call.args[0], ast.Name):
            ours[call.args[0].id](**ast.literal_eval(options["fn_constructor_kwargs"]))


def test_only_a_few_blocks_are_not_run() -> None:
    """Each says why; if many did, the pages would be promises again."""
    assert len(NOT_RUN) <= len(PYTHON) // 10, [f"{block}: {block.not_run}" for block in NOT_RUN]


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
    "serverless": EndpointKind.SERVERLESS,
    "managed compute": EndpointKind.MANAGED,
    "Foundry models": EndpointKind.MODELS,
    "Azure OpenAI deployment": EndpointKind.DEPLOYMENT,
    "OpenAI v1": EndpointKind.V1,
    "GitHub Models": EndpointKind.GITHUB,
    "OpenAI-compatible": EndpointKind.COMPATIBLE,
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
    assert set(KINDS.values()) == set(EndpointKind)
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


def test_the_table_of_retry_fields_is_the_class() -> None:
    """Each field, and the default that stands beside it."""
    said = {
        name: default.strip("` ")
        for names, _, defaults in documents.table(DOCS / "retries.md", "Configuration: `RetryPolicy`")
        for name, default in itertools.zip_longest(re.findall(r"`(\w+)`", names), defaults.split(","))
        if default is not None
    }
    fields = {field.name: field.default for field in dataclasses.fields(RetryPolicy)}
    values = {
        name: "none" if default is None else f"{default:g}" if default is not True else "True"
        for name, default in fields.items()
        if not callable(default)
    }

    assert said.pop("sleep") == "the real ones"
    assert said == values
    assert {"sleep", "asleep", "clock"} | set(values) == set(fields)


def test_every_variable_of_the_environment_is_explained() -> None:
    """Each that the packages read stands on a page, and the tables name no other."""
    code = "".join(path.read_text("utf-8") for path in import_graph.SOURCES)
    read = set(re.findall(r'"((?:AZURE|AZUREAI|OTEL)_[A-Z_]+)"', code))
    pages = "".join(page.read_text("utf-8") for page in PAGES)
    table = documents.table(DOCS / "endpoints-and-auth.md", "Environment variables")

    assert [name for name in sorted(read) if f"`{name}" not in pages] == []
    assert {name for names, _ in table for name in re.findall(r"`([A-Z_]+)", names)} <= read


@pytest.mark.parametrize(
    ("kind", "column", "model"), [(BatchEmbed, 1, "text-embedding-3-small"), (BatchChat, 2, "gpt-4o")]
)
def test_the_table_of_batch_callables_is_true(kind: Any, column: int, model: str, reader: None) -> None:
    """What they read and add, and how many requests are in flight."""
    reads, adds, _, flying = (row[column] for row in documents.table(DOCS / "scale.md", "The two callables"))
    name, default = re.findall(r'`(\w+)="(\w+)"`', reads)[0]
    built = kind(model=model, on_error="column")
    found = built({default: ["Hello"]})

    assert inspect.signature(kind).parameters[name].default == default
    assert list(found) == [default, *re.findall(r"`(\w+)`", adds)]
    assert f"`concurrency={built.concurrency}`" == flying


def test_the_table_of_langchain_errors_is_the_mapping() -> None:
    """Each of our errors is also an instance of the LangChain error in its row."""
    from langchain_core import exceptions as theirs

    import azureai_core
    from langchain_azureai._errors import _matching

    for ours, lc in documents.table(DOCS / "errors.md", "LangChain's error classes"):
        names = zip(re.findall(r"`(\w+)`", ours), itertools.cycle(re.findall(r"`(\w+)`", lc)), strict=False)
        for name, wanted in names:
            assert _matching(getattr(azureai_core, name)) is getattr(theirs, wanted), name
    assert _matching(azureai_core.APIStatusError) is theirs.ModelInvalidRequestError
