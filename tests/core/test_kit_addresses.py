"""The endpoint as an argument of an adapter: what is taken, and what is shown of it."""

from __future__ import annotations

import doctest
import json

import pytest

from azureai_core import ConfigurationError, Endpoint, EndpointKind
from azureai_core.adapters import addresses, endpoint_argument, plain_endpoint, public_url

GATEWAY = Endpoint(EndpointKind.DEPLOYMENT, "https://gateway.example.com/llm", "2024-10-21", (("code", "canary"),))
URL = "https://h.services.ai.azure.com/models"


def test_the_examples_are_true() -> None:
    """Each doctest gives what it says."""
    assert doctest.testmod(addresses).failed == 0


@pytest.mark.parametrize("given", [URL, Endpoint.parse(URL), GATEWAY, None])
def test_a_url_and_an_endpoint_are_taken_as_they_are(given: object) -> None:
    """An `Endpoint` keeps a kind that its URL does not tell."""
    assert endpoint_argument(given) is given


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4.1-mini", "Mistral-large-2411", "my_deployment"])
def test_a_models_name_in_the_endpoints_place_is_told(name: str) -> None:
    """The first argument of a class is the endpoint; other libraries take the model there."""
    with pytest.raises(ConfigurationError, match=f"the first argument is the endpoint.* model='{name}'"):
        endpoint_argument(name)


@pytest.mark.parametrize("text", ["h.services.ai.azure.com", "h.services.ai.azure.com/models", "localhost", "a b"])
def test_an_address_without_its_scheme_is_left_to_the_core(text: str) -> None:
    """Its own error says what is missing."""
    assert endpoint_argument(text) == text


def test_anything_else_is_refused() -> None:
    """As the core does."""
    with pytest.raises(ConfigurationError, match="must be a URL in a string, not int"):
        endpoint_argument(5)


def test_what_is_shown_has_no_secret() -> None:
    """Of a query only the api-version stays."""
    assert public_url(f"{URL}?code=canary&api-version=2025-04-01") == f"{URL}?api-version=2025-04-01"
    assert public_url(GATEWAY) == "https://gateway.example.com/llm?api-version=2024-10-21"
    assert "canary" not in json.dumps(plain_endpoint(GATEWAY))


@pytest.mark.parametrize(
    "endpoint", [Endpoint.parse(URL), Endpoint(EndpointKind.V1, "https://g.example.com/llm", None)]
)
def test_an_endpoint_that_was_written_out_comes_back(endpoint: Endpoint) -> None:
    """As a URL where that tells its kind, else with its kind."""
    written = json.loads(json.dumps(plain_endpoint(endpoint)))
    read = endpoint_argument(written)

    assert (Endpoint.parse(read) if isinstance(read, str) else read) == endpoint
