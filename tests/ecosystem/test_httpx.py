"""What httpx itself offers to tests: methods that are patched, and a client over `MockTransport`."""

from __future__ import annotations

from typing import Any

import httpcore
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


def test_a_patched_transport_answers_in_place_of_the_service(
    chat: Any, calls_before: int, azureai_endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`handle_request` of httpx's own transports, sync and async, as pytest-httpx and vcrpy patch it."""
    sent: list[httpx.Request] = []

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return chat.mocked()

    async def ahandle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return chat.mocked()

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", ahandle)

    assert chat() == MOCKED
    assert [chat.is_mine(request) for request in sent] == [True]
    assert len(azureai_endpoint.requests) == calls_before


def test_a_patched_pool_answers_in_place_of_the_service(
    chat: Any, calls_before: int, azureai_endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`handle_request` of httpcore's pools, which vcrpy patched up to 8.1: with it, nothing goes out either."""
    sent: list[httpcore.Request] = []

    def handle(pool: httpcore.ConnectionPool, request: httpcore.Request) -> httpcore.Response:
        sent.append(request)
        answer = chat.mocked()
        return httpcore.Response(answer.status_code, headers=answer.headers.raw, content=answer.content)

    async def ahandle(pool: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        return handle(pool, request)  # type: ignore[arg-type]

    monkeypatch.setattr(httpcore.ConnectionPool, "handle_request", handle)
    monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", ahandle)

    assert chat() == MOCKED
    assert [request.url.target for request in sent] == [httpx.URL(chat.url).raw_path]
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
