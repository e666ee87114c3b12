"""Each argument and method of the retired adapters: it works unchanged, or the error names the new spelling."""

import inspect

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.output_parsers import PydanticOutputParser
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from azureai_core import ConfigurationError
from llamaindex_azureai import AzureAI, AzureAICompletionsModel, AzureAIEmbedding, AzureAIEmbeddingsModel

URL = "https://name.services.ai.azure.com/models"
KEY = "planted-key-0123456789abcdef"


class AzureKeyCredential:
    """What azure-core's class of this name offers."""

    key = KEY


def brief(messages):
    return "written"


# Read from llama-index-llms-azure-inference 0.8.0: the constructor's arguments, each with a value it took.
CHAT_ARGUMENTS = {
    "endpoint": URL,
    "credential": AzureKeyCredential(),
    "temperature": 0.5,
    "max_tokens": 5,
    "model_name": "m",
    "api_version": "2025-04-01",
    "callback_manager": CallbackManager([]),
    "system_prompt": "s",
    "messages_to_prompt": brief,
    "completion_to_prompt": brief,
    "pydantic_program_mode": PydanticProgramMode.FUNCTION,
    "output_parser": PydanticOutputParser(BaseModel),
    "client_kwargs": {"headers": {"x": "y"}},
    "seed": 1,
    "model_kwargs": {"model_extras": {"safe_prompt": True}},
}
# Read from llama-index-embeddings-azure-inference 0.6.0.
EMBEDDING_ARGUMENTS = {
    "endpoint": URL,
    "credential": AzureKeyCredential(),
    "model_name": "m",
    "api_version": "2025-04-01",
    "embed_batch_size": 10,
    "callback_manager": CallbackManager([]),
    "num_workers": 2,
    "client_kwargs": {"headers": {"x": "y"}},
    "model_kwargs": {"input_type": "text"},
}
CASES = [(AzureAICompletionsModel, name, value) for name, value in CHAT_ARGUMENTS.items()] + [
    (AzureAIEmbeddingsModel, name, value) for name, value in EMBEDDING_ARGUMENTS.items()
]


@pytest.mark.parametrize(("kind", "name", "value"), CASES, ids=[f"{k.__name__}-{n}" for k, n, _ in CASES])
def test_an_argument_is_the_same(kind, name, value):
    """Taken under its old name, and kept."""
    model = kind(**{"endpoint": URL, "credential": KEY, name: value})

    assert getattr(model, name) == value or name == "credential"


# Arguments of the retired SDK's client, which `client_kwargs` handed on, with what to use instead.
CLIENT_KEYS = {
    "retry_total": "max_retries",
    "retry_connect": "max_retries",
    "retry_read": "max_retries",
    "retry_status": "max_retries",
    "retry_policy": "RetryPolicy",
    "retry_mode": "RetryPolicy",
    "retry_backoff_factor": "RetryPolicy",
    "retry_backoff_max": "RetryPolicy",
    "timeout": "timeout of the class",
    "read_timeout": "timeout of the class",
    "connection_timeout": "timeout of the class",
    "transport": "http_client",
    "policies": "http_client",
    "per_call_policies": "http_client",
    "per_retry_policies": "http_client",
    "proxies": "http_client",
    "connection_verify": "http_client",
    "connection_cert": "http_client",
    "logging_enable": "logging",
    "logging_policy": "logging",
    "frequency_penalty": "argument of the class",
    "presence_penalty": "argument of the class",
    "temperature": "argument of the class",
    "top_p": "argument of the class",
    "max_tokens": "argument of the class",
    "stop": "argument of the class",
    "seed": "argument of the class",
    "dimensions": "embeddings class itself",
    "encoding_format": "embeddings class itself",
    "input_type": "query_input_type",
    "model": "model of the class",
    "model_extras": "model_kwargs",
    "response_format": "model_kwargs",
    "tools": "model_kwargs",
    "tool_choice": "model_kwargs",
    "user_agent": "User-Agent",
    "enforce_https": "allow_http_token",
}


@pytest.mark.parametrize("kind", [AzureAICompletionsModel, AzureAIEmbeddingsModel])
@pytest.mark.parametrize(("name", "instead"), CLIENT_KEYS.items())
def test_a_key_of_client_kwargs_names_its_new_spelling(kind, name, instead):
    """One error, before anything is sent."""
    with pytest.raises(ConfigurationError, match=f"for {name} use .*{instead}"):
        kind(URL, KEY, client_kwargs={name: 1})


@pytest.mark.parametrize(
    ("name", "value"), [("api_version", "2025-04-01"), ("credential_scopes", ["s"]), ("headers", {"a": "b"})]
)
@pytest.mark.parametrize("kind", [AzureAICompletionsModel, AzureAIEmbeddingsModel])
def test_a_key_of_client_kwargs_is_the_same(kind, name, value):
    """Those that mean the same here."""
    assert kind(URL, KEY, client_kwargs={name: value}).client_kwargs == {name: value}


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


TOOLS = [FunctionTool.from_defaults(add)]
USER = [ChatMessage(content="q")]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("chat", {"messages": USER}),
        ("stream_chat", {"messages": USER}),
        ("complete", {"prompt": "q", "formatted": False}),
        ("stream_complete", {"prompt": "q", "formatted": False}),
        ("chat_with_tools", {"tools": TOOLS, "user_msg": "q", "chat_history": USER, "verbose": False,
                             "allow_parallel_tool_calls": True, "tool_required": False}),
    ],
)  # fmt: skip
async def test_a_method_is_the_same(service, make_llm, caller, method, arguments):
    """Under its name, with its arguments."""
    llm = make_llm(model="gpt-4o")
    if method.startswith("stream"):
        assert await caller.listed(llm, method, **arguments)
    else:
        assert await caller(llm, method, **arguments)

    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("get_text_embedding", ["a"]), ("get_query_embedding", ["a"]), ("get_text_embedding_batch", [["a"]])],
)
async def test_a_method_of_the_embeddings_is_the_same(service, caller, method, arguments):
    """Under its name, with its arguments."""
    model = AzureAIEmbeddingsModel(service.url + "/models", KEY, model_name="m")

    assert await caller(model, method, *arguments)


def test_the_names_of_old_are_the_classes_themselves():
    """Not subclasses: `isinstance` holds both ways, and errors and traces name one class."""
    assert AzureAICompletionsModel is AzureAI
    assert AzureAIEmbeddingsModel is AzureAIEmbedding


def test_what_is_read_from_the_objects_is_the_same():
    """Class names, the base class, metadata, the reading of calls."""
    llm = AzureAICompletionsModel(URL, KEY, model_name="m")

    assert (llm.class_name(), llm.metadata.model_name, isinstance(llm, FunctionCallingLLM)) == (
        "AzureAICompletionsModel",
        "m",
        True,
    )
    assert AzureAIEmbeddingsModel(URL, KEY).class_name() == "AzureAIEmbeddingsModel"
    assert list(inspect.signature(llm.get_tool_calls_from_response).parameters)[:2] == [
        "response",
        "error_on_no_tool_call",
    ]


async def test_model_extras_are_body_fields(service, make_llm, caller):
    """As the old class sent them: at the root of the body, for the model alone."""
    await caller(make_llm(model_kwargs={"model_extras": {"safe_prompt": True}}), "chat", USER)

    assert service.last.body["safe_prompt"] is True
    assert service.last.headers["extra-parameters"] == "pass-through"


async def test_no_temperature_is_sent_unasked(service, make_llm, caller):
    """The old class sent 0.1 always; here the service's default holds."""
    await caller(make_llm(), "chat", USER)

    assert "temperature" not in service.last.body


@pytest.mark.parametrize("name", ["temprature", "api_keys", "deployment"])
def test_an_unknown_argument_is_an_error(name):
    """Not silently dropped."""
    with pytest.raises(ConfigurationError, match=f"no argument '{name}'"):
        AzureAICompletionsModel(URL, KEY, **{name: 1})


def test_the_environment_variables_are_the_same(monkeypatch):
    """Endpoint and key."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", URL)
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)

    assert (
        AzureAICompletionsModel().client.endpoint.base_url == AzureAIEmbeddingsModel().client.endpoint.base_url == URL
    )
