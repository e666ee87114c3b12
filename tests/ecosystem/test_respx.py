"""`respx` answers in place of the service, whichever of its two ways of mocking is used."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from azureai_core import APIConnectionError

respx = pytest.importorskip("respx")
MOCKED = "This answer is mocked."
both_ways = pytest.mark.parametrize("using", ["httpcore", "httpx"])


@both_ways
def test_a_router_answers_in_place_of_the_service(
    using: str, chat: Any, calls_before: int, azureai_endpoint: Any
) -> None:
    """The router has the request, the service has not."""
    with respx.mock(using=using) as router:
        route = router.post(chat.url).mock(return_value=chat.mocked())
        assert chat() == MOCKED

    assert [chat.is_mine(call.request) for call in route.calls] == [True]
    assert len(azureai_endpoint.requests) == calls_before


def test_a_decorated_function_is_answered(chat: Any, calls_before: int, azureai_endpoint: Any) -> None:
    """`@respx.mock` and routes of the module itself."""

    @respx.mock
    def ask() -> str:
        respx.post(chat.url).mock(return_value=chat.mocked())
        return str(chat())

    assert ask() == MOCKED
    assert len(azureai_endpoint.requests) == calls_before


@both_ways
def test_the_service_is_asked_again_once_the_mock_is_gone(
    using: str, chat: Any, calls_before: int, azureai_endpoint: Any
) -> None:
    """A mocked call leaves nothing behind that a real one could stumble over."""
    with respx.mock(using=using) as router:
        router.post(chat.url).mock(return_value=chat.mocked())
        chat()

    assert chat() != MOCKED
    assert len(azureai_endpoint.requests) == calls_before + 1


@both_ways
def test_a_request_that_no_route_expects_does_not_go_out(
    using: str, chat: Any, calls_before: int, azureai_endpoint: Any
) -> None:
    """What respx raises is what the test sees."""
    with respx.mock(using=using), pytest.raises(AssertionError, match="not mocked"):
        chat()

    assert len(azureai_endpoint.requests) == calls_before


@both_ways
def test_a_mocked_429_is_tried_again(using: str, chat: Any, azureai_endpoint: Any) -> None:
    """Each attempt is a call of the route."""
    with respx.mock(using=using) as router:
        busy = httpx.Response(429, headers={"retry-after-ms": "1"}, json={"error": {"message": "Slow down."}})
        route = router.post(chat.url).mock(side_effect=[busy, chat.mocked()])
        assert chat() == MOCKED

    assert [call.response.status_code for call in route.calls] == [429, 200]
    assert azureai_endpoint.requests == []


@both_ways
def test_a_mocked_failure_to_connect_is_a_connection_error(
    using: str, make_chat: Any, loopback: tuple[str, str]
) -> None:
    """An httpx error that a mock raises is translated as a real one is."""
    chat = make_chat(*loopback, max_retries=0)
    with respx.mock(using=using) as router:
        router.post(chat.url).mock(side_effect=httpx.ConnectError("Refused, says the mock."))
        with pytest.raises(APIConnectionError, match="Refused, says the mock"):
            chat()


@both_ways
def test_an_https_endpoint_is_mocked(using: str, make_chat: Any) -> None:
    """No connection is made, no name looked up."""
    chat = make_chat("https://contoso.openai.azure.com/openai/v1", "a-key", max_retries=0)
    with respx.mock(using=using) as router:
        route = router.post(chat.url).mock(return_value=chat.mocked())
        assert chat() == MOCKED

    assert [chat.is_mine(call.request) for call in route.calls] == [True]
