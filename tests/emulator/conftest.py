"""One emulator for all tests here, and a small client that speaks plain HTTP to it."""

import json
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import httpx
import pytest

from azureai_emulator import serve


def _load(path):
    """Makes a helper importable by its plain name."""
    spec = spec_from_file_location(path.stem, path)
    sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[path.stem])


for helper in ("fuzz.py", "shapes.py"):
    _load(Path(__file__).with_name(helper))

VERSION = "2024-05-01-preview"
HI = [{"role": "user", "content": "Hi there, emulator"}]


class Wire:
    """Raw requests to one emulator, with everything a correct caller sends unless told otherwise."""

    def __init__(self, emulator, http):
        self.emulator = emulator
        self.http = http

    def post(self, name, kind, route, body, *, version=VERSION, headers=None, **options):
        if kind in ("models", "openai-v1", "github"):
            body = {"model": name, **body}
        params = {} if kind == "openai-v1" or version is None else {"api-version": version}
        key = self.emulator.key
        sent = {"Authorization": f"Bearer {key}", "api-key": key, **(headers or {})}
        return self.http.post(
            f"{self.emulator.endpoint(name, kind)}/{route}", params=params, headers=sent, json=body, **options
        )

    def chat(self, name="gpt-4o", kind="openai-v1", *, messages=HI, version=VERSION, headers=None, **fields):
        return self.post(
            name, kind, "chat/completions", {"messages": messages, **fields}, version=version, headers=headers
        )

    def message(self, *args, **fields):
        answer = self.chat(*args, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]["message"]

    def frames(self, *args, **fields):
        answer = self.chat(*args, stream=True, **fields)
        assert answer.status_code == 200, answer.text
        return events(answer.text)

    def embed(self, name="text-embedding-3-small", kind="openai-v1", **fields):
        return self.post(name, kind, "embeddings", fields)


def events(text):
    """The JSON frames of a stream that ends with [DONE]."""
    parts = [part.removeprefix("data: ") for part in text.split("\n\n") if part]
    assert parts.pop() == "[DONE]"
    return [json.loads(part) for part in parts]


def text_of(frames):
    return "".join(c["delta"].get("content") or "" for f in frames for c in f["choices"] if "delta" in c)


@pytest.fixture(scope="session")
def emulator():
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def http():
    with httpx.Client(timeout=10) as client:
        yield client


@pytest.fixture
def wire(emulator, http):
    emulator.clear()
    yield Wire(emulator, http)
    emulator.clear()


@pytest.fixture
def join_text():
    return text_of


@pytest.fixture
def read_events():
    return events


@pytest.fixture(scope="session")
def javascript_folder(request):
    """A folder with our scripts and the JavaScript clients they use; pytest's cache keeps it from run to run."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    folder = Path(request.config.cache.mkdir("javascript-client"))
    shutil.copytree(JAVASCRIPT, folder, dirs_exist_ok=True)
    wanted, stamp = (folder / "package.json").read_text(), folder / "installed.json"
    if not stamp.exists() or stamp.read_text() != wanted:
        _npm_install(folder)
        stamp.write_text(wanted)
    return folder


JAVASCRIPT = Path(__file__).parent / "javascript"
_QUIET = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1")


def _npm_install(folder):
    try:
        done = subprocess.run(["npm", "install", *_QUIET], cwd=folder, capture_output=True, text=True, timeout=90, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install the JavaScript client within 90 s")
    if done.returncode:
        pytest.skip(f"npm refused to install the JavaScript client: {done.stderr.strip()[-300:]}")
