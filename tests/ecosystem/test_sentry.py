"""Sentry's integration of httpx leaves a breadcrumb for each request, and its trace goes on in the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from azureai_emulator import Fault

sentry_sdk = pytest.importorskip("sentry_sdk")
HttpxIntegration = pytest.importorskip("sentry_sdk.integrations.httpx").HttpxIntegration
Transport = pytest.importorskip("sentry_sdk.transport").Transport


class Kept(Transport):  # type: ignore[misc, valid-type]
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.envelopes.append(envelope)


@pytest.fixture
def kept() -> Kept:
    """What Sentry would send."""
    return Kept()


@pytest.fixture
def breadcrumbs(calls_before: int, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The breadcrumbs of a program that has Sentry."""
    found: list[dict[str, Any]] = []
    before = httpx.Client.send
    monkeypatch.setattr(httpx.Client, "send", before)  # Sentry replaces both for good: put back after the test
    monkeypatch.setattr(httpx.AsyncClient, "send", httpx.AsyncClient.send)
    client = sentry_sdk.get_client()
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            dsn="https://key@sentry.invalid/1",
            transport=kept,
            before_breadcrumb=lambda crumb, hint: found.append(crumb) or crumb,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[HttpxIntegration()],
            auto_session_tracking=False,
            traces_sample_rate=1.0,
        )
        if httpx.Client.send is before:  # `init` does this once in a process
            HttpxIntegration.setup_once()
        yield found
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(client)


def test_a_call_leaves_a_breadcrumb_and_the_service_is_told_of_the_trace(
    chat: Any, breadcrumbs: list[dict[str, Any]], azureai_endpoint: Any
) -> None:
    """URL and status in the breadcrumb; `sentry-trace` and `baggage` on the wire."""
    with sentry_sdk.start_transaction(name="a question") as transaction:
        chat()

    data = [crumb["data"] for crumb in breadcrumbs]
    headers = azureai_endpoint.requests[-1].headers
    assert [(item["url"], item["http.response.status_code"]) for item in data] == [(chat.url, 200)]
    assert headers["sentry-trace"].startswith(transaction.trace_id)
    assert transaction.trace_id in headers["baggage"]


def test_each_attempt_leaves_a_breadcrumb(chat: Any, breadcrumbs: list[dict[str, Any]], azureai_endpoint: Any) -> None:
    """A 429 and what comes after it are told apart, here and in the service."""
    azureai_endpoint.clear()
    azureai_endpoint.faults(Fault(status=429, headers={"retry-after-ms": "1"}))
    with sentry_sdk.start_transaction(name="a question"):
        chat()

    assert [crumb["data"]["http.response.status_code"] for crumb in breadcrumbs] == [429, 200]
    assert len({exchange.headers["sentry-trace"] for exchange in azureai_endpoint.requests}) == 2


def test_the_request_is_a_span_of_the_callers_transaction(
    chat: Any, kept: Kept, breadcrumbs: list[dict[str, Any]]
) -> None:
    """What a trace of the program shows."""
    with sentry_sdk.start_transaction(name="a question"):
        chat()

    (sent,) = [envelope.get_transaction_event() for envelope in kept.envelopes]
    assert [(span["op"], span["description"]) for span in sent["spans"]] == [("http.client", f"POST {chat.url}")]
