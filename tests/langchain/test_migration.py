"""What users of the retired classes of langchain-azure-ai (extra `v1`) write works here, or raises an error that names the new spelling.

The lists below were read from langchain-azure-ai 1.2.12 with azure-ai-inference 1.0.0b9: `model_fields` of
`chat_models.inference.AzureAIChatCompletionsModel` and `embeddings.inference.AzureAIEmbeddingsModel`, the arguments of
the SDK's clients, which `client_kwargs` and calls were handed to, and the public methods. docs/migration.md says the
same in words, and `test_the_page_has_every_name` holds the two together.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from langchain_core.tools import tool
from pydantic import BaseModel

from azureai_core import ConfigurationError
from langchain_azureai import AzureAIChatCompletionsModel, AzureAIEmbeddingsModel

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "conformance"))
checks: Any = import_module("langchain_checks")

PROJECT = "https://name.services.ai.azure.com/api/projects/PROJECT"
SCOPE = "https://ml.azure.com/.default"

# Arguments of the constructors: value, and either what it becomes in the request body or the new spelling that the
# error names.
SHARED = {
    "project_endpoint": (PROJECT, "'endpoint'"),
    "service": ("inference", "leave it out"),
    "api_version": ("2024-05-01-preview", {}),
    "client_kwargs": ({}, {}),
    "model_name": ("other", {"model": "other"}),
    "model": ("other", {"model": "other"}),
}
CHAT = {
    **SHARED,
    "max_tokens": (5, {"max_tokens": 5}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.5, {"top_p": 0.5}),
    "presence_penalty": (0.5, {"presence_penalty": 0.5}),
    "frequency_penalty": (0.5, {"frequency_penalty": 0.5}),
    "stop": ("END", {"stop": ["END"]}),
    "seed": (7, {"seed": 7}),
    "model_kwargs": ({"safe_prompt": True}, {"safe_prompt": True}),
}
EMBEDDINGS = {
    **SHARED,
    "embed_batch_size": (16, "'batch_size'"),
    "dimensions": (2, {"dimensions": 2}),
    "model_kwargs": ({"truncate": "END"}, {"truncate": "END"}),
}

# Keys of `client_kwargs`: value, and either nothing (it works) or the new spelling.
CLIENT_KWARGS: dict[str, tuple[Any, str | None]] = {
    "api_version": ("2024-05-01-preview", None),
    "credential_scopes": ([SCOPE], None),
    "headers": ({"x-team": "a"}, None),
    "model": ("other", None),
    "frequency_penalty": (0.5, "frequency_penalty="),
    "presence_penalty": (0.5, "presence_penalty="),
    "temperature": (0.5, "temperature="),
    "top_p": (0.5, "top_p="),
    "max_tokens": (5, "max_tokens="),
    "stop": (["END"], "stop="),
    "seed": (7, "seed="),
    "model_extras": ({"safe_prompt": True}, "model_kwargs"),
    "response_format": ("json_object", "response_format"),
    "tools": ([], "bind_tools"),
    "tool_choice": ("auto", "bind_tools"),
    "logging_enable": (True, "logging"),
    "user_agent": ("mine", "headers"),
    "retry_total": (1, "max_retries"),
    "retry_policy": (None, "retry"),
    "read_timeout": (3, "timeout"),
    "connection_timeout": (3, "timeout"),
    "proxies": ({}, "http_client"),
    "transport": (None, "http_client"),
    "connection_verify": (False, "http_client"),
    "per_call_policies": ([], "http_client"),
}
EMBEDDINGS_CLIENT_KWARGS: dict[str, tuple[Any, str | None]] = {
    "dimensions": (2, "dimensions="),
    "encoding_format": ("float", "encoding_format="),
    "input_type": ("query", "query_input_type"),
}

# Arguments of a call, which went to the SDK's `complete`: value, and what it becomes or the new spelling.
CALL = {
    "temperature": (0.5, {"temperature": 0.5}),
    "stop": (["END"], {"stop": ["END"]}),
    "tools": ([], {}),
    "model": ("other", {"model": "other"}),
    "response_format": ("json_object", {"response_format": {"type": "json_object"}}),
    "model_extras": ({"safe_prompt": True}, "model_kwargs"),
    "headers": ({"x-team": "a"}, "client_kwargs"),
}

# Environment variables that are read no more; the error for what is missing names the new one.
VARIABLES = {
    "AZURE_AI_INFERENCE_ENDPOINT": "AZURE_INFERENCE_ENDPOINT",
    "AZURE_AI_PROJECT_ENDPOINT": "AZURE_INFERENCE_ENDPOINT",
    "FOUNDRY_PROJECT_ENDPOINT": "AZURE_INFERENCE_ENDPOINT",
    "AZURE_AI_INFERENCE_CREDENTIAL": "AZURE_INFERENCE_CREDENTIAL",
}

CHAT_METHODS = ("bind_tools", "with_structured_output", "aclose", "get_lc_namespace")
EMBEDDINGS_METHODS = ("embed_documents", "embed_query", "aembed_documents", "aembed_query")


class Trip(BaseModel):
    """A trip."""

    city: str
    travellers: int


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@pytest.fixture
def server() -> Iterator[Any]:
    with checks.ScriptedServer(checks.completion()) as server:
        yield server


def chat(server: Any, **arguments: Any) -> AzureAIChatCompletionsModel:
    given = {"endpoint": server.url + "/models", "credential": "k", "model": "m", **arguments}
    if "model_name" in arguments:
        del given["model"]
    return AzureAIChatCompletionsModel(**given)


def embeddings(server: Any, **arguments: Any) -> AzureAIEmbeddingsModel:
    server.play(checks.vectors)
    given = {"endpoint": server.url + "/models", "credential": "k", "model": "m", **arguments}
    if "model_name" in arguments:
        del given["model"]
    return AzureAIEmbeddingsModel(**given)


def cases(table: dict[str, Any]) -> list[Any]:
    """One case per name."""
    return [pytest.param(name, *entry, id=name) for name, entry in table.items()]


@pytest.mark.parametrize(("name", "value", "outcome"), cases(CHAT))
def test_arguments_of_the_old_chat_class(server: Any, name: str, value: Any, outcome: Any) -> None:
    """Each works unchanged, or the error names the new spelling."""
    if isinstance(outcome, str):
        with pytest.raises(ConfigurationError, match=outcome):
            chat(server, **{name: value})
        return
    chat(server, **{name: value}).invoke("hi")

    assert outcome.items() <= server.last.body.items()


@pytest.mark.parametrize(("name", "value", "outcome"), cases(EMBEDDINGS))
def test_arguments_of_the_old_embeddings_class(server: Any, name: str, value: Any, outcome: Any) -> None:
    """Each works unchanged, or the error names the new spelling."""
    if isinstance(outcome, str):
        with pytest.raises(ConfigurationError, match=outcome):
            embeddings(server, **{name: value})
        return
    embeddings(server, **{name: value}).embed_documents(["a"])

    assert outcome.items() <= server.last.body.items()


@pytest.mark.parametrize(("name", "value", "new"), cases(CLIENT_KWARGS))
def test_client_kwargs_of_the_old_chat_class(server: Any, name: str, value: Any, new: str | None) -> None:
    """What went to the SDK's client works, or the error names the new spelling."""
    if new is not None:
        with pytest.raises(ConfigurationError, match=new):
            chat(server, client_kwargs={name: value})
        return

    assert chat(server, client_kwargs={name: value}).invoke("hi").text == "Hello"


@pytest.mark.parametrize(("name", "value", "new"), cases(EMBEDDINGS_CLIENT_KWARGS))
def test_client_kwargs_of_the_old_embeddings_class(server: Any, name: str, value: Any, new: str) -> None:
    """What went to the SDK's embeddings client raises an error with its new spelling."""
    with pytest.raises(ConfigurationError, match=new):
        embeddings(server, client_kwargs={name: value})


@pytest.mark.parametrize(("name", "value", "outcome"), cases(CALL))
def test_arguments_of_a_call(server: Any, name: str, value: Any, outcome: Any) -> None:
    """What `invoke` and `bind` handed to the SDK works, or the error names the new spelling."""
    model = chat(server)
    if isinstance(outcome, str):
        with pytest.raises(ConfigurationError, match=outcome):
            model.invoke("hi", **{name: value})
        return
    model.invoke("hi", **{name: value})

    assert outcome.items() <= server.last.body.items()


@pytest.mark.parametrize("credential", ["k", AzureKeyCredential("k")])
def test_credentials_of_the_old_classes(server: Any, credential: Any) -> None:
    """A key as text or as `AzureKeyCredential` is sent as before."""
    chat(server, credential=credential).invoke("hi")

    assert server.last.headers["api-key"] == "k"


@pytest.mark.parametrize(("old", "new"), VARIABLES.items())
def test_environment_variables_of_the_old_classes(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """They are not read; the error names the variable that is."""
    monkeypatch.setattr("azureai_core.transport.auth._has_identity", lambda: False)
    monkeypatch.setenv(old, "https://NAME.services.ai.azure.com/models")
    given = {"endpoint": "https://h.services.ai.azure.com/models"} if "CREDENTIAL" in old else {"credential": "k"}

    with pytest.raises(ConfigurationError, match=new):
        AzureAIChatCompletionsModel(**given, model="m")


@pytest.mark.parametrize("choice", [None, "auto", "any", "get_weather"])
def test_bind_tools_of_the_old_chat_class(server: Any, choice: str | None) -> None:
    """Tools and `tool_choice` as before; a tool's name, which the old class sent as it was, is translated."""
    chat(server).bind_tools([get_weather], tool_choice=choice).invoke("hi")

    assert server.last.body["tools"][0]["function"]["name"] == "get_weather"


@pytest.mark.parametrize("method", ["function_calling", "json_mode", "json_schema"])
def test_with_structured_output_of_the_old_chat_class(server: Any, method: Any) -> None:
    """The three methods by name, with `strict` and `include_raw`."""
    server.play(checks.fill_schema)

    answer = chat(server).with_structured_output(Trip, method=method, include_raw=True).invoke("a trip")

    assert answer["parsed"] == Trip(city="Rome", travellers=2)


def test_with_structured_output_takes_its_method_by_position(server: Any) -> None:
    """`with_structured_output(Schema, "json_schema", True)` was allowed: it works, or the error names `method=`."""
    server.play(checks.fill_schema)
    try:
        model: Any = chat(server).with_structured_output(Trip, "json_schema", True)
    except ConfigurationError as error:
        assert "method=" in str(error)  # noqa: PT017  one of two right outcomes
    else:
        assert model.invoke("a trip") == Trip(city="Rome", travellers=2)


def test_every_public_method_of_the_old_classes_is_there() -> None:
    """Those that users called; `initialize_client` and `validate_environment` were the constructor's own steps."""
    assert all(callable(getattr(AzureAIChatCompletionsModel, name)) for name in CHAT_METHODS)
    assert all(callable(getattr(AzureAIEmbeddingsModel, name)) for name in EMBEDDINGS_METHODS)


def test_the_old_class_is_closed_as_before(server: Any) -> None:
    """`await model.aclose()` closes the connections."""

    async def use() -> str:
        model = chat(server)
        text = (await model.ainvoke("hi")).text
        await model.aclose()
        return text

    assert asyncio.run(use()) == "Hello"


async def test_the_old_embeddings_methods(server: Any) -> None:
    """All four, sync and async."""
    model = embeddings(server)

    assert model.embed_query("a") == await model.aembed_query("a") == [1.0, 0.0]
    assert model.embed_documents(["a", "bb"]) == await model.aembed_documents(["a", "bb"]) == [[1.0, 0.0], [2.0, 1.0]]


def test_a_project_url_is_an_endpoint() -> None:
    """What was `project_endpoint` may be given as `endpoint`, and its tokens are for the project's audience."""
    model = AzureAIChatCompletionsModel(endpoint=PROJECT, credential="k", model="m")

    assert model.client.endpoint.url("/chat/completions") == PROJECT + "/openai/v1/chat/completions"
    assert model.client.endpoint.token_scope == "https://ai.azure.com/.default"


def test_the_page_has_every_name() -> None:
    """docs/migration.md speaks of each."""
    page = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    names = {*CHAT, *EMBEDDINGS, *CLIENT_KWARGS, *EMBEDDINGS_CLIENT_KWARGS, *CALL, *VARIABLES}

    assert {name for name in names | {*CHAT_METHODS, *EMBEDDINGS_METHODS} if f"`{name}`" not in page} == set()
