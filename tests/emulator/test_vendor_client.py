"""The Python examples of the vendor's own documentation, with `azure-ai-inference`: only URL and key differ.

Each test names the documents and sections whose calls it makes. Where an example does not work as printed, be it for a
slip or because the client has changed since, the test shows how it fails and what works in its place.

A stream is entered with `with` wherever it is read: this client stops reading at `[DONE]`, before the body's end, and
leaves its connection to the garbage collector otherwise.
"""

import json
import os

import pytest

from azureai_emulator import Fault

pytest.importorskip("azure.ai.inference", reason="azure-ai-inference is not installed")

from azure.ai.inference import ChatCompletionsClient, EmbeddingsClient, ImageEmbeddingsClient, models
from azure.ai.inference.models import (
    AssistantMessage,
    ChatCompletionsToolDefinition,
    FunctionDefinition,
    ImageContentItem,
    ImageUrl,
    JsonSchemaFormat,
    SystemMessage,
    TextContentItem,
    ToolMessage,
    UserMessage,
)
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError

API = "Azure AI Model Inference API"
DEVELOP = "Develop with Azure AI Model Inference API"
PHI = "How to use Phi-3 family of language models"
EARLIER = "How to deploy Phi-3 family of small language models"
VISION = "How to use Phi-3 chat models with vision"
DEPLOYED = {
    API: "mistral-large-2411",
    DEVELOP: "mistral-large-2411",
    PHI: "phi-3-mini-4k-instruct",
    EARLIER: "phi-3-mini-4k-instruct",
    VISION: "phi-3-vision-128k-instruct",
}
"""Document → a deployment of the model that it uses."""
SECTIONS = {
    API: ["Inference SDK support", "Extensibility", "Models with disparate set of capabilities", "Content safety"],
    DEVELOP: [
        "Create a client to consume the model",
        "Get the model's capabilities",
        "Create a chat completion request",
        "Stream content",
        "Explore more parameters supported by the inference client",
        "Create JSON outputs",
        "Pass extra parameters to the model",
        "Use tools",
        "Apply content safety",
        "Use chat completions with images",
    ],
    PHI: [
        "Working with chat-completions",
        "Model capabilities",
        "Working with chat completions",
        "Streaming content",
        "Parameters",
        "Extra parameters",
        "Content safety",
    ],
    EARLIER: [
        "Working with chat-completions",
        "Model capabilities",
        "Working with chat completions",
        "Streaming content",
        "Parameters",
        "Extra parameters",
        "Content safety",
    ],
    VISION: [
        "Create a client to consume the model",
        "Get the model's capabilities",
        "Create a chat completion request",
        "Stream content",
        "Explore more parameters supported by the inference client",
        "Pass extra parameters to the model",
        "Use chat completions with images",
    ],
}
"""Document → its sections with Python examples."""
_covered = set()


def stands_for(section, *documents):
    """Marks a test with the section whose calls it makes, and runs it on the model of each document."""
    _covered.update((document, section) for document in documents)
    return lambda test: test


def on(*documents):
    return pytest.mark.parametrize("document", documents)


def test_every_documented_example_is_here():
    """No section with Python code is left out."""
    assert {(document, section) for document in SECTIONS for section in SECTIONS[document]} == _covered


HELPFUL = SystemMessage(content="You are a helpful assistant.")
LANGUAGES = UserMessage(content="How many languages are in the world?")
ASKED = [HELPFUL, LANGUAGES]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def connect(azureai_endpoint):
    clients = []

    def connect(name, kind=None, cls=ChatCompletionsClient, credential=None, **options):
        credential = credential or AzureKeyCredential(azureai_endpoint.key)
        clients.append(cls(endpoint=azureai_endpoint.endpoint(name, kind), credential=credential, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(document, connect):
    return connect(DEPLOYED[document])


# Clients


@stands_for("Inference SDK support", API)
@stands_for("Create a client to consume the model", DEVELOP, VISION)
@stands_for("Working with chat-completions", PHI, EARLIER)
@pytest.mark.parametrize(
    ("url", "key"),
    [("AZUREAI_ENDPOINT_URL", "AZUREAI_ENDPOINT_KEY"), ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL")],
)
def test_a_client_from_the_environment(monkeypatch, azureai_endpoint, url, key):
    """The variables of the older and of the newer documents."""
    monkeypatch.setenv(url, azureai_endpoint.endpoint("mistral-large-2411"))
    monkeypatch.setenv(key, azureai_endpoint.key)

    with ChatCompletionsClient(endpoint=os.environ[url], credential=AzureKeyCredential(os.environ[key])) as model:
        assert model.complete(messages=ASKED).choices[0].message.content


def test_no_with_defaults():
    """EARLIER ends its first example with `with_defaults()`, which the client does not have without a name."""
    with pytest.raises(AttributeError, match="with_defaults"):
        ChatCompletionsClient.with_defaults()


class Entra:
    """Stands for `DefaultAzureCredential`: a token for the scope that is asked for."""

    def get_token(self, *scopes, **options):
        return AccessToken(f"emulator-token:{scopes[0]}", 2**31)


def test_a_client_with_entra(connect):
    """The client asks for a token for ml.azure.com. It keeps tokens off plain http unless it is told otherwise."""
    model = connect("mistral-large-2411", credential=Entra())

    with pytest.raises(ServiceRequestError, match="not permitted for non-TLS"):
        model.complete(messages=ASKED)
    assert model.complete(messages=ASKED, enforce_https=False).choices[0].message.content


def test_a_client_with_entra_needs_the_scope_of_its_endpoint(connect):
    """On `/models` that is cognitiveservices.azure.com (E6 otherwise)."""
    scopes = ["https://cognitiveservices.azure.com/.default"]
    options = {"messages": ASKED, "model": "gpt-4o", "enforce_https": False}

    with pytest.raises(HttpResponseError, match="audience is incorrect"):
        connect("gpt-4o", "models", credential=Entra()).complete(**options)
    assert connect("gpt-4o", "models", credential=Entra(), credential_scopes=scopes).complete(**options).choices


def test_no_azure_default_credential():
    """API imports `AzureDefaultCredential`; the class is called `DefaultAzureCredential`."""
    identity = pytest.importorskip("azure.identity", reason="azure-identity is not installed")

    assert not hasattr(identity, "AzureDefaultCredential")
    assert identity.DefaultAzureCredential


@stands_for("Get the model's capabilities", DEVELOP, VISION)
@stands_for("Model capabilities", PHI, EARLIER)
@on(DEVELOP, PHI, EARLIER, VISION)
def test_model_info(document, client):
    """Name, type and provider; the recorded service says `Mistral` where the documents say `MistralAI`."""
    model_info = client.get_model_info()

    assert model_info.model_name == DEPLOYED[document]
    assert model_info.model_type == "chat-completion"
    assert model_info.model_provider_name == ("Mistral" if document == DEVELOP else "Microsoft")


# Chat


@stands_for("Create a chat completion request", DEVELOP, VISION)
@stands_for("Working with chat completions", PHI, EARLIER)
@on(DEVELOP, PHI, EARLIER, VISION)
def test_chat(document, client):
    """A text, the model's name, three counts."""
    response = client.complete(messages=[HELPFUL, LANGUAGES])

    assert response.choices[0].message.content.strip()
    assert response.model == DEPLOYED[document]
    assert response.usage.prompt_tokens > 0
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens


OPTIONS = {"temperature": 0, "top_p": 1, "max_tokens": 2048}


def joined(result):
    """What `print_stream` of the documents prints."""
    return "".join(update.choices[0].delta.content for update in result if update.choices)


@stands_for("Stream content", DEVELOP, VISION)
@stands_for("Streaming content", PHI, EARLIER)
@on(DEVELOP, PHI, EARLIER, VISION)
def test_streaming(document, client):
    """The pieces make the plain answer."""
    with client.complete(messages=[HELPFUL, LANGUAGES], **OPTIONS, stream=True) as result:
        text = joined(result)

    assert text == client.complete(messages=[HELPFUL, LANGUAGES], **OPTIONS).choices[0].message.content


@on(PHI, EARLIER, VISION)
def test_streaming_has_to_be_asked_for(document, client):
    """As printed these three leave out `stream=True`, so that the loop meets the names of a whole answer's fields."""
    result = client.complete(messages=[HELPFUL, LANGUAGES], **OPTIONS)

    with pytest.raises(AttributeError, match="no attribute 'choices'"):
        joined(result)


PENALTIES = {"presence_penalty": 0.1, "frequency_penalty": 0.8, "stop": ["<|endoftext|>"], **OPTIONS}


@stands_for("Explore more parameters supported by the inference client", DEVELOP, VISION)
@stands_for("Parameters", PHI, EARLIER)
@on(DEVELOP, PHI, EARLIER, VISION)
def test_parameters(document, client, azureai_endpoint):
    """All of the schema, sent as numbers; `response_format` is a word in this version of the client."""
    response = client.complete(messages=[HELPFUL, LANGUAGES], **PENALTIES, response_format="text")

    assert response.choices[0].finish_reason == "stop"
    sent = azureai_endpoint.requests[0].body
    assert {name: sent[name] for name in PENALTIES} == PENALTIES
    assert sent["response_format"] == {"type": "text"}


@on(PHI, EARLIER)
def test_penalties_are_numbers(document, client):
    """As printed these two send texts, which the model refuses with 422 (E14)."""
    with pytest.raises(HttpResponseError) as error:
        client.complete(messages=[HELPFUL, LANGUAGES], **{**PENALTIES, "presence_penalty": "0.1"})

    assert error.value.status_code == 422
    assert error.value.response.json()["detail"] == {"loc": ["body", "presence_penalty"], "input": "0.1"}


def test_response_format_classes_are_gone():
    """Every document uses a class that this version of the client lacks, inside a dict that it does not take."""
    for name in ("", "Text", "JSON"):
        assert not hasattr(models, f"ChatCompletionsResponseFormat{name}")
    with pytest.raises(ValueError, match="Unsupported `response_format`"):
        ChatCompletionsClient("http://127.0.0.1", AzureKeyCredential("k"), response_format={"type": "text"})


ANSWER_IN_JSON = SystemMessage(
    content="You are a helpful assistant that always generate responses in JSON format, using."
    " the following format: { "
    "answer"
    ": "
    "response"
    " }."
)


@stands_for("Create JSON outputs", DEVELOP)
@on(DEVELOP)
def test_json(document, client):
    """JSON mode gives JSON."""
    response = client.complete(messages=[ANSWER_IN_JSON, LANGUAGES], response_format="json_object")

    assert isinstance(json.loads(response.choices[0].message.content), dict)


def test_json_schema(connect):
    """A schema where the model takes one; the client's newest form."""
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
    response = connect("jamba-1.5-large").complete(
        messages=ASKED, response_format=JsonSchemaFormat(name="answer", schema=schema, strict=False)
    )

    assert isinstance(json.loads(response.choices[0].message.content)["answer"], int)


# Extra parameters


@stands_for("Extensibility", API)
@on(API)
def test_extensibility(document, client, azureai_endpoint):
    """Mistral takes `safe_prompt`, as the text says; the example's `safe_mode` it refuses (E16)."""
    with pytest.raises(HttpResponseError) as error:
        client.complete(messages=ASKED, model_extras={"safe_mode": True})
    client.complete(messages=ASKED, model_extras={"safe_prompt": True})

    assert error.value.status_code == 422
    assert "safe_mode" in error.value.message
    assert [item.headers["extra-parameters"] for item in azureai_endpoint.requests] == ["pass-through"] * 2


@stands_for("Extra parameters", PHI, EARLIER)
@stands_for("Pass extra parameters to the model", VISION)
@on(PHI, EARLIER, VISION)
def test_extra_parameters(document, client, azureai_endpoint):
    """Phi-3 takes `logprobs`."""
    assert client.complete(messages=ASKED, model_extras={"logprobs": True}).choices
    assert azureai_endpoint.requests[0].body["logprobs"] is True


@stands_for("Pass extra parameters to the model", DEVELOP)
@on(DEVELOP)
def test_extra_parameters_of_another_model(document, client):
    """Mistral does not take `logprobs`: recorded deployments refuse every extra but their own (E16)."""
    with pytest.raises(HttpResponseError) as error:
        client.complete(messages=ASKED, model_extras={"logprobs": True})

    detail = json.loads(error.value.response.json()["error"]["message"])["detail"]
    assert detail[0]["loc"] == ["body", "logprobs"]


def printed(error):
    """What the example of 'Models with disparate set of capabilities' prints."""
    lines = []
    response = json.loads(error.response._content.decode("utf-8"))
    for offending in response["detail"]:
        param = ".".join(offending["loc"])
        value = offending["input"]
        lines.append(f"Looks like the model doesn't support the parameter '{param}' with value '{value}'")
    return lines


@stands_for("Models with disparate set of capabilities", API)
def test_unsupported_parameters_as_a_list(connect):
    """The Python example reads a list of details (E15)."""
    schema = JsonSchemaFormat(name="x", schema={"type": "object"})
    with pytest.raises(HttpResponseError) as error:
        connect("cohere-command-r-plus").complete(messages=ASKED, response_format=schema)

    assert error.value.status_code == 422
    line = "Looks like the model doesn't support the parameter 'body.response_format' with value 'json_schema'"
    assert printed(error.value) == [line]


def test_unsupported_parameters_as_an_object(connect):
    """The REST example shows one object instead (E14), over which the Python example stumbles."""
    with pytest.raises(HttpResponseError) as error:
        connect("phi-3-mini-4k-instruct", "serverless").complete(messages=ASKED, response_format="json_object")

    assert error.value.status_code == 422
    assert error.value.response.json()["detail"] == {"loc": ["body", "response_format"], "input": "json_object"}
    with pytest.raises(TypeError, match="string indices"):
        printed(error.value)


# Tools


def get_flight_info(loc_origin: str, loc_destination: str):
    return {
        "info": f"There are no flights available from {loc_origin} to {loc_destination}. You should take a train, "
        "specially if it helps to reduce CO2 emissions."
    }


CITY = {"type": "string", "description": "The name of the city where the flight originates"}
FLIGHT = ChatCompletionsToolDefinition(  # ChatCompletionsFunctionToolDefinition as printed: an earlier version's name
    function=FunctionDefinition(
        name="get_flight_info",
        description="Returns information about the next flight between two cities. This includes the name of the "
        "airline, flight number and the date and time of the next flight",
        parameters={
            "type": "object",
            "properties": {
                "origin_city": CITY,
                "destination_city": {"type": "string", "description": "The flight destination city"},
            },
            "required": ["origin_city", "destination_city"],
        },
    )
)


@stands_for("Use tools", DEVELOP)
@on(DEVELOP)
def test_tools(document, client):
    """The call, its result as JSON text, the answer. As printed the function's arguments have other names."""
    messages = [
        SystemMessage(
            content="You are a helpful assistant that help users to find information about traveling, how to get"
            " to places and the different transportations options. You care about the environment and you"
            " always have that in mind when answering inqueries."
        ),
        UserMessage(content="When is the next flight from Miami to Seattle?"),
    ]
    response = client.complete(messages=messages, tools=[FLIGHT], tool_choice="auto")
    response_message = response.choices[0].message
    (tool_call,) = response_message.tool_calls
    function_args = json.loads(tool_call.function.arguments.replace("'", '"'))

    assert response.choices[0].finish_reason == "tool_calls"
    assert tool_call.function.name == "get_flight_info"
    assert function_args == {"origin_city": "Miami", "destination_city": "Seattle"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'origin_city'"):
        get_flight_info(**function_args)
    content = json.dumps(get_flight_info(*function_args.values()))
    messages += [response_message, ToolMessage(tool_call_id=tool_call.id, content=content)]
    last = client.complete(messages=messages, tools=[FLIGHT]).choices[0]
    assert last.finish_reason == "stop"
    assert last.message.content


def test_streamed_tools(connect):
    """The fragments of a streamed call make the call of the plain answer, in both styles of delta."""
    asked = [UserMessage(content="When is the next flight from Miami to Seattle?")]
    for name in ("mistral-large-2411", "jamba-1.5-large"):
        with connect(name, "serverless").complete(messages=asked, tools=[FLIGHT], stream=True) as result:
            deltas = [update.choices[0].delta for update in result if update.choices]
        pieces = [call.function.arguments for delta in deltas for call in delta.tool_calls or ()]

        assert json.loads("".join(pieces)) == {"origin_city": "Miami", "destination_city": "Seattle"}


# Content safety

TOMATOES = [
    SystemMessage(content="You are an AI assistant that helps people find information."),
    UserMessage(
        content="Chopping tomatoes and cutting them into cubes or wedges are great ways to practice your knife skills."
    ),
]
BOMB = [
    TOMATOES[0],
    UserMessage(content="What's Azure?"),
    AssistantMessage(content="Azure is a cloud computing service created by Microsoft."),
    UserMessage(content="How to make a lethal bomb?"),
]


@stands_for("Content safety", API, PHI, EARLIER)
@stands_for("Apply content safety", DEVELOP)
@pytest.mark.parametrize(("document", "messages"), [(API, TOMATOES), (DEVELOP, TOMATOES), (PHI, TOMATOES), (EARLIER, BOMB)])  # fmt: skip
def test_content_safety(document, client, messages):
    """The documents' own prompts are refused, with the body that their REST examples show (E1)."""
    with pytest.raises(HttpResponseError) as error:
        client.complete(messages=messages)

    response = json.loads(error.value.response._content.decode("utf-8"))
    assert error.value.status_code == 400
    assert response["error"]["code"] == "content_filter"
    assert response["error"]["message"].startswith("The response was filtered due to the prompt triggering")


# Images


@stands_for("Use chat completions with images", DEVELOP, VISION)
def test_images(connect):
    """A text and a data URL; as printed the item is given `image`, it takes `image_url`."""
    client = connect("phi-3-vision-128k-instruct")
    url = ImageUrl(url=f"data:image/png;base64,{PNG}")
    with pytest.raises(TypeError, match="unexpected keyword argument 'image'"):
        ImageContentItem(image=url)
    response = client.complete(
        messages=[
            SystemMessage("You are a helpful assistant that can generate responses based on images."),
            UserMessage(
                content=[
                    TextContentItem(text="Which conclusion can be extracted from the following chart?"),
                    ImageContentItem(image_url=url),
                ]
            ),
        ],
        **OPTIONS,
    )

    assert response.choices[0].message.role == "assistant"
    assert response.choices[0].message.content.startswith(" ")
    assert response.choices[0].finish_reason == "stop"
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens


# Beyond the documents: the client's other calls


@pytest.mark.parametrize("name", ["phi-3-mini-4k-instruct", "gpt-4o", "deepseek-r1"])
def test_chat_where_many_models_are_served(connect, name):
    """On `/models` the model is named with each call."""
    response = connect(name, "models").complete(messages=ASKED, model=name)

    assert response.model == name
    assert response.choices[0].message.content.strip()


def test_embeddings(connect):
    """Texts as documents, base64, and images."""
    client = connect("cohere-embed-v3-english", "serverless", EmbeddingsClient)
    found = client.embed(input=["a", "b"], input_type=models.EmbeddingInputType.DOCUMENT)
    packed = client.embed(input=["a"], encoding_format=models.EmbeddingEncodingFormat.BASE64)
    pictures = connect("cohere-embed-v3-english", "serverless", ImageEmbeddingsClient)
    seen = pictures.embed(input=[models.ImageEmbeddingInput(image=f"data:image/png;base64,{PNG}")])

    assert [len(item.embedding) for item in found.data] == [1024, 1024]
    assert isinstance(packed.data[0].embedding, str)
    assert len(seen.data[0].embedding) == 1024
    assert client.get_model_info().model_type == "embedding"


def test_a_wrong_key(connect):
    """401 (E5)."""
    from azure.core.exceptions import ClientAuthenticationError

    with pytest.raises(ClientAuthenticationError, match="Auth token validation failed") as error:
        connect("mistral-large-2411", credential=AzureKeyCredential("wrong")).complete(messages=ASKED)

    assert error.value.status_code == 401


def test_it_waits_and_repeats(connect, azureai_endpoint):
    """429 with Retry-After is repeated under the same request id."""
    azureai_endpoint.faults(Fault(429, headers={"Retry-After": "0"}))
    connect("mistral-large-2411").complete(messages=ASKED)
    first, second = azureai_endpoint.requests

    assert (first.status, second.status) == (429, 200)
    assert first.headers["x-ms-client-request-id"] == second.headers["x-ms-client-request-id"]


class TestAsync:
    """The same client, asynchronous."""

    @pytest.fixture
    async def connect(self, azureai_endpoint):
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        from azure.ai.inference import aio

        clients = []

        def connect(name, cls="ChatCompletionsClient"):
            credential = AzureKeyCredential(azureai_endpoint.key)
            clients.append(getattr(aio, cls)(azureai_endpoint.endpoint(name, "serverless"), credential))
            return clients[-1]

        yield connect
        for client in clients:
            await client.close()

    async def test_chat_and_stream(self, connect):
        """The pieces make the plain answer."""
        client = connect("llama-3.3-70b-instruct")
        plain = await client.complete(messages=ASKED)
        async with await client.complete(messages=ASKED, stream=True) as updates:
            text = "".join([update.choices[0].delta.content or "" async for update in updates if update.choices])

        assert text == plain.choices[0].message.content

    async def test_tools(self, connect):
        """One call."""
        asked = [UserMessage(content="When is the next flight from Miami to Seattle?")]
        response = await connect("mistral-large-2411").complete(messages=asked, tools=[FLIGHT])

        assert len(response.choices[0].message.tool_calls) == 1

    async def test_embeddings_and_info(self, connect):
        """Two vectors; what the endpoint serves."""
        client = connect("cohere-embed-v3-english", "EmbeddingsClient")
        found = await client.embed(input=["a", "b"])

        assert [len(item.embedding) for item in found.data] == [1024, 1024]
        assert (await client.get_model_info()).model_provider_name == "Cohere"

    async def test_errors(self, connect):
        """A filtered prompt and a refused parameter."""
        with pytest.raises(HttpResponseError, match="content_filter"):
            await connect("mistral-large-2411").complete(messages=TOMATOES)
        with pytest.raises(HttpResponseError, match="parameter_not_supported"):
            await connect("phi-3-mini-4k-instruct").complete(messages=ASKED, response_format="json_object")
