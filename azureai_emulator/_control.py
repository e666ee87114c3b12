"""Routes of the emulator itself, which no service has: health, deployments, faults, the record, the page."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from . import _errors, _gate
from ._errors import Reply
from ._fault_spec import describe, read_faults
from ._http import Receive, Scope, Send, read_body, request_headers, send_reply
from ._profiles import Catalog
from ._space import Space, Spaces
from ._views import summary, whole

Json = Any
_MAX_BODY = 1024 * 1024


@dataclass(frozen=True)
class Call:
    """One call of a control route by a caller with a key."""

    method: str
    params: dict[str, str]
    query: dict[str, str]
    body: bytes
    space: Space
    catalog: Catalog
    url: str


Action = Callable[[Call], Reply]


class Health:
    """`GET /health`, open to everybody."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_reply(send, Reply(200, {"status": "ok"}), {})


class File:
    """A file of the page, open to everybody: it holds no data."""

    def __init__(self, name: str, media_type: str) -> None:
        self._name, self._media_type = name, media_type

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await send_reply(send, _errors.method_not_allowed("GET"), {})
            return
        text = (_FOLDER / self._name).read_text(encoding="utf-8")
        await send_reply(send, Reply(200, text, {"content-type": self._media_type, **_PAGE_HEADERS}), {})


_FOLDER = Path(__file__).parent / "page"
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class Control:
    """A route for callers with a key; each method has an action."""

    def __init__(self, spaces: Spaces, catalog: Catalog, url: str, **actions: Action) -> None:
        self._spaces, self._catalog, self._url = spaces, catalog, url
        self._actions = actions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, _MAX_BODY)
        await send_reply(send, self._reply(scope, body), {})

    def _reply(self, scope: Scope, body: bytes | None) -> Reply:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in self._actions:
            return _errors.method_not_allowed(", ".join(self._actions))
        headers = request_headers(scope)
        space = self._spaces.find(headers)
        refused = _gate.listing_refusal(headers, space.key)
        if refused or body is None:
            return refused or _errors.body_too_large(_MAX_BODY)
        call = Call(method, scope["path_params"], _query(scope), body, space, self._catalog, self._url)
        return self._actions[method](call)


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def list_deployments(call: Call) -> Reply:
    """`GET /deployments`."""
    return Reply(200, [deployment.describe(call.url) for deployment in call.catalog.deployments])


def list_faults(call: Call) -> Reply:
    """`GET /_emulator/faults`: the faults that are still due."""
    return Reply(200, {"pending": [describe(fault) for fault in call.space.faults.pending()]})


def add_faults(call: Call) -> Reply:
    """`POST /_emulator/faults`: queue faults; the answer is the list of all that are due."""
    try:
        faults = read_faults(json.loads(call.body))
    except (ValueError, RecursionError) as error:
        return _errors.bad_request(f"Not a fault: {error}")
    call.space.faults.add(faults, None)
    return list_faults(call)


def clear_faults(call: Call) -> Reply:
    """`DELETE /_emulator/faults`."""
    call.space.faults.clear()
    return list_faults(call)


def list_exchanges(call: Call) -> Reply:
    """`GET /_emulator/exchanges?after=N`: summaries of the record, and the number of the first that it still has."""
    entries = call.space.log.entries()
    after = call.query.get("after", "0")
    if not after.isdigit():
        return _errors.bad_request(f"after takes the number of an exchange, not {after!r}.")
    items = [summary(entry) for entry in entries if entry.number > int(after)]
    first = entries[0].number if entries else call.space.log.count + 1
    return Reply(200, {"first": first, "items": items[-_MOST_LISTED:]})


_MOST_LISTED = 500


def clear_exchanges(call: Call) -> Reply:
    """`DELETE /_emulator/exchanges`."""
    call.space.log.clear()
    return list_exchanges(call)


def show_exchange(call: Call) -> Reply:
    """`GET /_emulator/exchanges/{number}`: everything about one exchange."""
    wanted = call.params["number"]
    found = next((entry for entry in call.space.log.entries() if str(entry.number) == wanted), None)
    return _errors.resource_not_found() if found is None else Reply(200, whole(found, call.url))
