"""What one key sees: its own record, faults, script and rate limits. A test can have a key for itself."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import _auth
from ._faults import Faults
from ._log import Log
from ._rates import Clock, Rates
from ._script import Script


@dataclass
class Space:
    """The state behind one key."""

    key: str
    clock: Clock = time.monotonic
    log: Log = field(default_factory=Log)
    faults: Faults = field(default_factory=Faults)
    script: Script = field(default_factory=Script)
    rates: Rates = field(init=False)

    def __post_init__(self) -> None:
        self.rates = Rates(self.clock)

    def clear(self) -> None:
        """As new."""
        for part in (self.log, self.faults, self.script, self.rates):
            part.clear()


class Spaces:
    """The main space, and those that were opened beside it."""

    def __init__(self, main: Space) -> None:
        self.main = main
        self._others: dict[str, Space] = {}

    def open(self, key: str) -> Space:
        """A new space."""
        self._others[key] = Space(key, self.main.clock)
        return self._others[key]

    def close(self, space: Space) -> None:
        """Forget a space; its key is wrong from now on."""
        self._others.pop(space.key, None)

    def find(self, headers: Mapping[str, str]) -> Space:
        """The space whose key is offered; the main one for tokens and for wrong keys."""
        if not self._others:
            return self.main
        offered = (self._others.get(key) for key in _auth.offered_keys(headers))
        return next((space for space in offered if space is not None), self.main)
