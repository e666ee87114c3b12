"""Deployments from TOML, and the shipped ones with quirks of their own."""

import httpx
import pytest

from azureai_emulator import serve
from azureai_emulator.__main__ import main
from azureai_emulator.catalog.config import ConfigError, load_deployments

GOOD = """
[[deployments]]
name = "small"
profile = "mistral"
kinds = ["serverless"]
brain = "echo"
requests_per_minute = 2
[deployments.overrides]
context_window = 500
tools = false
served_name = "mini"
inputs = ["text", "image"]
error_style = "vllm"

[[deployments]]
name = "vectors"
profile = "text-embedding-3"
[deployments.overrides]
dimensions = 8
tokens_per_minute = 900
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "deployments.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_says_what_is_served(write):
    """Name, profile, kinds, brain, overrides, limits; what is left out is the profile's own."""
    with serve(deployments=write(GOOD)) as emulator:
        small, vectors = emulator.deployments
        body = {"messages": [{"role": "user", "content": "Say this again"}]}
        url = emulator.endpoint("small") + "/chat/completions?api-version=2024-05-01-preview"
        answers = [httpx.post(url, json=body, headers={"Authorization": f"Bearer {emulator.key}"}) for _ in range(3)]
        texts = httpx.post(
            emulator.endpoint("vectors", "openai-v1") + "/embeddings",
            json={"model": "vectors", "input": "x"},
            headers={"api-key": emulator.key},
        )

    assert answers[0].json()["choices"][0]["message"]["content"] == "Say this again"
    assert answers[0].json()["model"] == "mini"
    assert answers[2].status_code == 429
    assert (small.kinds, small.profile.context_window, small.profile.tools) == (("serverless",), 500, False)
    assert small.profile.tool_delta == "whole"
    assert small.profile.inputs == frozenset({"text", "image"})
    assert vectors.kinds == ("openai-deployment", "openai-v1", "models", "github")
    assert len(texts.json()["data"][0]["embedding"]) == 8
    assert texts.headers["x-ratelimit-limit-tokens"] == "900"


def test_a_brain_may_be_anyones(write):
    """`package.module:Name`, a class or an object."""
    path = write('[[deployments]]\nname = "a"\nprofile = "gpt"\nbrain = "azureai_emulator.brains.registry:EchoBrain"')

    assert type(load_deployments(path)[0].brain).__name__ == "EchoBrain"


ONE = '[[deployments]]\nname = "a"\nprofile = "gpt"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = = 1", "not valid TOML"),
        ("", "deployments: at least one table [[deployments]] is needed."),
        ("deployments = 3", "at least one table"),
        ("models = 3", "the file: unknown field 'models'; allowed are deployments."),
        ('[[deployments]]\nprofile = "gpt"', "deployments[0]: name is missing."),
        ('[[deployments]]\nname = "a"', "deployments[0]: profile is missing."),
        (ONE + 'colour = "red"', "deployments[0]: unknown field 'colour'; allowed are name, profile"),
        (ONE.replace("gpt", "gtp"), "deployments[0].profile: no profile 'gtp'; allowed are "),
        (
            ONE + 'brain = "big"',
            "deployments[0].brain: no brain 'big'; allowed are rules, local, echo or package.module:Name.",
        ),
        (ONE + 'brain = "no_such:X"', "'no_such:X' cannot be used as a brain (No module named 'no_such')."),
        (ONE + 'brain = "json:dumps"', "it has no method answer"),
        (ONE + 'kinds = ["x"]', "deployments[0].kinds[0]: 'x' is not allowed; allowed are 'serverless'"),
        (ONE + 'kinds = "models"', "it takes a list"),
        (ONE + "requests_per_minute = 0", "a limit is at least 1"),
        (
            ONE + 'tokens_per_minute = "many"',
            "deployments[0].tokens_per_minute: 'many' is not allowed; it takes a whole",
        ),
        (ONE + "[deployments.overrides]\ntool = true", "deployments[0].overrides: unknown field 'tool'; allowed are"),
        (ONE + "[deployments.overrides]\ntools = 1", "deployments[0].overrides.tools: 1 is not allowed; it takes true"),
        (ONE + '[deployments.overrides]\ntask = "x"', "allowed are 'chat', 'embeddings'."),
        (ONE + ONE, "the name 'a' is given twice"),
    ],
)
def test_a_bad_file_is_one_sentence_and_code_2(write, capsys, text, reason):
    """File, place, what is allowed."""
    path = write(text)

    assert main(["--port", "0", "--deployments", str(path)]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"azureai_emulator: {path}: ")
    assert reason in said
    assert said.count("\n") == 1


def test_a_missing_file_is_one_sentence(tmp_path, capsys):
    """Not a traceback."""
    assert main(["--deployments", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_serve_raises_the_same(write):
    """`serve(deployments=Path)` is a ValueError at once."""
    with pytest.raises(ConfigError, match="no profile 'gtp'"):
        serve(deployments=write(ONE.replace("gpt", "gtp")))


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def test_phi_vision_takes_one_image(wire):
    """More than one in a message is refused in the container's words (E20)."""
    one = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}]
    two = [{"role": "user", "content": [IMAGE, IMAGE]}]
    name = "phi-3-vision-128k-instruct"

    assert wire.chat(name, "serverless", messages=one).status_code == 200
    refused = wire.chat(name, "serverless", messages=two)
    assert (refused.status_code, refused.json()["object"]) == (400, "error")
    assert refused.json()["message"] == "At most 1 image(s) may be provided in one request."


def test_phi_vision_refuses_stream_options_and_tools(wire):
    """E19 for an extra field although it is passed through; E20 for tools."""
    name, headers = "phi-3-vision-128k-instruct", {"extra-parameters": "pass-through"}
    streamed = wire.chat(name, "serverless", stream=True, stream_options={"include_usage": True}, headers=headers)
    tools = [{"type": "function", "function": {"name": "f"}}]

    assert streamed.status_code == 400
    assert "extra_forbidden" in streamed.json()["message"]
    assert "tool choice requires" in wire.chat(name, "serverless", tools=tools).json()["message"]
    assert wire.chat(name, "serverless", response_format={"type": "json_object"}).status_code == 422


def test_jamba_refuses_in_a_list_of_strings(wire):
    """E18."""
    refused = wire.chat("jamba-1.5-large", "serverless", foo=1, headers={"extra-parameters": "pass-through"})

    assert (refused.status_code, refused.json()) == (422, {"error": ["Extra inputs are not permitted"]})


def test_jamba_has_structured_output_and_tools(wire):
    """Both as documented."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    answer = wire.message(
        "jamba-1.5-large",
        "models",
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )

    assert '"a"' in answer["content"]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    assert wire.message("jamba-1.5-large", "models", tools=tools, tool_choice="required")["tool_calls"]


def test_jais_has_a_window_of_8k(wire):
    """Tools and JSON, no json_schema."""
    long = [{"role": "user", "content": "word " * 9000}]

    assert wire.chat("jais-30b-chat", "serverless", messages=long).status_code == 400
    assert wire.chat("jais-30b-chat", "serverless", response_format={"type": "json_object"}).status_code == 200
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert wire.chat("jais-30b-chat", "serverless", response_format=schema).status_code == 422
