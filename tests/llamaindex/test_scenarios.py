"""What users build: RAG, agents, workflows, memory, on the local emulator over real HTTP."""

import asyncio
import json
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.query_engine import CitationQueryEngine
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from pydantic import BaseModel

from azureai_core import (
    AzureAIError,
    ContentFilterError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    UnprocessableEntityError,
)
from llamaindex_azureai import AzureAI, AzureAIEmbedding, AzureAIMultiModalEmbedding

PLACES = [
    ("serverless/mistral-large-2411", None),
    ("models", "gpt-4o"),
    ("openai/v1", "gpt-4o"),
    ("openai/deployments/gpt-4o", None),
]


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


TOOLS = [FunctionTool.from_defaults(add), FunctionTool.from_defaults(multiply)]


class Sum(BaseModel):
    """The result of an addition."""

    total: int


@pytest.fixture(params=PLACES, ids=lambda place: place[0])
def chat(request, emulator):
    """The same model on each kind of endpoint."""
    path, model = request.param
    return AzureAI(f"{emulator.url}/{path}", emulator.key, model=model)


@pytest.fixture
def gpt(emulator):
    return AzureAI(f"{emulator.url}/openai/v1", emulator.key, model="gpt-4o")


@pytest.fixture
def index(emulator):
    embed_model = AzureAIEmbedding(f"{emulator.url}/serverless/cohere-embed-v3-english", emulator.key)
    texts = ["The Eiffel tower stands in Paris.", "Mount Fuji is in Japan.", "The Nile flows through Egypt."]
    return VectorStoreIndex.from_documents([Document(text=text) for text in texts], embed_model=embed_model)


# ---------------------------------------------------------------------------- retrieval


async def test_rag_with_sources(chat, index, caller):
    """The question finds its text, and the answer is of the model."""
    engine = index.as_query_engine(llm=chat, similarity_top_k=1)
    response = await caller(engine, "query", "Where does the Eiffel tower stand?")

    assert "Eiffel" in response.source_nodes[0].get_content()
    assert "Paris" in str(response)


async def test_rag_streams_its_answer(chat, index):
    """Token by token, to the same text."""
    engine = index.as_query_engine(llm=chat, similarity_top_k=1, streaming=True)
    sync = "".join(await asyncio.to_thread(lambda: list(engine.query("Where is Mount Fuji?").response_gen)))
    response = await engine.aquery("Where is Mount Fuji?")
    text = "".join([token async for token in response.async_response_gen()])

    assert sync == text
    assert "Japan" in text


async def test_citations(gpt, index, caller):
    """The engine numbers its sources."""
    engine = CitationQueryEngine.from_args(index, llm=gpt, similarity_top_k=2)
    response = await caller(engine, "query", "Where is Mount Fuji?")

    assert response.source_nodes[0].get_text().startswith("Source 1:")
    assert str(response)


@pytest.mark.parametrize("mode", ["simple", "context", "condense_question", "condense_plus_context"])
async def test_chat_engines_stream(gpt, index, memory, mode):
    """Two turns each; the second one knows the first."""
    engine = index.as_chat_engine(chat_mode=mode, llm=gpt, memory=memory, similarity_top_k=1)
    for question in ("Where is Mount Fuji?", "And the Nile?"):
        response = await engine.astream_chat(question)
        assert "".join([token async for token in response.async_response_gen()])

    assert [m.role.value for m in engine.chat_history] == ["user", "assistant"] * 2


async def test_exact_counts_through_a_query_engine(gpt, index, monkeypatch):
    """The handler has the service's numbers."""
    counter = TokenCountingHandler()
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([counter]))
    gpt.callback_manager = Settings.callback_manager
    engine = index.as_query_engine(llm=gpt, similarity_top_k=1, streaming=True)
    response = await engine.aquery("Where is Mount Fuji?")
    [token async for token in response.async_response_gen()]

    reference = await gpt.achat([ChatMessage(content="x")])
    assert counter.prompt_llm_token_count > 20
    assert counter.completion_llm_token_count > 5
    assert reference.raw["usage"]["prompt_tokens"] > 0


# ---------------------------------------------------------------------------- agents


async def test_a_streaming_agent_uses_its_tool(chat):
    """Two requests, one tool run, deltas on the way, usage at the end."""
    agent = FunctionAgent(llm=chat, tools=TOOLS, system_prompt="You calculate.")
    handler = agent.run("What is 2 + 3? Use the tool add.")
    events = [event async for event in handler.stream_events()]
    output = await handler

    results = [event for event in events if isinstance(event, ToolCallResult)]
    assert [(r.tool_name, r.tool_output.raw_output) for r in results] == [("add", 5)]
    assert "5" in str(output)
    streamed = [event for event in events if isinstance(event, AgentStream)]
    assert streamed[-1].response == str(output)
    assert "".join(event.delta for event in streamed) == str(output)


async def test_an_agent_without_streaming(chat):
    """The same without deltas."""
    agent = FunctionAgent(llm=chat, tools=TOOLS, streaming=False)
    assert "5" in str(await agent.run("What is 2 + 3? Use the tool add."))


def scripted_agent(service, llm, *replies, **options):
    service.will(*replies)
    return FunctionAgent(llm=llm, tools=TOOLS, **options)


def _streamed_calls(service, *calls):
    deltas = [{"tool_calls": [{**call, "index": n}]} for n, call in enumerate(calls)]
    return service.streams(*deltas, finish="tool_calls")


async def test_parallel_calls_run_once_each(service, llm):
    """Two calls in one answer, two tool messages in the next request, ids matching."""
    calls = [service.call("c1", "add", {"a": 1, "b": 2}), service.call("c2", "multiply", {"a": 3, "b": 4})]
    agent = scripted_agent(service, llm, _streamed_calls(service, *calls), service.streams("3 and 12"))
    output = await agent.run("Both, please")

    sent = service.last.body["messages"]
    assert str(output) == "3 and 12"
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool"]
    assert [c["id"] for c in sent[1]["tool_calls"]] == ["c1", "c2"]
    assert sorted((m["tool_call_id"], m["content"]) for m in sent[2:]) == [("c1", "3"), ("c2", "12")]
    assert len(service.requests) == 2


@pytest.mark.parametrize("streaming", [True, False])
async def test_initial_tool_choice_names_a_tool(service, llm, streaming):
    """In the first request only."""
    call = service.call("c1", "add", {"a": 1, "b": 2})
    replies = (
        [_streamed_calls(service, call), service.streams("3")]
        if streaming
        else [service.says(None, [call]), service.says("3")]
    )
    agent = scripted_agent(service, llm, *replies, initial_tool_choice="add", streaming=streaming)

    assert str(await agent.run("1 + 2?")) == "3"
    named = {"type": "function", "function": {"name": "add"}}
    assert [r.body["tool_choice"] for r in service.requests] == [named, "auto"]


async def test_output_cls(service, make_llm):
    """A third request asks for the object, by the model's best mechanism."""
    llm = make_llm(model="gpt-4o")
    call = service.call("c1", "add", {"a": 1, "b": 2})
    agent = scripted_agent(
        service, llm, _streamed_calls(service, call), service.streams("3"), service.says('{"total": 3}'), output_cls=Sum
    )
    output = await agent.run("1 + 2?")

    assert output.structured_response == {"total": 3}
    assert service.last.body["response_format"]["json_schema"]["name"] == "Sum"


async def test_output_cls_on_the_emulator(chat):
    """Whatever the endpoint: an object of the class."""
    agent = FunctionAgent(llm=chat, tools=TOOLS, output_cls=Sum)
    output = await agent.run("What is 2 + 3? Use the tool add.")

    assert isinstance(output.get_pydantic_model(Sum), Sum)


async def test_a_workflow_hands_off(service, llm):
    """A hands over to B, B uses its tool, B answers; the history stays valid."""
    handoff = service.call("c1", "handoff", {"to_agent": "B", "reason": "sums"})
    service.will(
        _streamed_calls(service, handoff),
        _streamed_calls(service, service.call("c2", "add", {"a": 1, "b": 2})),
        service.streams("3"),
    )
    a = FunctionAgent(name="A", description="talks", llm=llm, tools=[], can_handoff_to=["B"])
    b = FunctionAgent(name="B", description="adds", llm=llm, tools=TOOLS)
    output = await AgentWorkflow(agents=[a, b], root_agent="A").run("1 + 2?")

    assert str(output) == "3"
    assert [len(r.body.get("tools", [])) for r in service.requests] == [1, 3, 3]
    messages = service.last.body["messages"]
    calls = [c["id"] for m in messages for c in m.get("tool_calls", [])]
    assert calls == [m["tool_call_id"] for m in messages if m["role"] == "tool"] == ["c1", "c2"]


async def test_a_react_agent_needs_no_tools(service, llm):
    """Observations come back as user messages; no `tools` key leaves."""
    service.will(
        service.streams('Thought: I add.\nAction: add\nAction Input: {"a": 1, "b": 2}'),
        service.streams("Thought: I can answer without using any more tools.\nAnswer: 3"),
    )
    output = await ReActAgent(llm=llm, tools=TOOLS).run("1 + 2?")

    assert str(output) == "3"
    assert all("tools" not in r.body for r in service.requests)
    assert "Observation: 3" in service.last.body["messages"][-1]["content"]


async def test_a_model_without_tools_gets_a_react_agent(emulator):
    """The workflow picks by the model's metadata."""
    phi = AzureAI(f"{emulator.url}/serverless/phi-3-mini-4k-instruct", emulator.key)
    workflow = AgentWorkflow.from_tools_or_functions([add], llm=phi)

    assert [type(agent) for agent in workflow.agents.values()] == [ReActAgent]


async def test_reasoning_is_streamed_to_the_agents_events(service, llm):
    """AgentStream has a field for it."""
    service.will(service.streams({"reasoning_content": "Hm."}, "3"))
    handler = FunctionAgent(llm=llm, tools=TOOLS).run("1 + 2?")
    events = [event async for event in handler.stream_events() if isinstance(event, AgentStream)]

    assert [event.thinking_delta for event in events] == ["Hm.", None, None]
    assert str(await handler) == "3"


# ---------------------------------------------------------------------------- memory


@pytest.fixture
async def memory():
    """A database memory that is closed; the framework leaves that to the garbage collector."""
    memory = Memory.from_defaults(session_id="s", token_limit=4000)
    yield memory
    await memory.sql_store._async_engine.dispose()


@pytest.mark.filterwarnings("ignore::workflows.context.state_store.UnserializableKeyWarning")  # memory is never dumped
async def test_a_context_goes_through_json(chat, memory):
    """Run, dump, load, continue: the next request is valid on a strict service."""
    agent = FunctionAgent(llm=chat, tools=TOOLS)
    context = Context(agent)
    await agent.run("What is 2 + 3? Use the tool add.", ctx=context, memory=memory)
    again = Context.from_dict(agent, json.loads(json.dumps(context.to_dict())))

    assert "8" in str(await agent.run("What is 4 + 4? Use the tool add.", ctx=again, memory=memory))


async def test_memory_in_a_database(chat, memory):
    """Messages are written as JSON and read back the same; the next request is valid."""
    agent = FunctionAgent(llm=chat, tools=TOOLS)
    for question, answer in (("What is 2 + 3? Use the tool add.", "5"), ("What is 4 + 4? Use the tool add.", "8")):
        assert answer in str(await agent.run(question, memory=memory))
    messages = await memory.aget()

    assert [m.role.value for m in messages] == ["user", "assistant", "tool", "assistant"] * 2
    assert [ChatMessage.model_validate_json(m.model_dump_json()) for m in messages] == messages


# ---------------------------------------------------------------------------- images, errors


async def test_an_image_is_seen(gpt, caller, png):
    """The emulator describes what it was sent."""
    blocks = [TextBlock(text="What is in this image?"), ImageBlock(image=png)]
    response = await caller(gpt, "chat", [ChatMessage(role="user", blocks=blocks)])

    assert response.message.content


async def test_image_embeddings(emulator, caller, png):
    """One vector per image, of the text model's length."""
    model = AzureAIMultiModalEmbedding(f"{emulator.url}/serverless/cohere-embed-v3-english", emulator.key)
    [vector] = await caller(model, "get_image_embedding_batch", [png])

    assert len(vector) == len(await caller(model, "get_query_embedding", "a dot"))


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


FILTERED = {
    "error": {
        "code": "content_filter",
        "message": "filtered",
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True}},
        },
    }
}


@pytest.mark.parametrize("streaming", [True, False])
async def test_errors_surface_through_agents(service, llm, streaming):
    """The typed error is reachable from whatever the workflow raises."""
    service.will(service.fails(400, FILTERED))
    agent = FunctionAgent(llm=llm, tools=TOOLS, streaming=streaming)
    with pytest.raises(Exception) as caught:
        await agent.run("q")

    [error] = [e for e in _chain(caught.value) if isinstance(e, AzureAIError)][:1]
    assert isinstance(error, ContentFilterError)
    assert (error.status_code, list(error.categories)) == (400, ["violence"])


@pytest.fixture(scope="session")
def png():
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


async def test_three_loops_of_agents(emulator):
    """An agent per `asyncio.run`, one model."""
    llm = AzureAI(f"{emulator.url}/models", emulator.key, model="gpt-4o")

    async def once():
        return str(await FunctionAgent(llm=llm, tools=TOOLS).run("What is 2 + 3? Use the tool add."))

    answers = [await asyncio.to_thread(asyncio.run, once()) for _ in range(3)]
    assert all("5" in answer for answer in answers)


# ---------------------------------------------------------------------------- requests, counted, in both dialects


@pytest.fixture(params=["models", "openai/v1"])
def place(request):
    """A dialect by its path."""
    return request.param


@pytest.fixture
def scripted(service, make_llm, place):
    """Chat and embeddings on the scripted service."""
    embed_model = AzureAIEmbedding(f"{service.url}/{place}", service.key, model="m", embed_batch_size=2)
    return make_llm(f"/{place}", model="gpt-4o"), embed_model


def _routes(service):
    return [request.path.partition("?")[0].rpartition("/")[2] for request in service.requests]


def _indexed(embed_model, count=5):
    texts = [Document(text=f"Passage {n}") for n in range(count)]
    return VectorStoreIndex.from_documents(texts, embed_model=embed_model)


async def test_rag_by_requests(service, scripted, caller, monkeypatch):
    """One request per batch of nodes, one for the question, one for the answer; exact counts."""
    llm, embed_model = scripted
    counter = TokenCountingHandler()
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([counter]))
    index = await asyncio.to_thread(_indexed, embed_model)
    response = await caller(index.as_query_engine(llm=llm, similarity_top_k=2), "query", "What?")

    assert str(response) == "Paris."
    assert _routes(service) == ["embeddings"] * 4 + ["completions"]
    assert [len(r.body["input"]) for r in service.requests[:4]] == [2, 2, 1, 1]
    assert [m["role"] for m in service.last.body["messages"]] == ["system", "user"]
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (11, 7)


async def test_many_large_passages_are_one_request(service, scripted, caller):
    """The window is the model's, not 3,900 tokens."""
    llm, embed_model = scripted
    texts = [Document(text=f"Passage {n} " + "word " * 900) for n in range(10)]
    index = await asyncio.to_thread(VectorStoreIndex.from_documents, texts, embed_model=embed_model)
    await caller(index.as_query_engine(llm=llm, similarity_top_k=10), "query", "What?")

    assert _routes(service).count("completions") == 1


async def test_citations_by_requests(service, scripted, caller):
    """Numbered passages leave; the answer refers to them."""
    llm, embed_model = scripted
    index = await asyncio.to_thread(_indexed, embed_model, 2)
    service.will(service.embeds(["What?"]), service.says("It is so [1]."))
    response = await caller(CitationQueryEngine.from_args(index, llm=llm, similarity_top_k=2), "query", "What?")

    assert _routes(service) == ["embeddings", "embeddings", "completions"]
    assert "Source 1:" in json.dumps(service.last.body["messages"])
    assert str(response) == "It is so [1]."


TURNS = {
    "simple": [["completions"], ["completions"]],
    "context": [["embeddings", "completions"]] * 2,
    "condense_question": [["embeddings", "completions"], ["completions", "embeddings", "completions"]],
    "condense_plus_context": [["embeddings", "completions"], ["completions", "embeddings", "completions"]],
}


@pytest.mark.parametrize("mode", TURNS)
async def test_chat_engines_by_requests(service, scripted, memory, mode):
    """What each turn sends, in order; the streamed answer is the last of it."""
    llm, embed_model = scripted
    index = await asyncio.to_thread(_indexed, embed_model, 2)
    engine = index.as_chat_engine(chat_mode=mode, llm=llm, memory=memory, similarity_top_k=1)
    turns = []
    for question in ("One?", "Two?"):
        before = len(service.requests)
        response = await engine.astream_chat(question)
        assert "".join([token async for token in response.async_response_gen()]) == "Paris."
        turns.append(_routes(service)[before:])
        assert service.last.body["stream"] is True

    expected = TURNS[mode]
    if mode == "condense_question":  # without a history there is nothing to condense
        expected = [turns[0], expected[1]]
        assert turns[0][-2:] == ["embeddings", "completions"]
    assert turns == expected


def test_a_sync_streaming_chat_engine_joins_its_thread(scripted):
    """And its history has the answer."""
    engine = _indexed(scripted[1], 2).as_chat_engine(
        chat_mode="context", llm=scripted[0], memory=ChatMemoryBuffer.from_defaults(token_limit=4000)
    )
    response = engine.stream_chat("One?")
    text = "".join(response.response_gen)

    assert (text, [m.role.value for m in engine.chat_history]) == ("Paris.", ["user", "assistant"])


DETAIL = {
    "detail": [{"type": "extra_forbidden", "loc": ["body", "logit_bias"], "msg": "Extra inputs are not permitted"}]
}
FAILURES = {
    "filter": ([(400, FILTERED)], ContentFilterError, 400, 1),
    "unprocessable": ([(422, DETAIL)], UnprocessableEntityError, 422, 1),
    "rate": ([(429, {"error": {"message": "slow down"}})] * 3, RateLimitError, 429, 3),
    "server": ([(500, {"error": {"message": "oops"}})] * 3, ServerError, 500, 3),
}


@pytest.mark.parametrize("wrapper", ["function agent", "workflow", "react agent", "chat engine"])
@pytest.mark.parametrize("failure", FAILURES)
async def test_typed_errors_reach_the_user(service, make_llm, place, wrapper, failure):
    """Through whatever stands around the model, with the status, after the retries that were asked for."""
    replies, kind, status, count = FAILURES[failure]
    llm = make_llm(f"/{place}", model="gpt-4o", max_retries=2)
    service.will(*[service.fails(status, body, retry_after="0") for status, body in replies])
    runs = {
        "function agent": lambda: FunctionAgent(llm=llm, tools=TOOLS).run("q"),
        "workflow": lambda: AgentWorkflow(agents=[FunctionAgent(llm=llm, tools=TOOLS)]).run("q"),
        "react agent": lambda: ReActAgent(llm=llm, tools=TOOLS).run("q"),
        "chat engine": lambda: SimpleChatEngine.from_defaults(
            llm=llm, memory=ChatMemoryBuffer.from_defaults(token_limit=4000)
        ).achat("q"),
    }
    with pytest.raises(Exception) as caught:
        await runs[wrapper]()

    [error] = [e for e in _chain(caught.value) if isinstance(e, AzureAIError)][:1]
    assert (type(error), error.status_code) == (kind, status)
    assert len(service.requests) == count


async def test_a_cut_stream_reaches_the_user_with_its_text(service, make_llm, place):
    """The part that came is not lost."""
    reply = service.streams("Par")
    service.will(replace(reply, frames=reply.frames[:3], done=False))
    with pytest.raises(Exception) as caught:
        await FunctionAgent(llm=make_llm(f"/{place}", model="gpt-4o"), tools=TOOLS).run("q")

    [error] = [e for e in _chain(caught.value) if isinstance(e, StreamInterruptedError)][:1]
    assert error.partial.content == "Par"


async def test_agents_that_stop_early_give_valid_requests(service, make_llm):
    """A closing system message after a tool's result: Mistral wants it at the beginning."""
    if "early_stopping_method" not in FunctionAgent.model_fields:
        pytest.skip("agents of this version of the framework do not stop early")
    call = service.call("c1", "add", {"a": 1, "b": 2})
    service.will(*[_streamed_calls(service, call)] * 2, service.streams("3"))
    agent = FunctionAgent(llm=make_llm(model="mistral-large-2411"), tools=TOOLS, early_stopping_method="generate")
    output = await agent.run("1 + 2?", max_iterations=2)

    assert str(output)
    assert [m["role"] for m in service.last.body["messages"]][-1] in {"tool", "user"}


async def test_a_direct_result_leaves_no_trace(service, make_llm, place):
    """The next turn has no id of a call on an assistant message."""
    tool = FunctionTool.from_defaults(add, return_direct=True)
    llm = make_llm(f"/{place}", model="gpt-4o")
    service.will(_streamed_calls(service, service.call("c1", "add", {"a": 1, "b": 2})))
    memory = ChatMemoryBuffer.from_defaults(token_limit=4000)
    agent = FunctionAgent(llm=llm, tools=[tool])

    assert str(await agent.run("1 + 2?", memory=memory)) == "3"
    await agent.run("And?", memory=memory)
    assert all("tool_call_id" not in m for m in service.last.body["messages"] if m["role"] != "tool")


# ---------------------------------------------------------------------------- every model of the emulator


def _deployments(emulator):
    request = Request(f"{emulator.url}/deployments", headers={"api-key": emulator.key})
    with urlopen(request) as answer:
        return json.load(answer)


WITH_TOOLS = [
    "mistral-large-2411",
    "gpt-4o",
    "gpt-reasoning",
    "cohere-command-r-plus",
    "jamba-1.5-large",
    "jais-30b-chat",
    "gpt-4o-mini",
]
WITHOUT_TOOLS = ["phi-3-mini-4k-instruct", "deepseek-r1", "llama-3.3-70b-instruct"]


@pytest.fixture
def on_emulator(emulator):
    """A model by its deployment's name, at a URL of its own or the shared one."""

    def make(name, **options):
        found = next(d for d in _deployments(emulator) if d["name"] == name)
        urls = found["urls"]
        url = next(iter(urls.values())) if isinstance(urls, dict) else urls[0]
        return AzureAI(url, emulator.key, model=name, **options)

    return make


@pytest.mark.parametrize("name", WITH_TOOLS)
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
async def test_a_function_agent_on_every_model_with_tools(on_emulator, name, streaming):
    """Two turns: the second one follows a tool's result in the history."""
    agent = FunctionAgent(llm=on_emulator(name), tools=TOOLS, streaming=streaming)
    memory = ChatMemoryBuffer.from_defaults(token_limit=4000)
    first = await agent.run("What is 2 + 3? Use the tool add.", memory=memory)
    second = await agent.run("What is 4 + 4? Use the tool add.", memory=memory)

    assert ("5" in str(first), "8" in str(second)) == (True, True)


@pytest.mark.parametrize("name", WITH_TOOLS)
async def test_an_object_from_an_agent_on_every_model(on_emulator, name):
    """By whatever mechanism the model has."""
    output = await FunctionAgent(llm=on_emulator(name), tools=TOOLS, output_cls=Sum).run("What is 2 + 3? Use add.")

    assert isinstance(output.get_pydantic_model(Sum), Sum)


@pytest.mark.parametrize("name", WITH_TOOLS)
async def test_a_hand_off_on_every_model(on_emulator, name):
    """The history of one agent is valid for the other."""
    llm = on_emulator(name)
    a = FunctionAgent(
        name="A", description="talks", llm=llm, tools=[], can_handoff_to=["B"], initial_tool_choice="handoff"
    )
    b = FunctionAgent(name="B", description="adds", llm=llm, tools=TOOLS, initial_tool_choice="add", can_handoff_to=[])
    handler = AgentWorkflow(agents=[a, b], root_agent="A").run("Hand off to B. B: what is 2 + 3? Use the tool add.")
    used = [event.tool_name async for event in handler.stream_events() if isinstance(event, ToolCallResult)]

    assert str(await handler)
    assert used[0] == "handoff"


def _is_right(name, output):
    """Phi-3 has no system role: its instructions stand in the question, where the emulator finds no numbers."""
    return str(output) if name.startswith("phi-3") else "5" in str(output)


@pytest.mark.parametrize("name", [*WITH_TOOLS, *WITHOUT_TOOLS])
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
async def test_a_react_agent_on_every_model(on_emulator, name, streaming):
    """Tools by prompt alone."""
    agent = ReActAgent(llm=on_emulator(name), tools=TOOLS, streaming=streaming)
    handler = agent.run("What is 2 + 3? Use the tool add.")
    used = [event.tool_name async for event in handler.stream_events() if isinstance(event, ToolCallResult)]

    assert used[0] == "add"
    assert _is_right(name, await handler)


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
async def test_a_function_agent_on_a_model_that_ignores_tools_answers_in_text(on_emulator, streaming):
    """Llama takes tools and never calls one: whoever insists on them gets words, and the agent ends."""
    llm = on_emulator("llama-3.3-70b-instruct", is_function_calling_model=True)
    handler = FunctionAgent(llm=llm, tools=TOOLS, streaming=streaming).run("What is 2 + 3? Use the tool add.")
    used = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]

    assert str(await handler)
    assert used == []


@pytest.mark.parametrize("name", WITHOUT_TOOLS)
async def test_a_workflow_picks_react_without_tools(on_emulator, name):
    """By the model's metadata, and it works."""
    workflow = AgentWorkflow.from_tools_or_functions([add], llm=on_emulator(name))

    assert [type(agent) for agent in workflow.agents.values()] == [ReActAgent]
    assert _is_right(name, await workflow.run("What is 2 + 3? Use the tool add."))


def test_all_models_of_the_emulator_are_tried(emulator):
    """A new one with tools must not be forgotten."""
    listed = {d["name"] for d in _deployments(emulator)}

    assert {*WITH_TOOLS, *WITHOUT_TOOLS} <= listed
