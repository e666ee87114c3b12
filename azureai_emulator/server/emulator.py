"""The running emulator: one thread, one socket on the loopback interface, a clean shutdown."""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from azureai_emulator.brains.base import Brain
from azureai_emulator.brains.registry import find_brain
from azureai_emulator.catalog.config import load_deployments
from azureai_emulator.catalog.deployments import Catalog, Deployment
from azureai_emulator.catalog.shipped import DEPLOYMENTS
from azureai_emulator.tape.record import Record
from azureai_emulator.tape.replay import Replay

from .endpoint import Endpoint
from .rates import Clock
from .session import Session
from .state import State

if TYPE_CHECKING:
    from .uvicorn_server import Server

Deployments = Iterable[Deployment | str] | Path | None
"""Deployments, names of shipped ones, or a TOML file of them."""
HOST = "127.0.0.1"
_START_SECONDS = 10.0
_STOP_SECONDS = 5  # far more than it takes, so that a busy machine causes no warning


class Emulator(Endpoint):
    """A running server; also a pair `url, key`. Get one from `serve()`."""

    def __init__(
        self,
        *,
        port: int,
        key: str | None,
        deployments: Deployments,
        clock: Clock = time.monotonic,
        tape: Record | Replay | None = None,
        brain: Brain | str | None = None,
    ) -> None:
        if tape is not None and brain is not None:
            raise ValueError("A tape answers by itself: pass a tape or a brain, not both.")
        super().__init__(
            Session(key or f"emulator-{secrets.token_hex(8)}", clock),
            Catalog(_with_brain(_selected(deployments), brain) if tape is None else ()),
        )
        self._port = port
        self.tape = tape
        """The recorder or replayer that answers in place of deployments."""
        self._state: State | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def brains(self) -> list[Brain]:
        """The brains other than the built-in one, each listed once."""
        found = (item.brain for item in self.deployments if item.brain is not None)
        return list({id(brain): brain for brain in found}.values())

    @contextmanager
    def isolated(self) -> Iterator[Endpoint]:
        """The same running server under a key of its own, with its own log, faults, script and rate limits."""
        sessions = self._state_or_fail().sessions
        session = sessions.open(f"emulator-{secrets.token_hex(8)}")
        try:
            yield Endpoint(session, self._catalog, self.url)
        finally:
            sessions.close(session)

    def start(self) -> Self:
        """Bind the port and serve; an `OSError` when the port is taken."""
        uvicorn, app, uvicorn_server = _server_libraries()
        for brain in self.brains:
            getattr(brain, "load", _nothing)()
        listener = _listen(self._port)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"
        self._state = State(self._catalog, self._session, self.url, self.tape)
        config = uvicorn.Config(
            app.create_app(self._state),
            access_log=False,
            date_header=False,
            http=uvicorn_server.HttpProtocol,
            lifespan="off",
            log_config=None,
            proxy_headers=False,  # a forwarded address would hide whose connection a fault has to cut
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
            ws="none",
        )
        self._server = uvicorn_server.Server(config)
        self._state.drop_connection = self._server.drop
        self._thread = threading.Thread(target=self._run, args=(listener,), name="azureai-emulator", daemon=True)
        self._thread.start()
        self._wait_until_started()
        return self

    def _run(self, listener: socket.socket) -> None:
        with listener:
            asyncio.run(self._server_or_fail().serve(sockets=[listener]))

    def _wait_until_started(self) -> None:
        server, waiter = self._server_or_fail(), threading.Event()
        for _ in range(int(_START_SECONDS / _TICK)):
            if server.started:
                return
            waiter.wait(_TICK)
        raise RuntimeError(f"The emulator did not start within {_START_SECONDS:.0f} s.")

    def stop(self) -> None:
        """Stop the server and its thread; answers in progress are cut. A second call does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None

    def _server_or_fail(self) -> "Server":
        if self._server is None:
            raise RuntimeError("The emulator is not running: use `with serve() as emulator`.")
        return self._server

    def _state_or_fail(self) -> "State":
        if self._state is None:
            raise RuntimeError("The emulator is not running: use `with serve() as emulator`.")
        return self._state

    def _running(self) -> Session:
        return self._state_or_fail().main

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


_TICK = 0.002


def _selected(deployments: Deployments) -> tuple[Deployment, ...]:
    if deployments is None:
        return DEPLOYMENTS
    if isinstance(deployments, Path):
        return load_deployments(deployments)
    return tuple(_shipped(item) if isinstance(item, str) else item for item in deployments)


def _with_brain(deployments: tuple[Deployment, ...], brain: Brain | str | None) -> tuple[Deployment, ...]:
    """The deployments, with this brain where none is set."""
    if brain is None:
        return deployments
    found = find_brain(brain) if isinstance(brain, str) else brain
    return tuple(replace(item, brain=found) if item.brain is None else item for item in deployments)


def _nothing() -> None:
    """Brains without models need no loading."""


def _shipped(name: str) -> Deployment:
    found = next((item for item in DEPLOYMENTS if item.name == name), None)
    if found is None:
        raise ValueError(f"No deployment {name!r} is shipped; there are {[item.name for item in DEPLOYMENTS]}.")
    return found


def _listen(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only on sockets with an explicit protocol; without it, kept connections wait for 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


def _server_libraries() -> tuple[Any, Any, Any]:
    try:
        import uvicorn  # noqa: PLC0415 - the extra is needed only to serve

        from . import app, uvicorn_server  # noqa: PLC0415 - they import starlette and uvicorn
    except ImportError as error:
        raise ImportError(
            'The emulator needs starlette and uvicorn: pip install "azureai-adapters[emulator]"'
        ) from error
    return uvicorn, app, uvicorn_server


def serve(
    *,
    port: int = 0,
    key: str | None = None,
    deployments: Deployments = None,
    clock: Clock = time.monotonic,
    tape: Record | Replay | None = None,
    brain: Brain | str | None = None,
) -> Emulator:
    """An emulator, started and stopped by `with` or `async with`.

    Port 0 takes a free port; without `key` a random one is generated. `deployments` are `Deployment` objects, names of
    shipped ones, or the `Path` of a TOML file; `None` serves all shipped ones. Rate limits are counted by `clock`, in
    seconds. With a `tape` there are no deployments: `Record` forwards requests to a real endpoint and keeps the
    exchanges, `Replay` answers from them. A `brain`, or the name of one (`rules`, `local`), answers for the deployments
    that set none; an unknown name raises `BrainError`, which is a `ValueError`.
    """
    return Emulator(port=port, key=key, deployments=deployments, clock=clock, tape=tape, brain=brain)
