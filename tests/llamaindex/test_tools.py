"""Tools: what is asked for, and how calls are read (contract 1.3)."""

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


ADD = FunctionTool.from_defaults(add)
SPACED = FunctionTool.from_defaults(add, name="add two.numbers")


async def test_the_tool_spec_and_auto(service, llm, caller):
    """Name, description and schema leave; the model may choose."""
    await caller(llm, "chat_with_tools", [ADD], user_msg="2 + 3?")

    body = service.last.body
    assert body["messages"] == [{"role": "user", "content": "2 + 3?"}]
    assert body["tool_choice"] == "auto"
    assert body["tools"][0]["type"] == "function"
    assert (body["tools"][0]["function"]["name"], body["tools"][0]["function"]["parameters"]["required"]) == (
        "add",
        ["a", "b"],
    )


@pytest.mark.parametrize(
    ("options", "wire"),
    [
        ({"tool_required": True}, "required"),
        ({"tool_choice": None}, "auto"),
        ({"tool_choice": None, "tool_required": True}, "required"),
        ({"tool_choice": "none"}, "none"),
        ({"tool_choice": "required"}, "required"),
        ({"tool_choice": "add"}, {"type": "function", "function": {"name": "add"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "add"}}},
            {"type": "function", "function": {"name": "add"}},
        ),
    ],
)
@pytest.mark.parametrize("method", ["chat_with_tools", "stream_chat_with_tools"])
async def test_tool_choice(service, llm, caller, method, options, wire):
    """A word, a name, a dict, a requirement, or nothing; whole and streamed alike."""
    await (caller.listed if "stream" in method else caller)(llm, method, [ADD], user_msg="q", **options)

    assert service.last.body["tool_choice"] == wire


async def test_a_chosen_name_is_spelt_as_its_tool(service, llm, caller):
    """Names are sanitised in the spec, so the choice has to be too."""
    await caller(llm, "chat_with_tools", [SPACED], user_msg="q", tool_choice="add two.numbers")

    name = service.last.body["tools"][0]["function"]["name"]
    assert service.last.body["tool_choice"]["function"]["name"] == name


async def test_without_tools_nothing_about_tools_is_sent(service, llm, caller):
    """A lone tool_choice is refused by the service."""
    await caller(llm, "chat_with_tools", [], user_msg="q", tool_required=True)
    await caller(llm, "chat", [ChatMessage(content="q")], tools=[], tool_choice="auto", parallel_tool_calls=True)

    assert [set(r.body) for r in service.requests] == [{"messages", "model"}] * 2


async def test_the_history_is_not_changed_and_a_message_is_taken(service, llm, caller):
    """`user_msg` may be a string or a message; the caller's list stays as it is."""
    history = [ChatMessage(role="system", content="s")]
    await caller(llm, "chat_with_tools", [ADD], user_msg=ChatMessage(content="q"), chat_history=history)

    assert len(history) == 1
    assert [m["content"] for m in service.last.body["messages"]] == ["s", "q"]


async def test_parallel_tool_calls_is_sent_where_it_is_known(service, make_llm, caller):
    """Only when one call is wanted, only on OpenAI's routes, never to reasoning models. Source: llama_index#20865."""
    for path, model in [
        ("/openai/v1", "gpt-4o"),
        ("/openai/v1", "o3-mini"),
        ("/models", "gpt-4o"),
        ("/openai/v1", "mine"),
    ]:
        await caller(make_llm(path, model=model), "chat_with_tools", [ADD], user_msg="q")
    await caller(
        make_llm("/openai/v1", model="gpt-4o"), "chat_with_tools", [ADD], user_msg="q", allow_parallel_tool_calls=True
    )

    assert [r.body.get("parallel_tool_calls") for r in service.requests] == [False, None, None, None, None]
    assert all("allow_parallel_tool_calls" not in r.body for r in service.requests)


def _two_calls(service, *, streamed):
    calls = [service.call("c1", "add", {"a": 1, "b": 2}), service.call("c2", "add", {"a": 3, "b": 4})]
    if streamed:
        return service.streams(
            {"tool_calls": [{**call, "index": n} for n, call in enumerate(calls)]}, finish="tool_calls"
        )
    return service.says(None, calls)


@pytest.mark.parametrize("allowed", [True, False])
async def test_one_call_when_parallel_is_off(service, llm, caller, allowed):
    """Cut in blocks and dicts, whole and streamed, without touching the order of the rest."""
    service.will(_two_calls(service, streamed=False), _two_calls(service, streamed=True))
    whole = await caller(llm, "chat_with_tools", [ADD], user_msg="q", allow_parallel_tool_calls=allowed)
    streamed = (
        await caller.listed(llm, "stream_chat_with_tools", [ADD], user_msg="q", allow_parallel_tool_calls=allowed)
    )[-1]

    for response in (whole, streamed):
        ids = [call.tool_id for call in llm.get_tool_calls_from_response(response)]
        assert ids == (["c1", "c2"] if allowed else ["c1"])
        assert [call["id"] for call in response.message.additional_kwargs["tool_calls"]] == ids


async def test_no_call_is_an_error_only_when_asked(service, llm, user, caller):
    """The error shows what the model said instead."""
    response = await caller(llm, "chat", user)

    assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match=r"calls no tool: 'Paris\.'"):
        llm.get_tool_calls_from_response(response)


async def test_a_call_without_an_id_gets_one_that_comes_back(service, llm, caller):
    """The invented id of the answer is the id in the next request."""
    service.will(service.says(None, [service.call(None, "add", {"a": 1, "b": 2})]))
    response = await caller(llm, "chat_with_tools", [ADD], user_msg="q")
    [call] = llm.get_tool_calls_from_response(response)
    result = ChatMessage(role="tool", content="3", additional_kwargs={"tool_call_id": call.tool_id})
    await caller(llm, "chat", [response.message, result])

    sent = service.last.body["messages"]
    assert sent[0]["tool_calls"][0]["id"] == sent[1]["tool_call_id"] == call.tool_id


async def test_predict_and_call(service, llm, caller):
    """The picked tool runs."""
    service.will(service.says(None, [service.call("c1", "add", {"a": 2, "b": 3})]))
    response = await caller(llm, "predict_and_call", [ADD], user_msg="2 + 3?")

    assert (response.response, response.sources[0].raw_output) == ("5", 5)


async def test_predict_and_call_without_tool_support(service, make_llm, caller):
    """A model without tools is asked in words (ReAct), and no tools leave."""
    pytest.importorskip("llama_index.core.agent.workflow.agent_context")  # older ones need a running workflow
    text = 'Thought: I add.\nAction: add\nAction Input: {"a": 2, "b": 3}'
    service.will(service.streams(text))
    response = await caller(make_llm(model="phi-3-mini"), "predict_and_call", [ADD], user_msg="2 + 3?")

    assert response.response == "5"
    assert "tools" not in service.last.body
