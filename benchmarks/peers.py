"""The environments that contenders run in, one per distribution, so that none sees another's packages.

`python benchmarks/peers.py --install .peers` makes them, as `make bench-peers` does. The folders are shared with the
conformance checks, which need pytest or an agent library beside the peers. Ours gets lean environments too: httpx, for
one, takes three times as long to import where `rich` and `click` are installed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".peers"
COMMON = ("pydantic==2.14.3", "httpx==0.28.1", "httpcore==1.0.9", "h11==0.16.0")
LANGCHAIN = (*COMMON, "langchain-core==1.7.2")
OPENAI = "openai==3.52.0"
LLAMAINDEX = (*COMMON, "llama-index-core==0.14.25")
CONFORMANCE_LANGCHAIN = ("langchain", "langgraph")
CONFORMANCE_LLAMAINDEX = ("pytest>=9", "pytest-timeout")


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the distributions whose versions the report names."""

    name: str
    requirements: tuple[str, ...]
    shown: tuple[str, ...]
    editable: bool = False

    def python(self, folder: Path = FOLDER) -> Path:
        """Its interpreter, whether there or not."""
        return folder / self.name / "bin" / "python"

    @cached_property
    def stamp(self) -> str:
        """What a finished installation notes, so that changed requirements are installed anew."""
        return "\n".join(self.requirements)

    def installed(self, folder: Path = FOLDER) -> bool:
        """Whether it is there, with these requirements."""
        note = folder / self.name / "benchmarks.txt"
        return note.exists() and note.read_text("utf-8") == self.stamp


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("ours-langchain", LANGCHAIN, ("langchain-core", "httpx", "httpcore", "h11", "pydantic"), True),
        Environment("ours-llamaindex", LLAMAINDEX, ("llama-index-core", "httpx", "pydantic"), True),
        Environment(
            "azure-ai-inference", ("azure-ai-inference==1.0.0b9", "aiohttp"), ("azure-ai-inference", "aiohttp")
        ),
        Environment(
            "langchain-azure-ai",
            (
                *LANGCHAIN,
                "langchain-azure-ai[v1]==1.2.12",
                "azure-ai-inference==1.0.0b9",
                OPENAI,
                *CONFORMANCE_LANGCHAIN,
            ),
            ("langchain-azure-ai", "azure-ai-inference", "langchain-openai", "openai", "langchain-core", "pydantic"),
        ),
        Environment(
            "langchain-openai",
            (*LANGCHAIN, "langchain-openai==1.7.3", OPENAI, *CONFORMANCE_LANGCHAIN),
            ("langchain-openai", "openai", "langchain-core", "pydantic"),
        ),
        Environment(
            "li-azure-inference",
            (
                *LLAMAINDEX,
                "llama-index-llms-azure-inference==0.8.0",
                "llama-index-embeddings-azure-inference",
                "azure-ai-inference==1.0.0b9",
                *CONFORMANCE_LLAMAINDEX,
            ),
            (
                "llama-index-llms-azure-inference",
                "llama-index-embeddings-azure-inference",
                "azure-ai-inference",
                "llama-index-core",
                "pydantic",
            ),
        ),
        Environment(
            "li-openai-like",
            (
                *LLAMAINDEX,
                "llama-index-llms-openai-like==0.8.1",
                "llama-index-embeddings-openai-like",
                "openai==2.54.0",
                *CONFORMANCE_LLAMAINDEX,
            ),
            (
                "llama-index-llms-openai-like",
                "llama-index-embeddings-openai-like",
                "openai",
                "llama-index-core",
                "pydantic",
            ),
        ),
    )
}


def python_of(name: str, folder: Path = FOLDER) -> str | None:
    """The interpreter of an environment, or `None` where it is not installed as asked for."""
    environment = ENVIRONMENTS[name]
    return str(environment.python(folder)) if environment.installed(folder) else None


def versions(name: str, python: str) -> dict[str, str]:
    """Distribution → version, of what is shown of an environment; asked of the interpreter that is measured."""
    code = (
        "import sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
        "for n in sys.argv[1:]:\n try: print(n, version(n))\n except PackageNotFoundError: pass"
    )
    command = [python, "-c", code, *ENVIRONMENTS[name].shown]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def install(environment: Environment, folder: Path) -> None:
    """Makes the environment, or brings it to its requirements."""
    if environment.installed(folder):
        return
    print(f"Installing {environment.name}", file=sys.stderr, flush=True)
    python = environment.python(folder)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / environment.name)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    tree = ["--editable", str(ROOT)] if environment.editable else []
    # Without wheels only, pip goes back to old releases that it cannot build.
    subprocess.run([*pip, "--prefer-binary", *environment.requirements, *tree], check=True)
    (folder / environment.name / "benchmarks.txt").write_text(environment.stamp, encoding="utf-8")


def main() -> None:
    """Installs all, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", type=Path, default=FOLDER, metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS))
    options = parser.parse_args()
    for name in options.names or ENVIRONMENTS:
        install(ENVIRONMENTS[name], options.install.resolve())


if __name__ == "__main__":
    main()
