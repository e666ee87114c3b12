"""A server of one canned answer per route, for environments without the emulator; used by the checks beside it."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution

CHAT = {
    "id": "1",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
VECTORS = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]}


class Handler(BaseHTTPRequestHandler):
    """Answers a chat or an embedding."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """The answer of the route."""
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(VECTORS if "/embeddings" in self.path else CHAT).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a running server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/models"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def absent(*modules: str) -> None:
    """Raises when one of the modules can be imported."""
    found = [module for module in modules if importlib.util.find_spec(module) is not None]
    assert not found, f"{', '.join(found)} should not be installed here"


def needed(*names: str) -> set[str]:
    """The packages with all that they need, without extras, as normalised names."""
    todo, found = set(names), set()
    while todo:
        name = todo.pop()
        found.add(name)
        for line in distribution(name).requires or []:
            requirement, _, marker = line.partition(";")
            if "extra" in marker or "python_version <" in marker or "python_full_version <" in marker:
                continue
            word = re.match(r"[A-Za-z0-9._-]+", requirement)
            assert word is not None, line
            todo |= {normalised(word.group())} - found
    return found


def normalised(name: str) -> str:
    """A package's name as installers compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
