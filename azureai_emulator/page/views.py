"""Exchanges as the page shows them: a summary, or all details with a curl command."""

import json
import shlex
from typing import Any
from urllib.parse import quote, urlencode

from azureai_emulator.wire.exchange import Exchange

Json = Any

_SET_BY_CURL = frozenset({"host", "content-length", "connection", "accept-encoding", "user-agent", "transfer-encoding"})
_CREDENTIALS = {"authorization": '"Authorization: Bearer $KEY"', "api-key": '"api-key: $KEY"'}


def summary(exchange: Exchange) -> Json:
    """The fields of a row in the list."""
    return {
        "number": exchange.number,
        "started": exchange.started,
        "deployment": exchange.deployment,
        "method": exchange.method,
        "path": exchange.path,
        "route": exchange.route,
        "status": exchange.status,
        "tokens": exchange.tokens,
        "elapsed": exchange.elapsed,
        "done": exchange.elapsed > 0,
    }


def details(exchange: Exchange, url: str) -> Json:
    """All details of an exchange. Secrets in its headers were masked when it was logged."""
    return {
        **summary(exchange),
        "query": exchange.query,
        "headers": exchange.headers,
        "body": exchange.body,
        "response_headers": exchange.response_headers,
        "response": exchange.response,
        "frame_times": exchange.frame_times,
        "curl": curl(exchange, url),
    }


def curl(exchange: Exchange, url: str) -> str:
    """A command that repeats the request when the variable KEY holds the key."""
    target = url + quote(exchange.path) + (f"?{urlencode(exchange.query)}" if exchange.query else "")
    parts = ["curl", "-X", exchange.method, shlex.quote(target)]
    for name, value in exchange.headers.items():
        if name not in _SET_BY_CURL:
            parts += ["-H", _CREDENTIALS.get(name) or shlex.quote(f"{name}: {value}")]
    if exchange.body_bytes:
        text = json.dumps(exchange.body, ensure_ascii=False) if _is_json(exchange) else str(exchange.body)
        parts += ["--data-raw", shlex.quote(text)]
    return " ".join(parts)


def _is_json(exchange: Exchange) -> bool:
    return not isinstance(exchange.body, str)
