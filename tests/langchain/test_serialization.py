"""Dumps, pickles and the serialised form that callbacks see, under the new names and the retired ones."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps, load
from pydantic import SecretStr

import langchain_azureai
from azureai_core import Endpoint, EndpointKind
from azureai_emulator import Emulator
from langchain_azureai import AzureAIEmbeddings, AzureAILLM, ChatAzureAI

URL = "https://h.services.ai.azure.com/models"
GATEWAY = Endpoint(EndpointKind.V1, "https://gateway.example.com/llm", None, (("code", "canary-1234"),))
KEY = "canary-5f1c2e9a77"
CLASSES = [ChatAzureAI, AzureAILLM, AzureAIEmbeddings]
DUMPED = [ChatAzureAI, AzureAILLM]
"""Those that LangChain can write out."""
RETIRED = {
    ChatAzureAI: ("chat_models", "AzureAIChatCompletionsModel"),
    AzureAILLM: ("llms", "AzureAITextCompletionsModel"),
    AzureAIEmbeddings: ("embeddings", "AzureAIEmbeddingsModel"),
}


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def read(text: str, cls: Any) -> Any:
    """What a dump gives, with the class allowed by name and the key handed in."""
    return load(
        json.loads(text),
        allowed_objects=[cls],
        valid_namespaces=["langchain_azureai"],
        secrets_map={"AZURE_INFERENCE_CREDENTIAL": KEY},
    )


@pytest.mark.parametrize("cls", DUMPED)
def test_a_model_comes_back_with_its_arguments_and_the_secret_from_the_map(cls: Any) -> None:
    """The dump holds a reference to the secret, not the secret."""
    model = cls(endpoint=URL, credential=KEY, model="gpt-4o", temperature=0, model_kwargs={"top_k": 3})

    dumped = dumps(model)
    twin = read(dumped, cls)

    assert "canary" not in dumped
    assert (twin.endpoint, twin.model_name, twin.temperature, twin.model_kwargs) == (URL, "gpt-4o", 0, {"top_k": 3})
    assert twin.credential.get_secret_value() == KEY


# ---------------------------------------------------------------------------- names


@pytest.mark.parametrize("cls", CLASSES)
def test_the_retired_name_is_another_name_of_the_class(cls: Any) -> None:
    """From the package and from the module that pickles name."""
    module, name = RETIRED[cls]

    assert getattr(langchain_azureai, name) is cls
    assert getattr(__import__(f"langchain_azureai.{module}", fromlist=[name]), name) is cls


@pytest.mark.parametrize("cls", DUMPED)
def test_a_dump_of_an_earlier_version_loads(cls: Any) -> None:
    """Written by version 0.1 under the retired name; a dump of today has the same identifier, so it loads there too."""
    dumped = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain_azureai", *RETIRED[cls]],
        "kwargs": {
            "endpoint": "https://h.services.ai.azure.com/models?api-version=2024-05-01-preview",
            "model_name": "gpt-4o",
            "model_kwargs": {"top_k": 3},
            "unsupported_parameters": "error",
            "temperature": 0.0,
            "stop": ["END"],
            "credential": {"lc": 1, "type": "secret", "id": ["AZURE_INFERENCE_CREDENTIAL"]},
        },
        "name": RETIRED[cls][1],
    }

    model = read(json.dumps(dumped), cls)

    assert type(model) is cls
    assert (model.client.endpoint.api_version, model.stop) == ("2024-05-01-preview", ["END"])
    assert dumpd(model)["id"] == dumped["id"]
    assert dumpd(model)["name"] == cls.__name__


def test_a_subclass_is_dumped_under_its_own_name() -> None:
    """Not as the class it is made of."""

    class Mine(ChatAzureAI):
        pass

    assert Mine.lc_id()[-1] == "Mine"


@pytest.mark.parametrize("cls", CLASSES)
def test_a_pickle_of_an_earlier_version_loads(cls: Any) -> None:
    """Written by version 0.1, with the retired name and without the fields that came later."""
    module, name = RETIRED[cls]
    fields = {
        "endpoint": URL,
        "credential": SecretStr(KEY),
        "model_name": "gpt-4o",
        "api_version": None,
        "timeout": None,
        "max_retries": None,
        "model_kwargs": {"top_k": 3},
        "extra_parameters": None,
        "unsupported_parameters": "error",
        "client_kwargs": {},
    }
    state = {
        "__dict__": fields,
        "__pydantic_extra__": None,
        "__pydantic_fields_set__": {"endpoint", "credential", "model_name", "model_kwargs"},
        "__pydantic_private__": {"_client": None, "_made_from": ()},
    }
    head = f"ccopy_reg\n_reconstructor\n(clangchain_azureai.{module}\n{name}\nc__builtin__\nobject\nNtR".encode()

    model = pickle.loads(head + pickle.dumps(state, 0).removesuffix(b".") + b"b.")

    assert type(model) is cls
    assert (model.model_kwargs, model.base_model) == ({"top_k": 3}, None)
    assert (model.client.endpoint.base_url, model.client.model) == (URL, "gpt-4o")
    assert pickle.loads(pickle.dumps(model)) == model


# ---------------------------------------------------------------------------- endpoints


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("endpoint", [Endpoint.parse(URL), GATEWAY])
@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_an_endpoint_object_keeps_its_kind(cls: Any, endpoint: Endpoint, again: Callable[[Any], Any]) -> None:
    """Also one that the URL does not tell, in copies and worker processes too."""
    model = cls(endpoint=endpoint, credential=KEY, model="gpt-4o")

    assert model.endpoint == model.client.endpoint == endpoint
    assert again(model).client.endpoint == endpoint


@pytest.mark.parametrize("cls", DUMPED)
def test_a_dumped_endpoint_object_keeps_its_kind(cls: Any) -> None:
    """Without its query, which may hold a key."""
    dumped = dumps(cls(endpoint=GATEWAY, credential=KEY, model="gpt-4o"))

    assert "canary" not in dumped
    assert read(dumped, cls).client.endpoint.kind is EndpointKind.V1


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("given", [{}, {"endpoint": None}])
def test_the_endpoint_of_the_environment_is_shown(cls: Any, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the attribute, `repr`, and in copies."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", URL)
    model = cls(**given, credential=KEY, model="gpt-4o")

    assert model.endpoint == copy.copy(model).endpoint == URL
    assert URL in repr(model)
    assert model.client.endpoint.base_url == model.model_dump()["endpoint"] == URL


@pytest.mark.parametrize("cls", CLASSES)
def test_a_query_of_the_environment_stays_there(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a key, so another process reads its own; one that was given travels by pickle, and is not shown."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", URL + "?code=canary-1234")
    model = cls(credential=lambda: "token", model="gpt-4o", client_kwargs={"allow_http_token": True})
    own = cls(endpoint=URL + "?code=canary-5678", credential=KEY, model="gpt-4o")
    model.client_kwargs.clear()
    model.credential = None

    frozen = pickle.dumps(model)

    assert b"canary" not in frozen
    assert "canary" not in repr(model) + json.dumps(model.model_dump()) + repr(own) + json.dumps(own.model_dump())
    assert pickle.loads(frozen).endpoint == URL + "?code=canary-1234"
    assert dict(pickle.loads(pickle.dumps(own)).client.endpoint.query) == {"code": "canary-5678"}


@pytest.mark.parametrize("cls", DUMPED)
def test_a_dump_leaves_the_query_of_the_environment_there(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is read from the dump takes its own environment's endpoint."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", URL + "?code=canary-1234")
    dumped = dumps(cls(credential=KEY, model="gpt-4o"))
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://other.services.ai.azure.com/models")

    assert "canary" not in dumped
    assert read(dumped, cls).client.endpoint.host == "other.services.ai.azure.com"


# ---------------------------------------------------------------------------- what langchain-core keeps


class Serialized(BaseCallbackHandler):
    """Keeps the serialised form of each model that was called."""

    def __init__(self) -> None:
        self.forms: list[Any] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.forms.append(serialized)


def by_attribute(model: ChatAzureAI) -> ChatAzureAI:
    model.temperature = 1
    return model


def by_copy(model: ChatAzureAI) -> ChatAzureAI:
    return model.model_copy(update={"temperature": 1})


def by_attribute_of_a_copy(model: ChatAzureAI) -> ChatAzureAI:
    return by_attribute(copy.copy(model))


@pytest.mark.parametrize("change", [by_attribute, by_copy, by_attribute_of_a_copy])
def test_the_serialised_form_has_the_arguments_of_today(
    emulator: Emulator, change: Callable[[ChatAzureAI], ChatAzureAI]
) -> None:
    """langchain-core keeps it once it was made; callbacks, traces and cache keys must see what changed since."""
    handler = Serialized()
    model = ChatAzureAI(endpoint=emulator.url + "/models", credential=emulator.key, model="gpt-4o", temperature=0)
    model.invoke("hi", {"callbacks": [handler]})

    changed = change(model)
    changed.invoke("hi", {"callbacks": [handler]})

    assert [form["kwargs"]["temperature"] for form in handler.forms] == [0, 1]
    assert dumpd(changed) == handler.forms[-1]
