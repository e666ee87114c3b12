"""`pytest-httpx`: the fixture `httpx_mock` answers in place of the service."""

from __future__ import annotations

from typing import Any

import pytest

from azureai_core import APITimeoutError

pytest.importorskip("pytest_httpx")
MOCKED = "This answer is mocked."


@pytest.fixture
def mock(calls_before: int, httpx_mock: Any) -> Any:
    """The plugin's fixture, set up after the calls that were to come first."""
    return httpx_mock


def test_the_fixture_answers_in_place_of_the_service(
    chat: Any, calls_before: int, mock: Any, azureai_endpoint: Any
) -> None:
    """The fixture has the request, the service has not."""
    mock.add_response(method="POST", url=chat.url, **chat.body())

    assert chat() == MOCKED
    assert [chat.is_mine(request) for request in mock.get_requests()] == [True]
    assert len(azureai_endpoint.requests) == calls_before


@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
def test_a_request_that_was_not_expected_does_not_go_out(
    make_chat: Any, loopback: tuple[str, str], httpx_mock: Any, azureai_endpoint: Any
) -> None:
    """The fixture raises a time-out of httpx, which is reported as one, with its text."""
    chat = make_chat(*loopback, max_retries=0)

    with pytest.raises(APITimeoutError, match="No response can be found"):
        chat()
    assert azureai_endpoint.requests == []


def test_a_mocked_429_is_tried_again(chat: Any, httpx_mock: Any, azureai_endpoint: Any) -> None:
    """Each attempt takes one of the responses."""
    httpx_mock.add_response(status_code=429, headers={"retry-after-ms": "1"}, json={"error": {"message": "Slow down."}})
    httpx_mock.add_response(**chat.body())

    assert chat() == MOCKED
    assert len(httpx_mock.get_requests()) == 2
    assert azureai_endpoint.requests == []


def test_an_https_endpoint_is_mocked(make_chat: Any, httpx_mock: Any) -> None:
    """No connection is made, no name looked up."""
    chat = make_chat("https://contoso.openai.azure.com/openai/v1", "a-key", max_retries=0)
    httpx_mock.add_response(url=chat.url, **chat.body())

    assert chat() == MOCKED
    assert [chat.is_mine(request) for request in httpx_mock.get_requests()] == [True]


@pytest.mark.httpx_mock(should_mock=lambda request: request.url.host != "127.0.0.1")
def test_what_the_fixture_lets_through_reaches_the_service(chat: Any, httpx_mock: Any, azureai_endpoint: Any) -> None:
    """`should_mock` decides."""
    assert chat() != MOCKED
    assert len(azureai_endpoint.requests) == 1
