"""Bodies of every framing, on connections of ours and of httpx. Source: RFC 9112, sections 6 and 7."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
from dataclasses import dataclass

import httpx
import pytest

from azureai_core import APIConnectionError, InferenceClient, RetryPolicy
from fakes import KEY

HI = {"messages": [{"role": "user", "content": "hi"}]}
ANSWER = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris. " * 9}}]}).encode()
HALF = len(ANSWER) // 2
JSON = b"content-type: application/json\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n" % (JSON, len(ANSWER))
CHUNKED = b"HTTP/1.1 200 OK\r\n%stransfer-encoding: chunked\r\n\r\n" % JSON


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


@dataclass(frozen=True)
class Body:
    """What the server sends for each request, and what becomes of it."""

    sent: bytes
    connections: int
    """For two calls, one after the other."""
    error: str | None = None
    closes: bool = False
    """Whether the server closes the connection after it."""
    pieces: int = 1
    """How many packets it comes in."""


def compressed(sent: bytes) -> bytes:
    return LENGTH.replace(b"%d" % len(ANSWER), b"%d\r\ncontent-encoding: gzip" % len(ZIPPED)) + sent


ZIPPED = gzip.compress(ANSWER)
TWO = chunk(ANSWER[:HALF]) + chunk(ANSWER[HALF:])
BODIES = {
    "a length": Body(LENGTH + ANSWER, 1),
    "a length, in small packets": Body(LENGTH + ANSWER, 1, pieces=40),
    "chunks": Body(CHUNKED + TWO + b"0\r\n\r\n", 1),
    "chunks, in small packets": Body(CHUNKED + TWO + b"0\r\n\r\n", 1, pieces=40),
    "extensions and trailers": Body(CHUNKED + chunk(ANSWER, b";name=value") + b"0\r\nx-trailer: 1\r\n\r\n", 1),
    "until the connection's end": Body(b"HTTP/1.1 200 OK\r\n%s\r\n" % JSON + ANSWER, 2, closes=True),
    "HTTP/1.0": Body(b"HTTP/1.0 200 OK\r\n%s\r\n" % JSON + ANSWER, 2, closes=True),
    "the connection is not kept": Body(LENGTH.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n") + ANSWER, 2),
    "an interim answer first": Body(b"HTTP/1.1 102 Processing\r\n\r\n" + LENGTH + ANSWER, 1),
    "a length that is not reached": Body(LENGTH + ANSWER[:HALF], 2, "peer closed connection", closes=True),
    "chunks without the last": Body(CHUNKED + TWO, 2, "peer closed connection", closes=True),
    "a chunk cut short": Body(CHUNKED + TWO[:HALF], 2, "peer closed connection", closes=True),
    "a refusal cut short": Body(
        b"HTTP/1.1 400 No\r\ncontent-length: 99\r\n\r\n{", 2, "peer closed connection", closes=True
    ),
    "compressed": Body(compressed(ZIPPED), 1),
    "compressed, and cut short": Body(compressed(ZIPPED[:-9]), 2, "peer closed connection", closes=True),
    "a malformed size": Body(CHUNKED + b"zz\r\n", 2, "illegal chunk header"),
    "a malformed end of a chunk": Body(CHUNKED + b"2\r\n{}xx0\r\n\r\n", 2, "malformed chunk footer"),
}


class Server:
    """Answers each request with the same bytes."""

    def __init__(self, body: Body) -> None:
        self.body, self.connections = body, 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}/serverless/chat"

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while self.read(connection):
                    self.answer(connection)
                    if self.body.closes:
                        break

    def read(self, connection: socket.socket) -> bool:
        """Takes a request; false at the end of the connection."""
        seen = b""
        while not seen.endswith(b"}"):
            if not (data := connection.recv(65_536)):
                return False
            seen += data
        return True

    def answer(self, connection: socket.socket) -> None:
        size = -(-len(self.body.sent) // self.body.pieces)
        for start in range(0, len(self.body.sent), size):
            connection.sendall(self.body.sent[start : start + size])

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(5)


def _two_calls(url: str, colour: str) -> list[object]:
    """The answers, or errors, of two calls on one client."""

    def call(client):
        try:
            return client.complete(HI).content
        except APIConnectionError as error:
            return error

    async def acall(client):
        try:
            return (await client.acomplete(HI)).content
        except APIConnectionError as error:
            return error

    async def both():
        async with InferenceClient(url, KEY, retry=RetryPolicy(max_retries=0)) as client:
            return [await acall(client), await acall(client)]

    if colour == "async":
        return asyncio.run(both())
    with InferenceClient(url, KEY, retry=RetryPolicy(max_retries=0)) as client:
        return [call(client), call(client)]


def _handle(transport, request, real=httpx.HTTPTransport.handle_request):
    return real(transport, request)


async def _handle_async(transport, request, real=httpx.AsyncHTTPTransport.handle_async_request):
    return await real(transport, request)


@pytest.mark.parametrize("hooked", [False, True], ids=["our own connections", "connections of httpx"])
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_to_its_end_or_is_an_error(name, colour, hooked, monkeypatch):
    """The same where somebody has put a function of their own in the place of httpx's transports."""
    body = BODIES[name]
    if hooked:
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", _handle)
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", _handle_async)
    server = Server(body)
    try:
        answers = _two_calls(server.url, colour)
    finally:
        server.close()

    if body.error is None:
        assert answers == ["Paris. " * 9] * 2
    else:
        assert all(body.error in str(answer) for answer in answers)
    assert server.connections == body.connections
