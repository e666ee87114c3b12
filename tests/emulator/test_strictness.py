"""What the service refuses, the emulator refuses, with the error body of the endpoint kind."""

import base64
import json

import pytest

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 60).decode()
WAV = base64.b64encode(b"RIFF\x00\x00\x00\x00WAVEfmt ").decode()
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4 ...").decode()
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ASKED = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "7"}


def part(value):
    return {"messages": [{"role": "user", "content": [value]}]}


MALFORMED = {
    "no messages": {"messages": None},
    "empty messages": {"messages": []},
    "messages as text": {"messages": "hi"},
    "message as text": {"messages": ["hi"]},
    "unknown role": {"messages": [{"role": "robot", "content": "hi"}]},
    "no role": {"messages": [{"content": "hi"}]},
    "null user content": {"messages": [{"role": "user", "content": None}]},
    "number as content": {"messages": [{"role": "user", "content": 3}]},
    "unknown message key": {"messages": [{**USER, "reasoning_content": "x"}]},
    "assistant without anything": {"messages": [USER, {"role": "assistant"}, USER]},
    "empty parts": {"messages": [{"role": "user", "content": []}]},
    "part as text": part("hi"),
    "unknown part": part({"type": "tool_use", "id": "x"}),
    "anthropic image": part({"type": "image", "source": {"type": "base64", "data": "x"}}),
    "thinking part": part({"type": "thinking", "thinking": "x"}),
    "text without text": part({"type": "text"}),
    "image without payload": part({"type": "image_url"}),
    "image under another key": part({"type": "image_url", "image": {"url": PNG}}),
    "image without url": part({"type": "image_url", "image_url": {}}),
    "image with bad base64": part({"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}}),
    "image with other bytes": part({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}),
    "image with bad detail": part({"type": "image_url", "image_url": {"url": PNG, "detail": "ultra"}}),
    "bad audio format": part({"type": "input_audio", "input_audio": {"data": WAV, "format": "flac"}}),
    "audio with other bytes": part({"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}}),
    "file with other bytes": part({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGVsbG8="}}),
    "image in a system message": {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
    "tool without call id": {"messages": [USER, ASKED, {"role": "tool", "content": "7"}]},
    "tool with null content": {"messages": [USER, ASKED, {**RESULT, "content": None}]},
    "tool without call": {"messages": [USER, RESULT]},
    "tool for another call": {"messages": [USER, ASKED, {**RESULT, "tool_call_id": "c2"}]},
    "tool answered twice": {"messages": [USER, ASKED, RESULT, RESULT]},
    "call without answer": {"messages": [USER, ASKED, USER]},
    "call without id": {"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "id": ""}]}, RESULT]},
    "call with parsed arguments": {
        "messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "add", "arguments": {}}}]}, RESULT]
    },
    "empty tools": {"tools": []},
    "tools as object": {"tools": {}},
    "anthropic tool": {"tools": [{"name": "add", "input_schema": {}}]},
    "tool without name": {"tools": [{"type": "function", "function": {}}]},
    "tool with bad name": {"tools": [{"type": "function", "function": {"name": "a b"}}]},
    "tool with long name": {"tools": [{"type": "function", "function": {"name": "a" * 65}}]},
    "tool with array schema": {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}]},
    "tool_choice without tools": {"tool_choice": "auto"},
    "tool_choice any": {"tools": [TOOL], "tool_choice": "any"},
    "tool_choice as bare name": {"tools": [TOOL], "tool_choice": "add"},
    "tool_choice of unknown tool": {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
    "tool_choice without name": {"tools": [TOOL], "tool_choice": {"type": "function"}},
    "format as text": {"response_format": "json_object"},
    "unknown format": {"response_format": {"type": "yaml"}},
    "schema without name": {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
    "schema without schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
    "strict schema with optional field": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {}}}},
        }
    },
    "temperature as text": {"temperature": "hot"},
    "temperature as boolean": {"temperature": True},
    "temperature too high": {"temperature": 3},
    "top_p too high": {"top_p": 1.5},
    "penalty too low": {"presence_penalty": -3},
    "max_tokens as text": {"max_tokens": "10"},
    "max_tokens as fraction": {"max_tokens": 1.5},
    "negative max_tokens": {"max_tokens": -1},
    "stream as text": {"stream": "yes"},
    "seed as text": {"seed": "1"},
    "stop as number": {"stop": 3},
    "stop with numbers": {"stop": [3]},
    "empty stop": {"stop": []},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [("gpt-4o", "openai-v1"), ("gpt-4o", "models"), ("mistral-large-2411", "serverless")]
)
@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_is_refused(wire, fields, name, kind):
    """Every malformed body gets a 400 or 422 with an error object, never an answer."""
    answer = wire.post(name, kind, "chat/completions", {"messages": [USER], **fields})

    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["message"]


def test_azure_openai_names_the_parameter(wire):
    """E21: type, param and code, as recorded for a bare response_format."""
    answer = wire.chat(response_format="foo")

    assert answer.json() == {
        "error": {
            "message": "Invalid type for 'response_format': expected an object, but got a string instead.",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": "invalid_type",
        }
    }


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}, "image (image/png, 68 bytes"),
        ({"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}, "image (https://example.com/x.png)"),
        ({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}, "audio (audio/wav, 16 bytes"),
        ({"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}, "file (application/pdf, 12 bytes"),
    ],
)
def test_media_is_reported_byte_by_byte(wire, content, seen):
    """The answer names kind, size and digest of what arrived."""
    message = wire.message(messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, content]}])

    assert seen in message["content"]


def test_audio_url_is_for_model_inference(wire):
    """`audio_url` is read by the multimodal Phi, not by Azure OpenAI."""
    messages = [{"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": "https://example.com/a.wav"}}]}]

    assert "a.wav" in wire.message("phi-4-multimodal-instruct", "models", messages=messages)["content"]
    assert wire.chat(messages=messages).status_code == 400


def test_text_models_refuse_images(wire):
    """A model without image input refuses them."""
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]

    assert wire.chat("mistral-large-2411", "serverless", messages=messages).status_code == 400


def test_some_models_take_string_content_only(wire):
    """A list of parts is refused even when it is all text."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    answer = wire.chat("phi-3-mini-4k-instruct", "serverless", messages=messages)

    assert answer.status_code == 400
    assert "should be of type string" in answer.text


@pytest.mark.parametrize("header", [{}, {"extra-parameters": "error"}])
def test_gateway_refuses_extra_parameters(wire, header):
    """E17: the detail is a string that names the fields."""
    answer = wire.chat("llama-3.3-70b-instruct", "serverless", n=1, user="me", headers=header)

    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Extra parameters ['n', 'user'] are not allowed")


def test_dropped_extras_are_ignored(wire):
    """With `drop` the model never sees them."""
    assert wire.chat("mistral-large-2411", "models", foo="bar", headers={"extra-parameters": "drop"}).status_code == 200


def test_extra_parameters_header_has_three_values(wire):
    """Any other value is refused."""
    assert wire.chat("mistral-large-2411", "models", headers={"extra-parameters": "allow"}).status_code == 400


def test_mistral_refuses_what_is_passed_through(wire):
    """E16: 422 with JSON inside a string."""
    answer = wire.chat("mistral-large-2411", "models", foo="bar", headers={"extra-parameters": "pass-through"})
    inner = json.loads(answer.json()["error"]["message"])

    assert answer.status_code == 422
    assert answer.headers["ms-azureml-model-error-statuscode"] == "422"
    assert inner["detail"][0]["type"] == "extra_forbidden"
    assert inner["detail"][0]["loc"] == ["body", "foo"]
    assert inner["detail"][0]["input"] == "bar"


def test_mistral_takes_safe_prompt(wire):
    """Its own extra goes through."""
    answer = wire.chat(
        "mistral-large-2411", "serverless", safe_prompt=True, headers={"extra-parameters": "pass-through"}
    )

    assert answer.status_code == 200


def test_mistral_refuses_stream_options(wire):
    """Even passed through, with the inner field in the location."""
    answer = wire.chat(
        "mistral-large-2411",
        "serverless",
        stream=True,
        stream_options={"include_usage": True},
        headers={"extra-parameters": "pass-through"},
    )

    assert answer.status_code == 422
    assert '"loc": ["body", "stream_options", "include_usage"]' in answer.json()["error"]["message"]


def test_mistral_refuses_a_user_right_after_a_tool(wire):
    """The assistant speaks after a tool."""
    answer = wire.chat("mistral-large-2411", "serverless", messages=[USER, ASKED, RESULT, USER])

    assert answer.status_code == 400
    assert "Unexpected role 'user' after role 'tool'" in answer.text


def test_azure_openai_refuses_unknown_fields(wire):
    """An unknown argument is named."""
    answer = wire.chat(foo=1)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Unrecognized request argument supplied: foo"


def test_azure_openai_wants_the_type_of_a_call(wire):
    """A tool call without `type` is refused there and tolerated by Mistral, which sends none itself."""
    messages = [USER, {"role": "assistant", "tool_calls": [{"id": "c1", "function": CALL["function"]}]}, RESULT]

    assert wire.chat(messages=messages).status_code == 400
    assert wire.chat("mistral-large-2411", "serverless", messages=messages).status_code == 200


def test_azure_openai_takes_ids_of_forty_characters(wire):
    """Longer ids of tool calls are refused."""

    def history(call_id):
        call = {"id": call_id, "type": "function", "function": {"name": "add", "arguments": "{}"}}
        answer = {"role": "tool", "tool_call_id": call_id, "content": "1"}
        return [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}, answer]

    refused = wire.chat(messages=history("c" * 41))

    assert wire.chat(messages=history("c" * 40)).status_code == 200
    assert refused.json()["error"]["code"] == "string_above_max_length"
    assert wire.chat("jais-30b-chat", "serverless", messages=history("c" * 41)).status_code == 200


def test_phi_3_refuses_tools(wire):
    """422 (E14), as it refuses every parameter that it lacks."""
    answer = wire.chat("phi-3-mini-4k-instruct", "models", tools=[TOOL])

    assert answer.status_code == 422
    assert answer.json()["detail"] == {"loc": ["body", "tools"], "input": [TOOL]}


@pytest.mark.parametrize("name", ["phi-3-vision-128k-instruct", "phi-4-mini-instruct", "deepseek-r1"])
def test_models_without_tools_say_so(wire, name):
    """E20, the vLLM sentence."""
    answer = wire.chat(name, "models", tools=[TOOL])

    assert answer.status_code == 400
    assert answer.json()["object"] == "error"
    assert answer.json()["message"].startswith('"auto" tool choice requires')


@pytest.mark.parametrize(
    "choice", ["auto", "required", {"type": "function", "function": {"name": TOOL["function"]["name"]}}]
)
def test_llama_takes_tools_and_ignores_them(wire, choice):
    """Text, whatever `tool_choice` says; as if no tools had been sent, streams too."""
    name, without = "llama-3.3-70b-instruct", {"messages": [{"role": "user", "content": "Weather in Paris?"}]}
    asked = {**without, "tools": [TOOL], "tool_choice": choice}
    plain, bare = (wire.chat(name, "serverless", **fields).json() for fields in (asked, without))
    deltas = [item["delta"] for frame in wire.frames(name, "models", **asked) for item in frame["choices"]]

    assert plain["choices"] == bare["choices"]
    assert plain["usage"] == bare["usage"]
    assert plain["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in plain["choices"][0]["message"]
    assert "".join(delta["content"] for delta in deltas) == plain["choices"][0]["message"]["content"]
    assert all("tool_calls" not in delta for delta in deltas)


@pytest.mark.parametrize(("name", "calls"), [("gpt-4o", 2), ("gpt-reasoning", 1)])
def test_the_reasoning_gpt_calls_one_tool_at_a_time(wire, name, calls):
    """Both are asked for in one sentence. Source: Azure OpenAI, 'Reasoning models': no parallel tool calls."""
    two = {"a": {"type": "integer"}, "b": {"type": "integer"}}
    multiply = {
        "name": "multiply",
        "description": "Multiply two numbers.",
        "parameters": {"type": "object", "properties": two},
    }
    place = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    weather = {"name": "get_weather", "description": "Get the weather of a city.", "parameters": place}
    tools = [{"type": "function", "function": function} for function in (weather, multiply)]
    asked = [{"role": "user", "content": "What is the weather in Paris, and what is 17 times 23?"}]

    assert len(wire.message(name, tools=tools, messages=asked)["tool_calls"]) == calls


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
@pytest.mark.parametrize("name", ["llama-3.3-70b-instruct", "deepseek-r1", "phi-4-mini-instruct"])
def test_text_only_models_refuse_json(wire, name, kind):
    """E14 by the gateway: their containers would know the field."""
    schema = {"name": "x", "schema": {"type": "object"}}
    asked = {"type": kind} if kind == "json_object" else {"type": kind, "json_schema": schema}
    answer = wire.chat(name, "models", response_format=asked)

    assert answer.status_code == 422
    assert answer.json()["code"] == "parameter_not_supported"
    assert answer.json()["detail"] == {"loc": ["body", "response_format"], "input": kind}


@pytest.mark.parametrize("field", ["temperature", "top_p", "presence_penalty", "frequency_penalty"])
def test_deepseek_r1_refuses_sampling_parameters(wire, field):
    """E14; a limit and stop sequences are taken."""
    answer = wire.chat("deepseek-r1", "serverless", **{field: 0.5})

    assert (answer.status_code, answer.json()["detail"]) == (422, {"loc": ["body", field], "input": 0.5})
    assert wire.chat("deepseek-r1", "serverless", max_tokens=50, stop=["x"]).status_code == 200


def test_phi_refuses_json_mode(wire):
    """E14: the detail is an object."""
    answer = wire.chat("phi-3-mini-4k-instruct", "serverless", response_format={"type": "json_object"})

    assert answer.status_code == 422
    assert answer.json() == {
        "status": 422,
        "code": "parameter_not_supported",
        "detail": {"loc": ["body", "response_format"], "input": "json_object"},
        "message": "One of the parameters contain invalid values.",
    }


def test_phi_4_answers_in_vllm_words(wire):
    """E19: a Python list in the message."""
    answer = wire.chat("phi-4-mini-instruct", "models", foo="bar", headers={"extra-parameters": "pass-through"})

    assert answer.json()["message"].startswith("[{'type': 'extra_forbidden', 'loc': ('body', 'foo')")


def test_cohere_answers_with_a_detail_list(wire):
    """E15."""
    answer = wire.chat("cohere-command-r-plus", "models", temperature="x")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "temperature"]


def test_cohere_wants_json_from_tools(wire):
    """A tool result that is no JSON is refused."""
    prose = {**RESULT, "content": "it is sunny"}

    assert wire.chat("cohere-command-r-plus", "models", messages=[USER, ASKED, prose]).status_code == 400
    assert wire.chat("cohere-command-r-plus", "models", messages=[USER, ASKED, RESULT]).status_code == 200


@pytest.mark.parametrize("field", ["temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens"])
def test_reasoning_models_refuse_sampling(wire, field):
    """`unsupported_parameter`, naming it."""
    answer = wire.chat("gpt-reasoning", **{field: 1})

    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == ("unsupported_parameter", field)


def test_reasoning_models_take_system_or_developer(wire):
    """Either, not both."""
    both = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, USER]

    assert wire.chat("gpt-reasoning", messages=both).status_code == 400
    assert wire.chat("gpt-reasoning", messages=both[1:]).status_code == 200


def test_json_mode_wants_the_word(wire):
    """Azure OpenAI refuses json_object when no message says JSON."""
    assert wire.chat(response_format={"type": "json_object"}).status_code == 400


def test_json_schema_needs_a_newer_version(wire):
    """On a deployment URL it came with 2024-08-01-preview."""
    spec = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {}}}}

    assert wire.chat("gpt-4o", "openai-deployment", response_format=spec, version="2024-06-01").status_code == 400
    assert wire.chat("gpt-4o", "openai-deployment", response_format=spec, version="2024-10-21").status_code == 200


def test_too_long_a_prompt_is_refused(wire):
    """4k tokens are 4k tokens."""
    answer = wire.chat("phi-3-mini-4k-instruct", "serverless", messages=[{"role": "user", "content": "word " * 5000}])

    assert answer.status_code == 400
    assert "maximum context length is 4096 tokens" in answer.text


@pytest.mark.parametrize("kind", ["models", "openai-v1"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"nul"])
def test_bodies_that_are_no_json_object_are_refused(wire, emulator, kind, content):
    """400, whatever the bytes."""
    params = {} if kind == "openai-v1" else {"api-version": "2024-05-01-preview"}
    headers = {"api-key": emulator.key, "content-type": "application/json"}
    url = emulator.endpoint("gpt-4o", kind) + "/chat/completions"

    assert wire.http.post(url, params=params, content=content, headers=headers).status_code == 400


def test_other_content_types_are_refused(wire, emulator):
    """JSON has to say that it is JSON."""
    headers = {"api-key": emulator.key, "content-type": "text/plain"}

    assert (
        wire.http.post(emulator.url + "/openai/v1/chat/completions", content=b"{}", headers=headers).status_code == 400
    )


def test_deep_nesting_is_refused(wire, emulator):
    """No stack overflow, a 400."""
    headers = {"api-key": emulator.key, "content-type": "application/json"}
    deep = b'{"model":"gpt-4o","metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    answer = wire.http.post(emulator.url + "/openai/v1/chat/completions", content=deep, headers=headers)

    assert answer.status_code == 400


def test_lone_surrogates_do_no_harm(wire, emulator):
    """Text that is no valid Unicode is answered, in valid UTF-8."""
    headers = {"api-key": emulator.key, "content-type": "application/json"}
    content = b'{"model":"gpt-4o","messages":[{"role":"user","content":"a \\ud800 b"}]}'

    answer = wire.http.post(emulator.url + "/openai/v1/chat/completions", content=content, headers=headers)

    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"].startswith("You said")
