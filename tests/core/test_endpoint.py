"""URLs as users paste them. The doctests of `Endpoint` and `profile_for` are the specification; they run here."""

from __future__ import annotations

import doctest

import pytest

import azureai_core
from azureai_core import ConfigurationError, Endpoint, EndpointKind, InferenceClient, endpoints, profile_for, profiles


@pytest.mark.parametrize("module", [azureai_core, endpoints, profiles], ids=lambda module: module.__name__)
def test_the_examples_hold(module):
    """Each doctest gives what it says."""
    result = doctest.testmod(module)

    assert (result.failed, result.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("url", "kind", "base", "scope"),
    [
        ("https://h.r.models.ai.azure.com", EndpointKind.SERVERLESS, "https://h.r.models.ai.azure.com", "ml.azure.com"),
        (
            "https://h.r.inference.ai.azure.com/",
            EndpointKind.SERVERLESS,
            "https://h.r.inference.ai.azure.com",
            "ml.azure.com",
        ),
        (
            "https://e.r.inference.ml.azure.com/score",
            EndpointKind.MANAGED,
            "https://e.r.inference.ml.azure.com",
            "ml.azure.com",
        ),
        (
            "https://r.services.ai.azure.com/models",
            EndpointKind.MODELS,
            "https://r.services.ai.azure.com/models",
            "cognitive",
        ),
        (
            "https://r.services.ai.azure.com/Models/",
            EndpointKind.MODELS,
            "https://r.services.ai.azure.com/models",
            "cognitive",
        ),
        (
            "https://r.services.ai.azure.com/openai/v1",
            EndpointKind.V1,
            "https://r.services.ai.azure.com/openai/v1",
            "cognitive",
        ),
        (
            "https://r.openai.azure.com/openai/deployments/d/embeddings",
            EndpointKind.DEPLOYMENT,
            "https://r.openai.azure.com/openai/deployments/d",
            "cognitive",
        ),
        ("https://r.openai.azure.com/openai", EndpointKind.V1, "https://r.openai.azure.com/openai/v1", "cognitive"),
        (
            "https://r.cognitiveservices.azure.com",
            EndpointKind.V1,
            "https://r.cognitiveservices.azure.com/openai/v1",
            "cognitive",
        ),
        (
            "https://r.services.ai.azure.com/api/projects/p/openai/v1",
            EndpointKind.V1,
            "https://r.services.ai.azure.com/api/projects/p/openai/v1",
            "//ai.azure.com",
        ),
        ("https://models.inference.ai.azure.com", EndpointKind.GITHUB, "https://models.inference.ai.azure.com", None),
        ("https://models.github.ai/", EndpointKind.GITHUB, "https://models.github.ai/inference", None),
        ("http://[::1]:8000/v1/", EndpointKind.COMPATIBLE, "http://[::1]:8000/v1", None),
        ("http://127.0.0.1:8000", EndpointKind.SERVERLESS, "http://127.0.0.1:8000", "ml.azure.com"),
        (
            "http://127.0.0.1:8000/serverless/score",
            EndpointKind.SERVERLESS,
            "http://127.0.0.1:8000/serverless/score",
            "ml.",
        ),
        ("http://127.0.0.1:8000/github/inference", EndpointKind.GITHUB, "http://127.0.0.1:8000/github/inference", None),
        (
            " https://h.r.models.ai.azure.com/v1 ",
            EndpointKind.SERVERLESS,
            "https://h.r.models.ai.azure.com/v1",
            "ml.azure.com",
        ),
    ],
)
def test_the_kind_of_a_url(url, kind, base, scope):
    """By host, and by path on any host."""
    endpoint = Endpoint.parse(url)

    assert (endpoint.kind, endpoint.base_url) == (kind, base)
    assert (scope in endpoint.token_scope) if scope else endpoint.token_scope is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "starts with https://"),
        ("h.r.models.ai.azure.com", "starts with https://"),
        ("ftp://h.r.models.ai.azure.com", "starts with https://"),
        ("https://", "starts with https://"),
        ("https://h ost/", "starts with https://"),
        ("https://host:port", "is not a URL"),
        ("https://user:canary@host:port?code=canary", "is not a URL"),
        ("https://user:canary@host", "user name or password"),
        ("nothing?code=canary", "starts with https://"),
        ("https://a..b.models.ai.azure.com", "empty part in its host name"),
        (f"https://{'a' * 64}.openai.azure.com/openai/v1?code=canary", "or one over 63"),
        (7, "must be a URL in a string, not int"),
    ],
)
def test_a_bad_url_says_what_is_wrong(url, says):
    """And never repeats a password or a query, which may hold a key."""
    with pytest.raises(ConfigurationError, match=says) as caught:
        InferenceClient(url, "key")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("host", ["h.models.ai.azure.com.", "a" * 63 + ".openai.azure.com", "[::1]:8080"])
def test_a_host_may_end_with_a_dot_or_be_an_address(host):
    """As long as each part has 1 to 63 letters."""
    assert InferenceClient(f"https://{host}/v1", "key", model="m").endpoint.base_url.startswith(f"https://{host}")


def test_other_query_parameters_are_kept(fake_service, make_client):
    """A gateway may need them; they are in no text."""
    client = make_client("/models?subscription-key=canary&api-version=2025-04-01", model="m")

    client.complete({"messages": []})

    assert fake_service.last.query == [("subscription-key", "canary"), ("api-version", "2025-04-01")]
    assert "canary" not in repr(client)


def test_the_environment_names_endpoint_and_credential(fake_service, monkeypatch, clock):
    """Two spellings of each, the first one wins; an argument wins over both."""
    monkeypatch.setenv("AZUREAI_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AZUREAI_ENDPOINT_KEY", "second")
    assert InferenceClient().endpoint.base_url == "http://127.0.0.1:1"
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", fake_service.url)
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", " first ")

    with InferenceClient() as client:
        client.complete({"messages": []})
    with InferenceClient(credential="given") as client:
        client.complete({"messages": []})

    assert [r.header("api-key") for r in fake_service.requests] == ["first", "given"]


def test_no_endpoint_is_a_clear_error():
    """It names the argument and the variable."""
    with pytest.raises(ConfigurationError, match=r"Pass endpoint=.*AZURE_INFERENCE_ENDPOINT"):
        InferenceClient(credential="key")


def test_an_endpoint_object_is_taken(make_client):
    """With another api-version where one is given."""
    endpoint = Endpoint.parse("https://h.r.models.ai.azure.com")

    assert InferenceClient(endpoint, "key").endpoint is endpoint
    assert InferenceClient(endpoint, "key", api_version="2025-04-01").endpoint.api_version == "2025-04-01"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"extra_parameters": "allow"}, "use 'error', 'drop' or 'pass-through'"),
        ({"unsupported_parameters": "ignore"}, "use 'error' or 'drop'"),
        ({"max_retries": -1}, "use 0 or a greater whole number"),
        ({"max_retries": 1.5}, "use 0 or a greater whole number"),
        ({"headers": {"x-a": "line\nbreak"}}, "no line of ASCII text"),
        ({"headers": {"x-a": None}}, "no line of ASCII text"),
    ],
)
def test_a_bad_argument_is_named(arguments, says):
    """With the values that are allowed."""
    with pytest.raises(ConfigurationError, match=says):
        InferenceClient("https://h.r.models.ai.azure.com", "key", **arguments)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback_hosts(host):
    """This machine, however it is spelt."""
    assert Endpoint.parse(f"http://{host}:1").is_loopback
    assert not Endpoint.parse("https://localhost.example.com").is_loopback


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Phi-3.5-mini-instruct", "phi-3"),
        ("Phi-4", "phi-4"),
        ("mistral-small-2503", "mistral"),
        ("o3-mini", "gpt-reasoning"),
        ("openai/gpt-4.1", "gpt"),
        ("Cohere-embed-v3-english", "cohere-embed"),
        ("text-embedding-3-large", "text-embedding"),
        ("DeepSeek-R1", "deepseek-r1"),
        ("nvidia-nemotron-nano-9b", "unknown"),
        ("open-nemo", "mistral"),
        ("Mistral-Nemo", "mistral"),
        ("command-center-gpt-4o", "gpt"),
        ("cohere-command-r-plus", "cohere-command"),
        ("command-r7b", "cohere-command"),
        ("command-a-03-2025", "cohere-command"),
        ("nomic-embed-v1.5", "unknown"),
        ("embed-v-4-0", "cohere-embed"),
        ("embed-multilingual-v3", "cohere-embed"),
        ("my-deployment", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_family_is_known_by_its_name(name, family):
    """An unknown name is allowed everything."""
    assert profile_for(name).family == family


def test_unknown_public_names_are_attribute_errors():
    """The lazy names are the version and the policy, and nothing else."""
    assert azureai_core.__version__
    assert azureai_core.RetryPolicy.__name__ == "RetryPolicy"
    with pytest.raises(AttributeError, match="nothing"):
        azureai_core.nothing  # noqa: B018
    assert all(hasattr(azureai_core, name) for name in azureai_core.__all__)
