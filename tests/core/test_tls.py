"""The same over TLS, as every real endpoint is reached: real handshakes on loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from azureai_core import APIConnectionError, InferenceClient

ANSWER = {"id": "1", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
FRAME = {"id": "1", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
ASKED = {"messages": [{"role": "user", "content": "hi"}]}


def certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "loopback.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Handler(BaseHTTPRequestHandler):
    """Answers a chat, plain or streamed, on kept connections."""

    protocol_version = "HTTP/1.1"
    connections: set[int] = set()

    def do_POST(self) -> None:
        self.connections.add(self.client_address[1])
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        streamed = asked.get("stream")
        body = f"data: {json.dumps(FRAME)}\n\ndata: [DONE]\n\n" if streamed else json.dumps(ANSWER)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https server whose certificate the process trusts."""
    path = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Handler.connections = set()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    yield f"https://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_sync_calls_share_a_connection(https: str) -> None:
    """Plain and streamed calls one after the other need one handshake."""
    with InferenceClient(https, "key", model="m") as client:
        assert [client.complete(ASKED).content for _ in range(3)] == ["hi"] * 3
        assert [delta.content for delta in client.stream(ASKED)] == ["hi"]
    assert len(Handler.connections) == 1


async def test_async_calls_share_a_connection(https: str) -> None:
    """The same in an event loop."""
    async with InferenceClient(https, "key", model="m") as client:
        assert [(await client.acomplete(ASKED)).content for _ in range(3)] == ["hi"] * 3
        assert [delta.content async for delta in client.astream(ASKED)] == ["hi"]
    assert len(Handler.connections) == 1


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_an_untrusted_certificate_is_refused(https: str, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent; the error says that the certificate is the reason."""
    monkeypatch.delenv("SSL_CERT_FILE")
    client = InferenceClient(https, "key", model="m", max_retries=0)

    with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        client.complete(ASKED) if colour == "sync" else asyncio.run(client.acomplete(ASKED))
    assert Handler.connections == set()


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_folder_of_certificates_is_trusted(
    https: str, colour: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`SSL_CERT_DIR`, where files are named as OpenSSL's `rehash` names them: this one for the name `loopback`."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    (tmp_path / "loopback.pem").rename(folder / "2101a20a.0")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))

    with InferenceClient(https, "key", model="m") as client:
        answer = client.complete(ASKED) if colour == "sync" else asyncio.run(client.acomplete(ASKED))
    assert answer.content == "hi"
