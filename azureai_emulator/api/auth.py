"""Keys and tokens. Each endpoint kind reads its own headers and has its own error body."""

import hmac
from collections.abc import Mapping

from azureai_emulator.wire.errors import Reply, bad_credentials, invalid_access_token, invalid_serverless_key

TOKEN_PREFIX = "emulator-token:"  # noqa: S105 - a documented prefix, not a secret
"""`Authorization: Bearer emulator-token:<scope>` stands for an Entra token issued for that scope."""

_COGNITIVE = "https://cognitiveservices.azure.com"
_MACHINE_LEARNING = "https://ml.azure.com"
_AUDIENCES: Mapping[str, tuple[str, ...]] = {
    "serverless": (_MACHINE_LEARNING,),
    "models": (_COGNITIVE,),
    "openai-deployment": (_COGNITIVE,),
    "openai-v1": (_COGNITIVE, "https://ai.azure.com"),
}


_BEARER_ONLY = frozenset({"serverless", "github"})


def refusal(kind: str, headers: Mapping[str, str], key: str) -> Reply | None:
    """The 401 to send, or `None` when key or token are right.

    Serverless endpoints and GitHub Models read `Authorization` only; the others read `api-key` as well.
    Source: recorded sessions; Azure AI Foundry, 'Endpoints'; GitHub, 'REST API endpoints for models inference'.
    """
    bearer = _bearer(headers)
    if bearer.startswith(TOKEN_PREFIX) and kind != "github":
        return _token_refusal(kind, bearer.removeprefix(TOKEN_PREFIX))
    offered = [bearer] if kind in _BEARER_ONLY else [bearer, headers.get("api-key", "")]
    if any(hmac.compare_digest(candidate.encode(), key.encode()) for candidate in offered):
        return None
    if kind == "github":
        return bad_credentials()
    return invalid_serverless_key() if kind == "serverless" else invalid_access_token(_COGNITIVE)


def listing_refusal(headers: Mapping[str, str], key: str) -> Reply | None:
    """The 401 for a caller of the emulator's own routes without the key, or `None`."""
    return refusal("models", headers, key)


def offered_keys(headers: Mapping[str, str]) -> tuple[str, str]:
    """The keys in the two headers that may carry one."""
    return headers.get("api-key", ""), _bearer(headers)


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _token_refusal(kind: str, scope: str) -> Reply | None:
    audiences = _AUDIENCES.get(kind, (_COGNITIVE, _MACHINE_LEARNING))
    if scope.removesuffix("/.default").rstrip("/") in audiences:
        return None
    return invalid_access_token(audiences[0])
