"""Endpoint kinds, and the URL of a deployment under each."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal["serverless", "models", "openai-deployment", "openai-v1", "github"]
KINDS: tuple[Kind, ...] = ("serverless", "models", "openai-deployment", "openai-v1", "github")
OPENAI_KINDS = frozenset({"openai-deployment", "openai-v1"})
_PATHS: Mapping[Kind, str] = {
    "serverless": "/serverless/{name}",
    "models": "/models",
    "openai-deployment": "/openai/deployments/{name}",
    "openai-v1": "/openai/v1",
    "github": "/github/inference",
}


def endpoint_url(base: str, kind: Kind, name: str) -> str:
    """The base URL a client is given for a deployment under an endpoint kind."""
    return base + _PATHS[kind].format(name=name)
