"""The page's section 'Other languages and clients': each of its snippets runs as it stands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
SECTION = re.search(r"\n## Other languages and clients\n(.*?)\n## ", PAGE, re.DOTALL)[1]


def snippets(language, start=""):
    found = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return [code for code in found if code.startswith(start)]


@pytest.fixture
def run(azureai_endpoint):
    """What a command prints, with URL and key in its environment as the page says."""

    def run(*command, folder=None):
        mine = {
            "AZURE_INFERENCE_ENDPOINT": azureai_endpoint.url + "/models",
            "AZURE_INFERENCE_CREDENTIAL": azureai_endpoint.key,
        }
        done = subprocess.run(
            command, env={**os.environ, **mine}, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


def test_there_is_one_of_each():
    """Three in Python, one in JavaScript, two for curl; the variables are those that the tests set."""
    assert [len(snippets("python")), len(snippets("javascript")), len(snippets("console", "curl"))] == [3, 1, 2]
    assert re.findall(r"export (\w+)=", SECTION) == ["AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"]


@pytest.mark.parametrize(
    ("code", "package", "said"),
    list(
        zip(snippets("python"), ["azure.ai.inference", "openai", "openai"], [".{20}", ".{20}", "^2 1536$"], strict=True)
    ),
    ids=["azure-ai-inference", "openai", "azure-openai"],
)
def test_python(run, azureai_endpoint, code, package, said):
    """An answer is printed, and the requests were right."""
    pytest.importorskip(package)

    assert re.search(said, run(sys.executable, "-c", code))
    assert [item.status for item in azureai_endpoint.requests] == [200]


def test_javascript(run, azureai_endpoint, javascript_folder):
    """The streamed answer is the plain one again."""
    (javascript_folder / "snippet.mjs").write_text(snippets("javascript")[0], encoding="utf-8")
    plain, streamed = run("node", "snippet.mjs", folder=javascript_folder).splitlines()

    assert plain == streamed != ""
    assert [item.status for item in azureai_endpoint.requests] == [200, 200]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("code", "start"),
    list(zip(snippets("console", "curl"), ['{"id":', 'data: {"'], strict=True)),
    ids=["plain", "stream"],
)
def test_curl(run, azureai_endpoint, code, start):
    """A body, or frames up to `[DONE]`."""
    printed = run("sh", "-c", code)

    assert printed.startswith(start)
    assert printed.endswith("data: [DONE]\n\n") == (start != '{"id":')
    assert [item.status for item in azureai_endpoint.requests] == [200]
