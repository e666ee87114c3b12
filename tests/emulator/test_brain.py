"""The rules by which the built-in brain answers, each through the wire."""

import json

import jsonschema
import pytest


def tool(name, description="", required=None, /, **properties):
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


INT, STR, NUM = {"type": "integer"}, {"type": "string"}, {"type": "number"}
WEATHER = tool("get_weather", "Get the weather at a location.", location=STR)
ADD = tool("add", "Add two integers and return the result.", a=INT, b=INT)
MULTIPLY = tool("multiply", "Multiply two integers and return the result.", a=INT, b=INT)
MAGIC = tool("magic_function", "Apply a magic function to an input.", input=INT)
CURRENCY = tool(
    "convert_currency",
    "Convert an amount of money.",
    amount=NUM,
    from_currency={"enum": ["EUR", "USD", "GBP"]},
    to_currency={"enum": ["EUR", "USD", "GBP"]},
)
HANDOFF = tool(
    "handoff",
    "Useful for handing off to another agent.\nCurrently available agents:\n"
    "{'WriteAgent': 'Writes reports', 'ReviewAgent': 'Reviews finished drafts'}",
    to_agent=STR,
    reason=STR,
)


def calls(message):
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or []]


def say(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("text", "tools", "expected"),
    [
        ("What is the value of magic_function(3)? Use the tool.", [MAGIC], [("magic_function", {"input": 3})]),
        ("What is the weather in San Francisco, CA?", [WEATHER], [("get_weather", {"location": "San Francisco, CA"})]),
        (
            "What's the weather in Paris and in Rome?",
            [WEATHER, ADD],
            [("get_weather", {"location": "Paris"}), ("get_weather", {"location": "Rome"})],
        ),
        ("What is 17 * 23?", [ADD, MULTIPLY], [("multiply", {"a": 17, "b": 23})]),
        ("What is 3 times 4?", [ADD, MULTIPLY], [("multiply", {"a": 3, "b": 4})]),
        ("Add 20 and -5 please", [ADD, MULTIPLY], [("add", {"a": 20, "b": -5})]),
        (
            "What is 3 times 4, and what is the weather in Oslo?",
            [WEATHER, MULTIPLY],
            [("multiply", {"a": 3, "b": 4}), ("get_weather", {"location": "Oslo"})],
        ),
        ("Multiply 6 by 7, then add 8", [ADD, MULTIPLY], [("multiply", {"a": 6, "b": 7})]),
        (
            "Convert 99.5 USD to EUR",
            [CURRENCY, WEATHER],
            [("convert_currency", {"amount": 99.5, "from_currency": "USD", "to_currency": "EUR"})],
        ),
        (
            "Weather for Honolulu for the next 3 days",
            [tool("getWeather", "weather", locationName=STR, daysInAdvance=INT)],
            [("getWeather", {"locationName": "Honolulu", "daysInAdvance": 3})],
        ),
        (
            "Weather in Oslo",
            [tool("weather", "", ["city"], city=STR, days=INT, unit={"enum": ["celsius", "fahrenheit"]})],
            [("weather", {"city": "Oslo"})],
        ),
        (
            "Weather in Oslo in celsius",
            [tool("weather", "", ["city"], city=STR, unit={"enum": ["celsius", "fahrenheit"]})],
            [("weather", {"city": "Oslo", "unit": "celsius"})],
        ),
        (
            'Create the customer "株式会社日立製作所"',
            [tool("create_customer", "Create a customer", name=STR)],
            [("create_customer", {"name": "株式会社日立製作所"})],
        ),
        (
            "Create customers for 「日本電気」 and 「東芝」",
            [tool("create_customers", "Create customers", names={"type": "array", "items": STR})],
            [("create_customers", {"names": ["日本電気", "東芝"]})],
        ),
        (
            'Book a trip to Lisbon for 3 people, the reason is "a conference"',
            [tool("book_trip", "Book a trip", city=STR, travellers=INT, reason=STR)],
            [("book_trip", {"city": "Lisbon", "travellers": 3, "reason": "a conference"})],
        ),
        ("Please ping the server", [tool("ping", "Ping.")], [("ping", {})]),
        (
            "Hand off to ReviewAgent please",
            [HANDOFF],
            [("handoff", {"to_agent": "ReviewAgent", "reason": "Hand off to ReviewAgent please"})],
        ),
        ("Hello there!", [WEATHER, ADD, MAGIC], []),
        ("Tell me a story about two cats.", [WEATHER, ADD, MULTIPLY], []),
    ],
)
def test_tools_are_chosen_by_shared_words_and_filled_from_the_text(wire, text, tools, expected):
    """Under `auto`, the calls a reader would expect, or none."""
    assert calls(wire.message(messages=say(text), tools=tools)) == expected


def test_no_parallel_calls_when_forbidden(wire):
    """One call, although two would fit."""
    message = wire.message(messages=say("Weather in Paris and in Rome?"), tools=[WEATHER], parallel_tool_calls=False)

    assert calls(message) == [("get_weather", {"location": "Paris"})]


def test_forced_tools_are_called_whatever_is_said(wire):
    """`required` and a named function give a call with a valid instance."""
    required = wire.message(messages=say("Hello!"), tools=[MAGIC, WEATHER], tool_choice="required")
    named = wire.message(
        messages=say("Hello!"),
        tools=[WEATHER, MAGIC],
        tool_choice={"type": "function", "function": {"name": "magic_function"}},
    )

    assert len(calls(required)) == 1
    assert calls(named)[0][0] == "magic_function"
    assert isinstance(calls(named)[0][1]["input"], int)


def test_none_forbids_calls(wire):
    """`tool_choice: none` gets text."""
    message = wire.message(messages=say("Weather in Paris?"), tools=[WEATHER], tool_choice="none")

    assert not message.get("tool_calls")
    assert message["content"]


def round_trip(messages, message, *results):
    """The conversation after the calls of `message` were answered."""
    answers = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(message["tool_calls"], results, strict=True)
    ]
    return [*messages, {"role": "assistant", "content": "", "tool_calls": message["tool_calls"]}, *answers]


REPORT = tool("Report", "A weather report.", city=STR, sky=STR, temperature=INT)


def test_a_forced_call_goes_to_a_tool_not_called_yet_and_takes_from_the_results(wire):
    """An agent that has to call ends with the tool for its answer, filled from the request and the results."""
    asked = say("Weather in Paris?")
    first = wire.message(messages=asked, tools=[WEATHER, REPORT], tool_choice="required")
    history = round_trip(asked, first, "sky: sunny, temperature: 24 °C")
    last = wire.message(messages=history, tools=[WEATHER, REPORT], tool_choice="required")

    assert [name for name, _ in calls(first)] == ["get_weather"]
    assert calls(last) == [("Report", {"city": "Paris", "sky": "sunny", "temperature": 24})]


def test_an_answer_by_schema_takes_from_the_results(wire):
    """What a tool returned stands in the JSON."""
    asked = say("Weather in Paris?")
    history = round_trip(asked, wire.message(messages=asked, tools=[WEATHER]), "sky: sunny, temperature: 24 °C")
    schema = {"name": "report", "schema": REPORT["function"]["parameters"]}
    message = wire.message(messages=history, response_format={"type": "json_schema", "json_schema": schema})

    assert json.loads(message["content"]) == {"city": "Paris", "sky": "sunny", "temperature": 24}


@pytest.mark.parametrize(("name", "kind"), [("gpt-4o", "openai-v1"), ("mistral-large-2411", "serverless")])
def test_after_a_result_the_answer_quotes_it(wire, name, kind):
    """A call, its result, then text that uses the result."""
    messages = say("What's the weather in Paris?")
    first = wire.message(name, kind, messages=messages, tools=[WEATHER])
    second = wire.message(name, kind, messages=round_trip(messages, first, "sunny, 21 C"), tools=[WEATHER])

    assert calls(second) == []
    assert "sunny, 21 C" in second["content"]


def test_a_sequence_is_done_step_by_step(wire):
    """The second step takes the first one's result."""
    messages = say("Multiply 6 by 7, then add 8")
    first = wire.message(messages=messages, tools=[ADD, MULTIPLY])
    messages = round_trip(messages, first, "42")
    second = wire.message(messages=messages, tools=[ADD, MULTIPLY])
    third = wire.message(messages=round_trip(messages, second, "50"), tools=[ADD, MULTIPLY])

    assert calls(second) == [("add", {"a": 42, "b": 8})]
    assert "50" in third["content"]


def test_a_new_question_starts_a_new_turn(wire):
    """Earlier calls do not count."""
    messages = say("Weather in Paris?")
    messages = round_trip(messages, wire.message(messages=messages, tools=[WEATHER]), "sunny")
    messages += [{"role": "assistant", "content": "It is sunny."}, *say("And the weather in Rome?")]

    assert calls(wire.message(messages=messages, tools=[WEATHER])) == [("get_weather", {"location": "Rome"})]


def json_schema(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


PERSON = {
    "type": "object",
    "properties": {
        "name": STR,
        "age": {"type": "integer", "minimum": 0},
        "city": {"anyOf": [STR, {"type": "null"}]},
        "mood": {"enum": ["happy", "sad"]},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": STR, "minItems": 2, "maxItems": 4},
        "pet": {"$ref": "#/$defs/Pet"},
        "friend": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        "score": {"type": ["number", "null"]},
        "kind": {"const": "person"},
        "born": {"type": "string", "format": "date"},
        "verified": {"type": "boolean"},
    },
    "required": ["name", "age", "city", "mood", "email", "tags", "pet", "kind", "verified"],
    "$defs": {"Pet": {"type": "object", "properties": {"species": STR}, "required": ["species"]}},
}


def test_json_schema_is_filled_from_the_text(wire):
    """A valid instance that holds the text's facts."""
    text = "John Smith is 34 years old, happy, lives in Berlin. Mail: john@example.com, born 1990-02-03."
    content = json.loads(wire.message(messages=say(text), response_format=json_schema(PERSON))["content"])

    jsonschema.validate(content, PERSON)
    assert content["name"] == "John Smith"
    assert (content["age"], content["mood"], content["email"]) == (34, "happy", "john@example.com")
    assert content["born"] == "1990-02-03"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {
            "type": "object",
            "properties": {
                "a": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"b": INT}, "required": ["b"]},
                    "minItems": 2,
                }
            },
            "required": ["a"],
        },
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 10, "maximum": 12}}, "required": ["a"]},
        {
            "type": "object",
            "properties": {"a": {"allOf": [{"$ref": "#/$defs/B"}]}},
            "required": ["a"],
            "$defs": {"B": {"enum": [1, 2]}},
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string", "minLength": 30, "maxLength": 40}},
            "required": ["a"],
        },
        {
            "type": "object",
            "properties": {"node": {"$ref": "#/$defs/N"}},
            "required": ["node"],
            "$defs": {
                "N": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}},
                    "required": ["next"],
                }
            },
        },
        {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": STR}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "null"}, "b": {}}, "required": ["a", "b"]},
    ],
)
@pytest.mark.parametrize("text", ["Hello", "Take 3 and 40, please, for Ada Lovelace."])
def test_instances_are_valid(wire, schema, text):
    """Whatever the schema asks, the answer validates."""
    content = json.loads(wire.message(messages=say(text), response_format=json_schema(schema))["content"])

    assert list(jsonschema.validators.validator_for(schema)(schema).iter_errors(content)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Tell me a joke about cats. Respond in JSON with `setup` and `punchline` keys.",
        'Tell me a joke. Respond with JSON, keys "setup" and "punchline".',
        "Give me a JSON object with keys setup and punchline.",
    ],
)
def test_json_object_has_the_keys_the_prompt_names(wire, text):
    """Exactly those keys."""
    content = json.loads(wire.message(messages=say(text), response_format={"type": "json_object"})["content"])

    assert list(content) == ["setup", "punchline"]


def test_schema_in_the_prompt(wire):
    """A model without JSON mode still answers a prompt that carries a schema."""
    schema = {"type": "object", "properties": {"title": STR, "year": INT}, "required": ["title", "year"]}
    text = f'Extract from: the film "Alien" of 1979.\nHere\'s a JSON schema to follow:\n{json.dumps(schema)}\nOutput a valid JSON object.'

    assert json.loads(wire.message("phi-4-mini-instruct", "models", messages=say(text))["content"]) == {
        "title": "Alien",
        "year": 1979,
    }


REACT = """You have access to the following tools:
> Tool Name: multiply
Tool Description: multiply(a: int, b: int) -> int
Multiply two numbers.
Tool Args: {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"], "type": "object"}

## Output Format
Thought: I need to use a tool to help me answer the question.
Action: tool name (one of multiply) if using a tool.
Action Input: the input to the tool, in a JSON format
Observation: tool response
Thought: I can answer without using any more tools.
Answer: [your answer here]
"""


def test_react_acts_then_answers(wire):
    """An action with JSON arguments; after the observation an answer that uses it."""
    messages = [{"role": "system", "content": REACT}, *say("What is 3 times 4?")]
    first = wire.message(messages=messages)["content"]
    second = wire.message(messages=[*messages, {"role": "assistant", "content": first}, *say("Observation: 12")])[
        "content"
    ]

    assert first.splitlines()[1:] == ["Action: multiply", 'Action Input: {"a": 3, "b": 4}']
    assert second.splitlines()[-1].startswith("Answer:")
    assert "12" in second


QA = """Context information is below.
---------------------
The moon is made of rock. Paris is the capital of France. Dogs bark at night.
---------------------
Given the context information and not prior knowledge, answer the query.
Query: What is the capital of France?
Answer: """


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (QA, "Paris is the capital of France."),
        (
            "Source 1:\nThe sky is red in the evening.\n\nSource 2:\nWater is wet when it rains.\n------\nQuery: When is water wet?\nAnswer: ",
            "Water is wet when it rains [2].",
        ),
        (
            "Use the context.\nQuestion: Who founded Acme? \nContext: Acme was founded by Jane Roe. It sells anvils. \nAnswer:",
            "Acme was founded by Jane Roe.",
        ),
        (
            QA.replace("Query: What is the capital of France?", "Query: What is the price of butter?"),
            'The given context does not answer "What is the price of butter?".',
        ),
        ("Chat History:\nuser: hi\nFollow Up Input: And in Rome?\nStandalone question:", "And in Rome?"),
    ],
)
def test_answers_come_from_the_context(wire, text, expected):
    """The sentences that fit the question, cited where numbered."""
    assert wire.message(messages=say(text))["content"] == expected


def test_context_in_the_system_message(wire):
    """A chat engine's system prompt is context as well."""
    system = "Here are the relevant documents for the context:\n\nBees make honey. Cows give milk.\n\nInstruction: Answer the user question below."

    answer = wire.message(messages=[{"role": "system", "content": system}, *say("What do bees make?")])["content"]

    assert answer == "Bees make honey."


def test_names_are_remembered(wire):
    """Earlier turns are read."""
    messages = [*say("Hi, my name is Bob."), {"role": "assistant", "content": "Hello."}, *say("What is my name?")]

    assert "Bob" in wire.message(messages=messages)["content"]


def test_otherwise_it_says_what_it_is(wire):
    """An honest reply, several tokens long."""
    content = wire.message()["content"]

    assert content.startswith('You said "Hi there, emulator".')
    assert "not a model" in content


def test_json_object_takes_keys_not_example_values(wire):
    """In `{"answer": "response"}` only `answer` is a key; after a plain colon a quoted word is one."""
    example = [{"role": "user", "content": 'Answer in JSON like { "answer": "response" }: what is up?'}]
    named = [{"role": "user", "content": "A joke as JSON with the keys: 'setup' and 'punchline'"}]
    said = [wire.message(messages=text, response_format={"type": "json_object"}) for text in (example, named)]

    assert [list(json.loads(message["content"])) for message in said] == [["answer"], ["setup", "punchline"]]
