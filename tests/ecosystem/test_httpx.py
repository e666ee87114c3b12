"""What httpx itself offers to tests: a `send` that is patched, and a client over `MockTransport`."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

MOCKED = "This answer is mocked."


def test_a_patched_send_answers_in_place_of_the_service(
    chat: Any, calls_before: int, azureai_endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`httpx.Client.send` and `httpx.AsyncClient.send` are looked up at each call."""
    sent: list[httpx.Request] = []

    def send(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, request=request, **chat.body())

    async def asend(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        return send(client, request)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx.Client, "send", send)
    monkeypatch.setattr(httpx.AsyncClient, "send", asend)

    assert chat() == MOCKED
    assert [chat.is_mine(request) for request in sent] == [True]
    assert len(azureai_endpoint.requests) == calls_before


def test_a_mock_transport_answers_through_a_client_of_the_callers(make_chat: Any) -> None:
    """`http_client` and `async_http_client` over `httpx.MockTransport`; the host is never looked up."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return chat.mocked()

    chat = make_chat(
        "https://contoso.openai.azure.com/openai/v1",
        "a-key",
        http_client=httpx.Client(transport=httpx.MockTransport(answer)),
        async_http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
    )

    assert chat() == MOCKED
    assert [chat.is_mine(request) for request in sent] == [True]
