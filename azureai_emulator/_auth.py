"""Who may come in. Each endpoint kind reads other headers and refuses in other words."""

import hmac
from collections.abc import Mapping

from ._errors import Reply, bad_credentials, invalid_access_token, invalid_serverless_key

TOKEN_PREFIX = "emulator-token:"  # noqa: S105 - a documented prefix, not a secret
"""`Authorization: Bearer emulator-token:<scope>` stands for an Entra token that was issued for that scope."""

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
    """The 401 to send, or `None` when the caller may come in.

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


def offered_keys(headers: Mapping[str, str]) -> tuple[str, str]:
    """What the caller offers as a key, in either header."""
    return headers.get("api-key", ""), _bearer(headers)


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _token_refusal(kind: str, scope: str) -> Reply | None:
    audiences = _AUDIENCES.get(kind, (_COGNITIVE, _MACHINE_LEARNING))
    if scope.removesuffix("/.default").rstrip("/") in audiences:
        return None
    return invalid_access_token(audiences[0])
