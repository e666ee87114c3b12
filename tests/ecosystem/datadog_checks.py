"""Datadog's httpx integration sees each attempt, and its trace goes on in the service.

`test_datadog.py` runs this file in a process of its own, which has the variables that keep ddtrace quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ddtrace
import httpx
import pytest
from ddtrace.contrib.internal.httpx.patch import unpatch
from ddtrace.trace import Span, TraceFilter, tracer

from azureai_emulator import Fault


class Kept(TraceFilter):  # type: ignore[misc]
    """Keeps finished spans, and gives nothing on that could be sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def process_trace(self, trace: list[Span]) -> None:
        self.spans += trace


kept = Kept()
tracer.configure(trace_processors=[kept])


@pytest.fixture
def spans(calls_before: int) -> Iterator[list[Span]]:
    """The spans of a program that has ddtrace."""
    sends = httpx.Client.send, httpx.AsyncClient.send
    kept.spans.clear()
    ddtrace.patch(httpx=True, raise_errors=True)
    yield kept.spans
    unpatch()
    assert (httpx.Client.send, httpx.AsyncClient.send) == sends


def test_a_call_is_a_span_and_the_service_is_told_of_it(chat: Any, spans: list[Span], azureai_endpoint: Any) -> None:
    """One span, with URL and status; its trace and its number are on the wire."""
    chat()

    (span,) = spans
    headers = azureai_endpoint.requests[-1].headers
    assert (span.get_tag("http.url"), span.get_tag("http.status_code")) == (chat.url, "200")
    assert headers["x-datadog-parent-id"] == str(span.span_id)
    assert headers["traceparent"].split("-")[1] == f"{span.trace_id:032x}"


def test_each_attempt_is_a_span(chat: Any, spans: list[Span], azureai_endpoint: Any) -> None:
    """A 429 and what comes after it are told apart, here and in the service."""
    azureai_endpoint.clear()
    azureai_endpoint.faults(Fault(status=429, headers={"retry-after-ms": "1"}))
    chat()

    sent = [exchange.headers["x-datadog-parent-id"] for exchange in azureai_endpoint.requests]
    assert [span.get_tag("http.status_code") for span in spans] == ["429", "200"]
    assert sent == [str(span.span_id) for span in spans]
