"""LangGraph agents over every chat profile that has tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from azureai_core import BadRequestError
from azureai_emulator import Emulator
from langchain_azureai import ChatAzureAI

WITH_TOOLS = [
    ("/serverless/mistral-large-2411", None),
    ("/models", "mistral-large-2411"),
    ("/models", "gpt-4o"),
    ("/openai/deployments/gpt-4o", None),
    ("/openai/v1", "gpt-4o"),
    ("/openai/v1", "gpt-reasoning"),
    ("/models", "cohere-command-r-plus"),
    ("/models", "gpt-4o-mini"),
    ("/models", "jais-30b-chat"),
    ("/models", "jamba-1.5-large"),
]
over_every_model = pytest.mark.parametrize(("base", "name"), WITH_TOOLS)
QUESTION = {"messages": [HumanMessage("What is the weather in Paris, and what is 17 times 23?")]}


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def chat(emulator: Emulator, base: str, name: str | None, **arguments: Any) -> ChatAzureAI:
    # the deployment in the path says nothing of its model to the client, so `base_model` does
    return ChatAzureAI(
        endpoint=emulator.url + base, credential=emulator.key, model=name, base_model=name or base, **arguments
    )


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"sunny in {city}"


class Report(BaseModel):
    """A report on a city."""

    city: str
    weather: str


@over_every_model
async def test_both_tools_are_called_and_used(emulator: Emulator, base: str, name: str | None) -> None:
    """Sync and async runs of one agent, plain."""
    agent = create_agent(chat(emulator, base, name), tools=[get_weather, multiply])

    for messages in (agent.invoke(QUESTION)["messages"], (await agent.ainvoke(QUESTION))["messages"]):
        assert [m.content for m in messages if isinstance(m, ToolMessage)] == ["sunny in Paris", "391"]
        assert "391" in messages[-1].text


@over_every_model
async def test_an_agent_streams_its_tokens(emulator: Emulator, base: str, name: str | None) -> None:
    """`stream_mode="messages"` gives the answer piece by piece, tool calls before it."""
    agent = create_agent(chat(emulator, base, name), tools=[get_weather, multiply])

    streamed = [message for message, _ in agent.stream(QUESTION, stream_mode="messages")]
    streamed_async = [message async for message, _ in agent.astream(QUESTION, stream_mode="messages")]

    for messages in (streamed, streamed_async):
        chunks = [m for m in messages if isinstance(m, AIMessageChunk)]
        names = [call["name"] for chunk in chunks for call in chunk.tool_call_chunks if call["name"]]
        assert names == ["get_weather", "multiply"]
        assert "391" in "".join(chunk.text for chunk in chunks)


@over_every_model
async def test_an_agent_gives_a_structured_response(emulator: Emulator, base: str, name: str | None) -> None:
    """By a tool of the schema, which every profile here can do."""
    agent = create_agent(chat(emulator, base, name), tools=[get_weather], response_format=ToolStrategy(Report))

    result = await agent.ainvoke({"messages": [HumanMessage('Report on the city Paris, the weather is "fine"')]})

    assert isinstance(result["structured_response"], Report)


@over_every_model
async def test_a_checkpointed_conversation_goes_on(emulator: Emulator, base: str, name: str | None) -> None:
    """A new question after tool results, history from the checkpoint: models that refuse that order get a bridge."""
    agent = create_agent(chat(emulator, base, name), tools=[multiply], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}

    await agent.ainvoke({"messages": [HumanMessage("What is 17 times 23?")]}, thread)
    result = await agent.ainvoke({"messages": [HumanMessage("What is 3 times 5?")]}, thread)

    assert [m.content for m in result["messages"] if isinstance(m, ToolMessage)] == ["391", "15"]


@pytest.mark.parametrize("base", ["/models", "/serverless/llama-3.3-70b-instruct"])
async def test_an_agent_on_a_model_that_ignores_tools_answers_in_text(emulator: Emulator, base: str) -> None:
    """Llama takes tools and never calls one: one request with the tools in it, one answer, and the agent ends."""
    agent = create_agent(chat(emulator, base, "llama-3.3-70b-instruct"), tools=[get_weather, multiply])

    for messages in (agent.invoke(QUESTION)["messages"], (await agent.ainvoke(QUESTION))["messages"]):
        assert [message.type for message in messages] == ["human", "ai"]
        assert messages[-1].text
        assert messages[-1].tool_calls == []
    assert [len(request.body["tools"]) for request in emulator.requests] == [2, 2]


@pytest.mark.parametrize("repair", [None, True])
def test_a_user_message_right_after_a_tools_is_bridged_for_mistral(emulator: Emulator, repair: bool | None) -> None:
    """As an interrupted agent leaves it; Mistral refuses the order with code 3230."""
    history = [
        HumanMessage("What is 2 times 3?"),
        AIMessageChunk("", tool_calls=[{"name": "multiply", "args": {"a": 2, "b": 3}, "id": "abcdefghi"}]),
        ToolMessage("6", tool_call_id="abcdefghi"),
        HumanMessage("Thanks. And hello."),
    ]

    assert chat(emulator, "/models", "mistral-large-2411", repair_history=repair).invoke(history).text
    with pytest.raises(BadRequestError):
        chat(emulator, "/models", "mistral-large-2411", repair_history=False).invoke(history)


def test_a_supervisor_hands_work_to_an_agent_as_a_tool(emulator: Emulator) -> None:
    """An agent inside a tool of another agent, on one model instance."""
    model = chat(emulator, "/openai/v1", "gpt-4o")
    worker = create_agent(model, tools=[multiply])

    def calculate(task: str) -> str:
        """Calculate: multiply numbers, times, product."""
        return str(worker.invoke({"messages": [HumanMessage(task)]})["messages"][-1].text)

    supervisor = create_agent(model, tools=[calculate])
    result = supervisor.invoke({"messages": [HumanMessage("Calculate what 6 times 7 is")]})

    assert "42" in result["messages"][-1].text
