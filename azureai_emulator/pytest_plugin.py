"""pytest fixtures: `azureai_emulator`, one server for the whole run, and `azureai_endpoint`, a session of it per test.

pytest loads this module in every run of every environment that has the package, so it imports nothing of the emulator
until a fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .server.emulator import Emulator
    from .server.endpoint import Endpoint


@pytest.fixture(scope="session")
def azureai_emulator() -> Iterator["Emulator"]:
    """A running emulator; call its `clear()` between tests that assert on recorded requests."""
    from .server.emulator import serve  # noqa: PLC0415 - loaded only when the fixture is used

    with serve() as emulator:
        yield emulator


@pytest.fixture
def azureai_endpoint(azureai_emulator: "Emulator") -> Iterator["Endpoint"]:
    """The running emulator under a key for this test alone: `requests`, `faults` and `script` are its own."""
    with azureai_emulator.isolated() as endpoint:
        yield endpoint
