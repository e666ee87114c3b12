"""Checks of agents, workflows and memory over real HTTP: how many requests, in which order, with what in them."""
# ruff: noqa: PLR2004  expected numbers stand in the assertion

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.memory import Memory
from llama_index.core.tools import BaseTool, FunctionTool
from llama_index.core.workflow import Context

from ._base import everything_said_by, quietly, status_of
from ._llm import FILTERED
from ._replies import Reply, calls, chunk, fails, gives, says
from ._service import ScriptedService
from ._tools import ADD, MULTIPLY, PARIS, TOOLS, City, ToolConformance, add

AGENT_TOOLS: list[BaseTool | Callable[..., Any]] = [*TOOLS]
NAMED_ADD = {"type": "function", "function": {"name": "add"}}
STREAMING = pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])


async def _run(agent: Any, question: str, **options: Any) -> tuple[Any, list[Any]]:
    """The output of a run and its events."""
    handler = agent.run(question, **options)
    events = [event async for event in handler.stream_events()]
    return await handler, events


@asynccontextmanager
async def _memory() -> AsyncIterator[Memory]:
    """A database memory that is closed; the framework leaves that to the garbage collector."""
    memory = Memory.from_defaults(session_id="s", token_limit=4000)
    yield memory
    store: Any = memory.sql_store
    await store._async_engine.dispose()  # noqa: SLF001  no public way


class FunctionCallingConformance(ToolConformance):
    """What a chat model with tools must do; includes all checks of `LLMConformance`."""

    @STREAMING
    def test_an_agent_uses_its_tool(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner, streaming: bool
    ) -> None:
        """Two requests; the second has the call and its result under one id; the usage is in the output."""
        service.will(calls(ADD), says("The sum is 3."))
        agent = FunctionAgent(llm=model, tools=AGENT_TOOLS, system_prompt="You add.", streaming=streaming)
        output, events = runner.run(_run(agent, "1 + 2?"))
        first, second = service.bodies

        assert str(output) == "The sum is 3."
        assert [(e.tool_name, e.tool_output.raw_output) for e in events if isinstance(e, ToolCallResult)] == [
            ("add", 3)
        ]
        assert [bool(body.get("stream")) for body in (first, second)] == [streaming] * 2
        assert first.get("tool_choice", "auto") == "auto"
        assert [m["role"] for m in second["messages"]] == ["system", "user", "assistant", "tool"]
        assert second["messages"][2]["tool_calls"][0]["id"] == second["messages"][3]["tool_call_id"] == "c1"
        assert output.raw["usage"]["total_tokens"] == 18

    def test_an_agent_streams_its_answer(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """In several events; the calls are listed in the events before."""
        service.will(calls(ADD), says("The sum is 3."))
        _, events = runner.run(_run(FunctionAgent(llm=model, tools=AGENT_TOOLS), "1 + 2?"))
        streamed = [event for event in events if isinstance(event, AgentStream)]

        assert "".join(event.delta for event in streamed) == streamed[-1].response == "The sum is 3."
        assert [c.tool_name for event in streamed for c in event.tool_calls][-1] == "add"

    @STREAMING
    def test_parallel_calls_run_once_each(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner, streaming: bool
    ) -> None:
        """Two tool messages in the second request."""
        if not self.has_parallel_calls:
            pytest.skip("no parallel calls")
        service.will(calls(ADD, MULTIPLY), says("3 and 12"))
        agent = FunctionAgent(llm=model, tools=AGENT_TOOLS, streaming=streaming)
        output, _ = runner.run(_run(agent, "Both"))
        sent = service.last.body["messages"]

        assert (str(output), len(service.requests)) == ("3 and 12", 2)
        assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool"]
        assert sorted((m["tool_call_id"], m["content"]) for m in sent[2:]) == [("c1", "3"), ("c2", "12")]

    @STREAMING
    def test_the_initial_tool_choice_is_named(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner, streaming: bool
    ) -> None:
        """In the first request only."""
        service.will(calls(ADD), says("3"))
        agent = FunctionAgent(llm=model, tools=AGENT_TOOLS, initial_tool_choice="add", streaming=streaming)
        runner.run(_run(agent, "1 + 2?"))

        assert [body.get("tool_choice", "auto") for body in service.bodies] == [NAMED_ADD, "auto"]

    @STREAMING
    def test_an_agent_gives_an_object(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner, streaming: bool
    ) -> None:
        """A third request asks for it."""
        service.will(calls(ADD), says("Paris"), gives(PARIS))
        agent = FunctionAgent(llm=model, tools=AGENT_TOOLS, output_cls=City, streaming=streaming)
        output, _ = runner.run(_run(agent, "Which city?"))

        assert output.structured_response == PARIS
        assert len(service.requests) == 3

    def test_a_workflow_hands_off(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """A hands over, B uses its tool and answers; three requests, and a history that strict services take."""
        service.will(calls(("h1", "handoff", {"to_agent": "B", "reason": "sums"})), calls(ADD), says("3"))
        a = FunctionAgent(name="A", description="talks", llm=model, tools=[], can_handoff_to=["B"])
        b = FunctionAgent(name="B", description="adds", llm=model, tools=AGENT_TOOLS)
        output, _ = runner.run(_run(AgentWorkflow(agents=[a, b], root_agent="A"), "1 + 2?"))
        messages = service.last.body["messages"]
        asked = [call["id"] for m in messages for call in m.get("tool_calls") or []]

        assert str(output) == "3"
        assert [len(body.get("tools", [])) for body in service.bodies] == [1, 3, 3]
        assert asked == [m["tool_call_id"] for m in messages if m["role"] == "tool"] == ["h1", "c1"]

    def test_a_workflow_picks_a_function_agent(self, model: FunctionCallingLLM) -> None:
        """And does not quietly fall back to prompts."""
        workflow = AgentWorkflow.from_tools_or_functions([add], llm=model)

        assert [type(agent) for agent in workflow.agents.values()] == [FunctionAgent]

    @STREAMING
    def test_a_react_agent(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner, streaming: bool
    ) -> None:
        """Two requests without tools; what the tool gave comes back as a user message."""
        service.will(
            says('Thought: I add.\nAction: add\nAction Input: {"a": 1, "b": 2}'),
            says("Thought: I can answer without using any more tools.\nAnswer: 3"),
        )
        output, _ = runner.run(_run(ReActAgent(llm=model, tools=AGENT_TOOLS, streaming=streaming), "1 + 2?"))

        assert str(output) == "3"
        assert [("tools" in body, bool(body.get("stream"))) for body in service.bodies] == [(False, streaming)] * 2
        assert (service.last.body["messages"][-1]["role"], "Observation: 3") == (
            "user",
            service.last.body["messages"][-1]["content"].strip(),
        )

    def test_reasoning_reaches_the_events(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """They have a field for it."""
        if not self.has_reasoning:
            pytest.skip("no reasoning")
        service.will(says("3", thinking="One and two."))
        output, events = runner.run(_run(FunctionAgent(llm=model, tools=AGENT_TOOLS), "1 + 2?"))

        assert "".join(e.thinking_delta or "" for e in events if isinstance(e, AgentStream)) == "One and two."
        assert str(output) == "3"

    def test_empty_arguments_call_a_tool_without_parameters(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """Some models send an empty text instead of `{}`."""
        service.will(calls(("c1", "now", "")), says("noon"))
        tool = FunctionTool.from_defaults(lambda: "12:00", name="now", description="The time.")
        output, events = runner.run(_run(FunctionAgent(llm=model, tools=[tool]), "What time is it?"))

        assert [e.tool_output.raw_output for e in events if isinstance(e, ToolCallResult)] == ["12:00"]
        assert str(output) == "noon"

    @STREAMING
    def test_errors_reach_the_user_of_an_agent(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner, streaming: bool
    ) -> None:
        """With their status, and the reason in the text."""
        service.will(*[fails(400, FILTERED)] * 3)
        with pytest.raises(Exception, match="filtered") as caught:
            runner.run(_run(FunctionAgent(llm=model, tools=AGENT_TOOLS, streaming=streaming), "1 + 2?"))

        assert status_of(caught.value) == 400
        assert "violence" in everything_said_by(caught.value)

    def test_a_cut_stream_reaches_the_user_of_an_agent(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """Half an answer is not the agent's answer."""
        service.will(Reply(events=[chunk({"content": "Par"})], cut=True))
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever the class raises
            runner.run(_run(FunctionAgent(llm=model, tools=AGENT_TOOLS), "1 + 2?"))

    # ------------------------------------------------------------------ memory

    def test_a_memory_in_a_database(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """Messages are written as JSON and read back; the next turn is valid on a strict service."""
        service.will(calls(ADD), says("3"), calls(MULTIPLY), says("12"))

        async def two_turns() -> list[str]:
            async with _memory() as memory:
                agent = FunctionAgent(llm=model, tools=AGENT_TOOLS)
                return [str((await _run(agent, q, memory=memory))[0]) for q in ("1 + 2?", "3 * 4?")]

        assert runner.run(two_turns()) == ["3", "12"]
        assert [m["role"] for m in service.last.body["messages"]] == [
            "user", "assistant", "tool", "assistant", "user", "assistant", "tool",
        ]  # fmt: skip

    @pytest.mark.filterwarnings("ignore::Warning")  # the framework says that the memory is not part of what is dumped
    def test_a_context_goes_through_json(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """Run, dump, load, continue."""
        service.will(calls(ADD), says("3"), says("It was 3."))

        async def continued() -> str:
            agent = FunctionAgent(llm=model, tools=AGENT_TOOLS)
            context = Context(agent)
            async with _memory() as memory:
                await _run(agent, "1 + 2?", ctx=context, memory=memory)
                again = Context.from_dict(agent, json.loads(json.dumps(context.to_dict())))
                return str((await _run(agent, "What was it?", ctx=again, memory=memory))[0])

        assert runner.run(continued()) == "It was 3."
        assert service.last.body["messages"][-1] == {"role": "user", "content": "What was it?"}
        assert [m["role"] for m in service.last.body["messages"]][:3] == ["user", "assistant", "tool"]

    def test_a_given_history_is_not_changed(
        self, service: ScriptedService, model: FunctionCallingLLM, runner: asyncio.Runner
    ) -> None:
        """It is the user's."""
        service.will(calls(ADD), says("3"))
        history = [ChatMessage(role=MessageRole.USER, content="hi"), says("hello")]
        before = [message.model_dump() for message in history]
        runner.run(_run(FunctionAgent(llm=model, tools=AGENT_TOOLS), "1 + 2?", chat_history=history))

        assert [message.model_dump() for message in history] == before

    def test_agents_in_three_event_loops(self, service: ScriptedService, model: FunctionCallingLLM) -> None:
        """An agent per `asyncio.run`, one model; no error, no warning."""

        def once() -> Coroutine[Any, Any, Any]:
            service.will(calls(ADD), says("3"))
            return _run(FunctionAgent(llm=model, tools=AGENT_TOOLS), "1 + 2?")

        with quietly():
            assert [str(asyncio.run(once())[0]) for _ in range(3)] == ["3"] * 3
