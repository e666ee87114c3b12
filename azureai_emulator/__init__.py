"""A local server that speaks the Azure AI Model Inference API and its neighbours.

For tests, demos and offline work. `with serve() as emulator:` gives a running server with `url`, `key`,
`endpoint(name)`, recorded `requests` and `faults`.
On the command line: `python -m azureai_emulator --port 8100 --key KEY`.

Credentials: the key, or `Bearer emulator-token:<scope>`, which stands for an Entra token issued for that scope.
Content safety: a prompt with `emulator:violence`, `emulator:hate`, `emulator:sexual`, `emulator:self_harm` or
`emulator:jailbreak` is refused; `emulator:filter-answer` has the answer cut off by the content filter.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .brains.base import Answer, Ask, Brain, ToolCall
    from .catalog.deployments import Deployment
    from .catalog.kinds import Kind
    from .catalog.profiles import Profile
    from .catalog.shipped import DEPLOYMENTS
    from .faults.fault import Fault
    from .server.emulator import Emulator, serve
    from .server.endpoint import Endpoint
    from .tape.record import Record
    from .tape.replay import Replay
    from .wire.exchange import Exchange

__all__ = [
    "DEPLOYMENTS",
    "Answer",
    "Ask",
    "Brain",
    "Deployment",
    "Emulator",
    "Endpoint",
    "Exchange",
    "Fault",
    "Kind",
    "Profile",
    "Record",
    "Replay",
    "ToolCall",
    "serve",
]

# The pytest plugin lies in this package and is loaded in every test run: nothing is imported before it is used.
_MODULES = {
    "DEPLOYMENTS": ".catalog.shipped",
    "Answer": ".brains.base",
    "Ask": ".brains.base",
    "Brain": ".brains.base",
    "Deployment": ".catalog.deployments",
    "Emulator": ".server.emulator",
    "Endpoint": ".server.endpoint",
    "Exchange": ".wire.exchange",
    "Fault": ".faults.fault",
    "Kind": ".catalog.kinds",
    "Profile": ".catalog.profiles",
    "Record": ".tape.record",
    "Replay": ".tape.replay",
    "ToolCall": ".brains.base",
    "serve": ".server.emulator",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
