"""Errors as LangChain users meet them."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import httpx
import pytest
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelInvalidRequestError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.load import dumps

import azureai_core as core
from azureai_emulator import Emulator
from langchain_azureai import AzureAIEmbeddings, ChatAzureAI
from langchain_azureai._errors import as_model_error

CANARY = "canary-key-5f1c2e9a77"
CLASSES = [ChatAzureAI, AzureAIEmbeddings]


async def call(model: Any, mode: str, prompt: str = "hi") -> Any:
    if isinstance(model, AzureAIEmbeddings):
        return model.embed_query(prompt) if mode in {"invoke", "stream"} else await model.aembed_query(prompt)
    if mode == "invoke":
        return model.invoke(prompt)
    if mode == "ainvoke":
        return await model.ainvoke(prompt)
    if mode == "stream":
        return list(model.stream(prompt))
    return [chunk async for chunk in model.astream(prompt)]


modes = pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"credential": "k"}, "No endpoint was given. Pass endpoint='https://…'"),
        ({"endpoint": "name.models.ai.azure.com", "credential": "k"}, "is not a URL that starts with https://"),
        ({"endpoint": "https://", "credential": "k"}, "is not a URL that starts with https://"),
        ({"endpoint": "https://h.services.ai.azure.com/models", "credential": ""}, "The credential is empty"),
        ({"endpoint": "https://h.services.ai.azure.com/models", "credential": 7}, "The credential is int"),
    ],
)
def test_wrong_arguments_are_one_typed_sentence(cls: Any, arguments: dict[str, Any], sentence: str) -> None:
    """The core's `ConfigurationError` reaches the user as it is, when the object is made."""
    with pytest.raises(core.ConfigurationError) as caught:
        cls(**arguments)

    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", CLASSES)
def test_no_credential_is_one_typed_sentence(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without azure-identity there is nothing to fall back to."""
    monkeypatch.setattr("azureai_core.transport.auth._has_identity", lambda: False)

    with pytest.raises(core.ConfigurationError, match=r"No credential was given\. Pass credential='<key>'"):
        cls(endpoint="https://h.services.ai.azure.com/models")


@modes
@pytest.mark.parametrize("cls", CLASSES)
async def test_an_unreachable_host_is_named(cls: Any, mode: str) -> None:
    """The error says which URL, and what to check."""
    model = cls(endpoint="http://127.0.0.1:9/models", credential="k", model="m", max_retries=0)

    with pytest.raises(core.APIConnectionError, match=r"http://127.0.0.1:9/models could not be reached") as caught:
        await call(model, mode)

    assert isinstance(caught.value, ModelConnectionError)
    assert caught.value.is_retryable


@modes
@pytest.mark.parametrize("cls", CLASSES)
async def test_a_wrong_key_is_said_without_showing_it(azureai_emulator: Emulator, cls: Any, mode: str) -> None:
    """The class is both ours and LangChain's; the key is nowhere."""
    model = cls(endpoint=azureai_emulator.url + "/models", credential=CANARY, model="text-embedding-3-small")

    with pytest.raises(core.AuthenticationError) as caught:
        await call(model, mode)

    error = caught.value
    assert isinstance(error, ModelAuthenticationError)
    assert not error.is_retryable
    assert error.status_code == 401
    assert "Check the key" in str(error)
    shown = [str(error), repr(error), repr(error.__dict__), str(error.response.request.headers)]
    assert CANARY not in "".join([*shown, *traceback.format_exception(error)])


@modes
async def test_an_unknown_model_is_named(azureai_emulator: Emulator, mode: str) -> None:
    """The message names the model and the argument to check."""
    base, key = azureai_emulator.url, azureai_emulator.key
    on_models = ChatAzureAI(endpoint=base + "/models", credential=key, model="nobody")
    on_v1 = ChatAzureAI(endpoint=base + "/openai/v1", credential=key, model="nobody")

    with pytest.raises(core.BadRequestError, match=r"nobody.*model= argument"):
        await call(on_models, mode)
    with pytest.raises(core.NotFoundError, match="model= argument") as caught:
        await call(on_v1, mode)
    assert isinstance(caught.value, ModelNotFoundError)


@modes
async def test_a_missing_model_is_a_local_error(azureai_emulator: Emulator, mode: str) -> None:
    """No request is made for what can be known before."""
    model = ChatAzureAI(endpoint=azureai_emulator.url + "/models", credential=azureai_emulator.key)
    azureai_emulator.clear()

    with pytest.raises(core.ConfigurationError, match="serves many models: pass model="):
        await call(model, mode)
    assert azureai_emulator.requests == []


@modes
async def test_an_unsupported_parameter_is_named(azureai_emulator: Emulator, mode: str) -> None:
    """`parameters` lists it, and the message says what to do."""
    model = ChatAzureAI(
        endpoint=azureai_emulator.url + "/openai/v1",
        credential=azureai_emulator.key,
        model="gpt-reasoning",
        temperature=0.5,
    )

    with pytest.raises(core.BadRequestError, match="unsupported_parameters='drop'") as caught:
        await call(model, mode)
    assert caught.value.parameters == ("temperature",)
    assert isinstance(caught.value, ModelInvalidRequestError)


@modes
async def test_an_unsupported_parameter_can_be_dropped(azureai_emulator: Emulator, mode: str) -> None:
    """With `"drop"` the answer comes, with a warning, and its metadata lists what was left out."""
    model = ChatAzureAI(
        endpoint=azureai_emulator.url + "/openai/v1",
        credential=azureai_emulator.key,
        model="gpt-reasoning",
        temperature=0.5,
        unsupported_parameters="drop",
    )

    with pytest.warns(core.UnsupportedParameterWarning, match="temperature=0.5 left out"):
        answer = await call(model, mode)
    last = answer[-1] if isinstance(answer, list) else answer
    assert last.response_metadata["dropped_parameters"] == ["temperature"]


@modes
async def test_the_content_filter_has_its_own_error(azureai_emulator: Emulator, mode: str) -> None:
    """Its categories say why."""
    model = ChatAzureAI(endpoint=azureai_emulator.url + "/models", credential=azureai_emulator.key, model="gpt-4o")

    with pytest.raises(core.ContentFilterError) as caught:
        await call(model, mode, "emulator:violence")
    assert caught.value.categories["violence"]["filtered"] is True


@modes
async def test_a_prompt_that_is_too_long_is_langchains_overflow(azureai_emulator: Emulator, mode: str) -> None:
    """Summarising middleware catches just this class."""
    model = ChatAzureAI(
        endpoint=azureai_emulator.url + "/models", credential=azureai_emulator.key, model="phi-3-mini-4k-instruct"
    )

    with pytest.raises(ContextOverflowError) as caught:
        await call(model, mode, "word " * 6000)
    assert isinstance(caught.value, core.APIStatusError)


@modes
async def test_a_rate_limit_says_how_long_to_wait(azureai_emulator: Emulator, mode: str) -> None:
    """`retry_after` has the seconds; a wait beyond the cap is raised at once."""
    from azureai_emulator import Fault

    azureai_emulator.faults(Fault(status=429, headers={"Retry-After": "86400"}))
    model = ChatAzureAI(endpoint=azureai_emulator.url + "/models", credential=azureai_emulator.key, model="gpt-4o")

    with pytest.raises(core.RateLimitError) as caught:
        await call(model, mode)
    assert caught.value.retry_after == 86400
    assert isinstance(caught.value, ModelRateLimitError)
    assert caught.value.is_retryable


def test_a_408_may_be_tried_again() -> None:
    """The client repeats it (E12), so whoever asks LangChain's error hears the same."""
    response = httpx.Response(408, text="Timeout", request=httpx.Request("POST", "https://h/chat/completions"))

    error = as_model_error(core.error_from_response(response))

    assert isinstance(error, core.APIStatusError)
    assert isinstance(error, ModelTimeoutError)
    assert error.is_retryable


def test_errors_cross_processes(azureai_emulator: Emulator) -> None:
    """An error pickles with its attributes, and is still LangChain's."""
    model = ChatAzureAI(endpoint=azureai_emulator.url + "/models", credential="wrong", model="gpt-4o")
    with pytest.raises(core.AuthenticationError) as caught:
        model.invoke("hi")

    twin = pickle.loads(pickle.dumps(caught.value))

    assert isinstance(twin, ModelError)
    assert (str(twin), twin.status_code) == (str(caught.value), 401)


@pytest.mark.parametrize("given", ["string", "SecretStr"])
def test_the_key_is_in_no_representation(given: str) -> None:
    """Not in repr, str, dumps, invocation parameters or what callbacks see."""
    from pydantic import SecretStr

    key = CANARY if given == "string" else SecretStr(CANARY)
    headers = {"Ocp-Apim-Subscription-Key": CANARY}
    arguments = {
        "endpoint": "https://h.services.ai.azure.com/models",
        "model": "m",
        "client_kwargs": {"headers": headers},
    }
    for model in (
        ChatAzureAI(**arguments, credential=key),
        ChatAzureAI(**arguments, api_key=key),
    ):
        shown = [repr(model), str(model), dumps(model), repr(model._get_invocation_params()), repr(model.client)]
        shown += [repr(model.model_dump()), model.model_dump_json(), model._get_llm_string()]
        assert CANARY not in "".join(shown)
    embeddings = AzureAIEmbeddings(**arguments, credential=key)
    assert CANARY not in repr(embeddings) + repr(embeddings.model_dump())
