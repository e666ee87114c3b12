"""Checks of tools and structured output."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from ._base import Caller
from ._llm import LLMConformance
from ._replies import Json, calls, chunk, completion, frames, gives, says
from ._replies import Reply as RawReply
from ._service import ScriptedService

Make = Callable[..., FunctionCallingLLM]
TOOL_ENDPOINTS = ["chat_with_tools", "stream_chat_with_tools"]


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiplies two numbers."""
    return a * b


TOOLS = [FunctionTool.from_defaults(add), FunctionTool.from_defaults(multiply)]
ADD = ("c1", "add", {"a": 1, "b": 2})
MULTIPLY = ("c2", "multiply", {"a": 3, "b": 4})


class City(BaseModel):
    """A city."""

    name: str
    population: int


PARIS = {"name": "Paris", "population": 2_100_000}
PROMPT = PromptTemplate("Capital of {country}?")


class ToolConformance(LLMConformance):
    """Tools and structured output."""

    has_parallel_calls: ClassVar[bool] = True
    """Whether the class reads several calls of one answer."""

    def llm(self, base_url: str, key: str, **kwargs: Any) -> FunctionCallingLLM:
        """A model on the base URL, with the key."""
        raise NotImplementedError

    def _read(self, model: FunctionCallingLLM, response: ChatResponse) -> list[tuple[str, Any]]:
        found = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
        return [(call.tool_name, call.tool_kwargs) for call in found]

    def test_it_calls_functions(self, model: FunctionCallingLLM) -> None:
        """Else agents refuse it, or quietly take another way."""
        assert model.metadata.is_function_calling_model

    # ------------------------------------------------------------------ requests (contract 1.3)

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_tools_are_described(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """Name, text and schema; the choice is the model's."""
        caller.collected(model, method, TOOLS, user_msg="1 + 2?")
        spec = service.last.body["tools"][0]["function"]

        assert (spec["name"], sorted(spec["parameters"]["properties"])) == ("add", ["a", "b"])
        assert "Adds two numbers." in spec["description"]
        assert service.last.body.get("tool_choice", "auto") == "auto"

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    @pytest.mark.parametrize(
        ("options", "wire"),
        [
            ({"tool_required": True}, "required"),
            ({"tool_choice": "none"}, "none"),
            ({"tool_choice": "required"}, "required"),
            ({"tool_choice": "add"}, {"type": "function", "function": {"name": "add"}}),
            (
                {"tool_choice": {"type": "function", "function": {"name": "add"}}},
                {"type": "function", "function": {"name": "add"}},
            ),
            ({"tool_choice": None, "tool_required": True}, "required"),
        ],
        ids=["tool_required", "none", "required", "name", "dict", "null"],
    )
    def test_tool_choice(
        self,
        service: ScriptedService,
        model: FunctionCallingLLM,
        caller: Caller,
        method: str,
        options: dict[str, Any],
        wire: Any,
    ) -> None:
        """As the framework passes it: words, a tool's name, a dict, or nothing."""
        service.will(calls(ADD))
        caller.collected(model, method, TOOLS, user_msg="1 + 2?", **options)

        assert service.last.body["tool_choice"] == wire

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_without_tools_nothing_is_said_of_them(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """Strict services refuse a choice among nothing, and nulls."""
        caller.collected(model, method, [], user_msg="hi")

        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(service.last.body)

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_the_history_is_not_changed(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """And a question may be a message."""
        history = [ChatMessage(role=MessageRole.SYSTEM, content="You add.")]
        before = copy.deepcopy(history)
        question = ChatMessage(role=MessageRole.USER, content="1 + 2?")
        caller.collected(model, method, TOOLS, user_msg=question, chat_history=history)

        assert history == before
        assert [m["role"] for m in service.last.body["messages"]] == ["system", "user"]

    @pytest.mark.parametrize("arguments", ['{"a": 1, "b": 2}', {"a": 1, "b": 2}], ids=["text", "dict"])
    def test_calls_in_the_history(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, arguments: Any
    ) -> None:
        """A block becomes a wire call whose arguments are a string; its result follows with the same id."""
        call = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=arguments)
        caller(model, "chat", _answered(ChatMessage(role=MessageRole.ASSISTANT, blocks=[call]), "3"))
        _, asked, answered = service.last.body["messages"]

        assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"a": 1, "b": 2}
        assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] == "c1"
        assert answered["content"] == "3"

    def test_calls_as_plain_dicts_in_the_history(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """As older histories have them, in `additional_kwargs`."""
        message = ChatMessage(role=MessageRole.ASSISTANT, content=None, additional_kwargs={"tool_calls": [_wire(*ADD)]})
        caller(model, "chat", _answered(message, "3"))

        assert service.last.body["messages"][1]["tool_calls"][0]["id"] == "c1"

    def test_an_empty_tool_result_is_an_empty_string(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """Services refuse null."""
        caller(model, "chat", _answered(calls(ADD), ""))

        assert service.last.body["messages"][-1]["content"] == ""

    def test_direct_results_are_no_tool_messages(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """A `return_direct` tool leaves an assistant message with a call's id, which only tool messages may have."""
        direct = ChatMessage(role=MessageRole.ASSISTANT, content="3", additional_kwargs={"tool_call_id": "c1"})
        caller(model, "chat", [*_answered(calls(ADD), "3"), direct, ChatMessage(content="And?")])

        assert "tool_call_id" not in service.last.body["messages"][3]

    # ------------------------------------------------------------------ answers (1.7)

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_a_call_is_read(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """Whole or streamed in chunks of four characters, the same call."""
        service.will(calls(ADD))
        response = caller.collected(model, method, TOOLS, user_msg="1 + 2?")
        [call] = model.get_tool_calls_from_response(response)

        assert (call.tool_id, call.tool_name, call.tool_kwargs) == ADD

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_parallel_calls_are_read(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """Both, in order."""
        if not self.has_parallel_calls:
            pytest.skip("no parallel calls")
        service.will(calls(ADD, MULTIPLY))
        response = caller.collected(model, method, TOOLS, user_msg="Both", allow_parallel_tool_calls=True)

        assert self._read(model, response) == [ADD[1:], MULTIPLY[1:]]

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_one_call_where_parallel_calls_are_not_allowed(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """Also in what other code reads, `additional_kwargs`."""
        service.will(calls(ADD, MULTIPLY))
        response = caller.collected(model, method, TOOLS, user_msg="One", allow_parallel_tool_calls=False)
        blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]

        assert len(blocks) == len(self._read(model, response)) == 1
        assert len(response.message.additional_kwargs.get("tool_calls", [0])) == 1

    def test_every_partial_can_be_read(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """Agents ask each response of a stream for its calls; half a JSON text must not raise."""
        service.will(calls(ADD, MULTIPLY))
        parts = caller.listed(model, "stream_chat_with_tools", TOOLS, user_msg="Both", allow_parallel_tool_calls=True)
        seen = [self._read(model, part) for part in parts]

        assert seen[-1] == [ADD[1:], MULTIPLY[1:]]
        assert all(isinstance(arguments, dict) for found in seen for _, arguments in found)

    @pytest.mark.parametrize("arguments", ["", "{", '{"a": 1, "b', "nonsense", "[1]", {}])
    def test_unreadable_arguments_do_not_raise(self, model: FunctionCallingLLM, arguments: Any) -> None:
        """Empty, cut, or no JSON: a dict comes back."""
        block = ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs=arguments)
        message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])
        message.additional_kwargs["tool_calls"] = [_wire("c1", "add", arguments)]
        found = model.get_tool_calls_from_response(ChatResponse(message=message), error_on_no_tool_call=False)

        assert all(isinstance(call.tool_kwargs, dict) for call in found)

    def test_no_call_is_an_error_when_asked(self, model: FunctionCallingLLM, caller: Caller) -> None:
        """And an empty list otherwise."""
        response = caller(model, "chat_with_tools", TOOLS, user_msg="hi")

        assert self._read(model, response) == []
        with pytest.raises(ValueError, match=r"(?i)tool"):
            model.get_tool_calls_from_response(response)

    @pytest.mark.parametrize("method", TOOL_ENDPOINTS)
    def test_calls_are_json(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """Memories and workflow contexts write them down and read them back the same."""
        service.will(calls(ADD))
        message = caller.collected(model, method, TOOLS, user_msg="1 + 2?").message
        written = message.model_dump_json()
        again = ChatMessage.model_validate_json(written)

        assert again.model_dump_json() == written
        assert [b.tool_name for b in again.blocks if isinstance(b, ToolCallBlock)] == ["add"]

    def test_calls_may_be_plain_dicts_too(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """Parts of the framework read `additional_kwargs["tool_calls"]`, and take its length."""
        service.will(calls(ADD))
        message = caller(model, "chat_with_tools", TOOLS, user_msg="1 + 2?").message
        plain = caller(model, "chat_with_tools", TOOLS, user_msg="hi").message

        assert len(message.additional_kwargs["tool_calls"]) == 1
        assert plain.additional_kwargs.get("tool_calls", []) == []

    @pytest.mark.parametrize("form", ["whole", "without index", "name in chunks"])
    def test_irregular_streamed_calls(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, form: str
    ) -> None:
        """A call in one frame, without an index, or with its name in two chunks."""
        wire = _wire(*ADD)
        deltas: dict[str, list[Json]] = {
            "whole": [{"tool_calls": [{**wire, "index": 0}]}],
            "without index": [{"tool_calls": [wire]}],
            "name in chunks": [
                {"tool_calls": [{**wire, "index": 0, "function": {"name": "ad", "arguments": ""}}]},
                {"tool_calls": [{"index": 0, "function": {"name": "d", "arguments": wire["function"]["arguments"]}}]},
            ],
        }
        service.will(frames(*deltas[form], finish="tool_calls"))
        response = caller.collected(model, "stream_chat_with_tools", TOOLS, user_msg="1 + 2?")

        assert self._read(model, response) == [ADD[1:]]

    def test_a_call_without_an_id_gets_one(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """A string, and the same one goes back with the result."""
        body = completion(calls(ADD))
        body["choices"][0]["message"]["tool_calls"][0]["id"] = None
        service.will(RawReply(body=body))
        response = caller(model, "chat_with_tools", TOOLS, user_msg="1 + 2?")
        [call] = model.get_tool_calls_from_response(response)
        result = ChatMessage(role=MessageRole.TOOL, content="3", additional_kwargs={"tool_call_id": call.tool_id})
        caller(model, "chat", [ChatMessage(content="1 + 2?"), response.message, result])
        _, asked, answered = service.last.body["messages"]

        assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] == call.tool_id

    def test_usage_of_a_streamed_call(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """The last response has both the call and the usage: agents keep only that one."""
        service.will(calls(ADD))
        last = caller.collected(model, "stream_chat_with_tools", TOOLS, user_msg="1 + 2?")

        assert self._read(model, last) == [ADD[1:]]
        assert dict(last.raw).get("usage")

    def test_a_call_survives_frames_without_delta(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller
    ) -> None:
        """Filter frames come between the chunks."""
        fragments = [{**_wire(*ADD), "index": 0}]
        service.will(RawReply(events=[chunk({"tool_calls": fragments}), chunk(None), chunk({}, "tool_calls")]))
        response = caller.collected(model, "stream_chat_with_tools", TOOLS, user_msg="1 + 2?")

        assert self._read(model, response) == [ADD[1:]]

    def test_predict_and_call(self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller) -> None:
        """One request, the tool runs once, its result comes back."""
        service.will(calls(ADD))
        result = caller(model, "predict_and_call", TOOLS, user_msg="1 + 2?")

        assert result.response == "3"
        assert len(service.requests) == 1

    # ------------------------------------------------------------------ structured output (1.5)

    def test_an_object(self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller) -> None:
        """One request."""
        service.will(gives(PARIS))

        assert caller(model, "structured_predict", City, PROMPT, country="France") == City.model_validate(PARIS)
        assert len(service.requests) == 1

    @pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
    def test_objects_are_forced(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """By a schema or a forced call: a model that may choose answers in prose now and then."""
        service.will(gives(PARIS))
        caller.collected(model, method, City, PROMPT, country="France")
        body = service.last.body

        assert "response_format" in body or body.get("tool_choice", "auto") not in {"auto", "none"}

    def test_a_streamed_object(self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller) -> None:
        """One request; the last object is complete and of the class."""
        service.will(gives(PARIS))
        objects = caller.listed(model, "stream_structured_predict", City, PROMPT, country="France")

        assert len(service.requests) == 1
        assert objects[-1].model_dump() == PARIS
        assert isinstance(objects[-1], City)

    @pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
    def test_the_system_prompt_is_honoured_for_objects(
        self, service: ScriptedService, make: Make, caller: Caller, method: str
    ) -> None:
        """Sync and async."""
        service.will(gives(PARIS))
        model = make(system_prompt="Be exact.")
        caller.collected(model, method, City, PROMPT, country="France")

        assert [m["role"] for m in service.last.body["messages"]] == ["system", "user"]

    def test_a_structured_llm(self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller) -> None:
        """Chat that answers with an object."""
        service.will(gives(PARIS))
        response = caller(model.as_structured_llm(City), "chat", [ChatMessage(content="Capital of France?")])

        assert response.raw == City.model_validate(PARIS)

    @pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
    def test_prose_is_no_object(
        self, service: ScriptedService, model: FunctionCallingLLM, caller: Caller, method: str
    ) -> None:
        """An error, not an object of nulls."""
        service.will(*[says("I would rather not.")] * 4)
        with pytest.raises(Exception) as caught:  # noqa: PT011  whatever the class raises
            caller.collected(model, method, City, PROMPT, country="France")

        assert not isinstance(caught.value, UnboundLocalError | AttributeError | TypeError)


def _wire(call_id: str, name: str, arguments: Any) -> Json:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def _answered(call: ChatMessage, result: str) -> list[ChatMessage]:
    """A question, the call, its result."""
    answer = ChatMessage(role=MessageRole.TOOL, content=result or None, additional_kwargs={"tool_call_id": "c1"})
    return [ChatMessage(role=MessageRole.USER, content="1 + 2?"), call, answer]
