"""Structured output: which mechanism is asked for, how it is read, what happens on refusals (contract 1.5)."""

import json
from itertools import pairwise

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from azureai_core import BadRequestError, reset_deployments
from llamaindex_azureai._structured import json_in


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
    chunks = [text[n : n + 5] for n in range(0, len(text), 5)]
    if mode != "tool":
        return service.streams(*chunks) if streamed else service.says(text)
    if not streamed:
        return service.says(None, [service.call("c1", "Person", text)], finish="stop")
    head = {
        "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "Person", "arguments": ""}}]
    }
    tail = [{"tool_calls": [{"index": 0, "function": {"arguments": chunk}}]} for chunk in chunks]
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
async def test_the_mechanism_follows_the_model(service, make_llm, caller, model, mode):
    """One request, forced; the object comes back."""
    service.will(_answer(service, mode, streamed=False))
    person = await caller(make_llm(model=model), "structured_predict", Person, PROMPT, text="Ada")

    assert person == EXPECTED
    assert [_mechanism(r.body) for r in service.requests] == [mode]
    assert service.last.body["messages"][0]["content"].startswith("Who is in: Ada?")


@pytest.mark.parametrize("mode", ["json_schema", "tool", "json_object", "text"])
async def test_streams_are_forced_too_and_end_complete(service, make_llm, caller, mode):
    """Objects grow; the last one is of the class and complete."""
    service.will(_answer(service, mode, streamed=True))
    llm = make_llm(model="gpt-4o", structured_output_mode=mode)
    parts = await caller.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada")

    assert [_mechanism(r.body) for r in service.requests] == [mode]
    assert parts[-1] == EXPECTED
    assert len(parts) > 3
    seen = [(type(part).__name__, part.model_dump(exclude_unset=True)) for part in parts[:-1]]
    assert all(one != other for one, other in pairwise(seen))
    assert any(isinstance(part, Person) and part.pets == [] for part in parts[:-1])


@pytest.mark.parametrize("mode", ["json_schema", "tool", "json_object", "text"])
async def test_the_user_may_choose_the_mechanism(service, make_llm, caller, mode):
    """A choice wins over what the model's name suggests."""
    service.will(_answer(service, mode, streamed=False))
    llm = make_llm(model="phi-3", structured_output_mode=mode)

    assert await caller(llm, "structured_predict", Person, PROMPT, text="Ada") == EXPECTED
    assert _mechanism(service.last.body) == mode


@pytest.mark.parametrize(
    ("program", "mode"), [(PydanticProgramMode.FUNCTION, "tool"), (PydanticProgramMode.LLM, "text")]
)
async def test_the_frameworks_program_mode_is_honoured(service, make_llm, caller, program, mode):
    """FUNCTION means a tool call, LLM means text."""
    service.will(_answer(service, mode, streamed=False))
    llm = make_llm(model="gpt-4o", pydantic_program_mode=program)

    assert await caller(llm, "structured_predict", Person, PROMPT, text="Ada") == EXPECTED
    assert _mechanism(service.last.body) == mode


REFUSED = {"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted", "input": {}}]}


async def test_a_refused_mechanism_gives_way_and_is_remembered(service, llm, caller):
    """Deployment names are free text: what the service refuses is not tried again."""
    service.will(
        service.fails(422, REFUSED), _answer(service, "tool", streamed=False), _answer(service, "tool", streamed=True)
    )
    first = await caller(llm, "structured_predict", Person, PROMPT, text="Ada")
    second = (await caller.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada"))[-1]

    assert first == second == EXPECTED
    assert [_mechanism(r.body) for r in service.requests] == ["json_schema", "tool", "tool"]


async def test_a_refused_mechanism_is_known_to_all_models_of_the_deployment(service, make_llm, caller):
    """Until it is forgotten; another deployment of the service has its own."""
    service.will(service.fails(422, REFUSED), *[_answer(service, mode, streamed=False) for mode in MODES])
    for model in ("gpt-4o", "gpt-4o", "gpt-4.1", "gpt-4o"):
        if len(service.requests) == 4:
            reset_deployments()
        await caller(make_llm(model=model), "structured_predict", Person, PROMPT, text="Ada")

    assert [_mechanism(r.body) for r in service.requests] == ["json_schema", *MODES]


MODES = ["tool", "tool", "json_schema", "json_schema"]
BAD_SCHEMA = {"message": "Invalid schema for response_format 'Person': …", "param": "response_format", "code": None}
BAD_PARAMETERS = {"message": "Invalid schema for function 'Person': …", "code": "invalid_function_parameters"}


async def test_a_refused_schema_is_no_refused_mechanism(service, llm, caller):
    """Another mechanism is tried for this class; the next class is asked for as before."""
    service.will(
        service.fails(400, {"error": BAD_SCHEMA}),
        service.fails(400, {"error": BAD_PARAMETERS}),
        _answer(service, "json_object", streamed=False),
        _answer(service, "json_schema", streamed=False),
    )
    first = await caller(llm, "structured_predict", Person, PROMPT, text="Ada")
    second = await caller(llm, "structured_predict", Person, PROMPT, text="Ada")

    assert first == second == EXPECTED
    assert [_mechanism(r.body) for r in service.requests] == ["json_schema", "tool", "json_object", "json_schema"]


@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_a_refusal_is_what_the_error_says(service, llm, caller, method):
    """Not that its text is no JSON. Source: langchain#34616."""
    reply = service.says(None)
    reply.body["choices"][0]["message"]["refusal"] = "I cannot help with that."
    service.will(service.streams({"refusal": "I cannot help with that."}) if "stream" in method else reply)
    with pytest.raises(ValueError, match=r"refused to fill Person: I cannot help with that\."):
        await (caller.listed if "stream" in method else caller)(llm, method, Person, PROMPT, text="Ada")


async def test_a_refused_mechanism_gives_way_in_streams(service, llm, caller):
    """The refusal comes before the first delta, so nothing has been shown yet."""
    service.will(service.fails(422, REFUSED), _answer(service, "tool", streamed=True))
    parts = await caller.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada")

    assert parts[-1] == EXPECTED


async def test_a_chosen_mechanism_does_not_give_way(service, make_llm, caller):
    """Who chose wants to know."""
    service.will(service.fails(400, {"error": {"message": "response_format is not supported", "code": "x"}}))
    with pytest.raises(BadRequestError):
        await caller(make_llm(structured_output_mode="json_schema"), "structured_predict", Person, PROMPT, text="Ada")
    assert len(service.requests) == 1


async def test_other_errors_are_not_taken_for_refusals(service, llm, caller):
    """A bad request about something else is raised at once."""
    service.will(service.fails(400, {"error": {"message": "messages are too odd", "code": "x"}}))
    with pytest.raises(BadRequestError):
        await caller(llm, "structured_predict", Person, PROMPT, text="Ada")
    assert len(service.requests) == 1


@pytest.mark.parametrize("mode", ["json_schema", "tool", "text"])
@pytest.mark.parametrize("method", ["structured_predict", "stream_structured_predict"])
async def test_the_system_prompt_is_honoured(service, make_llm, caller, mode, method):
    """Sync and async: the framework's own async program forgets it."""
    service.will(_answer(service, mode, streamed="stream" in method))
    llm = make_llm(system_prompt="Be brief.", structured_output_mode=mode)
    await (caller.listed if "stream" in method else caller)(llm, method, Person, PROMPT, text="Ada")

    assert service.last.body["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_llm_kwargs_reach_the_body_and_are_not_changed(service, llm, caller):
    """A choice of tools by the caller would contradict the forced one and is left out."""
    options = {"temperature": 0, "tool_choice": "auto", "allow_parallel_tool_calls": True}
    service.will(_answer(service, "json_schema", streamed=False))
    await caller(llm, "structured_predict", Person, PROMPT, options, text="Ada")

    assert service.last.body["temperature"] == 0
    assert "tool_choice" not in service.last.body
    assert options == {"temperature": 0, "tool_choice": "auto", "allow_parallel_tool_calls": True}


async def test_a_cut_answer_is_no_object(service, llm, caller):
    """Lenient reading must not pass off half an object as a whole one."""
    service.will(service.says('{"name": "Ada", "pets": [{"na', finish="length"))
    with pytest.raises(ValueError, match=r"no Person \(finish reason 'length'\).*Raise max_tokens"):
        await caller(llm, "structured_predict", Person, PROMPT, text="Ada")


async def test_prose_is_no_object(service, llm, caller):
    """Also in a stream: the last object is one, or an error."""
    service.will(service.streams("I do not know."))
    with pytest.raises(ValueError, match="no Person"):
        await caller.listed(llm, "stream_structured_predict", Person, PROMPT, text="Ada")


async def test_as_structured_llm(service, llm, caller):
    """Agents ask for their `output_cls` this way."""
    service.will(_answer(service, "json_schema", streamed=False))
    response = await caller(llm.as_structured_llm(Person), "chat", [ChatMessage(content="Who?")])

    assert response.raw == EXPECTED


async def test_chat_prompts_keep_their_messages(service, make_llm, caller):
    """The instruction goes to the last user message of a copy."""
    template = [ChatMessage(role="system", content="s"), ChatMessage(role="user", content="q {x}")]
    service.will(_answer(service, "text", streamed=False))
    await caller(
        make_llm(structured_output_mode="text"), "structured_predict", Person, ChatPromptTemplate(template), x=1
    )

    assert [m["role"] for m in service.last.body["messages"]] == ["system", "user"]
    assert service.last.body["messages"][1]["content"].startswith("q 1\n")
    assert template[1].content == "q {x}"


async def test_structured_predict_sends_its_events(service, llm, caller, recorder):
    """Start, one chat, end."""
    service.will(_answer(service, "json_schema", streamed=False))
    await caller(llm, "structured_predict", Person, PROMPT, text="Ada")

    names = [n for n in recorder.names() if n.startswith("LLM")]
    assert names == [
        "LLMStructuredPredictStartEvent",
        "LLMChatStartEvent",
        "LLMChatEndEvent",
        "LLMStructuredPredictEndEvent",
    ]


class Free(BaseModel):
    """Something that strict mode has no words for."""

    values: dict[str, int]


async def test_what_cannot_be_strict_is_sent_unstrict(service, llm, caller):
    """The schema itself leaves as it is."""
    service.will(service.says('{"values": {"a": 1}}'))
    result = await caller(llm, "structured_predict", Free, PROMPT, text="x")

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
