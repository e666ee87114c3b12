"""Routes of the emulator itself, which no service has: health, deployments, faults, exchanges."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from azureai_emulator.api.auth import listing_refusal
from azureai_emulator.catalog.deployments import Catalog
from azureai_emulator.faults.spec import describe, read_faults
from azureai_emulator.page.views import details, summary
from azureai_emulator.wire import errors
from azureai_emulator.wire.asgi import Receive, Scope, Send, read_body, request_headers, send_reply
from azureai_emulator.wire.errors import Reply

from .session import Session, Sessions

Json = Any
_MAX_BODY = 1024 * 1024


@dataclass(frozen=True)
class Call:
    """One call of a control route by a caller with a key."""

    method: str
    params: dict[str, str]
    query: dict[str, str]
    body: bytes
    session: Session
    catalog: Catalog
    url: str


Action = Callable[[Call], Reply]


class Health:
    """`GET /health`; needs no key."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send_reply(send, Reply(200, {"status": "ok"}), {})


class Control:
    """A route for callers with a key; each method has an action."""

    def __init__(self, sessions: Sessions, catalog: Catalog, url: str, **actions: Action) -> None:
        self._sessions, self._catalog, self._url = sessions, catalog, url
        self._actions = actions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await read_body(receive, _MAX_BODY)
        await send_reply(send, self._reply(scope, body), {})

    def _reply(self, scope: Scope, body: bytes | None) -> Reply:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in self._actions:
            return errors.method_not_allowed(", ".join(self._actions))
        headers = request_headers(scope)
        session = self._sessions.find(headers)
        refused = listing_refusal(headers, session.key)
        if refused or body is None:
            return refused or errors.body_too_large(_MAX_BODY)
        call = Call(method, scope["path_params"], _query(scope), body, session, self._catalog, self._url)
        return self._actions[method](call)


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))


def list_deployments(call: Call) -> Reply:
    """`GET /deployments`."""
    return Reply(200, [deployment.describe(call.url) for deployment in call.catalog.deployments])


def list_faults(call: Call) -> Reply:
    """`GET /_emulator/faults`: the pending faults."""
    return Reply(200, {"pending": [describe(fault) for fault in call.session.faults.pending()]})


def add_faults(call: Call) -> Reply:
    """`POST /_emulator/faults`: queue faults; the answer lists all pending ones."""
    try:
        faults = read_faults(json.loads(call.body))
    except (ValueError, RecursionError) as error:
        return errors.bad_request(f"Not a fault: {error}")
    call.session.faults.add(faults, None)
    return list_faults(call)


def clear_faults(call: Call) -> Reply:
    """`DELETE /_emulator/faults`."""
    call.session.faults.clear()
    return list_faults(call)


def list_exchanges(call: Call) -> Reply:
    """`GET /_emulator/exchanges?after=N`: summaries of the exchanges, and the number of the oldest that is kept."""
    entries = call.session.log.entries()
    after = call.query.get("after", "0")
    if not after.isdigit():
        return errors.bad_request(f"after takes the number of an exchange, not {after!r}.")
    items = [summary(entry) for entry in entries if entry.number > int(after)]
    first = entries[0].number if entries else call.session.log.count + 1
    return Reply(200, {"first": first, "items": items[-_MAX_LISTED:]})


_MAX_LISTED = 500


def clear_exchanges(call: Call) -> Reply:
    """`DELETE /_emulator/exchanges`."""
    call.session.log.clear()
    return list_exchanges(call)


def show_exchange(call: Call) -> Reply:
    """`GET /_emulator/exchanges/{number}`: everything about one exchange."""
    wanted = call.params["number"]
    found = next((entry for entry in call.session.log.entries() if str(entry.number) == wanted), None)
    return errors.resource_not_found() if found is None else Reply(200, details(found, call.url))
