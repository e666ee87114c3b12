"""Structured output: which mechanism is asked for, how it is read, what happens on refusals (contract 1.5)."""

import json
from itertools import pairwise
from typing import Annotated

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from azureai_core import BadRequestError
from llamaindex_azureai._structured import json_in, strict_schema


class Pet(BaseModel):
    """An animal."""

    name: str
    age: int = 0


class Person(BaseModel):
    """A person."""

    name: str = Field(description="First name")
    nick: str | None = None
    pets: list[Pet] = []


ADA = {"name": "Ada", "nick": None, "pets": [{"name": "Rex", "age": 3}]}
EXPECTED = Person.model_validate(ADA)
PROMPT = PromptTemplate("Who is in: {text}?")


def _answer(service, mode, *, streamed, value=ADA):
    text = value if isinstance(value, str) else json.dumps(value)
    pieces = [text[n : n + 5] for n in range(0, len(text), 5)]
    if mode != "tool":
        return service.streams(*pieces) if streamed else service.says(text)
    if not streamed:
        return service.says(None, [service.call("c1", "Person", text)], finish="stop")
    head = {
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "Person", "arguments": ""}}]
    }
    tail = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    return service.streams(head, *tail, finish="stop")


CASES = [
    ("gpt-4o", "json_schema"),
    ("mistral-large-2411", "tool"),
    ("jais-30b-chat", "tool"),
    ("grok-3", "tool"),
    ("phi-3-mini", "text"),
    ("unknown-name", "json_schema"),
]


def _mechanism(body):
    """What a request asks for."""
    if "tools" in body:
        assert body["tool_choice"] == "required"
        return "tool"
    if "response_format" in body:
        return body["response_format"]["type"]
    assert '"properties"' in body["messages"][-1]["content"]
    return "text"


@pytest.mark.parametrize(("model", "mode"), CASES)
async def test_the_mechanism_follows_the_model(service, make_llm, colour, model, mode):
    """One request, forced; the object comes back."""
    service.will(_answer(service, mode, streamed=False))
    person = await colour(make_llm(model=model), "structured_predict", Person, PROMPT, text="Ada")

    assert person == EXPECTED
    assert [_mechanism(r.body) for r in service.requests] == [mode]
    assert service.last.body["messages"][0]["content"].startswith("Who is in: Ada?")


@pytest.mark.parametrize("mode", ["json_schema", "tool", "json_object", "text"])
async def test_streams_are_forced_too_and_end_complete(service, make_llm, colour, mode):
    """Objects grow; the last one is of the class and complete."""
    service.will(_answer(service, mode, streamed=True))
    llm = make_llm(model="gpt-4o", structured_output_mode=mode)
    parts = await colour.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada")

    assert [_mechanism(r.body) for r in service.requests] == [mode]
    assert parts[-1] == EXPECTED
    assert len(parts) > 3
    seen = [(type(part).__name__, part.model_dump(exclude_unset=True)) for part in parts[:-1]]
    assert all(one != other for one, other in pairwise(seen))
    assert any(isinstance(part, Person) and part.pets == [] for part in parts[:-1])


@pytest.mark.parametrize("mode", ["json_schema", "tool", "json_object", "text"])
async def test_the_user_may_choose_the_mechanism(service, make_llm, colour, mode):
    """A choice wins over what the model's name suggests."""
    service.will(_answer(service, mode, streamed=False))
    llm = make_llm(model="phi-3", structured_output_mode=mode)

    assert await colour(llm, "structured_predict", Person, PROMPT, text="Ada") == EXPECTED
    assert _mechanism(service.last.body) == mode


@pytest.mark.parametrize(
    ("program", "mode"), [(PydanticProgramMode.FUNCTION, "tool"), (PydanticProgramMode.LLM, "text")]
)
async def test_the_frameworks_program_mode_is_honoured(service, make_llm, colour, program, mode):
    """FUNCTION means a tool call, LLM means text."""
    service.will(_answer(service, mode, streamed=False))
    llm = make_llm(model="gpt-4o", pydantic_program_mode=program)

    assert await colour(llm, "structured_predict", Person, PROMPT, text="Ada") == EXPECTED
    assert _mechanism(service.last.body) == mode


REFUSED = {"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted", "input": {}}]}


async def test_a_refused_mechanism_gives_way_and_is_remembered(service, llm, colour):
    """Deployment names are free text: what the service refuses is not tried again."""
    service.will(
        service.fails(422, REFUSED), _answer(service, "tool", streamed=False), _answer(service, "tool", streamed=True)
    )
    first = await colour(llm, "structured_predict", Person, PROMPT, text="Ada")
    second = (await colour.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada"))[-1]

    assert first == second == EXPECTED
    assert [_mechanism(r.body) for r in service.requests] == ["json_schema", "tool", "tool"]


async def test_a_refused_mechanism_gives_way_in_streams(service, llm, colour):
    """The refusal comes before the first delta, so nothing has been shown yet."""
    service.will(service.fails(422, REFUSED), _answer(service, "tool", streamed=True))
    parts = await colour.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada")

    assert parts[-1] == EXPECTED


async def test_a_chosen_mechanism_does_not_give_way(service, make_llm, colour):
    """Who chose wants to know."""
    service.will(service.fails(400, {"error": {"message": "response_format is not supported", "code": "x"}}))
    with pytest.raises(BadRequestError):
        await colour(make_llm(structured_output_mode="json_schema"), "structured_predict", Person, PROMPT, text="Ada")
    assert len(service.requests) == 1


async def test_other_errors_are_not_taken_for_refusals(service, llm, colour):
    """A bad request about something else is raised at once."""
    service.will(service.fails(400, {"error": {"message": "messages are too odd", "code": "x"}}))
    with pytest.raises(BadRequestError):
        await colour(llm, "structured_predict", Person, PROMPT, text="Ada")
    assert len(service.requests) == 1


@pytest.mark.parametrize("mode", ["json_schema", "tool", "text"])
@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_the_system_prompt_is_honoured(service, make_llm, colour, mode, method):
    """In both colours: the framework's own async program forgets it."""
    service.will(_answer(service, mode, streamed="stream" in method))
    llm = make_llm(system_prompt="Be brief.", structured_output_mode=mode)
    await (colour.listed if "stream" in method else colour)(llm, method, Person, PROMPT, text="Ada")

    assert service.last.body["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_llm_kwargs_reach_the_body_and_are_not_changed(service, llm, colour):
    """A choice of tools by the caller would contradict the forced one and is left out."""
    options = {"temperature": 0, "tool_choice": "auto", "allow_parallel_tool_calls": True}
    service.will(_answer(service, "json_schema", streamed=False))
    await colour(llm, "structured_predict", Person, PROMPT, options, text="Ada")

    assert service.last.body["temperature"] == 0
    assert "tool_choice" not in service.last.body
    assert options == {"temperature": 0, "tool_choice": "auto", "allow_parallel_tool_calls": True}


async def test_a_cut_answer_is_no_object(service, llm, colour):
    """Lenient reading must not pass off half an object as a whole one."""
    service.will(service.says('{"name": "Ada", "pets": [{"na', finish="length"))
    with pytest.raises(ValueError, match=r"no Person \(finish reason 'length'\).*Raise max_tokens"):
        await colour(llm, "structured_predict", Person, PROMPT, text="Ada")


async def test_prose_is_no_object(service, llm, colour):
    """Also in a stream: the last object is one, or an error."""
    service.will(service.streams("I do not know."))
    with pytest.raises(ValueError, match="no Person"):
        await colour.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada")


async def test_as_structured_llm(service, llm, colour):
    """Agents ask for their `output_cls` this way."""
    service.will(_answer(service, "json_schema", streamed=False))
    response = await colour(llm.as_structured_llm(Person), "chat", [ChatMessage(content="Who?")])

    assert response.raw == EXPECTED


async def test_chat_prompts_keep_their_messages(service, make_llm, colour):
    """The instruction goes to the last user message of a copy."""
    template = [ChatMessage(role="system", content="s"), ChatMessage(role="user", content="q {x}")]
    service.will(_answer(service, "text", streamed=False))
    await colour(
        make_llm(structured_output_mode="text"), "structured_predict", Person, ChatPromptTemplate(template), x=1
    )

    assert [m["role"] for m in service.last.body["messages"]] == ["system", "user"]
    assert service.last.body["messages"][1]["content"].startswith("q 1\n")
    assert template[1].content == "q {x}"


async def test_structured_predict_sends_its_events(service, llm, colour, recorder):
    """Start, one chat, end."""
    service.will(_answer(service, "json_schema", streamed=False))
    await colour(llm, "structured_predict", Person, PROMPT, text="Ada")

    names = [n for n in recorder.names() if n.startswith("LLM")]
    assert names == [
        "LLMStructuredPredictStartEvent",
        "LLMChatStartEvent",
        "LLMChatEndEvent",
        "LLMStructuredPredictEndEvent",
    ]


def test_strict_schemas_close_every_object():
    """All keys required, none beyond, no defaults. Source: Azure OpenAI 'Structured outputs'."""
    schema = strict_schema(Person.model_json_schema())

    assert schema["required"] == ["name", "nick", "pets"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Pet"]["required"] == ["name", "age"]
    assert "default" not in json.dumps(schema)


class Free(BaseModel):
    """Something that strict mode has no words for."""

    values: dict[str, int]


class Node(BaseModel):
    """A tree."""

    label: str
    children: list["Node"] = []


def test_strict_where_possible_only():
    """Free keys are no strict schema; recursion is."""
    assert strict_schema(Free.model_json_schema()) is None
    assert strict_schema({"type": "array", "items": {"type": "string"}}) is None
    tree = strict_schema(Node.model_json_schema())
    assert tree is None or tree["additionalProperties"] is False


class Bounded(BaseModel):
    """A field with bounds, which strict mode refuses."""

    age: int = Field(ge=0, le=150)


class Loop(BaseModel):
    """A reference with a neighbour that leads back to itself."""

    inner: Annotated["Loop", Field(description="again")] | None = None


def test_bounds_and_loops_are_not_strict():
    """Source: Azure OpenAI 'Structured outputs', unsupported keywords."""
    assert strict_schema(Bounded.model_json_schema()) is None
    assert (
        strict_schema(
            {
                "$defs": {"L": (node := {"type": "object", "properties": {"x": {"$ref": "#/$defs/L", "title": "t"}}})},
                **node,
            }
        )
        is None
    )
    strict_schema(Loop.model_json_schema())


async def test_what_cannot_be_strict_is_sent_unstrict(service, llm, colour):
    """The schema itself leaves as it is."""
    service.will(service.says('{"values": {"a": 1}}'))
    result = await colour(llm, "structured_predict", Free, PROMPT, text="x")

    spec = service.last.body["response_format"]["json_schema"]
    assert (spec["strict"], spec["schema"], result) == (False, Free.model_json_schema(), Free(values={"a": 1}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('Sure: {"a": {"b": 2}} Done.', '{"a": {"b": 2}}'),
        ('{"a": {"b": 2}, "c', '{"a": {"b": 2}, "c'),
        ("none", "none"),
    ],
)
def test_json_within_text(text, expected):
    """Fences and sentences around it, and answers that are still coming."""
    assert json_in(text) == expected
