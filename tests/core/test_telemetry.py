"""What a call leaves behind: spans, metrics and log records. Source: OpenTelemetry conventions for generative AI."""

from __future__ import annotations

import json
import logging

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from azureai_core import ConfigurationError
from azureai_core import telemetry as _telemetry
from fakes import DONE, USAGE, Reply, chat, delta, events, frame, vectors

HI = {"messages": [{"role": "user", "content": "hi there"}], "temperature": 0, "max_tokens": 9}


class Watch:
    """Spans and metrics in memory."""

    def __init__(self):
        self.spans = InMemorySpanExporter()
        self.tracer = TracerProvider()
        self.tracer.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meter = MeterProvider([self.reader])

    def span(self):
        (span,) = self.spans.get_finished_spans()
        return span

    def points(self, name):
        data = self.reader.get_metrics_data()
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
        return [point for metric in found for point in metric.data.data_points]


@pytest.fixture
def watch(monkeypatch):
    """Providers of this test's own: the global ones can be set only once in a process."""
    watch = Watch()
    monkeypatch.setattr(trace, "get_tracer", watch.tracer.get_tracer)
    monkeypatch.setattr(metrics, "get_meter", watch.meter.get_meter)
    _telemetry._instruments.cache_clear()
    yield watch
    _telemetry._instruments.cache_clear()
    watch.meter.shutdown()
    watch.tracer.shutdown()


def test_a_call_has_a_span(watch, fake_service, make_client, mode):
    """What was asked and what came back, but no content."""
    fake_service.plays(mode.reply())

    mode.ask(make_client("/models", model="m"), HI)

    span = watch.span()
    found = dict(span.attributes)
    assert (span.name, span.kind) == ("chat m", trace.SpanKind.CLIENT)
    assert (found.pop("gen_ai.response.time_to_first_chunk", 0) > 0) is mode.streams
    assert found.pop("gen_ai.request.stream", False) is mode.streams
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.inference",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0,
        "gen_ai.request.max_tokens": 9,
        "server.address": "127.0.0.1",
        "server.port": fake_service.port,
        "gen_ai.response.model": "served-model",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
    }


def test_content_only_with_the_switch(watch, fake_service, make_client, mode, monkeypatch):
    """`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    fake_service.plays(mode.reply())

    mode.ask(make_client(), HI)

    assert json.loads(watch.span().attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi there"}]}
    ]
    assert json.loads(watch.span().attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
    ]


def test_content_has_tool_calls_and_their_results(watch, fake_service, make_client, mode, monkeypatch):
    """Each part of the conversation in the conventions' form."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    fake_service.plays(mode.reply())
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]

    mode.ask(make_client(), {"messages": messages})

    parts = [m["parts"] for m in json.loads(watch.span().attributes["gen_ai.input.messages"])]
    assert parts == [
        [{"type": "text", "text": "hi"}],
        [{"type": "text", "content": ""}, {"type": "tool_call", "id": "1", "name": "f", "arguments": "{}"}],
        [{"type": "tool_call_response", "id": "1", "response": "42"}],
    ]


def test_a_call_has_metrics(watch, fake_service, make_client, mode):
    """Duration, tokens of both kinds, and of a stream the time to its first chunk."""
    fake_service.plays(mode.reply())

    mode.ask(make_client("/openai/v1", model="m"), HI)

    (duration,) = watch.points("gen_ai.client.operation.duration")
    assert duration.count == 1
    assert duration.attributes["gen_ai.provider.name"] == "azure.ai.openai"
    tokens = {p.attributes["gen_ai.token.type"]: p.sum for p in watch.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 3, "output": 2}
    assert len(watch.points("gen_ai.client.operation.time_to_first_chunk")) == mode.streams


def test_a_failed_call_is_marked(watch, fake_service, make_client, mode):
    """With its status."""
    fake_service.default = Reply(404, "no")

    with pytest.raises(Exception, match="404"):
        mode.ask(make_client(), HI)

    assert watch.span().status.status_code is trace.StatusCode.ERROR
    assert watch.span().attributes["error.type"] == "404"
    (duration,) = watch.points("gen_ai.client.operation.duration")
    assert duration.attributes["error.type"] == "404"


def test_another_failure_is_marked_by_its_class(watch, make_client, fake_service, colour):
    """Without the text of an exception that is not ours."""

    def fetch():
        raise ValueError("canary")

    with pytest.raises(ConfigurationError, match="canary"):
        colour.call(make_client(credential=fetch, allow_http_token=True), "complete", HI)

    assert (watch.span().attributes["error.type"], watch.span().status.description) == ("ConfigurationError",) * 2


def test_leaving_a_stream_is_no_failure(watch, fake_service, make_client):
    """The span ends, without an error."""
    fake_service.plays(events(delta("a"), delta("b"), DONE))
    stream = make_client().stream(HI)
    next(stream)
    stream.close()

    assert watch.span().status.status_code is trace.StatusCode.UNSET


@pytest.mark.parametrize("odd", [{"a": 1}, [1], 7, True])
def test_an_odd_model_name_breaks_nothing(odd, watch, fake_service, make_client, mode):
    """Whatever the service puts there."""
    body = {**chat().body, "model": odd, "id": odd}
    last = {"model": odd, "id": odd, "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
    fake_service.plays(events(frame(last), DONE) if mode.streams else Reply(body=body))

    assert mode.ask(make_client(), HI).content == "Hello"


def test_embeddings_have_a_span(watch, fake_service, make_client, colour):
    """Text and image embeddings alike."""
    fake_service.plays(vectors([1.0]))

    colour.call(make_client(model="m"), "embed", ["a"])

    assert watch.span().name == "embeddings m"
    assert watch.span().attributes["gen_ai.usage.input_tokens"] == 1


def test_nothing_is_needed_to_be_installed(monkeypatch, fake_service, make_client, mode):
    """Without OpenTelemetry, calls work as ever."""
    _telemetry._has_otel.cache_clear()
    monkeypatch.setattr(_telemetry, "find_spec", lambda name: None)
    try:
        fake_service.plays(mode.reply())
        assert mode.ask(make_client()).content == "Hello"
    finally:
        _telemetry._has_otel.cache_clear()


def test_a_call_has_a_log_record(caplog, fake_service, make_client, mode):
    """One summary at DEBUG, and no content."""
    caplog.set_level(logging.DEBUG, "azureai_core")
    fake_service.plays(mode.reply())

    mode.ask(make_client(), HI)

    (record,) = [r for r in caplog.records if r.name == "azureai_core"]
    assert f"POST {fake_service.url}/serverless/m/chat/completions answered: model served-model" in record.getMessage()
    assert "finish stop, 3+2 tokens in " in record.getMessage()
    assert "hi there" not in caplog.text


def test_bodies_are_logged_only_with_the_switch(caplog, fake_service, make_client, mode, monkeypatch):
    """`AZUREAI_LOG_BODIES=true`."""
    monkeypatch.setenv("AZUREAI_LOG_BODIES", "true")
    caplog.set_level(logging.DEBUG, "azureai_core")
    fake_service.plays(mode.reply())

    mode.ask(make_client(), HI)

    assert "hi there" in caplog.text
    assert "answer Hello" in caplog.text


def test_failures_are_logged(caplog, fake_service, make_client, mode):
    """Status, class and request id; or the class alone."""
    caplog.set_level(logging.DEBUG, "azureai_core")
    fake_service.plays(Reply(404, "no", {"x-request-id": "r-1"}), Reply(200, "no answer"))
    for _ in range(2):
        with pytest.raises(Exception, match="no"):
            mode.ask(make_client(), HI)

    assert "failed: 404 NotFoundError, request id r-1" in caplog.text
    assert "ended: " in caplog.text


def test_odd_messages_break_no_call(watch, fake_service, make_client, mode, monkeypatch):
    """A tool call whose function is null is the service's business."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    fake_service.plays(mode.reply())

    answer = mode.ask(
        make_client(), {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": None}]}]}
    )

    assert answer.content == "Hello"
    asked = json.loads(watch.span().attributes["gen_ai.input.messages"])
    assert asked[0]["parts"][-1] == {"type": "tool_call", "id": "1"}


def test_a_failing_tracer_breaks_no_call(watch, fake_service, make_client, mode, monkeypatch, caplog):
    """Neither at the start of a span nor at its end, which still comes."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    fake_service.plays(mode.reply(), mode.reply())
    with monkeypatch.context() as broken, caplog.at_level(logging.DEBUG, "azureai_core"):
        for name in ("_content", "_describe", "_record_metrics", "_log"):
            broken.setattr(_telemetry, name, None)
        assert mode.ask(make_client(), HI).content == "Hello"
    assert watch.span().name == "chat"
    assert "not recorded: TypeError" in caplog.text

    monkeypatch.setattr(_telemetry, "_start_span", None)
    assert mode.ask(make_client(), HI).content == "Hello"


def test_content_has_all_of_the_answer(watch, fake_service, make_client, mode, monkeypatch):
    """Reasoning and tool calls too; of an image, its media type and size."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    said = {"content": None, "tool_calls": [call], "reasoning_content": "hm"}
    whole = {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": said}]}
    streamed = events(delta(None, **{k: v for k, v in said.items() if v}), delta(finish="tool_calls"), DONE)
    fake_service.answer = lambda r: streamed if r.body.get("stream") else Reply(200, whole)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1000}}

    mode.ask(make_client(), {"messages": [{"role": "user", "content": [image]}]})

    (answer,) = json.loads(watch.span().attributes["gen_ai.output.messages"])
    assert answer["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"},
    ]
    asked = watch.span().attributes["gen_ai.input.messages"]
    assert "data:image/png;base64 (1000 characters)" in asked
    assert "AAAA" not in asked


def test_tokens_spent_on_reasoning_are_recorded(watch, fake_service, make_client, mode):
    """Beside the output tokens, of which they are a part. Source: OpenTelemetry semantic conventions, 'Generative AI'."""
    usage = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 7}}
    whole = Reply(body={**chat().body, "usage": usage})
    fake_service.plays(events(delta("Hi"), delta(finish="stop", usage=usage), DONE) if mode.streams else whole)

    mode.ask(make_client("/models", model="m"), HI)

    assert watch.span().attributes["gen_ai.usage.reasoning.output_tokens"] == 7


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_output_limit_is_recorded_under_either_spelling(name, watch, fake_service, make_client, mode):
    """The conventions have one name for it, whichever the caller used and the model wants."""
    fake_service.plays(mode.reply())

    mode.ask(make_client("/openai/v1", model="o3-mini"), {"messages": [], name: 9})

    assert fake_service.last.body["max_completion_tokens"] == 9
    assert watch.span().attributes["gen_ai.request.max_tokens"] == 9
