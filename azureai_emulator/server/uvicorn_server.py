"""uvicorn without terminal output, and with a shutdown that waits for no client."""

import asyncio
import logging
import socket
import struct
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LOGGER = logging.getLogger("azureai_emulator")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError)))
_ROUND_SECONDS = 0.01


class HttpProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]  # uvicorn chooses it when it is imported
    """Logs to our logger, which is silent: bad requests are answered, and answers are cut only at shutdown."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _LOGGER


class Server(uvicorn.Server):
    """A server that cuts answers in progress at shutdown, since a stream may last for minutes."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the connections, cancel their tasks, then stop the server."""
        cutting = asyncio.ensure_future(self._keep_cutting())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _keep_cutting(self) -> None:
        """Repeated, since a request may arrive meanwhile; aborts from the second round, since a client may not read."""
        cut: Any = _close
        while True:
            for connection in list(self.server_state.connections):
                cut(connection.transport)
            if not self.server_state.connections:
                for task in list(self.server_state.tasks):
                    task.cancel()
            await asyncio.sleep(_ROUND_SECONDS)
            cut = _abort

    def drop(self, scope: Any, reset: bool) -> None:
        """Close a request's connection once everything is sent, or reset it at once."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "client", None) == scope["client"]:
                (_reset if reset else _close)(connection.transport)


def _close(transport: Any) -> None:
    transport.close()


def _abort(transport: Any) -> None:
    transport.abort()


def _reset(transport: Any) -> None:
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
