"""What kind of endpoint a URL is, and what follows from it. Only this file looks at host names and paths."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from .errors import ConfigurationError

ENDPOINT_VARIABLES = ("AZURE_INFERENCE_ENDPOINT", "AZUREAI_ENDPOINT_URL")
CREDENTIAL_VARIABLES = ("AZURE_INFERENCE_CREDENTIAL", "AZUREAI_ENDPOINT_KEY")

INFERENCE_API_VERSION = "2024-05-01-preview"
"""The default of the model-inference routes. Source: REST reference; newer: 2025-04-01."""
AZURE_OPENAI_API_VERSION = "2024-10-21"
"""The latest generally available version of the deployment routes. Source: Azure OpenAI API version lifecycle."""

_ML = "https://ml.azure.com/.default"
_COGNITIVE = "https://cognitiveservices.azure.com/.default"
_FOUNDRY_PROJECT = "https://ai.azure.com/.default"

# Portals hand out "target URIs" that already end with one of these.
_ROUTES = (
    "/chat/completions",
    "/images/embeddings",
    "/embeddings",
    "/completions",
    "/responses",
    "/info",
    "/score",
)
# What follows one of these is a deployment's name, even if it is called "embeddings".
_NAMED = ("/openai/deployments", "/serverless")


class EndpointKind(StrEnum):
    """The kinds of endpoint. Source: 'Endpoints for Azure AI Foundry Models' and the Azure OpenAI reference."""

    SERVERLESS = "serverless"
    """One model behind its own host, model-inference routes."""
    MANAGED = "managed"
    """An Azure ML managed online endpoint."""
    MODELS = "models"
    """A Foundry resource's `/models` route: many deployments, named by `model`."""
    DEPLOYMENT = "openai-deployment"
    """An Azure OpenAI deployment, named in the path."""
    V1 = "openai-v1"
    """The `/openai/v1` route: many deployments, named by `model`, no api-version."""
    GITHUB = "github"
    """GitHub Models."""
    COMPATIBLE = "openai-compatible"
    """Any other server whose base URL ends with `/v1`."""


@dataclass(frozen=True)
class _Facts:
    """What follows from the kind of an endpoint: one row of the table below."""

    needs_model: bool = False
    is_openai: bool = False
    extra_parameters_header: bool = True
    streams_usage: bool = False
    header_limit: int | None = None
    scope: str | None = _COGNITIVE
    api_version: str | None = INFERENCE_API_VERSION


_FACTS: Mapping[EndpointKind, _Facts] = {
    EndpointKind.SERVERLESS: _Facts(scope=_ML),
    EndpointKind.MANAGED: _Facts(scope=_ML),
    EndpointKind.MODELS: _Facts(needs_model=True, header_limit=10),
    EndpointKind.DEPLOYMENT: _Facts(
        is_openai=True, streams_usage=True, header_limit=10, api_version=AZURE_OPENAI_API_VERSION
    ),
    EndpointKind.V1: _Facts(
        needs_model=True, is_openai=True, extra_parameters_header=False, streams_usage=True, header_limit=10,
        api_version=None,
    ),
    EndpointKind.GITHUB: _Facts(needs_model=True, scope=None),
    EndpointKind.COMPATIBLE: _Facts(
        needs_model=True, is_openai=True, extra_parameters_header=False, scope=None, api_version=None
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Endpoint:
    """Where requests go: kind, base URL, api-version, and the query that the URL brought along.

    Each kind as people paste it:

    >>> Endpoint.parse("https://h.eastus2.models.ai.azure.com/")
    Endpoint(kind='serverless', base_url='https://h.eastus2.models.ai.azure.com', api_version='2024-05-01-preview')
    >>> Endpoint.parse("https://H.EastUS2.inference.ai.azure.com/v1/chat/completions").url("/embeddings")
    'https://h.eastus2.inference.ai.azure.com/v1/embeddings?api-version=2024-05-01-preview'
    >>> Endpoint.parse("https://e.westus.inference.ml.azure.com/score").kind
    <EndpointKind.MANAGED: 'managed'>
    >>> Endpoint.parse("https://r.services.ai.azure.com/models/chat/completions?api-version=2025-04-01").url("/info")
    'https://r.services.ai.azure.com/models/info?api-version=2025-04-01'
    >>> Endpoint.parse("https://r.services.ai.azure.com").base_url
    'https://r.services.ai.azure.com/models'
    >>> d = "https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview"
    >>> Endpoint.parse(d)  # doctest: +ELLIPSIS
    Endpoint(kind='openai-deployment', base_url='https://r.openai.azure.com/openai/deployments/gpt-4o', api_vers...
    >>> Endpoint.parse("https://r.openai.azure.com/OpenAI/v1/").url("/chat/completions")
    'https://r.openai.azure.com/openai/v1/chat/completions'
    >>> Endpoint.parse("https://r.openai.azure.com/").base_url
    'https://r.openai.azure.com/openai/v1'
    >>> Endpoint.parse("https://r.services.ai.azure.com/api/projects/p").token_scope
    'https://ai.azure.com/.default'
    >>> Endpoint.parse("https://models.github.ai/inference").needs_model
    True
    >>> Endpoint.parse("https://models.github.ai/orgs/o/inference/chat/completions").base_url
    'https://models.github.ai/orgs/o/inference'
    >>> Endpoint.parse("https://models.inference.ai.azure.com").kind
    <EndpointKind.GITHUB: 'github'>
    >>> Endpoint.parse("https://r.openai.azure.com/openai/deployments/embeddings").url("/embeddings")
    'https://r.openai.azure.com/openai/deployments/embeddings/embeddings?api-version=2024-10-21'
    >>> Endpoint.parse("https://gw.azure-api.net/team/openai/deployments/d").kind
    <EndpointKind.DEPLOYMENT: 'openai-deployment'>
    >>> Endpoint.parse("http://127.0.0.1:8100/serverless/mistral-large-2411").kind
    <EndpointKind.SERVERLESS: 'serverless'>
    >>> Endpoint.parse("http://localhost:11434/v1").kind
    <EndpointKind.COMPATIBLE: 'openai-compatible'>
    >>> Endpoint.parse("https://r.openai.azure.com/openai/v1?api-version=preview").url("/embeddings")
    'https://r.openai.azure.com/openai/v1/embeddings?api-version=preview'
    >>> Endpoint.parse("https://h.eastus2.models.ai.azure.com", api_version="2025-04-01").api_version
    '2025-04-01'
    """

    kind: EndpointKind
    base_url: str
    """Scheme, host and path, without a trailing slash."""
    api_version: str | None
    query: tuple[tuple[str, str], ...] = ()
    """Other query parameters of the URL, sent along with each request."""

    @classmethod
    def parse(cls, url: str, api_version: str | None = None) -> Endpoint:
        """The endpoint behind a URL as users have it; `api_version` wins over one in the URL.

        Raises `ConfigurationError` when the URL has no scheme, no host, or carries a user name or password.
        """
        parts, origin = _split(url)
        host = parts.hostname or ""
        path = _without_routes(parts.path)
        kind, path = _kind(host, path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        in_url = next((value for name, value in query if name.lower() == "api-version"), None)
        rest = tuple(item for item in query if item[0].lower() != "api-version")
        return cls(kind, origin + path, api_version or in_url or _default_version(kind, host), rest)

    @classmethod
    def from_environment(cls, api_version: str | None = None) -> Endpoint:
        """The endpoint that the environment names. Raises `ConfigurationError` when it names none."""
        url = first_variable(ENDPOINT_VARIABLES)
        if url is None:
            raise ConfigurationError(
                "No endpoint was given. Pass endpoint='https://…' (the target URI shown for your deployment) "
                f"or set the environment variable {ENDPOINT_VARIABLES[0]}."
            )
        return cls.parse(url, api_version)

    def __repr__(self) -> str:
        return f"Endpoint(kind='{self.kind}', base_url={self.base_url!r}, api_version={self.api_version!r})"

    def url(self, route: str) -> str:
        """The full URL of a route such as `/chat/completions`."""
        query = [*self.query, *([("api-version", self.api_version)] if self.api_version else [])]
        return self.base_url + route + ("?" + urlencode(query) if query else "")

    def public_url(self, route: str) -> str:
        """The URL of a route without the query that the endpoint's URL brought along: it may hold a gateway's key."""
        return replace(self, query=()).url(route)

    def with_api_version(self, api_version: str) -> Endpoint:
        """The same endpoint at another api-version."""
        return replace(self, api_version=api_version)

    @property
    def needs_model(self) -> bool:
        """Whether one URL serves many models, so that each request must name one."""
        return _FACTS[self.kind].needs_model

    @property
    def model_in_url(self) -> str | None:
        """What may be a model's name in the URL of a single-model endpoint: the last part of its path, or its host's.

        >>> Endpoint.parse("https://r.openai.azure.com/openai/deployments/gpt-4o").model_in_url
        'gpt-4o'
        >>> Endpoint.parse("https://mistral-large.eastus2.models.ai.azure.com").model_in_url
        'mistral-large'
        """
        if self.needs_model:
            return None
        return urlsplit(self.base_url).path.rpartition("/")[2] or self.host.split(".", 1)[0]

    @property
    def is_openai(self) -> bool:
        """Whether the routes are OpenAI's own, which know `stream_options` and judge extra fields themselves."""
        return _FACTS[self.kind].is_openai

    @property
    def takes_extra_parameters_header(self) -> bool:
        """Whether the gateway reads the `extra-parameters` header. Source: REST reference, 'Extra parameters'."""
        return _FACTS[self.kind].extra_parameters_header

    @property
    def streams_usage_when_asked(self) -> bool:
        """Whether `stream_options.include_usage` may be added unasked. Source: Azure OpenAI API version lifecycle."""
        return _FACTS[self.kind].streams_usage

    @property
    def header_limit(self) -> int | None:
        """How many custom headers the service takes. Source: 'Foundry Models quotas and limits' (HTTP 431)."""
        return _FACTS[self.kind].header_limit

    @property
    def token_scope(self) -> str | None:
        """The Entra scope that this kind expects, or `None` where there is none (GitHub, other servers)."""
        scope = _FACTS[self.kind].scope
        return _FOUNDRY_PROJECT if scope and "/api/projects/" in self.base_url else scope

    @property
    def is_plain_http(self) -> bool:
        """Whether what is sent can be read on the way."""
        return self.base_url.startswith("http://")

    @property
    def host(self) -> str:
        """The host name, without the port."""
        return _host_of(self.base_url)

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return _is_loopback(self.host)


@lru_cache(maxsize=256)
def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def first_variable(names: tuple[str, ...], environ: Mapping[str, str] | None = None) -> str | None:
    """The first of these environment variables that is set and not blank."""
    values = os.environ if environ is None else environ
    return next((value for name in names if (value := values.get(name, "").strip())), None)


def _split(url: object):  # type: ignore[no-untyped-def]  # noqa: ANN202  SplitResult and the origin
    if not isinstance(url, str):
        raise ConfigurationError(f"The endpoint must be a URL in a string, not {type(url).__name__}.")
    text = url.strip()
    shown = re.sub(r"//[^/]*@", "//", text.split("?")[0])  # a query or user name may hold a secret
    fix = "Copy the target URI from your deployment's page, such as 'https://NAME.REGION.models.ai.azure.com'."
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"The endpoint {shown!r} is not a URL: {error}. {fix}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("The endpoint URL carries a user name or password: pass the key as credential=…")
    if parts.scheme not in {"http", "https"} or not parts.hostname or " " in text:
        raise ConfigurationError(f"The endpoint {shown!r} is not a URL that starts with https://. {fix}")
    labels = parts.hostname.removesuffix(".").split(".")
    if ":" not in parts.hostname and not all(0 < len(label) < 64 for label in labels):  # noqa: PLR2004
        raise ConfigurationError(
            f"The endpoint {shown!r} has an empty part in its host name, or one over 63 letters. {fix}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts, f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _without_routes(path: str) -> str:
    path = quote(path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    for route in _ROUTES:
        base = path[: -len(route)]
        if path.lower().endswith(route) and not base.lower().endswith(_NAMED):
            return _without_routes(base)
    return path


def _kind(host: str, path: str) -> tuple[EndpointKind, str]:
    """The kind of a host and path, and the base path that belongs to it."""
    return _kind_of_path(path) or _kind_of_host(host, path)


def _kind_of_path(path: str) -> tuple[EndpointKind, str] | None:
    low = path.lower()
    if low.endswith("/openai/v1"):
        return EndpointKind.V1, path[: -len("/openai/v1")] + "/openai/v1"
    if "/openai/deployments/" in low:
        return EndpointKind.DEPLOYMENT, path
    if "/serverless/" in low:
        return EndpointKind.SERVERLESS, path
    if "/github/" in f"{low}/":
        return EndpointKind.GITHUB, path
    if low.endswith("/models"):
        return EndpointKind.MODELS, path[: -len("/models")] + "/models"
    return None


def _kind_of_host(host: str, path: str) -> tuple[EndpointKind, str]:
    if host in {"models.github.ai", "models.inference.ai.azure.com"}:
        return EndpointKind.GITHUB, path or ("/inference" if host == "models.github.ai" else "")
    if host.endswith(".services.ai.azure.com") and not path:
        return EndpointKind.MODELS, "/models"
    if host.endswith((".services.ai.azure.com", ".openai.azure.com", ".cognitiveservices.azure.com")):
        return EndpointKind.V1, ("" if path.lower() == "/openai" else path) + "/openai/v1"
    if host.endswith(".inference.ml.azure.com"):
        return EndpointKind.MANAGED, path
    if path.lower().endswith("/v1") and not host.endswith((".models.ai.azure.com", ".inference.ai.azure.com")):
        return EndpointKind.COMPATIBLE, path
    return EndpointKind.SERVERLESS, path


def _default_version(kind: EndpointKind, host: str) -> str | None:
    return None if host == "models.github.ai" else _FACTS[kind].api_version


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
