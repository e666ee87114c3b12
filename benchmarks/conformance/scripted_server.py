"""A scripted HTTP server on this machine: it records what is asked and plays what it was given, byte for byte.

It knows nothing of models and needs the standard library only, so that any client can be tried against it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client sent; header names are in lower case."""

    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    target: str
    """As it stood in the request line: a whole URL when the client took this server for a proxy."""

    @property
    def token(self) -> str:
        """What stands behind `Bearer`, or `""`."""
        return self.headers.get("authorization", "").partition("Bearer ")[2]


@dataclass(frozen=True)
class Reply:
    """What the server answers: a JSON body, or a stream of byte pieces in which a number is a pause in seconds."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes | float] | None = None


Script = Reply | Callable[[Request], Reply]


def sse(*events: Any, done: bool = True) -> Reply:
    """A stream of server-sent events: JSON values, raw bytes as they are, and pauses in seconds."""
    pieces = [e if isinstance(e, bytes | float) else b"data: " + json.dumps(e).encode() + b"\n\n" for e in events]
    return Reply(pieces=[*pieces, *([b"data: [DONE]\n\n"] if done else [])])


class ScriptedServer:
    """The server, as a context manager.

    Replies are played in the order given; the last one again and again. `/info` is answered with 404 and is not
    recorded: one of the clients asks for it unasked.
    """

    def __init__(self, *script: Script) -> None:
        self.requests: list[Request] = []
        self._script: list[Script] = list(script)
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def last(self) -> Request:
        """The latest request."""
        return self.requests[-1]

    def play(self, *script: Script) -> None:
        """Replaces what is still to be played."""
        with self._lock:
            self._script = list(script)

    def answer(self, request: Request) -> Reply:
        """Records a request and gives its reply."""
        with self._lock:
            if request.path.endswith("/info"):
                return Reply(404, {"error": {"code": "404", "message": "Resource not found"}})
            self.requests.append(request)
            script = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return script(request) if callable(script) else script

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for every thread, and each closes its socket
    owner: ScriptedServer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""

    def hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet per flush
    server: _Server

    def do_GET(self) -> None:
        self._exchange()

    def do_POST(self) -> None:
        self._exchange()

    def log_message(self, *_: Any) -> None:
        """Silence."""

    def _exchange(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(content) if content else None,
            self.path,
        )
        reply = self.server.owner.answer(request)
        if reply.pieces is None:
            self._send_whole(reply)
        else:
            self._send_pieces(reply)

    def _send_whole(self, reply: Reply) -> None:
        content = json.dumps(reply.body).encode()
        self._head(reply, {"content-type": "application/json", "content-length": str(len(content))})
        self.wfile.write(content)
        self.wfile.flush()

    def _send_pieces(self, reply: Reply) -> None:
        self._head(reply, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for piece in reply.pieces or ():
            if isinstance(piece, float):
                self.wfile.flush()
                time.sleep(piece)
            else:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _head(self, reply: Reply, headers: Mapping[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in {"x-ms-request-id": "scripted-1", **headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
