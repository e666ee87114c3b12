"""Runs the LlamaIndex conformance checks against this project's classes and their peers, and writes the table.

    python benchmarks/conformance/llamaindex_peers.py --install DIR    # makes a virtual environment per peer first
    python benchmarks/conformance/llamaindex_peers.py --envs DIR       # uses those that are there

Each peer runs in an environment of its own: the checks are copied beside it, none of our packages is installed there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT / "llamaindex_azureai" / "conformance"
DOC = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- llamaindex: begin, written by llamaindex_peers.py -->", "<!-- llamaindex: end -->"
TIMEOUT = 1500
"""Seconds for all checks of one peer."""
TOOLS = ["pytest>=9", "pytest-timeout"]
CORE = "llama-index-core==0.14.25"

OURS = """
from conformance import EmbeddingConformance, FunctionCallingConformance
from llamaindex_azureai import AzureAI, AzureAIEmbedding, AzureAIMultiModalEmbedding


class TestLLM(FunctionCallingConformance):
    dialect = DIALECT
    has_documents = DIALECT == "openai-v1"  # the other dialect has no `file` parts
    secret_argument = "credential"

    def llm(self, base_url, key, **kwargs):
        return AzureAICompletionsModel(base_url, key, model="gpt-4o", **kwargs)


class TestEmbedding(EmbeddingConformance):
    dialect = DIALECT
    secret_argument = "credential"

    def embedding(self, base_url, key, **kwargs):
        return AzureAIEmbeddingsModel(base_url, key, **{"model": "m", **kwargs})

    def image_embedding(self, base_url, key, **kwargs):
        return AzureAIImageEmbeddingsModel(base_url, key, **{"model": "m", **kwargs})
"""

AZURE_INFERENCE = """
from conformance import EmbeddingConformance, FunctionCallingConformance
from llama_index.embeddings.azure_inference import AzureAIEmbeddingsModel
from llama_index.llms.azure_inference import AzureAICompletionsModel


def client(kwargs):
    retries = kwargs.pop("max_retries", None)
    return {} if retries is None else {"client_kwargs": {"retry_total": retries, "retry_backoff_factor": 0}}


class TestLLM(FunctionCallingConformance):
    dialect = DIALECT
    secret_argument = "credential"
    # What it has no place for; it must refuse such blocks then.
    has_images = has_audio = has_documents = has_reasoning = has_logprobs = False

    def llm(self, base_url, key, **kwargs):
        return AzureAICompletionsModel(
            endpoint=base_url, credential=key, model_name="gpt-4o", **client(kwargs), **kwargs
        )


class TestEmbedding(EmbeddingConformance):
    dialect = DIALECT
    secret_argument = "credential"
    has_images = has_input_types = False

    def embedding(self, base_url, key, **kwargs):
        more = {"model_kwargs": {"dimensions": kwargs.pop("dimensions")}} if "dimensions" in kwargs else {}
        model = kwargs.pop("model", "m")
        return AzureAIEmbeddingsModel(
            endpoint=base_url, credential=key, model_name=model, **more, **client(kwargs), **kwargs
        )
"""

OPENAI_LIKE = """
from conformance import EmbeddingConformance, FunctionCallingConformance
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike


class TestLLM(FunctionCallingConformance):
    dialect = DIALECT

    def llm(self, base_url, key, **kwargs):
        # It knows nothing of a model by itself, and takes whatever the user says of it.
        return OpenAILike(
            api_base=base_url, api_key=key, model="gpt-4o", is_chat_model=True, is_function_calling_model=True,
            context_window=128000, additional_kwargs={"stream_options": {"include_usage": True}}, **kwargs,
        )


class TestEmbedding(EmbeddingConformance):
    dialect = DIALECT
    has_images = has_input_types = False

    def embedding(self, base_url, key, **kwargs):
        return OpenAILikeEmbedding(api_base=base_url, api_key=key, model_name=kwargs.pop("model", "m"), **kwargs)
"""


@dataclass(frozen=True)
class Peer:
    """A pair of classes, the environment they live in, and how they are made for the checks."""

    name: str
    title: str
    dialect: str
    factories: str
    environment: str | None = None
    requirements: tuple[str, ...] = ()
    shown: tuple[str, ...] = field(default=("llama-index-core",))


_INFERENCE = ("llama-index-llms-azure-inference==0.8.0", "llama-index-embeddings-azure-inference")
_LIKE = ("llama-index-llms-openai-like", "llama-index-embeddings-openai-like")
PEERS = (
    Peer("ours-v1", "ours, `/openai/v1`", "openai-v1", OURS),
    Peer("ours-mi", "ours, `/models`", "model-inference", OURS),
    Peer(
        "azure-inference", "azure-inference, `/models`", "model-inference", AZURE_INFERENCE, "li-azure-inference",
        _INFERENCE, (_INFERENCE[0].partition("=")[0], _INFERENCE[1], "azure-ai-inference"),
    ),
    Peer(
        "openai-like", "openai-like, `/openai/v1`", "openai-v1", OPENAI_LIKE, "li-openai-like",
        _LIKE, (*_LIKE, "llama-index-llms-openai", "openai"),
    ),
)  # fmt: skip


def install(peer: Peer, envs: Path) -> None:
    """Makes the peer's environment, unless it is there."""
    if peer.environment is None or (envs / peer.environment).exists():
        return
    target = envs / peer.environment
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, CORE, *TOOLS, *peer.requirements], check=True, timeout=TIMEOUT)


def python_of(peer: Peer, envs: Path) -> str:
    """The interpreter that has the peer."""
    return sys.executable if peer.environment is None else str(envs / peer.environment / "bin" / "python")


def run(peer: Peer, envs: Path, work: Path) -> Path:
    """Runs all checks in the peer's environment; the JUnit report."""
    folder = work / peer.name
    folder.mkdir(parents=True)
    shutil.copytree(KIT, folder / "conformance", ignore=shutil.ignore_patterns("__pycache__"))
    factories = peer.factories.replace("DIALECT", repr(peer.dialect))
    (folder / "test_peer.py").write_text(factories, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\ntimeout = 60\n", encoding="utf-8")
    report = folder / "report.xml"
    paths = [str(folder), *([str(ROOT)] if peer.environment is None else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "IS_TESTING": "1", "OPENAI_API_KEY": "unused"}
    command = [
        python_of(peer, envs),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--junitxml={report}",
        "test_peer.py",
    ]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        subprocess.run(command, cwd=folder, env=environment, timeout=TIMEOUT, stdout=log, stderr=log, check=False)
    return report


def results(report: Path) -> dict[str, dict[str, Counter[str]]]:
    """Kind of class → check → how often it passed, failed, was skipped."""
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for case in ET.parse(report).iter("testcase"):
        kind = case.get("classname", "").rpartition(".")[2].removeprefix("Test")
        failed = case.find("failure") is not None or case.find("error") is not None
        outcome = "failed" if failed else "skipped" if case.find("skipped") is not None else "passed"
        found[kind][case.get("name", "").partition("[")[0]][outcome] += 1
    return found


def versions(peer: Peer, envs: Path) -> str:
    """The distributions that were checked."""
    names = ("llama-index-core", *peer.shown) if peer.environment else ("llama-index-core",)
    code = f"from importlib.metadata import version\nfor n in {tuple(dict.fromkeys(names))!r}: print(n, version(n))"
    done = subprocess.run([python_of(peer, envs), "-c", code], capture_output=True, text=True, check=True)
    return ", ".join([*([] if peer.environment else ["this tree"]), *done.stdout.strip().splitlines()])


def cell(counts: Counter[str]) -> str:
    """`yes`, `no`, `2 of 4`, or a dash for what the class does not set out to do."""
    tried = counts["passed"] + counts["failed"]
    if not tried:
        return "-"
    return "yes" if counts["passed"] == tried else "no" if not counts["passed"] else f"{counts['passed']} of {tried}"


def table(kind: str, found: dict[str, dict[str, dict[str, Counter[str]]]]) -> list[str]:
    """The lines of the table for one kind of class."""
    checks = list(dict.fromkeys(check for peer in PEERS for check in found[peer.name].get(kind, {})))
    lines = ["| check | " + " | ".join(peer.title for peer in PEERS) + " |", "|---" * (len(PEERS) + 1) + "|"]
    for check in checks:
        cells = [cell(found[peer.name].get(kind, {}).get(check, Counter())) for peer in PEERS]
        lines.append(f"| {check.removeprefix('test_').replace('_', ' ')} | " + " | ".join(cells) + " |")
    totals = [sum(found[peer.name].get(kind, {}).values(), Counter()) for peer in PEERS]
    sums = [f"**{t['passed']} of {t['passed'] + t['failed']}**" for t in totals]
    return [*lines, "| **cases passed** | " + " | ".join(sums) + " |"]


def write(found: dict[str, dict[str, dict[str, Counter[str]]]], said: dict[str, str]) -> None:
    """Puts the tables between the marks of the document."""
    lines = ["Command: `python benchmarks/conformance/llamaindex_peers.py --install DIR`", ""]
    lines += [f"- {peer.title}: {said[peer.name]}" for peer in PEERS]
    for kind, title in (("LLM", "Chat models"), ("Embedding", "Embeddings")):
        lines += ["", f"### {title}", "", *table(kind, found)]
    before, _, rest = DOC.read_text("utf-8").partition(BEGIN)
    DOC.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    """Runs the checks of the chosen peers; writes the document when all of them were run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", metavar="DIR", type=Path, help="make the peers' environments there, and use them")
    parser.add_argument("--envs", metavar="DIR", type=Path, help="where the peers' environments are")
    parser.add_argument("--only", choices=[peer.name for peer in PEERS], action="append", help="run these only")
    parser.add_argument("--work", metavar="DIR", type=Path, help="keep logs and reports there")
    options = parser.parse_args()
    envs = (options.install or options.envs or Path("envs")).resolve()
    work = (options.work or Path(tempfile.mkdtemp(prefix="llamaindex-peers-"))).resolve()
    found, said = {}, {}
    for peer in PEERS:
        if options.only and peer.name not in options.only:
            continue
        if options.install:
            install(peer, envs)
        found[peer.name], said[peer.name] = results(run(peer, envs, work)), versions(peer, envs)
        for kind, checks in found[peer.name].items():
            print(peer.name, kind, dict(sum(checks.values(), Counter())), said[peer.name], flush=True)
    if not options.only:
        write(found, said)


if __name__ == "__main__":
    main()
