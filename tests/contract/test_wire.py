"""What leaves for each kind of endpoint, and what recorded answers become.

Sources of the bodies: recorded sessions of the vendor's SDK (Azure/azure-sdk-assets), the REST reference, and the
issues named beside them.
"""

from __future__ import annotations

import copy
import json
import re
import time
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest

from azureai_core import ConfigurationError, ContentFilterError, InferenceClient, StreamInterruptedError, Usage
from fakes import DONE, KEY, Reply, chat, delta, events, frame, streamed, until_error, vectors

HI = {"messages": [{"role": "user", "content": "hi"}]}
AV = [("api-version", "2024-05-01-preview")]

# Recorded: mistral-large-2411, serverless.
MISTRAL = {
    "choices": [
        {
            "finish_reason": "stop",
            "index": 0,
            "message": {"content": "Hello! How can I help?", "role": "assistant", "tool_calls": None},
        }
    ],
    "created": 1736000000,
    "id": "e1a2",
    "model": "mistral-large-2411",
    "object": "chat.completion",
    "usage": {"completion_tokens": 32, "prompt_tokens": 11, "total_tokens": 43},
}


def test_case_1_plain_call_with_a_key(fake_service, make_client, colour):
    """Serverless: both key headers, the api-version, and nothing in the body that the user did not set."""
    fake_service.plays(Reply(body=MISTRAL))

    answer = colour.call(make_client(), "complete", HI)

    sent = fake_service.last
    assert (sent.method, sent.path, sent.query) == ("POST", "/serverless/m/chat/completions", AV)
    assert sent.body == HI
    assert (sent.header("authorization"), sent.header("api-key")) == (f"Bearer {KEY}", KEY)
    assert sent.header("content-type") == "application/json"
    assert UUID(sent.header("x-ms-client-request-id"))
    assert sent.header("extra-parameters") is None
    assert re.match(r"azureai-adapters/\S+ Python/3", sent.header("user-agent"))
    assert (answer.content, answer.finish_reason, answer.model) == (
        "Hello! How can I help?",
        "stop",
        "mistral-large-2411",
    )
    assert answer.usage == Usage(11, 32, 43)
    assert answer.tool_calls == ()
    assert answer.raw == MISTRAL


def test_case_1_the_payload_is_never_changed(fake_service, make_client, mode):
    """Zero, false and empty strings are sent; `None` is not; the caller's dict stays as it was."""
    payload = {**HI, "temperature": 0, "seed": 0, "top_p": None, "safe_prompt": False, "user": ""}
    before = copy.deepcopy(payload)
    fake_service.plays(mode.reply())

    mode.ask(make_client(), payload)

    assert payload == before
    body = fake_service.last.body
    assert body.pop("stream", False) is mode.streams
    assert body == {**HI, "temperature": 0, "seed": 0, "safe_prompt": False, "user": ""}


def test_case_2_foundry_models(fake_service, make_client, colour):
    """`model` is sent; the served name, the leading space and the gateway's id come back. Recorded: Phi-3.5 on Foundry."""
    fake_service.plays(
        Reply(
            body={
                "choices": [
                    {"finish_reason": "stop", "index": 0, "message": {"content": " Hi", "tool_calls": []}},
                ],
                "model": "phi35-mini-instruct",
            },
            headers={"apim-request-id": "apim-9", "x-ms-client-request-id": "echo", "x-ms-region": "East US"},
        )
    )

    answer = colour.call(make_client("/models", model="Phi-3-5-mini-instruct"), "complete", HI)

    assert fake_service.last.body == {**HI, "model": "Phi-3-5-mini-instruct"}
    assert (answer.content, answer.model, answer.request_id) == (" Hi", "phi35-mini-instruct", "apim-9")
    assert answer.meta.headers["x-ms-region"] == "East US"


@pytest.mark.parametrize("path", ["/models", "/openai/v1", "/v1"])
def test_case_2_a_missing_model_is_a_local_error(path, fake_service, make_client, mode):
    """Where one URL serves many models, the request must name one; nothing is sent."""
    with pytest.raises(ConfigurationError, match="pass model='<deployment name>'"):
        mode.ask(make_client(path))

    assert fake_service.requests == []


def test_case_3_a_pasted_target_uri(fake_service, make_client, colour):
    """One route and one api-version; an explicit argument overrides the URL's."""
    path = "/models/chat/completions?api-version=2025-04-01"
    colour.call(make_client(path, model="m"), "complete", HI)
    colour.call(make_client(path, model="m", api_version="2024-05-01-preview"), "complete", HI)

    assert [(r.path, r.query) for r in fake_service.requests] == [
        ("/models/chat/completions", [("api-version", "2025-04-01")]),
        ("/models/chat/completions", AV),
    ]


def test_case_4_azure_openai_deployment(fake_service, make_client, colour):
    """The version in the query, details of the usage, and the filter's results kept. Recorded: gpt-4o."""
    filtered = {"hate": {"filtered": False, "severity": "safe"}}
    fake_service.plays(
        Reply(
            body={
                "choices": [
                    {
                        "content_filter_results": filtered,
                        "finish_reason": "stop",
                        "index": 0,
                        "logprobs": None,
                        "message": {"content": "Hi", "refusal": None, "role": "assistant"},
                    }
                ],
                "model": "gpt-4o-2024-08-06",
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": filtered}],
                "usage": {
                    "completion_tokens": 9,
                    "completion_tokens_details": {"reasoning_tokens": 4},
                    "prompt_tokens": 8,
                    "prompt_tokens_details": {"cached_tokens": 2},
                    "total_tokens": 17,
                },
            },
            headers={"X-Request-ID": "x-1"},
        )
    )

    answer = colour.call(make_client("/openai/deployments/d", api_version="2024-10-21"), "complete", HI)

    assert fake_service.last.path == "/openai/deployments/d/chat/completions"
    assert fake_service.last.query == [("api-version", "2024-10-21")]
    assert fake_service.last.header("api-key") == KEY
    assert answer.usage == Usage(8, 9, 17, cached_tokens=2, reasoning_tokens=4)
    assert answer.raw["choices"][0]["content_filter_results"] == filtered
    assert answer.request_id == "x-1"


def test_case_5_openai_v1(fake_service, make_client, colour):
    """No api-version, no `extra-parameters` header, even with extras and a choice."""
    client = make_client("/openai/v1/", model="gpt-4o", extra_parameters="drop")

    colour.call(client, "complete", {**HI, "logprobs": True})

    assert (fake_service.last.path, fake_service.last.query) == ("/openai/v1/chat/completions", [])
    assert fake_service.last.header("extra-parameters") is None
    assert fake_service.last.body == {**HI, "model": "gpt-4o", "logprobs": True}


@pytest.mark.parametrize(
    ("chosen", "extras", "header"),
    [
        (None, {"safe_prompt": True}, "pass-through"),
        (None, {"temperature": 1}, None),
        ("drop", {"safe_prompt": True}, "drop"),
        ("drop", {}, "drop"),
        ("error", {"safe_prompt": True}, "error"),
    ],
)
def test_case_7_extras(chosen, extras, header, fake_service, make_client, mode):
    """Fields outside the standard body stand at its root, with the header that lets them pass."""
    fake_service.plays(mode.reply())

    mode.ask(make_client(extra_parameters=chosen), {**HI, **extras})

    assert fake_service.last.body.items() >= extras.items()
    assert fake_service.last.header("extra-parameters") == header


@pytest.mark.parametrize(
    ("path", "given", "scope"),
    [
        ("/models", None, "https://cognitiveservices.azure.com/.default"),
        ("/openai/v1", None, "https://cognitiveservices.azure.com/.default"),
        ("/openai/deployments/d", None, "https://cognitiveservices.azure.com/.default"),
        ("/serverless/m", None, "https://ml.azure.com/.default"),
        ("/models", ["https://mine/.default"], "https://mine/.default"),
    ],
)
def test_case_6_entra(path, given, scope, fake_service, make_client, mode):
    """Only a bearer token, of the scope that the kind expects or the user names; a new one after it expired."""
    asked = []

    class Credential:
        def get_token(self, *scopes, **_):
            asked.extend(scopes)
            return SimpleNamespace(token=f"token-{len(asked)}-canary", expires_on=time.time())

    fake_service.plays(mode.reply(), mode.reply())
    client = make_client(path, credential=Credential(), model="m", credential_scopes=given, allow_http_token=True)

    mode.ask(client, HI)
    mode.ask(client, HI)

    assert asked == [scope, scope]
    assert [sent.header("authorization") for sent in fake_service.requests] == [
        "Bearer token-1-canary",
        "Bearer token-2-canary",
    ]
    assert [sent.header("api-key") for sent in fake_service.requests] == [None, None]


def test_case_11_the_filter_is_not_retried(fake_service, make_client, mode):
    """One request; see test_errors.py for E1 to E4."""
    fake_service.default = Reply(400, {"error": {"code": "content_filter", "message": "x"}}, {"Retry-After": "1"})

    with pytest.raises(ContentFilterError):
        mode.ask(make_client(unsupported_parameters="drop"))

    assert len(fake_service.requests) == 1


def test_case_12_a_filtered_answer_is_an_answer(fake_service, make_client, mode):
    """A 200 whose finish reason is the filter: the text so far, and no exception."""
    # Azure's stream has no delta in that frame. Source: content-filter page.
    last = frame({"choices": [{"index": 0, "finish_reason": "content_filter"}]})
    fake_service.plays(events(delta("Hel"), last, DONE) if mode.streams else chat("Hel", "content_filter"))

    answer = mode.ask(make_client())

    assert (answer.content, answer.finish_reason) == ("Hel", "content_filter")


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "10"}, [10]),
        ({"retry-after-ms": "250", "Retry-After": "10"}, [0.25]),
        ({"x-ms-retry-after-ms": "500"}, [0.5]),
        ({"Retry-After": "0"}, [0]),
    ],
)
def test_case_15_a_429_is_waited_for(headers, waits, fake_service, make_client, mode, clock):
    """The asked wait, in its three spellings; the same client request id twice."""
    fake_service.plays(Reply(429, "", headers), mode.reply())

    assert mode.ask(make_client()).content == "Hello"

    assert clock.slept == waits
    assert len({r.header("x-ms-client-request-id") for r in fake_service.requests}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 424, 501, 505])
def test_case_16_what_is_not_retried(status, fake_service, make_client, mode, clock):
    """Exactly one attempt, even with Retry-After."""
    fake_service.default = Reply(status, "", {"Retry-After": "1"})

    with pytest.raises(Exception, match=f"{status} from POST"):
        mode.ask(make_client())

    assert len(fake_service.requests) == 1
    assert clock.slept == []


# Recorded: Mistral-large, serverless: usage on the finish chunk, unasked.
MISTRAL_STREAM = (
    frame({"choices": [{"delta": {"content": "", "role": "assistant"}, "finish_reason": None, "index": 0}], "id": "s1", "model": "m"}),
    frame({"choices": [{"delta": {"content": "Once "}, "finish_reason": None, "index": 0}], "id": "s1", "model": "m"}),
    frame({"choices": [{"delta": {"content": "upon"}, "finish_reason": None, "index": 0}], "id": "s1", "model": "m"}),
    frame(
        {
            "choices": [{"delta": {"content": "", "tool_calls": None}, "finish_reason": "stop", "index": 0}],
            "id": "s1",
            "model": "m",
            "usage": {"completion_tokens": 352, "prompt_tokens": 24, "total_tokens": 376},
        }
    ),
    DONE,
)  # fmt: skip


def test_case_17_a_mistral_stream(fake_service, make_client, colour):
    """`stream: true` and no `stream_options`; the usage once, on the last chunk."""
    fake_service.plays(events(*MISTRAL_STREAM))

    deltas = colour.each(make_client(), "stream", HI)

    assert fake_service.last.body == {**HI, "stream": True}
    assert "".join(d.content for d in deltas) == "Once upon"
    assert [d.usage for d in deltas] == [None, None, None, Usage(24, 352, 376)]
    assert [d.finish_reason for d in deltas] == [None, None, None, "stop"]
    assert [d.meta is not None for d in deltas] == [True, False, False, False]


# Recorded: gpt-4o on Azure OpenAI: an opening frame without a choice; usage in an extra frame when asked for.
AOAI_STREAM = (
    frame({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": []}),
    delta("", role="assistant"),
    delta("Hel"),
    delta("lo"),
    delta(finish="stop"),
    # Asynchronous filter: an annotation without a delta, after the finish. Source: content-filter page.
    frame(
        {
            "id": "",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": None,
                    "content_filter_results": {},
                    "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198},
                }
            ],
            "usage": None,
        }
    ),
    frame({"id": "c", "model": "served-model", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    DONE,
)


@pytest.mark.parametrize("path", ["/openai/deployments/d", "/openai/v1"])
def test_case_18_and_19_an_azure_openai_stream(path, fake_service, make_client, colour):
    """Usage is asked for; frames without a delta make no text and stay in `raw`."""
    fake_service.plays(events(*AOAI_STREAM))

    deltas = colour.each(make_client(path, model="d"), "stream", HI)

    assert fake_service.last.body["stream_options"] == {"include_usage": True}
    assert [d.content for d in deltas if d.content] == ["Hel", "lo"]
    assert [d.usage for d in deltas if d.usage] == [Usage(1, 2, 3)]
    assert deltas[5].raw["choices"][0]["content_filter_offsets"]["end_offset"] == 198
    assert deltas[-1].raw["model"] == "served-model"


@pytest.mark.parametrize("path", ["/serverless/m", "/models", "/v1"])
def test_case_18_usage_is_not_asked_for_elsewhere(path, fake_service, make_client, colour):
    """Mistral, Llama and Phi refuse `stream_options` (BerriAI/litellm#11696); what the user asks for is sent."""
    fake_service.default = streamed("x")
    client = make_client(path, model="m")

    colour.each(client, "stream", HI)
    colour.each(client, "stream", {**HI, "stream_options": {"include_usage": True}})

    assert ["stream_options" in r.body for r in fake_service.requests] == [False, True]


BODY = b"".join([delta("Gr"), delta("üß"), delta("e \u2028€"), delta(finish="stop"), DONE])
NICE = json.dumps({"choices": [{"index": 0, "delta": {"content": "Grüße \u2028€"}}]}, ensure_ascii=False).encode()
FINISH = b'{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([BODY], id="one read"),
        pytest.param([BODY[n : n + 1] for n in range(len(BODY))], id="byte by byte"),
        pytest.param([BODY.replace(b"\n", b"\r\n")], id="CRLF"),
        pytest.param([BODY.replace(b"\n", b"\r")], id="CR"),
        pytest.param([b": ping\n\n", BODY[:30], BODY[30:], b": ping\n\n"], id="comments"),
        pytest.param([BODY.replace(b"data:", b"event: message\nid: 1\ndata:")], id="event lines"),
        pytest.param([BODY.replace(b"data: ", b"data:")], id="no space"),
        pytest.param([b"data: " + NICE + b"\n\n", frame(FINISH)], id="raw UTF-8, no DONE"),
        pytest.param(
            [*(frame(NICE)[n : n + 1] for n in range(len(frame(NICE)))), frame(FINISH)], id="split characters"
        ),
        pytest.param([BODY.removesuffix(DONE).rstrip(b"\n")], id="last frame without a newline"),
        pytest.param([BODY.replace(b"data: [DONE]", b"data:\n\ndata: [DONE]")], id="empty event"),
        pytest.param([BODY, delta("after the end")], id="what follows DONE"),
    ],
)
def test_case_20_sse_hygiene(pieces, fake_service, make_client, colour):
    """However the bytes come, the text is the same."""
    fake_service.plays(events(*pieces))

    deltas = colour.each(make_client(), "stream", HI)

    assert "".join(d.content for d in deltas) == "Grüße \u2028€"


@pytest.mark.parametrize("end", [(), (DONE,), ("cut",), ("reset",)], ids=["closed", "done", "cut", "reset"])
def test_case_20_a_cut_stream_is_an_error(end, fake_service, make_client, colour):
    """An end before any finish reason is never a silent short answer; the request is not repeated."""
    fake_service.plays(events(delta("Hel"), 0.02, delta("lo <"), 0.05, *end))

    texts, error = until_error(colour, make_client())

    assert "".join(texts) == "Hello <"
    assert isinstance(error, StreamInterruptedError)
    assert error.partial.content == "Hello <"
    assert "ended before its finish reason" in str(error)
    assert len(fake_service.requests) == 1


@pytest.mark.parametrize("held", ["<thi", "<think>abc</th"])
def test_case_20_text_held_back_is_in_the_partial_answer(held, fake_service, make_client, colour):
    """What may have been the beginning of a tag is not lost when the connection breaks."""
    fake_service.plays(events(delta(held), 0.05, "reset"))

    _, error = until_error(colour, make_client())

    assert error.partial.reasoning + error.partial.content == held.removeprefix("<think>")


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_case_20_a_cut_after_the_finish_is_none(end, fake_service, make_client, colour):
    """The answer is whole once its finish reason was seen."""
    fake_service.plays(events(delta("Hello"), delta(finish="stop"), 0.05, end))

    assert "".join(d.content for d in colour.each(make_client(), "stream", HI)) == "Hello"


ARGUMENTS = {"locationName": "Honolulu", "daysInAdvance": 3}
TEXT = json.dumps(ARGUMENTS)
# Recorded: gpt-4o (fragments with an index; a forced tool ends with "stop") and mistral-large-2411 (one whole call).
OPENAI_TOOL = (
    delta(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]),
    *(delta(tool_calls=[{"index": 0, "function": {"arguments": TEXT[n : n + 5]}}]) for n in range(0, len(TEXT), 5)),
    delta(finish="stop"),
    DONE,
)
MISTRAL_TOOL = (
    delta("", tool_calls=[{"id": "991clhfWj", "function": {"name": "f", "arguments": TEXT}}], finish="tool_calls"),
    DONE,
)


@pytest.mark.parametrize(
    ("frames", "id"), [(OPENAI_TOOL, "call_1"), (MISTRAL_TOOL, "991clhfWj")], ids=["openai", "mistral"]
)
def test_case_22_both_styles_of_tool_calls(frames, id, fake_service, make_client, mode):
    """Streamed or whole, with or without an index: the same call."""
    call = {"id": id, "type": "function", "function": {"name": "f", "arguments": TEXT, "call_id": None}}
    fake_service.plays(events(*frames) if mode.streams else chat(None, "stop", tool_calls=[call]))

    answer = mode.ask(make_client())

    assert [(c.id, c.name, json.loads(c.arguments), c.index) for c in answer.tool_calls] == [(id, "f", ARGUMENTS, 0)]
    assert answer.content == ""


def test_case_22_two_parallel_mistral_calls_stay_two(fake_service, make_client, colour):
    """Neither has an index; each has its id."""
    calls = [{"id": name, "function": {"name": "f", "arguments": "{}"}} for name in ("a1b2c3d4e", "f5g6h7i8j")]
    fake_service.plays(events(delta("", tool_calls=calls, finish="tool_calls"), DONE))

    (only,) = [d for d in colour.each(make_client(), "stream", HI) if d.tool_calls]

    assert [(c.index, c.id) for c in only.tool_calls] == [(0, "a1b2c3d4e"), (1, "f5g6h7i8j")]


def test_case_23_a_tool_round_trip_goes_as_it_is(fake_service, make_client, mode):
    """Messages, tools and choice are the caller's: nothing is added or taken away."""
    payload = {
        "messages": [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": TEXT}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "tool_choice": "required",
    }
    fake_service.plays(mode.reply())

    mode.ask(make_client(), payload)

    body = fake_service.last.body
    body.pop("stream", None)
    assert body == payload


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        pytest.param({"content": "<think>a</think>\n\nb"}, ["<thi", "nk>", "a</", "think>\n", "\nb"], id="tags"),
        pytest.param({"content": "b", "reasoning_content": "a"}, [("a", None), (None, "b")], id="reasoning_content"),
        pytest.param({"content": "b", "reasoning": "a"}, [("a", None), ("", "b")], id="reasoning_content, last empty"),
    ],
)
def test_case_24_reasoning_stands_apart(whole, parts, fake_service, make_client, mode):
    """Text `b`, reasoning `a`, in both spellings. Source: 'How to use reasoning models', both api-versions."""
    frames = [
        delta(p) if isinstance(p, str) else delta(p[1], **({} if p[0] is None else {"reasoning_content": p[0]}))
        for p in parts
    ]
    fake_service.plays(events(*frames, delta(finish="stop"), DONE) if mode.streams else chat(**whole))

    answer = mode.ask(make_client())

    assert (answer.content, answer.reasoning) == ("b", "a")


def test_case_24_an_unclosed_tag_loses_nothing(fake_service, make_client, mode):
    """Cut by the length limit: what was thought is reasoning; a tag's beginning is text."""
    fake_service.plays(
        events(delta("<think>abc"), delta("</th"), delta(finish="length"), DONE)
        if mode.streams
        else chat("<think>abc</th", "length")
    )

    answer = mode.ask(make_client())

    assert (answer.content, answer.reasoning, answer.finish_reason) == ("", "abc</th", "length")


# Recorded: the first values of a Cohere v3 answer, in little-endian float32.
BASE64 = "bt3NPE84nDwcT+k7"


def test_case_25_embeddings(fake_service, make_client, colour):
    """Order by `index`; base64 asked for and decoded; `model: ""` tolerated."""
    fake_service.plays(vectors([1.0], [2.0], [3.0], order=(2, 0, 1), model=""), vectors(BASE64))
    client = make_client()

    shuffled = colour.call(client, "embed", ["a", "b", "c"])
    decoded = colour.call(client, "embed", ["a"])

    assert fake_service.requests[0].body == {"input": ["a", "b", "c"], "encoding_format": "base64"}
    assert fake_service.requests[0].path == "/serverless/m/embeddings"
    assert shuffled.vectors == [[1.0], [2.0], [3.0]]
    assert shuffled.model is None
    assert decoded.vectors[0] == pytest.approx([0.02513, 0.01907, 0.00712], abs=5e-6)
    assert decoded.usage == Usage(1, 0, 1)


def test_case_25_batches(fake_service, make_client, colour):
    """Three texts, two a batch: two requests, results in order."""
    fake_service.answer = lambda r: vectors(*([float(ord(text))] for text in r.body["input"]))

    parts = colour.each(make_client(), "embed_many", ["a", "b", "c"], batch_size=2)

    assert sorted(r.body["input"] for r in fake_service.requests) == [["a", "b"], ["c"]]
    assert [v for part in parts for v in part.vectors] == [[97.0], [98.0], [99.0]]


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("Cohere-embed-v3-english", None, "document"),
        ("Cohere-embed-v3-english", "query", "query"),
        ("text-embedding-3-small", None, None),
        ("text-embedding-3-small", "query", "query"),
    ],
)
def test_case_25_input_type(model, asked, sent, fake_service, make_client, colour):
    """Sent where the profile knows the difference, or the user says so."""
    fake_service.plays(vectors([1.0]))

    colour.call(make_client("/models", model=model), "embed", ["a"], input_type=asked)

    assert fake_service.last.body.get("input_type") == sent


def test_case_25_images(fake_service, make_client, colour):
    """The image route, one object for each image."""
    fake_service.plays(vectors([1.0], [2.0]))
    url = "data:image/png;base64,iVBORw0KGgo="

    answer = colour.call(make_client(), "embed_images", [url, {"image": url, "text": "a cat"}], dimensions=3)

    assert fake_service.last.path == "/serverless/m/images/embeddings"
    assert fake_service.last.body == {"input": [{"image": url}, {"image": url, "text": "a cat"}], "dimensions": 3}
    assert len(answer.vectors) == 2


def test_info(fake_service, make_client, colour):
    """Recorded: mistral-large-2411, serverless."""
    fake_service.plays(
        Reply(
            body={"model_name": "mistral-large-2411", "model_type": "chat-completion", "model_provider_name": "Mistral"}
        )
    )

    info = colour.call(make_client(), "info")

    assert (fake_service.last.method, fake_service.last.path, fake_service.last.query) == (
        "GET",
        "/serverless/m/info",
        AV,
    )
    assert fake_service.last.header("content-type") is None
    assert (info.model_name, info.model_type, info.model_provider_name) == (
        "mistral-large-2411",
        "chat-completion",
        "Mistral",
    )


def test_text_completions(fake_service, make_client, mode):
    """The route `/completions`. Source: reference-model-inference-completions."""
    choice = {"index": 0, "text": "<think> is a tag", "finish_reason": "length"}
    body = {"id": "t", "object": "text_completion", "model": "m", "choices": [choice], "usage": {"prompt_tokens": 1}}
    first = frame({**body, "choices": [{**choice, "finish_reason": None}], "usage": None})
    rest = frame({**body, "choices": [{**choice, "text": ""}]})
    fake_service.plays(events(first, rest, DONE) if mode.streams else Reply(body=body))

    answer = mode.ask(make_client(), {"prompt": "say", "max_tokens": 3}, "_text")

    assert fake_service.last.path == "/serverless/m/completions"
    assert fake_service.last.body == {"prompt": "say", "max_tokens": 3, **({"stream": True} if mode.streams else {})}
    assert (answer.content, answer.finish_reason, answer.reasoning) == ("<think> is a tag", "length", "")
    assert answer.usage == Usage(1, 0, 1)


def test_a_host_that_does_not_stream(fake_service, make_client, colour):
    """A plain JSON answer to a stream request is one delta."""
    fake_service.plays(chat("Hello"))

    (only,) = colour.each(make_client(), "stream", HI)

    assert (only.content, only.finish_reason, only.usage) == ("Hello", "stop", Usage(3, 2, 5))


@pytest.mark.parametrize("colour_of_redirect", [301, 302, 307, 308])
def test_redirects_carry_no_credential(colour_of_redirect, fake_service, make_client, mode):
    """They are not followed: the other host gets no request at all."""
    fake_service.default = Reply(colour_of_redirect, "", {"Location": "http://127.0.0.1:9/elsewhere"})

    with pytest.raises(Exception, match="Redirects are not followed") as caught:
        mode.ask(make_client())

    assert caught.value.status_code == colour_of_redirect
    assert len(fake_service.requests) == 1


def test_redirects_are_not_followed_by_the_callers_client_either(fake_service, make_client):
    """Even where the caller's client follows redirects."""
    fake_service.default = Reply(307, "", {"Location": fake_service.url + "/elsewhere"})

    with httpx.Client(follow_redirects=True) as own, pytest.raises(Exception, match="Redirects are not followed"):
        make_client(http_client=own).complete(HI)

    assert len(fake_service.requests) == 1


def test_a_header_the_caller_sets_wins_and_is_sent_once(fake_service, make_client, mode):
    """Whatever its case."""
    fake_service.plays(mode.reply())
    headers = {"User-Agent": "mine", "API-Key": "other-key", "X-MS-Client-Request-Id": "1", "Extra-Parameters": "drop"}

    mode.ask(make_client(headers=headers), {**HI, "n": 1})

    names = ("user-agent", "api-key", "x-ms-client-request-id", "extra-parameters", "authorization")
    assert [fake_service.last.header(name) for name in names] == ["mine", "other-key", "1", "drop", f"Bearer {KEY}"]


def test_too_many_headers_are_a_local_error():
    """Foundry answers 431 to more than ten. Source: 'Foundry Models quotas and limits'."""
    headers = {f"x-{n}": "v" for n in range(11)}

    with pytest.raises(ConfigurationError, match="11 custom headers"):
        InferenceClient("https://r.services.ai.azure.com/models", KEY, headers=headers)
    InferenceClient("https://h.eastus2.models.ai.azure.com", KEY, headers=headers)
