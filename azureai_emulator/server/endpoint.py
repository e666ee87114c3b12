"""What a test works with: base URLs, a key, and the exchanges, faults and script behind that key."""

from collections.abc import Iterable, Iterator
from typing import Any

from azureai_emulator.catalog.deployments import Catalog, Deployment
from azureai_emulator.catalog.kinds import Kind, endpoint_url
from azureai_emulator.faults.fault import Fault
from azureai_emulator.wire.exchange import Exchange

from .session import Session

Json = Any


class Endpoint:
    """One key's view of a server; also a pair `url, key`."""

    def __init__(self, session: Session, catalog: Catalog, url: str = "") -> None:
        self._session = session
        self._catalog = catalog
        self.url = url
        """Set when the server has started."""

    @property
    def key(self) -> str:
        """The key that requests must carry."""
        return self._session.key

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """What is served."""
        return self._catalog.deployments

    @property
    def requests(self) -> list[Exchange]:
        """The recorded exchanges, oldest first."""
        return self._running().log.entries()

    def clear(self) -> None:
        """Forget recorded exchanges, pending faults, the script, and the rate limit counts."""
        self._running().clear()

    def faults(self, *faults: Fault, deployment: str | None = None) -> None:
        """Queue faults for the next requests, or for the next requests to one deployment."""
        self._running().faults.add(faults, deployment)

    def script(self, replies: Iterable[Json], *, rules_after: bool = False) -> None:
        """Set the answers of the next chat and text completions, in order; streamed where the request asks for it.

        A reply is a string; a tool call `{"name": ..., "arguments": {...}}`, with an `id` if it matters; a list of such
        calls; a message with `content`, `tool_calls` and `reasoning`; or a whole body with `choices`, sent unchanged.
        After the last reply requests are refused; with `rules_after` the deployment's own brain answers them.
        """
        self._running().script.set(replies, rules_after=rules_after)

    @property
    def scripted_left(self) -> int:
        """How many scripted replies are left."""
        return self._running().script.left

    def endpoint(self, name: str, kind: Kind | None = None) -> str:
        """The base URL of a deployment, under the given kind or its first one."""
        deployment = next((item for item in self.deployments if item.name == name), None)
        if deployment is None:
            raise ValueError(f"No deployment {name!r}; there are {[item.name for item in self.deployments]}.")
        if kind is not None and kind not in deployment.kinds:
            raise ValueError(f"{name!r} is not served as {kind!r}, only as {list(deployment.kinds)}.")
        return endpoint_url(self.url, kind or deployment.kinds[0], name)

    def _running(self) -> Session:
        return self._session

    def __iter__(self) -> Iterator[str]:
        """`url, key = emulator`."""
        return iter((self.url, self.key))
