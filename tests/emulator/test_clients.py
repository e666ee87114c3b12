"""Clients that others wrote, used as their own documentation shows: only URL and key are the emulator's."""

import json

import pytest

from azureai_emulator import Fault

ASKED = "How many languages are in the world?"
FLIGHT = {
    "name": "get_flight_info",
    "description": "Returns information about the next flight between two cities.",
    "parameters": {
        "type": "object",
        "properties": {"origin_city": {"type": "string"}, "destination_city": {"type": "string"}},
        "required": ["origin_city", "destination_city"],
    },
}
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class TestAzureAIInference:
    """The package `azure-ai-inference`, by the examples of its documentation."""

    @pytest.fixture
    def sdk(self):
        return pytest.importorskip("azure.ai.inference", reason="azure-ai-inference is not installed")

    @pytest.fixture
    def m(self, sdk):
        from azure.ai.inference import models

        return models

    @pytest.fixture
    def connect(self, sdk, azureai_endpoint):
        from azure.core.credentials import AzureKeyCredential

        clients = []

        def connect(name, kind=None, cls=sdk.ChatCompletionsClient, **options):
            credential = AzureKeyCredential(azureai_endpoint.key)
            clients.append(cls(endpoint=azureai_endpoint.endpoint(name, kind), credential=credential, **options))
            return clients[-1]

        yield connect
        for client in clients:
            client.close()

    @pytest.fixture
    def asked(self, m):
        return [m.SystemMessage(content="You are a helpful assistant."), m.UserMessage(content=ASKED)]

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("mistral-large-2411", "serverless"), ("phi-3-mini-4k-instruct", "models"), ("gpt-4o", "models")],
    )
    def test_chat(self, connect, asked, name, kind):
        """A completion with usage; the model is named where many are served."""
        options = {"model": name} if kind == "models" else {}
        response = connect(name, kind, **options).complete(messages=asked)

        assert response.choices[0].message.content.strip()
        assert response.choices[0].finish_reason == "stop"
        assert response.model == name
        assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens

    @pytest.mark.parametrize(
        ("name", "provider", "kind"),
        [("mistral-large-2411", "Mistral", "chat-completion"), ("cohere-embed-v3-english", "Cohere", "embedding")],
    )
    def test_model_info(self, connect, sdk, name, provider, kind):
        """`/info` of a serverless endpoint."""
        info = connect(name, "serverless", sdk.EmbeddingsClient if kind == "embedding" else sdk.ChatCompletionsClient)
        found = info.get_model_info()

        assert (found.model_name, found.model_provider_name, found.model_type) == (name, provider, kind)

    def test_streaming(self, connect, asked):
        """Deltas join to the plain answer."""
        client = connect("mistral-large-2411")
        updates = client.complete(messages=asked, temperature=0, top_p=1, max_tokens=2048, stream=True)
        text = "".join(update.choices[0].delta.content or "" for update in updates if update.choices)

        assert text == client.complete(messages=asked).choices[0].message.content

    def test_parameters(self, connect, asked, azureai_endpoint):
        """All of the schema; `response_format` as the installed client has it."""
        connect("mistral-large-2411").complete(
            messages=asked,
            presence_penalty=0.1,
            frequency_penalty=0.8,
            max_tokens=2048,
            stop=["<|endoftext|>"],
            temperature=0,
            top_p=1,
            response_format="text",
        )

        assert azureai_endpoint.requests[0].body["response_format"] == {"type": "text"}

    def test_json(self, connect, m):
        """JSON mode, and a schema where the model takes one."""
        system = m.SystemMessage(content='Answer in JSON, using the following format: { "answer": "response" }.')
        schema = m.JsonSchemaFormat(
            name="answer",
            schema={"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]},
            strict=False,
        )
        messages = [system, m.UserMessage(content=ASKED)]
        text = connect("mistral-large-2411").complete(messages=messages, response_format="json_object")
        typed = connect("jamba-1.5-large").complete(messages=messages, response_format=schema)

        assert list(json.loads(text.choices[0].message.content)) == ["answer"]
        assert isinstance(json.loads(typed.choices[0].message.content)["answer"], int)

    def test_extra_parameters(self, connect, asked, azureai_endpoint):
        """`model_extras` are passed through; Mistral's is called `safe_prompt`."""
        connect("mistral-large-2411").complete(messages=asked, model_extras={"safe_prompt": True})

        assert azureai_endpoint.requests[0].headers["extra-parameters"] == "pass-through"

    def test_tools(self, connect, m):
        """The flight example: a call, its result as JSON text, an answer."""
        tool = m.ChatCompletionsToolDefinition(function=m.FunctionDefinition(**FLIGHT))
        messages = [m.UserMessage(content="When is the next flight from Miami to Seattle?")]
        client = connect("mistral-large-2411")
        choice = client.complete(messages=messages, tools=[tool], tool_choice="auto").choices[0]
        (call,) = choice.message.tool_calls
        arguments = json.loads(call.function.arguments)

        assert choice.finish_reason == "tool_calls"
        assert (call.function.name, sorted(arguments)) == ("get_flight_info", ["destination_city", "origin_city"])
        messages += [
            m.AssistantMessage(tool_calls=[call]),
            m.ToolMessage(tool_call_id=call.id, content=json.dumps({"info": "Take the train."})),
        ]
        last = client.complete(messages=messages, tools=[tool]).choices[0]
        assert last.finish_reason == "stop"
        assert last.message.content

    def test_content_safety(self, connect, m):
        """400 with the code `content_filter`."""
        from azure.core.exceptions import HttpResponseError

        with pytest.raises(HttpResponseError) as error:
            connect("mistral-large-2411").complete(messages=[m.UserMessage(content="emulator:violence")])

        assert error.value.status_code == 400
        assert error.value.response.json()["error"]["code"] == "content_filter"

    @pytest.mark.parametrize("name", ["cohere-command-r-plus", "phi-3-mini-4k-instruct"])
    def test_refused_parameter(self, connect, asked, name):
        """422 whose detail is a list on one model and an object on the other."""
        from azure.core.exceptions import HttpResponseError

        schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
        with pytest.raises(HttpResponseError) as error:
            connect(name, "serverless").complete(
                {"messages": [{"role": "user", "content": ASKED}], "response_format": schema}
            )

        assert error.value.status_code == 422
        detail = error.value.response.json()["detail"]
        first = detail[0] if isinstance(detail, list) else detail
        assert first["loc"] == ["body", "response_format"]
        assert first["input"] == "json_schema"

    def test_images(self, connect, m):
        """A text and a data URL."""
        content = [
            m.TextContentItem(text="Which conclusion can be extracted from the following chart?"),
            m.ImageContentItem(image_url=m.ImageUrl(url=PNG)),
        ]
        response = connect("phi-3-vision-128k-instruct").complete(messages=[m.UserMessage(content=content)])

        assert response.choices[0].message.content.startswith(" ")

    def test_embeddings(self, connect, sdk, m):
        """Texts as documents, and images."""
        client = connect("cohere-embed-v3-english", "serverless", sdk.EmbeddingsClient)
        found = client.embed(input=["a", "b"], input_type=m.EmbeddingInputType.DOCUMENT)
        pictures = connect("cohere-embed-v3-english", "serverless", sdk.ImageEmbeddingsClient)
        seen = pictures.embed(input=[m.ImageEmbeddingInput(image=PNG)])

        assert [len(item.embedding) for item in found.data] == [1024, 1024]
        assert len(seen.data[0].embedding) == 1024

    def test_it_waits_and_repeats(self, connect, asked, azureai_endpoint):
        """429 with Retry-After is repeated under the same request id."""
        azureai_endpoint.faults(Fault(429, headers={"Retry-After": "0"}))
        connect("mistral-large-2411").complete(messages=asked)
        first, second = azureai_endpoint.requests

        assert (first.status, second.status) == (429, 200)
        assert first.headers["x-ms-client-request-id"] == second.headers["x-ms-client-request-id"]

    async def test_async(self, sdk, azureai_endpoint):
        """The asynchronous client, streamed."""
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        from azure.ai.inference.aio import ChatCompletionsClient
        from azure.core.credentials import AzureKeyCredential

        endpoint = azureai_endpoint.endpoint("llama-3.3-70b-instruct", "serverless")
        async with ChatCompletionsClient(endpoint, AzureKeyCredential(azureai_endpoint.key)) as client:
            updates = await client.complete({"messages": [{"role": "user", "content": ASKED}], "stream": True})
            text = "".join([update.choices[0].delta.content or "" async for update in updates if update.choices])

        assert ASKED in text


class TestOpenAI:
    """The package `openai`, on the v1 route and on an Azure OpenAI deployment."""

    @pytest.fixture(params=["v1", "azure"])
    def client(self, request, azureai_endpoint):
        openai = pytest.importorskip("openai", reason="openai is not installed")
        if request.param == "v1":
            made = openai.OpenAI(base_url=azureai_endpoint.url + "/openai/v1", api_key=azureai_endpoint.key)
        else:
            made = openai.AzureOpenAI(
                azure_endpoint=azureai_endpoint.url, api_key=azureai_endpoint.key, api_version="2024-10-21"
            )
        with made:
            yield made

    @pytest.fixture
    def ask(self, client):
        def ask(text=ASKED, model="gpt-4o", **options):
            return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)

        return ask

    def test_chat(self, ask):
        """Text, usage with details, filter results."""
        response = ask(temperature=0, max_tokens=100)

        assert ASKED in response.choices[0].message.content
        assert response.usage.completion_tokens_details.reasoning_tokens == 0
        assert response.choices[0].content_filter_results["violence"]["filtered"] is False

    def test_streaming(self, ask):
        """The first frame without choices, deltas, usage last."""
        chunks = list(ask(stream=True, stream_options={"include_usage": True}))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

        assert text == ask().choices[0].message.content
        assert chunks[0].choices == []
        assert chunks[-1].usage.total_tokens > 0

    def test_tools(self, client, ask):
        """Streamed fragments make the call that the plain answer has; then the answer to its result."""
        tools = [{"type": "function", "function": FLIGHT}]
        text = "When is the next flight from Miami to Seattle?"
        message = ask(text, tools=tools).choices[0].message
        deltas = [c.choices[0].delta for c in ask(text, tools=tools, stream=True) if c.choices]
        pieces = [call.function.arguments for delta in deltas for call in delta.tool_calls or ()]

        assert "".join(pieces) == message.tool_calls[0].function.arguments
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "No flights."}
        history = [{"role": "user", "content": text}, message, result]
        last = client.chat.completions.create(model="gpt-4o", messages=history, tools=tools)
        assert last.choices[0].finish_reason == "stop"

    def test_parsed_answers(self, client):
        """`parse` with a model of the caller's."""
        from pydantic import BaseModel

        class Sum(BaseModel):
            total: int

        options = {"model": "gpt-4o", "messages": [{"role": "user", "content": "What is 3 plus 4?"}]}
        message = client.chat.completions.parse(**options, response_format=Sum).choices[0].message

        assert isinstance(message.parsed, Sum)

    def test_embeddings(self, client):
        """The client asks for base64 and gives numbers."""
        found = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)

        assert [len(item.embedding) for item in found.data] == [8, 8]
        assert sum(value**2 for value in found.data[0].embedding) == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize(
        ("options", "error", "code"),
        [
            ({"text": "emulator:violence"}, "BadRequestError", "content_filter"),
            ({"model": "nope"}, "NotFoundError", "DeploymentNotFound"),
            ({"model": "gpt-reasoning", "temperature": 1}, "BadRequestError", "unsupported_parameter"),
        ],
    )
    def test_refusals(self, ask, options, error, code):
        """The client's own error classes, with the code."""
        import openai

        with pytest.raises(getattr(openai, error)) as caught:
            ask(**options)

        assert caught.value.code == code

    def test_reasoning(self, ask):
        """Tokens for what is not shown."""
        response = ask(model="gpt-reasoning", max_completion_tokens=500, reasoning_effort="low")

        assert response.usage.completion_tokens_details.reasoning_tokens > 0

    def test_it_waits_and_repeats(self, ask, azureai_endpoint):
        """429 and 503, then the answer."""
        azureai_endpoint.faults(
            Fault(429, headers={"retry-after-ms": "1"}), Fault(503, headers={"retry-after-ms": "1"})
        )
        ask()

        assert [item.status for item in azureai_endpoint.requests] == [429, 503, 200]

    def test_an_error_frame_is_raised(self, ask, azureai_endpoint):
        """E30 in the middle of a stream."""
        import openai

        azureai_endpoint.faults(Fault(error_frame_after=4))
        with pytest.raises(openai.APIError, match="The server had an error"):
            list(ask(stream=True))

    def test_legacy_completions(self, client):
        """`/completions`."""
        response = client.completions.create(model="gpt-4o", prompt="Once upon a time", max_tokens=20)

        assert response.choices[0].text

    def test_model_list(self, client, azureai_endpoint):
        """Only the v1 route has it."""
        if "/deployments" in str(client.base_url) or not str(client.base_url).endswith("/v1/"):
            pytest.skip("Azure OpenAI lists models by another API.")

        assert "gpt-4o" in [model.id for model in client.models.list()]

    async def test_async(self, azureai_endpoint):
        """The asynchronous client, streamed."""
        openai = pytest.importorskip("openai", reason="openai is not installed")
        async with openai.AsyncOpenAI(
            base_url=azureai_endpoint.url + "/openai/v1", api_key=azureai_endpoint.key
        ) as client:
            messages = [{"role": "user", "content": ASKED}]
            stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

        assert ASKED in text
