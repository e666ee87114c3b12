"""Wrong arguments: each is named with its value, and with what to pass, before any request."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from azureai_core import ConfigurationError, InferenceClient, RateLimit

HI = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"timeout": "30"}, r"timeout='30': pass seconds"),
        ({"timeout": -1}, r"timeout=-1: pass seconds"),
        ({"timeout": (5, 30)}, r"timeout=\(5, 30\): pass seconds.*httpx\.Timeout"),
        ({"limits": {"requests_per_minute": 5}}, r"limits=\{.*\}: pass a RateLimit"),
        ({"limits": RateLimit(requests_per_minute=0)}, r"limits has requests_per_minute=0: pass a number above 0"),
        ({"limits": RateLimit(requests_per_minute=-1)}, r"limits has requests_per_minute=-1"),
        ({"limits": RateLimit(tokens_per_minute="9")}, r"limits has tokens_per_minute='9'"),
        ({"limits": RateLimit(tokens_per_minute=float("nan"))}, r"limits has tokens_per_minute=nan"),
        ({"retry": 3}, r"retry=3: pass a RetryPolicy"),
        ({"max_retries": True}, r"max_retries=True: use 0"),
        ({"headers": [("a", "b")]}, r"headers is list: pass a dict"),
        ({"headers": {"a b": "c"}}, r"header name 'a b' cannot be sent"),
        ({"headers": {"": "c"}}, r"header name '' cannot be sent"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, r"'Transfer-Encoding' says how the body is sent"),
        ({"headers": {"content-length": "5"}}, r"'content-length' says how the body is sent"),
        ({"credential_scopes": 5}, r"credential_scopes=5: pass a string"),
        ({"credential_scopes": [5]}, r"credential_scopes=\[5\]: pass a string"),
        ({"http_client": object()}, r"http_client=object: pass an httpx\.Client"),
    ],
)
def test_a_wrong_argument(options, says):
    """At construction."""
    with pytest.raises(ConfigurationError, match=says):
        InferenceClient("https://h.r.models.ai.azure.com", "key", **options)


def test_an_own_client_of_the_other_colour():
    """Named, not an error from inside httpx."""
    with httpx.Client() as sync, pytest.raises(ConfigurationError, match=r"async_http_client=Client: pass an httpx\.A"):
        InferenceClient("https://h.r.models.ai.azure.com", "key", async_http_client=sync)
    other = httpx.AsyncClient()
    with pytest.raises(ConfigurationError, match=r"^http_client=AsyncClient: pass an httpx\.C"):
        InferenceClient("https://h.r.models.ai.azure.com", "key", http_client=other)
    asyncio.run(other.aclose())


def test_an_own_client_that_is_closed(fake_service, make_client):
    """Before, or after it was given."""
    own = httpx.Client()
    client = make_client(http_client=own)
    own.close()

    with pytest.raises(ConfigurationError, match="http_client is closed"):
        make_client(http_client=own)
    with pytest.raises(ConfigurationError, match="given as http_client is closed: keep it open"):
        client.complete(HI)


@pytest.mark.parametrize("payload", ["Hello", [{"role": "user", "content": "hi"}], None])
def test_a_payload_that_is_no_dict(payload, make_client, colour):
    """A text is no payload."""
    with pytest.raises(ConfigurationError, match=r"The payload is .*: pass a dict, such as \{'messages'"):
        colour.call(make_client(), "complete", payload)
