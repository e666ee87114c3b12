"""OpenTelemetry's instrumentation of httpx sees each attempt, and its trace goes on in the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from azureai_emulator import Fault

instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx")
trace = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")


@pytest.fixture
def exporter() -> Any:
    """What the finished spans go to."""
    return in_memory.InMemorySpanExporter()


@pytest.fixture
def provider(calls_before: int, exporter: Any) -> Iterator[Any]:
    """httpx instrumented, as a program does it once."""
    provider = trace.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield provider
    instrumentor.uninstrument()
    provider.shutdown()


def traceparent(span: Any) -> str:
    """The header by which a service continues this span. Source: W3C Trace Context, 3.2."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_call_is_a_span_and_the_service_is_told_of_it(
    chat: Any, provider: Any, exporter: Any, azureai_endpoint: Any
) -> None:
    """One span, with URL and status; its `traceparent` is on the wire."""
    chat()

    (span,) = exporter.get_finished_spans()
    assert (span.attributes["http.url"], span.attributes["http.status_code"]) == (chat.url, 200)
    assert azureai_endpoint.requests[-1].headers["traceparent"] == traceparent(span)


def test_each_attempt_is_a_span(chat: Any, provider: Any, exporter: Any, azureai_endpoint: Any) -> None:
    """A 429 and what comes after it are told apart, here and in the service."""
    azureai_endpoint.clear()
    azureai_endpoint.faults(Fault(status=429, headers={"retry-after-ms": "1"}))
    chat()

    spans = exporter.get_finished_spans()
    sent = [exchange.headers["traceparent"] for exchange in azureai_endpoint.requests]
    assert [span.attributes["http.status_code"] for span in spans] == [429, 200]
    assert sent == [traceparent(span) for span in spans]


def test_the_span_is_part_of_the_callers_trace(chat: Any, provider: Any, exporter: Any) -> None:
    """A span that is open around the call has the call's span below it."""
    with provider.get_tracer(__name__).start_as_current_span("a question") as outer:
        chat()

    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert spans["POST"].parent == outer.get_span_context()
