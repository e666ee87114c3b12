"""One emulator for all tests here, and a small client that speaks plain HTTP to it."""

import json

import httpx
import pytest

from azureai_emulator import serve

VERSION = "2024-05-01-preview"
HI = [{"role": "user", "content": "Hi there, emulator"}]


class Wire:
    """Raw requests to one emulator, with everything a correct caller sends unless told otherwise."""

    def __init__(self, emulator, http):
        self.emulator = emulator
        self.http = http

    def post(self, name, kind, route, body, *, version=VERSION, headers=None, **options):
        if kind in ("models", "openai-v1"):
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
