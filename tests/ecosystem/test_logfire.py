"""`logfire.instrument_httpx` sees each attempt, and its trace goes on in the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from azureai_emulator import Fault

logfire = pytest.importorskip("logfire")
testing = pytest.importorskip("logfire.testing")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
propagate = pytest.importorskip("opentelemetry.propagate")
instrumentation = pytest.importorskip("opentelemetry.instrumentation.httpx")


@pytest.fixture
def exporter(calls_before: int) -> Iterator[Any]:
    """The spans of a program that has Logfire; nothing is sent, nothing printed, nothing stays."""
    exporter = testing.TestExporter()
    textmap = propagate.get_global_textmap()
    instance = logfire.configure(
        local=True,
        send_to_logfire=False,
        console=False,
        metrics=False,
        inspect_arguments=False,
        additional_span_processors=[export.SimpleSpanProcessor(exporter)],
    )
    instance.instrument_httpx()
    yield exporter
    instrumentation.HTTPXClientInstrumentor().uninstrument()
    instrumentation.HTTPX2ClientInstrumentor().uninstrument()
    instance.shutdown()
    propagate.set_global_textmap(textmap)


def requests_of(exporter: Any) -> list[dict[str, Any]]:
    """The finished spans of requests."""
    return [span for span in exporter.exported_spans_as_dict() if "http.url" in span["attributes"]]


def test_a_call_is_a_span_and_the_service_is_told_of_it(chat: Any, exporter: Any, azureai_endpoint: Any) -> None:
    """One span, with URL and status; its `traceparent` is on the wire."""
    chat()

    (span,) = requests_of(exporter)
    attributes, context = span["attributes"], span["context"]
    assert (attributes["http.url"], attributes["http.status_code"]) == (chat.url, 200)
    sent = azureai_endpoint.requests[-1].headers["traceparent"]
    assert sent.startswith(f"00-{context['trace_id']:032x}-{context['span_id']:016x}-")


def test_each_attempt_is_a_span(chat: Any, exporter: Any, azureai_endpoint: Any) -> None:
    """A 429 and what comes after it are told apart."""
    azureai_endpoint.clear()
    azureai_endpoint.faults(Fault(status=429, headers={"retry-after-ms": "1"}))
    chat()

    assert [span["attributes"]["http.status_code"] for span in requests_of(exporter)] == [429, 200]
    assert len({exchange.headers["traceparent"] for exchange in azureai_endpoint.requests}) == 2
