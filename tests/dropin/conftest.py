"""The emulator under the names that the retired adapters' documentation uses, and what runs an example against it."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from azureai_emulator import DEPLOYMENTS, Deployment, Emulator, serve

EXAMPLES = Path(__file__).parent / "examples"

IMPORTS = {
    "langchain_azure_ai.chat_models.inference": "langchain_azureai",
    "langchain_azure_ai.chat_models": "langchain_azureai",
    "langchain_azure_ai.embeddings.inference": "langchain_azureai",
    "langchain_azure_ai.embeddings": "langchain_azureai",
    "llama_index.llms.azure_inference": "llamaindex_azureai",
    "llama_index.embeddings.azure_inference": "llamaindex_azureai",
}
"""Modules of the retired adapters → ours, as the migration pages say."""


def shipped(name: str) -> Deployment:
    """A deployment that the emulator has by itself."""
    return next(item for item in DEPLOYMENTS if item.name == name)


def documented() -> list[Deployment]:
    """The deployments of the documentation's examples, each with the wire quirks of its family."""
    mistral, gpt, embed = shipped("mistral-large-2411"), shipped("gpt-4o"), shipped("cohere-embed-v3-english")
    # The API reference shows a Mistral deployment filling a JSON schema.
    large = replace(mistral, name="mistral-large-2407", profile=replace(mistral.profile, json_schema=True))
    small = [replace(mistral, name=name) for name in ("mistral-large", "mistral-small")]
    openai = [replace(gpt, name=name) for name in ("gpt-4o", "gpt-4")]
    vectors = shipped("text-embedding-3-small")
    ada = replace(vectors, name="text-embedding-ada-002", profile=replace(vectors.profile, dimensions_settable=False))
    return [
        large,
        *small,
        *openai,
        ada,
        replace(vectors, name="text-embedding-3-large"),
        replace(embed, name="cohere-embed-v3-multilingual"),
        replace(shipped("deepseek-r1"), name="DeepSeek-R1"),
    ]


def change_imports(source: str) -> str:
    """An example with its import lines changed, and nothing else."""

    def changed(line: re.Match[str]) -> str:
        return f"from {IMPORTS[line['module']]} import"

    modules = "|".join(map(re.escape, IMPORTS))
    return re.sub(rf"^from (?P<module>{modules}) import", changed, source, flags=re.MULTILINE)


@pytest.fixture(scope="session")
def examples() -> dict[str, tuple[str, str]]:
    """Each example's text as documented, and with its imports changed."""
    texts = {file.stem: file.read_text("utf-8") for file in sorted(EXAMPLES.glob("*.py"))}
    return {name: (text, change_imports(text)) for name, text in texts.items()}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One server for all examples."""
    with serve(deployments=documented()) as running:
        yield running


@pytest.fixture
def run_example(
    emulator: Emulator, examples: dict[str, tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., SimpleNamespace]]:
    """`run_example(name, path)`: the names that an example defines, run with the endpoint `path` of the emulator."""
    emulator.clear()

    def run(name: str, path: str, url: str | None = None) -> SimpleNamespace:
        monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", (url or emulator.url) + path)
        monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", emulator.key)
        names: dict[str, Any] = {"__name__": name}
        exec(compile(examples[name][1], EXAMPLES / f"{name}.py", "exec"), names)
        return SimpleNamespace(**names)

    yield run
    forget_session_models()


def forget_session_models() -> None:
    """Takes back what examples set for the whole LlamaIndex session."""
    from llama_index.core import Settings

    Settings._llm = Settings._embed_model = None


class FakeCredential:
    """What azure-identity's credential does, with the tokens that the emulator takes; `scopes` is what was asked."""

    scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> Any:
        """A token for the scope."""
        self.scopes.extend(scopes)
        return SimpleNamespace(
            token=f"emulator-token:{scopes[0]}", expires_on=dt.datetime.now(dt.UTC).timestamp() + 3600
        )


class FakeAsyncCredential(FakeCredential):
    """The same for async code."""

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """A token for the scope."""
        return super().get_token(*scopes, **options)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def entra(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for a signed-in machine; the scopes that tokens were asked for."""
    FakeCredential.scopes = FakeAsyncCredential.scopes = asked = []
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", FakeCredential)
    monkeypatch.setattr("azure.identity.aio.DefaultAzureCredential", FakeAsyncCredential)
    return asked


def certificate(folder: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "loopback")])
    day, now = dt.timedelta(days=1), dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = folder / "loopback.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def pump(source: socket.socket, target: socket.socket) -> None:
    """Passes on what comes until one side is done."""
    with contextlib.suppress(OSError):  # the other direction may have ended the connection
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class TlsFront:
    """An https address in front of the emulator: tokens travel only over TLS."""

    def __init__(self, folder: Path, target: int) -> None:
        self.certificate = certificate(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._target = target
        self._sockets: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads[0].start()

    def _accept(self) -> None:
        try:
            while True:
                self._connect(self._listener.accept()[0])
        except OSError:
            return  # the listener was closed

    def _connect(self, raw: socket.socket) -> None:
        near = self._context.wrap_socket(raw, server_side=True)
        far = socket.create_connection(("127.0.0.1", self._target))
        pairs = [threading.Thread(target=pump, args=ends) for ends in ((near, far), (far, near))]
        self._sockets += [near, far]
        self._threads += pairs
        for thread in pairs:
            thread.start()

    def close(self) -> None:
        """Ends every connection and thread."""
        for end in self._sockets:
            with contextlib.suppress(OSError):  # the other side may be gone already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def https(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The emulator's address over TLS, with a certificate that this process trusts."""
    front = TlsFront(tmp_path, int(emulator.url.rpartition(":")[2]))
    monkeypatch.setenv("SSL_CERT_FILE", str(front.certificate))
    yield front.url
    front.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets pass what LlamaIndex itself warns of; everything else stays an error."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:is_running called from within:DeprecationWarning"))
