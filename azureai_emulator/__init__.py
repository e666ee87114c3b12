"""A local server of the Azure AI Model Inference API and related APIs.

For tests, demos and offline work. `with serve() as emulator:` gives a running server with `url`, `key`,
`endpoint(name)`, recorded `requests` and `faults`.
On the command line: `python -m azureai_emulator --port 8100 --key KEY`.

Credentials: the key, or `Bearer emulator-token:<scope>`, which stands for an Entra token issued for that scope.
Content safety: a prompt with `emulator:violence`, `emulator:hate`, `emulator:sexual`, `emulator:self_harm` or
`emulator:jailbreak` is refused; with `emulator:filter-answer` the content filter cuts the answer.
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

# pytest loads the plugin in this package in every test run, so nothing is imported before it is used.
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
