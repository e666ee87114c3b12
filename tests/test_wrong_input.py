"""What a user gets wrong first: one clear sentence, typed, the same in both frameworks and both colours."""

from __future__ import annotations

import re
from typing import Any

import pytest

import azureai_core as core
import langchain_azureai
import llamaindex_azureai
from azureai_emulator import Emulator

CALLS = ("langchain sync", "langchain async", "langchain stream", "langchain astream")
CALLS += ("llamaindex sync", "llamaindex async", "llamaindex stream", "llamaindex astream")
FINE = {"endpoint": "https://name.services.ai.azure.com/models", "credential": "some-key-12345", "model": "gpt-4o"}


def make(how: str, **arguments: Any) -> Any:
    if how.startswith("langchain"):
        return langchain_azureai.ChatAzureAI(**arguments)
    return llamaindex_azureai.AzureAICompletionsModel(**arguments)


async def ask(how: str, model: Any) -> None:
    """One question in each of the eight ways."""
    match how:
        case "langchain sync":
            model.invoke("hi")
        case "langchain async":
            await model.ainvoke("hi")
        case "langchain stream":
            list(model.stream("hi"))
        case "langchain astream":
            [chunk async for chunk in model.astream("hi")]
        case "llamaindex sync":
            model.complete("hi")
        case "llamaindex async":
            await model.acomplete("hi")
        case "llamaindex stream":
            list(model.stream_complete("hi"))
        case "llamaindex astream":
            [chunk async for chunk in await model.astream_complete("hi")]


async def failure(how: str, **arguments: Any) -> core.AzureAIError:
    """The error of making a model and asking it."""
    with pytest.raises(core.AzureAIError) as caught:
        await ask(how, make(how, **{**FINE, **arguments}))
    return caught.value


def kind_of(error: core.AzureAIError) -> type[core.AzureAIError]:
    """The core's class of an error."""
    return next(kind for kind in type(error).__mro__ if kind.__module__.startswith("azureai_core"))


def sentence(error: core.AzureAIError) -> str:
    """The message without the request's own id."""
    return re.sub(r", request id [\w-]+", "", str(error))


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"endpoint": None}, core.ConfigurationError, ["No endpoint was given", "AZURE_INFERENCE_ENDPOINT"]),
        ({"endpoint": "not a url"}, core.ConfigurationError, ["'not a url'", "https://"]),
        ({"endpoint": "ftp://h/models"}, core.ConfigurationError, ["'ftp://h/models'", "https://"]),
        ({"credential": None}, core.ConfigurationError, ["No credential was given", "AZURE_INFERENCE_CREDENTIAL"]),
        (
            {"endpoint": "http://127.0.0.1:9/models", "max_retries": 0},
            core.APIConnectionError,
            ["http://127.0.0.1:9/models", "could not be reached", "Check the endpoint URL"],
        ),
        (
            {"endpoint": "http://no-such-host.invalid/models", "max_retries": 0},
            core.APIConnectionError,
            ["http://no-such-host.invalid/models", "could not be reached"],
        ),
    ],
    ids=["no endpoint", "no URL", "wrong scheme", "no credential", "refused connection", "unknown host"],
)
async def test_a_wrong_argument_is_the_same_clear_sentence_everywhere(
    arguments: dict[str, Any], kind: type[core.AzureAIError], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed, which value, what to do; typed; on one line."""
    monkeypatch.setattr("azureai_core.transport.auth._has_identity", lambda: False)

    errors = [await failure(how, **arguments) for how in CALLS]

    assert {kind_of(error) for error in errors} == {kind}
    assert len({sentence(error) for error in errors}) == 1
    assert all(word in sentence(errors[0]) for word in words)
    assert "\n" not in str(errors[0])


@pytest.mark.parametrize(
    "base", ["/serverless/mistral-large-2411", "/models", "/openai/deployments/gpt-4o", "/openai/v1"]
)
async def test_a_wrong_key_is_the_same_clear_sentence_everywhere(azureai_emulator: Emulator, base: str) -> None:
    """On each kind of endpoint; and the key is not in it."""
    key = "wrong-key-5f1c2e9a77"

    errors = [await failure(how, endpoint=azureai_emulator.url + base, credential=key) for how in CALLS]

    assert {kind_of(error) for error in errors} == {core.AuthenticationError}
    assert len({sentence(error) for error in errors}) == 1
    assert "Check the key" in str(errors[0])
    assert azureai_emulator.url + base in str(errors[0])
    assert key not in "".join(map(str, errors))


async def test_an_unknown_model_is_the_same_clear_sentence_everywhere(azureai_emulator: Emulator) -> None:
    """It names the argument to check."""
    for base in ("/models", "/openai/v1"):
        where = {"endpoint": azureai_emulator.url + base, "credential": azureai_emulator.key}
        errors = [await failure(how, **where, model="nobody-deployed-this") for how in CALLS]

        assert len({sentence(error) for error in errors}) == 1
        assert "model= argument" in str(errors[0])


async def test_a_wrong_path_is_the_same_clear_sentence_everywhere(azureai_emulator: Emulator) -> None:
    """It names the URL that was called."""
    where = {"endpoint": azureai_emulator.url + "/serverless/nobody", "credential": azureai_emulator.key}
    errors = [await failure(how, **where) for how in CALLS]

    assert {kind_of(error) for error in errors} == {core.NotFoundError}
    assert len({sentence(error) for error in errors}) == 1
    assert "/serverless/nobody/chat/completions" in str(errors[0])
