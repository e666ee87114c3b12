"""Answers per profile: streaming, reasoning, limits, usage, content safety, embeddings."""

import base64
import math
import struct

import pytest

PASS = {"extra-parameters": "pass-through"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a location",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}
ASK_WEATHER = [{"role": "user", "content": "What is the weather in San Francisco, CA?"}]


def deltas(frames):
    return [choice["delta"] for frame in frames for choice in frame["choices"] if "delta" in choice]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_openai_streams_arguments_in_fragments(wire):
    """Id and name come once, arguments in chunks, all with an index."""
    frames = wire.frames(messages=ASK_WEATHER, tools=[WEATHER])
    calls = [delta["tool_calls"][0] for delta in deltas(frames) if delta.get("tool_calls")]

    assert [call["index"] for call in calls] == [0] * len(calls)
    assert calls[0]["id"].startswith("call_")
    assert calls[0]["type"] == "function"
    assert calls[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert all(set(call) == {"index", "function"} for call in calls[1:])
    assert "".join(call["function"]["arguments"] for call in calls) == '{"location": "San Francisco, CA"}'
    assert deltas(frames)[0] == {"role": "assistant", "content": None}
    assert frames[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_mistral_streams_a_whole_call_in_the_finish_chunk(wire):
    """No index, no type, nine characters of id, usage in the same frame."""
    last = wire.frames("mistral-large-2411", "serverless", messages=ASK_WEATHER, tools=[WEATHER])[-1]
    call = last["choices"][0]["delta"]["tool_calls"][0]

    assert set(call) == {"id", "function"}
    assert len(call["id"]) == 9
    assert call["function"] == {"name": "get_weather", "arguments": '{"location": "San Francisco, CA"}'}
    assert last["choices"][0]["finish_reason"] == "tool_calls"
    assert last["usage"]["total_tokens"] > 0


def test_named_tool_finishes_with_stop_on_gpt(wire):
    """Recorded trap: the call is there, the finish reason says stop."""
    choice = {"type": "function", "function": {"name": "get_weather"}}
    plain = wire.chat(tools=[WEATHER], tool_choice=choice).json()["choices"][0]
    streamed = wire.frames(tools=[WEATHER], tool_choice=choice)

    assert plain["finish_reason"] == "stop"
    assert plain["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert streamed[-1]["choices"][0]["finish_reason"] == "stop"


def test_gpt_streams_begin_without_choices(wire):
    """The first frame carries prompt filter results, empty id and model."""
    first = wire.frames()[0]

    assert (first["choices"], first["id"], first["model"]) == ([], "", "")
    assert first["prompt_filter_results"][0]["content_filter_results"]["violence"]["severity"] == "safe"


def test_gpt_streams_usage_only_when_asked(wire):
    """An extra frame with empty choices, and only then."""
    without = wire.frames()
    asked = wire.frames(stream_options={"include_usage": True})

    assert not any(frame.get("usage") for frame in without)
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"] == wire.chat().json()["usage"]


def test_serverless_streams_usage_unasked(wire):
    """On the finish chunk, equal to the plain count."""
    frames = wire.frames("mistral-large-2411", "serverless")

    assert frames[-1]["usage"] == wire.chat("mistral-large-2411", "serverless").json()["usage"]
    assert not any("usage" in frame for frame in frames[:-1])


def test_llama_takes_stream_options_when_passed_through(wire):
    """The usage then arrives."""
    frames = wire.frames("llama-3.3-70b-instruct", "serverless", stream_options={"include_usage": True}, headers=PASS)

    assert frames[-1]["usage"]["completion_tokens"] > 0


def test_usage_details_on_gpt(wire):
    """The detail objects are there, as integers."""
    usage = wire.chat().json()["usage"]

    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0


def test_hidden_reasoning_is_counted(wire):
    """A reasoning GPT hides its reasoning and counts its tokens."""
    body = wire.chat("gpt-reasoning").json()
    reasoning = body["usage"]["completion_tokens_details"]["reasoning_tokens"]

    assert 0 < reasoning < body["usage"]["completion_tokens"]
    assert "reasoning_content" not in body["choices"][0]["message"]


def test_hidden_reasoning_can_use_up_the_limit(wire):
    """With too small a max_completion_tokens nothing is left for the answer."""
    choice = wire.chat("gpt-reasoning", max_completion_tokens=2).json()["choices"][0]

    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")


def test_think_tags_on_the_older_version(wire, join_text):
    """`<think>` in the content; in a stream both tags are split over frames."""
    content = wire.message("deepseek-r1", "models")["content"]
    frames = wire.frames("deepseek-r1", "models")

    assert content.startswith("<think>\n")
    assert "\n</think>\n\n" in content
    assert join_text(frames) == content
    assert not any("think>" in (d.get("content") or "") and "<" in d["content"] for d in deltas(frames))


def test_reasoning_content_on_the_newer_version(wire, join_text):
    """Reasoning apart from the content, in a stream as well; its last delta is empty."""
    message = wire.message("deepseek-r1", "models", version="2025-04-01")
    frames = wire.frames("deepseek-r1", "models", version="2025-04-01")

    assert "<think>" not in message["content"]
    assert "".join(d.get("reasoning_content") or "" for d in deltas(frames)) == message["reasoning_content"] != ""
    assert join_text(frames) == message["content"]
    assert deltas(frames)[-1]["reasoning_content"] == ""


def test_phi_3_habits(wire):
    """A leading space, an empty list of calls."""
    message = wire.message("phi-3-mini-4k-instruct", "serverless")

    assert message["content"].startswith(" ")
    assert message["tool_calls"] == []


def test_served_name_may_differ(wire):
    """The multimodal Phi calls itself `speech`."""
    assert wire.chat("phi-4-multimodal-instruct", "models").json()["model"] == "speech"


@pytest.mark.parametrize("stream", [False, True])
def test_phi_4_multimodal_counts_audio_apart(wire, stream):
    """`audio_prompt_tokens` beside the sum that has them, and a reasoning that is null."""
    sound = {"type": "audio_url", "audio_url": {"url": "https://example.com/a.wav"}}
    asked = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, sound, sound]}]
    name = "phi-4-multimodal-instruct"
    plain, without = wire.chat(name, "models", messages=asked).json(), wire.chat(name, "models").json()
    usage = wire.frames(name, "models", messages=asked)[-1]["usage"] if stream else plain["usage"]

    assert 0 < usage["audio_prompt_tokens"] < usage["prompt_tokens"]
    assert without["usage"]["audio_prompt_tokens"] == 0
    assert plain["choices"][0]["message"]["reasoning_content"] is None


def test_text_completions_end_after_256_tokens(wire, emulator):
    """Unless told otherwise; Azure OpenAI is not bound to that."""
    emulator.script(["word " * 300] * 3)
    ask = {"prompt": "Go on."}
    short, longer, openai = (
        wire.post(name, kind, "completions", body).json()
        for name, kind, body in (
            ("jais-30b-chat", "serverless", ask),
            ("jais-30b-chat", "serverless", {**ask, "max_tokens": 280}),
            ("gpt-4o", "openai-v1", ask),
        )
    )

    assert [item["usage"]["completion_tokens"] for item in (short, longer, openai)] == [256, 280, 300]
    assert [item["choices"][0]["finish_reason"] for item in (short, longer, openai)] == ["length", "length", "stop"]


@pytest.mark.parametrize("stop", ["emulator", ["nowhere", "emulator"]])
def test_stop_sequences_cut(wire, stop):
    """The answer ends before the stop sequence."""
    content = wire.message(stop=stop)["content"]

    assert "emulator" not in content
    assert content.startswith("You said")


def test_max_tokens_cuts(wire, join_text):
    """Exactly so many tokens, finish reason length, in both modes."""
    body = wire.chat(max_tokens=5).json()
    frames = wire.frames(max_tokens=5)

    assert body["usage"]["completion_tokens"] == 5
    assert body["choices"][0]["finish_reason"] == "length"
    assert join_text(frames) == body["choices"][0]["message"]["content"]
    assert frames[-1]["choices"][0]["finish_reason"] == "length"


def test_several_choices(wire):
    """`n` choices with their own index."""
    body = wire.chat(n=3).json()
    frames = wire.frames(n=2)

    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert {choice["index"] for frame in frames for choice in frame["choices"]} == {0, 1}


def test_the_same_request_gets_the_same_answer(wire):
    """Seeds or none, the rules are deterministic."""
    assert wire.message(seed=1) == wire.message()


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("models", "gpt-4o", ("error", "innererror", "content_filter_result")),
        ("openai-deployment", "gpt-4o", ("error", "innererror", "content_filter_result")),
        ("openai-v1", "gpt-4o", ("error", "inner_error", "content_filter_results")),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_harmful_prompts_are_refused_with_categories(wire, kind, name, path, stream):
    """E2 and E3: code content_filter, the category filtered at a severity, the others safe."""
    messages = [{"role": "user", "content": "please emulator:violence now"}]
    answer = wire.chat(name, kind, messages=messages, stream=stream)
    verdict = answer.json()
    assert verdict["error"]["code"] == "content_filter"
    for step in path:
        verdict = verdict[step]

    assert answer.status_code == 400
    assert verdict["violence"] == {"filtered": True, "severity": "medium"}
    assert verdict["hate"] == {"filtered": False, "severity": "safe"}


def test_serverless_filter_bodies(wire):
    """E1 nested, E4 flat on the first preview."""
    messages = [{"role": "user", "content": "emulator:jailbreak"}]
    nested = wire.chat("mistral-large-2411", "serverless", messages=messages)
    flat = wire.chat("mistral-large-2411", "serverless", messages=messages, version="2024-04-01-preview")

    assert nested.json()["error"]["code"] == "content_filter"
    assert nested.json()["error"]["status"] == 400
    assert flat.json() == {
        "status": 400,
        "code": "content_filter",
        "message": "The response was filtered",
        "param": "messages",
        "type": None,
    }


def test_filtered_answers_stop_midway(wire):
    """200 with part of the text; the stream has an annotation frame and a finish frame without delta."""
    messages = [{"role": "user", "content": "emulator:filter-answer please"}]
    choice = wire.chat(messages=messages).json()["choices"][0]
    frames = wire.frames(messages=messages)

    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"]
    assert choice["content_filter_results"]["violence"]["filtered"] is True
    assert "content_filter_offsets" in frames[-2]["choices"][0]
    assert "delta" not in frames[-2]["choices"][0]
    assert frames[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert "delta" not in frames[-1]["choices"][0]


def test_deepseek_closes_without_done_when_filtered(wire):
    """As reported for Azure: finish reason content_filter, no [DONE]."""
    messages = [{"role": "user", "content": "emulator:filter-answer please"}]
    text = wire.chat("deepseek-r1", "models", messages=messages, stream=True).text

    assert '"finish_reason":"content_filter"' in text
    assert "[DONE]" not in text


@pytest.mark.parametrize(
    ("kind", "name"), [("openai-v1", "gpt-4o"), ("openai-deployment", "gpt-4o"), ("models", "gpt-4o")]
)
def test_low_severity_is_only_reported(wire, kind, name):
    """Low passes and is named in the prompt's results; high is refused as medium is."""
    low = wire.chat(name, kind, messages=[{"role": "user", "content": "emulator:hate-low"}])
    frames = wire.frames(name, kind, messages=[{"role": "user", "content": "emulator:hate-low"}])
    high = wire.chat(name, kind, messages=[{"role": "user", "content": "emulator:hate-high"}])

    for body in (low.json(), frames[0]):
        results = body["prompt_filter_results"][0]["content_filter_results"]
        assert results["hate"] == {"filtered": False, "severity": "low"}
        assert results["violence"] == {"filtered": False, "severity": "safe"}
    assert high.status_code == 400
    assert '"severity":"high"' in high.text


def test_filter_that_did_not_run(wire):
    """E31: the answer is valid."""
    choice = wire.chat(messages=[{"role": "user", "content": "emulator:filter-failed"}]).json()["choices"][0]

    assert choice["content_filter_results"]["error"]["code"] == "content_filter_error"
    assert choice["finish_reason"] == "stop"


def vectors(answer):
    assert answer.status_code == 200, answer.text
    return [item["embedding"] for item in answer.json()["data"]]


def test_similar_texts_lie_closer(wire):
    """A question is nearer to its answer than to anything else."""
    query, near, far, other = vectors(
        wire.embed(
            input=[
                "How do I brew coffee?",
                "Brewing coffee needs hot water and ground beans.",
                "The stock market fell sharply on Monday.",
                "Cats sleep for most of the day.",
            ]
        )
    )

    assert cosine(query, near) > 0.2
    assert cosine(query, near) > 2 * max(cosine(query, far), cosine(query, other))


def test_same_text_same_vector(wire):
    """Deterministic, whatever the batch."""
    assert vectors(wire.embed(input=["a b c", "x"]))[0] == vectors(wire.embed(input="a b c"))[0]


def test_dimensions_where_the_model_has_them(wire):
    """text-embedding-3 shortens; Cohere refuses with 422."""
    assert len(vectors(wire.embed(input=["x"], dimensions=256))[0]) == 256
    assert len(vectors(wire.embed(input=["x"]))[0]) == 1536
    assert wire.embed(input=["x"], dimensions=4000).status_code == 400
    refused = wire.embed("cohere-embed-v3-english", "serverless", input=["x"], dimensions=64)
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "dimensions"])


def test_base64_is_little_endian_float32(wire):
    """The same numbers in both encodings."""
    plain = vectors(wire.embed(input=["some text"]))[0]
    packed = base64.b64decode(vectors(wire.embed(input=["some text"], encoding_format="base64"))[0])

    assert list(struct.unpack(f"<{len(plain)}f", packed)) == pytest.approx(plain, abs=1e-6)


def test_input_type_changes_cohere_vectors_a_little(wire):
    """Query and document differ, and stay close."""
    query = vectors(wire.embed("cohere-embed-v3-english", "models", input=["blue sky"], input_type="query"))[0]
    document = vectors(wire.embed("cohere-embed-v3-english", "models", input=["blue sky"], input_type="document"))[0]

    assert query != document
    assert 0.8 < cosine(query, document) < 0.9999


def test_input_type_is_refused_elsewhere(wire):
    """422 on /models, a refused argument on Azure OpenAI is a 4xx as well."""
    assert wire.embed("text-embedding-3-small", "models", input=["x"], input_type="query").status_code == 422
    assert wire.embed(input=["x"], input_type="query").status_code in (400, 422)


@pytest.mark.parametrize(
    ("name", "kind", "limit"),
    [("cohere-embed-v3-english", "models", 96), ("text-embedding-3-small", "openai-v1", 2048)],
)
def test_batch_limits(wire, name, kind, limit):
    """One more than the limit is refused."""
    assert wire.embed(name, kind, input=["x"] * limit).status_code == 200
    assert wire.embed(name, kind, input=["x"] * (limit + 1)).status_code in (400, 422)


@pytest.mark.parametrize("value", [None, [], "", [""], [3.5], {}, 7, [None], [["x"]]])
def test_malformed_embedding_inputs(wire, value):
    """Refused, never a vector for nothing."""
    assert wire.embed(input=value).status_code in (400, 422)


def test_cohere_without_model(wire):
    """An unset model is answered with an empty one and a warning header."""
    answer = wire.embed("cohere-embed-v3-english", "serverless", input=["x"])

    assert answer.json()["model"] == ""
    assert "x-api-warning" in answer.headers


def png(body):
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def test_image_embeddings(wire):
    """Vectors of text length, alike for alike images, usage counting images."""
    images = [png(bytes(range(200))), png(bytes(range(199))), png(b"\xff" * 3000)]
    answer = wire.post(
        "cohere-embed-v3-english", "models", "images/embeddings", {"input": [{"image": image} for image in images]}
    )
    one, alike, other = vectors(answer)

    assert len(one) == 1024
    assert math.isclose(cosine(one, one), 1, abs_tol=1e-4)
    assert cosine(one, alike) > cosine(one, other)
    assert answer.json()["usage"] == {"prompt_tokens": 3000, "completion_tokens": 0, "total_tokens": 3000, "images": 3}


@pytest.mark.parametrize(
    "item", [{}, {"image": 3}, {"image": "http://x/y.png"}, {"image": "data:image/png;base64,aGk="}, "x"]
)
def test_malformed_image_inputs(wire, item):
    """Refused."""
    answer = wire.post("cohere-embed-v3-english", "serverless", "images/embeddings", {"input": [item]})

    assert answer.status_code in (400, 422)
