"""The README is true: its code runs as it stands, its tables are those of the code."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

import documents
from azureai_core import ModelProfile, profile_for
from azureai_core.profiles import _FAMILIES, UNKNOWN
from azureai_emulator import Emulator
from documents import ROOT, Block

# Those of the workflow library, which LlamaIndex's agents stand on.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within:DeprecationWarning"),
]
README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BLOCKS = [block for block in documents.blocks(README) if block.language == "python"]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_python_block_runs_alone(
    block: Block, azureai_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Endpoint and key come from the environment, as the README says; something is printed, as shown where shown."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", azureai_emulator.url + "/models")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", azureai_emulator.key)
    namespace: dict[str, Any] = {"__name__": "__main__"}

    printed = documents.run_python(block, namespace, request.getfixturevalue)

    assert printed.strip()
    assert block.output is None or documents.fits(printed, block.output), printed


def test_the_readme_has_examples() -> None:
    """A chain, a RAG query, agents, an object, and the bare client; none is left out of the run."""
    code = "\n".join(block.code for block in BLOCKS)
    wanted = (
        ".stream(",
        "VectorStoreIndex",
        "create_agent",
        "FunctionAgent",
        "with_structured_output",
        "InferenceClient",
    )

    assert [name for name in wanted if name not in code] == []
    assert not any(block.not_run for block in BLOCKS)


# ---------------------------------------------------------------------------- tables

# Row of the table → names whose profiles it speaks of.
FAMILIES = {
    "GPT-4o, GPT-4.1, GPT-5 chat": ("gpt-4o", "gpt-4.1", "gpt-5-chat", "gpt-4"),
    "GPT-3.5": ("gpt-35-turbo",),
    "o1, o3, o4, GPT-5": ("o3-mini", "gpt-5"),
    "Mistral, Ministral, Mixtral": ("mistral-large-2411",),
    "Codestral": ("codestral-2501",),
    "Llama 2, 3, 3.1, 3.3": ("llama-2-70b", "llama-3-70b", "llama-3.3-70b-instruct"),
    "Llama 3.2 vision, Llama 4": ("llama-3.2-90b-vision-instruct", "llama-4-scout"),
    "Cohere Command": ("cohere-command-r-plus",),
    "DeepSeek V3": ("deepseek-v3",),
    "DeepSeek R1, MAI-DS-R1": ("deepseek-r1",),
    "Phi-4, Phi-4 mini": ("phi-4", "phi-4-mini-instruct"),
    "Phi-4 multimodal": ("phi-4-multimodal-instruct",),
    "Phi-3, Phi-3.5": ("phi-3-mini-4k-instruct", "phi-3.5-moe"),
    "Phi-3 vision": ("phi-3-vision-128k-instruct",),
    "Grok 3": ("grok-3",),
    "Grok 3 mini": ("grok-3-mini",),
    "Jais": ("jais-30b-chat",),
    "Jamba": ("jamba-1.5-large",),
    "tsuzumi": ("tsuzumi-7b",),
    "any other name": ("my-deployment",),
}
EMBEDDINGS = {
    "Cohere Embed": ("cohere-embed-v3-english",),
    "text-embedding-3": ("text-embedding-3-small",),
    "text-embedding-ada-002": ("text-embedding-ada-002",),
}


def family_row(label: str, profile: ModelProfile) -> list[str]:
    """What the table says of a profile."""
    able = (profile.tools, profile.json_mode, profile.json_schema, profile.images, profile.reasoning)
    return [label, *("✓" if can else documents.NO for can in able), "; ".join(_adapted(profile))]


def _adapted(profile: ModelProfile) -> list[str]:
    """The automatic adjustments for a model family, and its limits, in the table's words."""
    said = {
        "`max_tokens` is sent as `max_completion_tokens`": profile.max_tokens_field != "max_tokens",
        "no `temperature`": not profile.sampling,
        "an assistant message is inserted between a tool result and a question": not profile.user_after_tool,
        "the system message is merged into the user message": not profile.system_role,
        "tool results are sent as JSON": profile.json_tool_results,
        "also takes audio": profile.audio,
    }
    return [words for words, applies in said.items() if applies]


def embedding_row(label: str, profile: ModelProfile) -> list[str]:
    """What the second table says of an embeddings profile."""
    able = (profile.input_type, profile.dimensions, profile.images)
    return [
        label,
        *("✓" if can else documents.NO for can in able),
        str(profile.max_input_tokens),
        str(profile.max_batch),
    ]


def rows(names: dict[str, tuple[str, ...]], row: Any) -> list[list[str]]:
    """The rows of a table; the models of one row have to be alike."""
    found = []
    for label, models in names.items():
        same = [row(label, profile_for(model)) for model in models]
        assert all(other == same[0] for other in same), label
        found.append(same[0])
    return found


def test_the_table_of_model_families_is_the_catalogue() -> None:
    """Written anew from the profiles, it is the same."""
    expected = rows(FAMILIES, family_row) + rows(EMBEDDINGS, embedding_row)
    text = "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in expected)

    assert [line for line in text.splitlines() if line not in TEXT] == [], f"The README's tables should say:\n{text}"


def test_the_tables_leave_no_family_out() -> None:
    """Each profile of the catalogue is in one of the rows."""
    shown = {profile_for(model) for models in (FAMILIES | EMBEDDINGS).values() for model in models}

    assert {profile.family for _, profile in _FAMILIES} - {profile.family for profile in shown} == set()
    assert UNKNOWN in shown


def test_supported_versions_are_those_of_the_package() -> None:
    """Python and both frameworks."""
    said = " ".join(TEXT.split("## Supported versions", 1)[1].split("##", 1)[0].split())
    extras = PROJECT["optional-dependencies"]

    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} and newer" in said
    for framework in ("langchain-core", "llama-index-core"):
        bound = next(item for extra in extras.values() for item in extra if item.startswith(framework))
        lowest, below = re.fullmatch(rf"{framework}>=([\d.]+),<([\d.]+)", bound).groups()  # type: ignore[union-attr]
        assert f"`{framework}` {lowest} and newer below {below}" in said


def test_every_extra_is_named() -> None:
    """Someone who reads the README knows what can be installed."""
    named = set(re.findall(r"`(\w+)`|azureai-adapters\[(\w+)\]", TEXT))

    assert set(PROJECT["optional-dependencies"]) - {name for pair in named for name in pair} == set()
