"""A scripted chat and embeddings service on a loopback socket; the standard library only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from ._replies import Dialect, Json, Reply, Scripted, embedded, rendered, says
from ._strict import complaint

KEY = "planted-key-0123456789abcdef"
_WAIT = 5.0
"""Seconds that a held reply waits for further requests at most."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: tuple[str, int]
    """The client's address: the same for requests on the same connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer(json.loads(content) if content else None)

    def do_GET(self) -> None:
        self._answer(None)

    def _answer(self, body: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, self.client_address)
        with self.server.service.answering(request) as reply:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        if reply.events is None:
            content, kind = json.dumps(reply.body).encode(), "application/json"
        else:
            content, kind = b"".join(map(_event, reply.events)), "text/event-stream"
            content += b"data: [DONE]\n\n" if reply.done and not reply.cut else b""
        missing = 100 if reply.cut else 0  # bytes that are announced and never come
        lines = {"content-type": kind, "content-length": str(len(content) + missing), **reply.headers}
        self.send_response(reply.status)
        for name, value in lines.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _event(event: Any) -> bytes:
    if isinstance(event, bytes):
        return event
    return event.encode() if isinstance(event, str) else f"data: {json.dumps(event)}\n\n".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    service: ScriptedService

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is normal here."""


class ScriptedService:
    """A service that answers what it is told to, then plainly; keeps all requests, and refuses what is malformed.

    Base URLs are `{url}/openai/v1` and `{url}/models`, the latter for the Model Inference dialect.
    """

    def __init__(self) -> None:
        self.key = KEY
        self.all_requests: list[Request] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._replies: list[Scripted] = []
        self._lock = Lock()
        self._arrived = Condition(self._lock)
        self._held_until = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def base_url(self, dialect: Dialect) -> str:
        """The base URL of a dialect."""
        return self.url + ("/models" if dialect == "model-inference" else "/openai/v1")

    # ------------------------------------------------------------------ the script

    def will(self, *replies: Scripted) -> None:
        """Adds replies: messages, raw replies, or functions of the request's body that give one of these."""
        self._replies += replies

    def hold(self, count: int) -> None:
        """No reply leaves before so many requests are in flight, or a few seconds have passed."""
        self._held_until = count

    # ------------------------------------------------------------------ what came

    @property
    def requests(self) -> list[Request]:
        """The requests for answers or vectors, without those for information about the model."""
        return [request for request in self.all_requests if request.method == "POST"]

    @property
    def last(self) -> Request:
        """The last of them."""
        return self.requests[-1]

    @property
    def bodies(self) -> Sequence[Json]:
        """Their bodies."""
        return [request.body for request in self.requests]

    # ------------------------------------------------------------------ answering

    @contextmanager
    def answering(self, request: Request) -> Iterator[Reply]:
        """The reply to a request, while it is counted as in flight."""
        with self._lock:
            self.all_requests.append(request)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            self._arrived.notify_all()
            self._arrived.wait_for(lambda: self.most_in_flight >= self._held_until, _WAIT)
            choose = self._choice(request)
        try:
            yield choose()
        finally:
            with self._lock:
                self._in_flight -= 1

    def _choice(self, request: Request) -> Callable[[], Reply]:
        path = urlsplit(request.path).path
        if request.method == "GET":
            info = {"model_name": "served", "model_type": "chat-completions", "model_provider_name": "scripted"}
            known = path == "/models/info"
            return lambda: Reply(body=info) if known else Reply(404, {"error": {"message": "Not found"}})
        dialect: Dialect = "model-inference" if path.startswith("/models/") else "openai-v1"
        if self.key not in (request.headers.get("api-key"), request.headers.get("authorization", "")[7:]):
            return lambda: Reply(401, {"error": {"code": "401", "message": "Access denied: wrong key."}})
        if problem := self._complaint(path, request, dialect):
            return lambda: Reply(422, {"error": {"code": "Invalid input", "message": problem, "status": 422}})
        if "/embeddings" in path:
            plain: Scripted = embedded
        else:
            plain = says("Paris.")
        reply = self._replies.pop(0) if self._replies else plain
        return lambda: rendered(reply, request.body, dialect)

    def _complaint(self, path: str, request: Request, dialect: Dialect) -> str | None:
        if path.endswith("/images/embeddings"):
            return None
        return complaint(
            path,
            request.body,
            pass_through=request.headers.get("extra-parameters", "error") != "error",
            known_only=dialect == "model-inference",
        )
