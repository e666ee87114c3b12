"""The state behind one key: its log, faults, script and rate limits. A test may have its own key."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from azureai_emulator.api import auth
from azureai_emulator.api.request import Incoming
from azureai_emulator.brains.scripted import Script
from azureai_emulator.faults.queue import FaultQueue
from azureai_emulator.wire.exchange import Exchange, mask

from .log import Log
from .rates import Clock, Rates


@dataclass
class Session:
    """The state behind one key."""

    key: str
    clock: Clock = time.monotonic
    log: Log = field(default_factory=Log)
    faults: FaultQueue = field(default_factory=FaultQueue)
    script: Script = field(default_factory=Script)
    rates: Rates = field(init=False)

    def __post_init__(self) -> None:
        self.rates = Rates(self.clock)

    def record(self, incoming: Incoming, path: str) -> Exchange:
        """Log a request; the entry's answer is filled in later."""
        exchange = Exchange(
            method=incoming.method,
            path=path,
            query=dict(incoming.query),
            headers=mask(incoming.headers),
            body_bytes=incoming.raw,
            deployment=incoming.name,
            route=incoming.route,
        )
        self.log.add(exchange)
        return exchange

    def clear(self) -> None:
        """Back to the initial state."""
        for part in (self.log, self.faults, self.script, self.rates):
            part.clear()


class Sessions:
    """The server's main session, and those that tests opened beside it."""

    def __init__(self, main: Session) -> None:
        self.main = main
        self._others: dict[str, Session] = {}

    def open(self, key: str) -> Session:
        """A new session."""
        self._others[key] = Session(key, self.main.clock)
        return self._others[key]

    def close(self, session: Session) -> None:
        """Forget a session; its key is refused from now on."""
        self._others.pop(session.key, None)

    def find(self, headers: Mapping[str, str]) -> Session:
        """The session whose key is offered; the main one for tokens and for wrong keys."""
        if not self._others:
            return self.main
        offered = (self._others.get(key) for key in auth.offered_keys(headers))
        return next((session for session in offered if session is not None), self.main)
