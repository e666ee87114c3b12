"""Making, showing, dumping, pickling: arguments in, no secret out, no I/O before the first call (contract 1.4, 1.9, 1.10)."""

import asyncio
import copy
import functools
import gc
import inspect
import json
import logging
import pickle
import subprocess
import sys
import threading

import httpx
import pytest
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import ChatMessage
from llama_index.core.types import PydanticProgramMode

import llamaindex_azureai
from azureai_core import ConfigurationError, Endpoint, EndpointKind, RetryPolicy
from llamaindex_azureai import (
    AzureAI,
    AzureAIEmbedding,
    AzureAIMultiModalEmbedding,
    AzureAITextCompletion,
)

KEY = "planted-key-0123456789abcdef"
URL = "https://name.eastus2.models.ai.azure.com"
CLASSES = [AzureAI, AzureAITextCompletion, AzureAIEmbedding, AzureAIMultiModalEmbedding]
FORMER = {
    "AzureAICompletionsModel": AzureAI,
    "AzureAITextCompletionsModel": AzureAITextCompletion,
    "AzureAIEmbeddingsModel": AzureAIEmbedding,
    "AzureAIImageEmbeddingsModel": AzureAIMultiModalEmbedding,
}
"""The names of the retired adapters and of version 0.1, which dumps and traces go on to have."""
USER = [ChatMessage(content="q")]


class Token:
    """What a token credential gives."""

    token = "planted-token-9876543210"
    expires_on = 4102444800


class Credential:
    """A token credential that holds a lock, as the real ones do."""

    def __init__(self, client_id="none"):
        self.client_id = client_id
        self.lock = threading.Lock()

    def get_token(self, *scopes, **options):
        return Token()


def module_token():
    """A token provider that pickles by its name."""
    return "planted-token-9876543210"


@pytest.fixture(params=CLASSES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_all_names_are_public():
    """`__all__` is what can be imported, sorted: the classes, and their names of old."""
    assert sorted({kind.__name__ for kind in CLASSES} | set(FORMER)) == llamaindex_azureai.__all__


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": URL, "credential": KEY},
        {"base_url": URL, "api_key": KEY},
        {"api_base": URL, "api_key": KEY},
    ],
)
def test_customary_names_are_taken(kind, options):
    """Endpoint and key under the names of other LlamaIndex classes."""
    assert kind(**options).endpoint == URL


def test_endpoint_and_credential_by_position(kind):
    """The order of the retired adapters."""
    assert kind(URL, KEY).client.endpoint.base_url == URL


GATEWAY = Endpoint(EndpointKind.V1, "https://gateway.example.com/llm", None)
"""An endpoint whose URL does not tell its kind."""


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: type(model).from_dict(json.loads(model.to_json()), credential=KEY),
        lambda model: model.model_copy(update={"max_retries": 1}),
    ],
    ids=["copy", "deepcopy", "pickle", "dump", "model_copy"],
)
def test_an_endpoint_object_keeps_its_kind(kind, copied):
    """Also where the URL does not tell it, and in copies, pickles and dumps."""
    model = kind(GATEWAY, KEY, model="m")

    assert model.endpoint == copied(model).endpoint == model.client.endpoint == copied(model).client.endpoint == GATEWAY


def test_an_endpoint_object_is_dumped_as_its_url_where_that_tells_the_kind(kind):
    """Without what the URL's query may hold."""
    model = kind(Endpoint.parse(URL + "?code=planted-query&api-version=2025-04-01"), KEY, model="m")

    assert model.to_dict()["endpoint"] == URL + "?api-version=2025-04-01"
    assert "planted-query" not in repr(model)


def test_an_endpoint_object_can_be_set(kind):
    """The next request goes there."""
    model = kind(URL, KEY, model="m")
    model.endpoint = GATEWAY

    assert model.client.endpoint == GATEWAY


def test_a_model_in_the_place_of_the_endpoint_is_an_error_that_says_so(kind):
    """Other classes take the model first."""
    with pytest.raises(ConfigurationError, match=r"the first argument is the endpoint.*model='gpt-4o'"):
        kind("gpt-4o", credential=KEY)


def test_every_argument_of_the_retired_chat_adapter():
    """Changing the import line is the whole migration."""
    llm = AzureAI(
        endpoint=URL, credential=KEY, temperature=0.1, max_tokens=5, model_name="m", api_version="2025-04-01",
        callback_manager=CallbackManager([]), system_prompt="s", messages_to_prompt=str, completion_to_prompt=str,
        pydantic_program_mode=PydanticProgramMode.DEFAULT, output_parser=None, client_kwargs={"api_version": "2025-04-01"},
        seed=None, model_kwargs={"model_extras": {"safe_prompt": True}},
    )  # fmt: skip

    assert (llm.model, llm.model_name, llm.temperature, llm.client.endpoint.api_version) == (
        "m",
        "m",
        0.1,
        "2025-04-01",
    )


def test_every_argument_of_the_retired_embeddings_adapter():
    """The same for embeddings."""
    model = AzureAIEmbedding(
        endpoint=URL, credential=KEY, model_name="m", api_version="2025-04-01", embed_batch_size=10,
        callback_manager=None, num_workers=2, client_kwargs=None, model_kwargs={"input_type": "text"},
    )  # fmt: skip

    assert (model.model, model.model_name, model.embed_batch_size) == ("m", "m", 10)


def test_client_options_are_taken_directly_or_in_client_kwargs():
    """Headers, limits, the caller's clients: whatever the core's client takes."""
    options = {
        "headers": {"x": "y"},
        "retry": RetryPolicy(max_retries=1),
        "credential_scopes": ["s"],
        "allow_http_token": True,
    }
    direct = AzureAI(URL, KEY, **options)
    inside = AzureAI(URL, KEY, client_kwargs=options)

    assert direct.client_kwargs == inside.client_kwargs == options


def test_the_signature_shows_every_field(kind):
    """Editors and `help` list what can be given."""
    names = set(inspect.signature(kind).parameters)
    assert {"endpoint", "credential", "api_version", "timeout", "max_retries", "model_kwargs"} <= names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"credential": KEY}, "No endpoint was given"),
        ({"endpoint": "not a url", "credential": KEY}, "is not a URL"),
        ({"endpoint": 5, "credential": KEY}, "must be a URL"),
        ({"endpoint": URL, "credential": 5}, "The credential is int"),
        ({"endpoint": URL, "credential": KEY, "temprature": 1}, "Did you mean 'temperature'"),
        (
            {"endpoint": URL, "credential": KEY, "client_kwargs": {"logging_enable": True}},
            "client_kwargs has logging_enable",
        ),
        ({"endpoint": URL, "credential": KEY, "extra_parameters": "maybe"}, "extra_parameters='maybe'"),
        ({"endpoint": URL, "credential": KEY, "credential_factory": Credential}, "pass one of them"),
    ],
)
def test_wrong_arguments_are_configuration_errors(options, message):
    """As the core raises them, not inside a validation error."""
    with pytest.raises(ConfigurationError, match=message):
        AzureAI(**options)


def test_a_missing_credential_is_a_configuration_error(kind, monkeypatch):
    """When azure-identity is not there to make one."""
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    monkeypatch.setattr("azureai_core.transport.auth.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="No credential was given"):
        kind(URL)


def test_a_wrong_value_does_not_show_other_values():
    """Validation errors of the framework print inputs; a key may be among them."""
    with pytest.raises(ValueError, match="temperature") as caught:
        AzureAI(URL, KEY, temperature=KEY)

    assert KEY not in str(caught.value)


def test_the_environment_fills_in(kind, monkeypatch):
    """Endpoint and key; the endpoint is kept, so that worker processes and hashes have it."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", URL)
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    model = kind()

    assert model.client.endpoint.base_url == URL
    assert model.to_dict()["endpoint"].startswith(URL)
    assert KEY.encode() not in pickle.dumps(model)


@pytest.mark.parametrize("query", ["?code=canary-1234", "?api-version=2025-04-01&code=canary-1234"])
def test_a_query_from_the_environment_stays_there(kind, monkeypatch, query):
    """It may hold a key; a worker process reads its own environment, as for the key. One that was given travels."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", URL + query)
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    frozen = pickle.dumps(kind())

    assert b"canary-1234" not in frozen
    assert dict(pickle.loads(frozen).client.endpoint.query) == {"code": "canary-1234"}
    assert dict(pickle.loads(pickle.dumps(kind(URL + query))).client.endpoint.query) == {"code": "canary-1234"}


def test_construction_sends_nothing(kind):
    """Not through the user's own client either; a call does, so it would be seen."""
    sent = []

    def answer(request):
        sent.append(request.url.path)
        return httpx.Response(200, json={"model_name": "m", "model_type": "chat-completion"})

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        model = kind("https://no.such.host.invalid/models", KEY, model="m", http_client=client)
        model.to_payload()
        repr(model)
        assert sent == []

        model.client.info()
        assert sent == ["/models/info"]


def test_construction_reads_and_opens_nothing():
    """Neither a file nor a socket, once the classes are loaded. Python tells of both as audit events."""
    code = """
import os, sys
import llamaindex_azureai as package

def make():
    for name in package.__all__:
        model = getattr(package, name)("https://no.such.host.invalid/models", "KEY", model="m")
        model.to_payload()
        repr(model)

make()
seen = []
sys.addaudithook(lambda event, args: event.startswith(("open", "socket.")) and seen.append(args[0]))
make()
open(os.devnull).close()
print(seen == [os.devnull], seen)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("True"), done.stdout


def test_importing_loads_neither_httpx_nor_identity():
    """The framework loads httpx by itself, so a stand-in for it shows what we load."""
    code = (
        "import sys, types\n"
        "import llama_index.core, llama_index.core.llms.function_calling, llama_index.core.embeddings.multi_modal_base\n"
        "for name in [n for n in sys.modules if n.split('.')[0] == 'httpx']: del sys.modules[name]\n"
        "import llamaindex_azureai\n"
        f"llamaindex_azureai.AzureAI('{URL}', 'k').metadata\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} & {'httpx', 'msal'}), 'azure.identity' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_a_missing_framework_is_one_clear_import_error():
    """It names the extra."""
    code = "import sys\nsys.modules['llama_index'] = None\nimport llamaindex_azureai"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "azureai-adapters[llamaindex]"' in done.stderr.splitlines()[-1]


async def test_a_new_key_is_used(service, make_llm, caller):
    """Rotation by assignment: the next request has it, and nothing shows it."""
    llm = make_llm()
    llm.credential = "planted-second-key-0123"
    await caller(llm, "chat", USER)

    assert service.last.headers["api-key"] == "planted-second-key-0123"
    assert "planted" not in repr(llm.credential)


# ---------------------------------------------------------------------------- secrets


def _shown(model):
    """Everything that shows an object."""
    return [
        repr(model), str(model), json.dumps(model.to_dict()), model.to_json(), model.model_dump_json(),
        str(model.model_dump()), json.dumps(model.to_payload()), repr(model.client), str(vars(model)), repr(copy.copy(model)),
    ]  # fmt: skip


def test_no_secret_in_anything_shown(kind):
    """Key, header and query secrets; before and after pickling."""
    secrets = ["planted-key-0123456789abcdef", "planted-header", "planted-query"]
    model = kind(URL + "?subscription-key=planted-query", KEY, headers={"Ocp-Apim-Subscription-Key": "planted-header"})
    for shown in [*_shown(model)[:7], *_shown(pickle.loads(pickle.dumps(model)))[:7]]:
        assert not [secret for secret in secrets if secret in shown]
    assert KEY not in str(vars(model))


async def test_no_secret_in_events_logs_or_errors(service, make_llm, caller, recorder, caplog):
    """Also when the service echoes the key."""
    caplog.set_level(logging.DEBUG)
    llm = make_llm(headers={"x-team": "planted-header"})
    await caller(llm, "chat", USER)
    service.will(service.fails(401, {"error": {"message": f"wrong key {KEY}"}}))
    with pytest.raises(Exception, match="wrong key") as caught:
        await caller(llm, "chat", USER)

    seen = [
        str(caught.value),
        repr(caught.value),
        caplog.text,
        *(str(e.model_dump()) for e in recorder.events if hasattr(e, "model_dict")),
    ]
    assert not [text for text in seen if KEY in text or "planted-header" in text]


def test_dict_round_trip_with_the_secret_apart(kind):
    """`from_dict(to_dict())` needs nothing but the credential."""
    model = kind(URL, KEY, model="m", model_kwargs={"a": 1}, api_version="2025-04-01", max_retries=5, timeout=7)
    again = kind.from_dict(model.to_dict(), credential=KEY)

    assert again.to_dict() == model.to_dict()
    assert FORMER[again.to_dict()["class_name"]] is kind


# ---------------------------------------------------------------------------- pickling


async def test_pickling_keeps_the_key_before_and_after_use(service, make_llm, caller):
    """Connections do not travel, settings do."""
    llm = make_llm(model="m", temperature=0, headers={"x-team": "a"})
    fresh = pickle.loads(pickle.dumps(llm))
    await caller(llm, "chat", USER)
    used = pickle.loads(pickle.dumps(llm))
    for copied in (fresh, used, copy.deepcopy(llm)):
        await caller(copied, "chat", USER)

        assert service.last.headers["authorization"] == f"Bearer {KEY}"
        assert service.last.headers["x-team"] == "a"
        assert (service.last.body["model"], service.last.body["temperature"]) == ("m", 0)


@pytest.mark.parametrize(
    "options",
    [
        {"credential": module_token},
        {"credential_factory": Credential},
        {"credential_factory": functools.partial(Credential, client_id="x")},
    ],
)
async def test_token_credentials_that_travel(service, make_llm, caller, options):
    """A function by its name, or a factory: each process makes its own credential."""
    llm = make_llm(**{"credential": None, **options}, allow_http_token=True)
    await caller(llm, "chat", USER)
    await caller(pickle.loads(pickle.dumps(llm)), "chat", USER)

    assert [r.headers["authorization"] for r in service.requests] == ["Bearer planted-token-9876543210"] * 2


@pytest.mark.parametrize(
    ("options", "name"),
    [({"credential": Credential()}, "credential"), ({"credential": KEY, "http_client": httpx.Client()}, "http_client")],
)
def test_what_cannot_travel_says_so(options, name):
    """Not a silent loss, as the base class would have it."""
    with pytest.raises(TypeError, match=f"^{name} .* cannot be sent to another process"):
        pickle.dumps(AzureAI(URL, **options))


def test_a_broken_copy_is_an_error_not_a_ruin(monkeypatch):
    """The base class would restore an object without a client."""
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    frozen = pickle.dumps(AzureAI(URL))
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL")
    monkeypatch.setattr("azureai_core.transport.auth.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="No credential"):
        pickle.loads(frozen)


def test_pickling_logs_nothing(kind, caplog):
    """Nothing that matters is left behind."""
    caplog.set_level(logging.INFO)
    pickle.loads(pickle.dumps(kind(URL, KEY)))

    assert caplog.records == []


def test_what_is_left_behind_is_logged(caplog):
    """A function without a name, for example; the copy has the framework's own."""
    copied = pickle.loads(pickle.dumps(AzureAI(URL, KEY, completion_to_prompt=lambda prompt: f"<{prompt}>")))

    assert [r.getMessage() for r in caplog.records] == [
        "completion_to_prompt (function) cannot be sent to another process: left out."
    ]
    assert copied.completion_to_prompt("a") == "a"


class Short(AzureAI):
    """A user's class with a constructor of its own."""

    def __init__(self, name):
        super().__init__(URL, KEY, model=name)


def test_a_subclass_with_a_short_constructor_can_be_pickled():
    """Its own constructor would not know the fields."""
    copied = pickle.loads(pickle.dumps(Short("m")))

    assert (type(copied), copied.model, copied.client.endpoint.base_url) == (Short, "m", URL)


async def test_a_copy_with_another_address_or_key_uses_it(service, make_llm, caller):
    """And the original keeps its own."""
    llm = make_llm("/serverless/a")
    other = llm.model_copy(update={"endpoint": service.url + "/serverless/b", "credential": "planted-second-key-0123"})
    await caller(other, "chat", USER)
    await caller(llm, "chat", USER)

    assert [r.path.split("/")[2] for r in service.requests] == ["b", "a"]
    assert [r.headers["api-key"] for r in service.requests] == ["planted-second-key-0123", KEY]
    assert "planted" not in repr(other.credential)


async def test_another_model_is_used_when_it_is_set(service, make_llm, caller):
    """With what is known of it: the output limit is spelt as it wants."""
    llm = make_llm("/openai/v1", model="gpt-4o", max_tokens=5)
    llm.model = "o3-mini"
    await caller(llm, "chat", USER)

    assert service.last.body.items() >= {"model": "o3-mini", "max_completion_tokens": 5}.items()


# ---------------------------------------------------------------------------- what version 0.1 wrote

HOMES = {
    "AzureAICompletionsModel": "llm",
    "AzureAITextCompletionsModel": "text_llm",
    "AzureAIEmbeddingsModel": "embeddings",
    "AzureAIImageEmbeddingsModel": "embeddings",
}
DUMP = {
    "endpoint": "https://name.eastus2.models.ai.azure.com?api-version=2025-04-01", "api_version": None, "timeout": 7,
    "max_retries": 5, "extra_parameters": None, "unsupported_parameters": "drop", "model_kwargs": {"a": 1},
    "base_model": "gpt-4o",
}  # fmt: skip
OWN = {
    "llm": {"model": "m", "temperature": 0.5, "stop": None, "structured_output_mode": "tool", "send_reasoning": True},
    "text_llm": {"model": "m", "temperature": 0.5, "stop": None, "stream_usage": None, "system_prompt": None},
    "embeddings": {"model_name": "m", "embed_batch_size": 1024, "num_workers": None, "max_concurrency": 2},
}


@pytest.mark.parametrize("name", FORMER)
def test_a_dump_of_version_0_1_loads_and_is_written_alike(name):
    """Caches are keyed by dumps: a version that writes another one would have all texts embedded again."""
    dump = {**DUMP, **OWN[HOMES[name]], "class_name": name}
    model = FORMER[name].from_dict(dump, credential=KEY)

    assert model.to_dict().items() >= dump.items()


VENDOR_DUMPS = {
    "AzureAICompletionsModel": {
        "system_prompt": None, "pydantic_program_mode": "default", "model_name": "m", "temperature": 0.1,
        "max_tokens": None, "seed": None, "model_kwargs": {"model_extras": {"safe_prompt": True}},
    },
    "AzureAIEmbeddingsModel": {"model_name": "m", "embed_batch_size": 10, "num_workers": None},
}  # fmt: skip
"""The fields of llama-index-llms-azure-inference 0.8.0 and llama-index-embeddings-azure-inference 0.6.0."""


@pytest.mark.parametrize("name", VENDOR_DUMPS)
def test_a_dump_of_the_retired_adapter_loads(name):
    """With the endpoint and the key, which it did not hold."""
    dump = {**VENDOR_DUMPS[name], "class_name": name}
    model = FORMER[name].from_dict(dump, endpoint=URL, credential=KEY)

    assert (model.model, model.class_name()) == ("m", name)


@pytest.mark.parametrize("name", FORMER)
def test_a_pickle_of_version_0_1_loads(name):
    """It names the class by its old path, and holds the fields in its state."""
    head = f"ccopy_reg\n__newobj__\n(cllamaindex_azureai.{HOMES[name]}\n{name}\ntR"
    fields = f"(dVendpoint\nV{URL}\nsVcredential\nV{KEY}\nsVmax_retries\nI5\nsVbase_model\nVgpt-4o\ns"
    state = f"(dV__dict__\n{fields}sV__pydantic_private__\nNsb."
    model = pickle.loads((head + state).encode())

    assert type(model) is FORMER[name]
    assert (model.endpoint, model.max_retries, model.base_model) == (URL, 5, "gpt-4o")
    assert KEY not in repr(vars(model))


# ---------------------------------------------------------------------------- loops, threads, life cycle


def test_three_event_loops_one_object(service, make_llm):
    """Repeated `asyncio.run` is what users do; no warning, no error, nothing left open."""
    llm = make_llm()

    async def both():
        await llm.achat(USER)
        return [r async for r in await llm.astream_chat(USER)][-1].message.content

    answers = []
    for _ in range(3):
        answers.append(asyncio.run(both()))
        gc.collect()

    assert answers == ["Paris."] * 3


def test_many_threads_one_object(service, make_llm):
    """Sync calls and event loops side by side."""
    llm = make_llm()
    answers = []
    calls = [lambda: llm.chat(USER), lambda: asyncio.run(llm.achat(USER))] * 4
    threads = [threading.Thread(target=lambda call=call: answers.append(call().message.content)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == ["Paris."] * 8


async def test_connections_are_reused(service, make_llm, caller):
    """Ten calls, one connection."""
    llm = make_llm()
    opened = set()
    for _ in range(10):
        await caller(llm, "chat", USER)
        opened |= {id(connection) for connection in service.connections}

    assert len(opened) == 1


async def test_context_managers_close(service, make_llm):
    """Both kinds; the object can be used again."""
    with make_llm() as llm:
        llm.chat(USER)
    async with make_llm() as other:
        await other.achat(USER)
    await llm.aclose()

    assert llm.chat(USER).message.content == "Paris."
    llm.close()


async def test_the_callers_own_clients_are_used(service, make_llm, caller):
    """And not closed."""
    seen = []
    own, aown = httpx.Client(event_hooks={"request": [seen.append]}), httpx.AsyncClient()
    llm = make_llm(http_client=own, async_http_client=aown)
    await caller(llm, "chat", USER)
    llm.close()

    assert not own.is_closed
    assert not aown.is_closed
    assert len(seen) == (0 if caller.is_async else 1)
    await asyncio.to_thread(own.close)
    await aown.aclose()


# ---------------------------------------------------------------------------- metadata


@pytest.mark.parametrize(
    ("options", "window", "tools"),
    [
        ({"model": "gpt-4o"}, 128_000, True),
        ({"model": "Phi-3-mini-4k-instruct"}, 4096, False),
        ({"model": "mine", "base_model": "gpt-4.1"}, 1_047_576, True),
        ({"model": "mine", "context_window": 5000, "is_function_calling_model": False}, 5000, False),
        ({"model": "deepseek-r1", "is_function_calling_model": True}, 163_840, True),
    ],
)
def test_metadata(options, window, tools):
    """Window and tools follow the model family; the user knows better."""
    metadata = AzureAI(URL, KEY, **options).metadata

    assert (metadata.context_window, metadata.is_function_calling_model, metadata.is_chat_model) == (
        window,
        tools,
        True,
    )
    assert (metadata.num_output, metadata.model_name, metadata.system_role) == (-1, options["model"], "system")


def test_a_single_model_url_names_its_model():
    """The deployment in the path is a hint too."""
    url = "https://r.openai.azure.com/openai/deployments/gpt-4.1-mini"
    assert AzureAI(url, KEY).metadata.context_window == 1_047_576


def test_an_unknown_window_is_large_and_said_once(caplog):
    """3,900 tokens would cut every document into a call of its own."""
    llm = AzureAI(URL, KEY, model="window-nobody-knows")
    windows = [llm.metadata.context_window for _ in range(3)]

    assert windows == [128_000] * 3
    assert [r.message for r in caplog.records] == [
        "The context window of window-nobody-knows is not known; 128000 tokens are assumed. Pass context_window or base_model."
    ]


def test_num_output_is_the_users():
    """Explicit, or the limit of answers; never the model's maximum."""
    assert AzureAI(URL, KEY, max_tokens=50).metadata.num_output == 50
    assert AzureAI(URL, KEY, max_tokens=50, num_output=99).metadata.num_output == 99


def test_traces_know_model_and_temperature():
    """And where the request goes, without anything secret."""
    payload = AzureAI(URL + "?key=planted-query", KEY, model="m", temperature=0, max_tokens=5).to_payload()

    assert payload.items() >= {
        "model": "m", "model_name": "m", "temperature": 0, "max_tokens": 5, "endpoint_kind": "serverless",
        "endpoint_host": "name.eastus2.models.ai.azure.com", "class_name": "AzureAICompletionsModel",
    }.items()  # fmt: skip


@pytest.mark.parametrize(("model", "field"), [("o3-mini", "max_completion_tokens"), ("gpt-4o", "max_tokens")])
async def test_the_output_limit_is_spelt_as_the_model_wants(service, make_llm, caller, model, field):
    """Also where only `base_model` says what it is."""
    await caller(make_llm(model="mine", base_model=model, max_tokens=5), "chat", USER)

    assert {"max_tokens": 5, "max_completion_tokens": 5}.items() & service.last.body.items() == {(field, 5)}
