"""`azureai doctor` if something is wrong: the exit code, the most likely cause, and what to do."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from azureai_cli._connect import Secret, Target
from azureai_cli._diagnosis import diagnose
from azureai_core import APIConnectionError, Endpoint
from azureai_emulator import Fault

KINDS = ["serverless", "models", "openai-deployment", "openai-v1"]
NAMES = {
    "serverless": "mistral-large-2411",
    "models": "gpt-4o",
    "openai-deployment": "gpt-4o",
    "openai-v1": "gpt-4o",
}


def problem(done: Any) -> dict[str, Any]:
    found = json.loads(done.out)["problem"]
    assert found is not None
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_key_ends_with_4(cli, monkeypatch, kind):
    """The cause names the variable of the key, and neither header is shown as working."""
    monkeypatch.setenv("MY_KEY", "canary-wrong-key-000")
    done = cli.doctor(NAMES[kind], kind, "--json", "--key-env", "MY_KEY")

    assert done.code == 4
    assert "MY_KEY" in problem(done)["cause"]
    assert {item["verdict"] for item in json.loads(done.out)["auth"]} == {"no"}
    assert "canary-wrong-key-000" not in done.out + done.err


def test_an_unknown_deployment_ends_with_5(cli, emulator):
    """Whether its name is in the body or in the URL."""
    v1 = cli("doctor", f"{emulator.url}/openai/v1", "--model", "nope", "--json")
    models = cli("doctor", f"{emulator.url}/models", "--model", "nope", "--json")
    path = cli("doctor", f"{emulator.url}/openai/deployments/nope", "--json")

    assert (v1.code, models.code, path.code) == (5, 5, 5)
    assert "'nope'" in problem(v1)["cause"]
    assert "--model" in problem(models)["fix"]
    assert "'nope'" in problem(path)["cause"]
    assert "URL" in problem(path)["fix"]


@pytest.mark.parametrize(
    ("name", "kind", "only"),
    [
        ("cohere-embed-v3-english", "serverless", "chat"),
        ("cohere-embed-v3-english", "models", "chat"),
        ("text-embedding-3-small", "openai-deployment", "chat"),
        ("mistral-large-2411", "serverless", "embeddings"),
        ("gpt-4o", "openai-v1", "embeddings"),
    ],
)
def test_a_model_of_another_kind_ends_with_5(cli, name, kind, only):
    """The deployment exists, but its model is for another task."""
    done = cli.doctor(name, kind, "--json", "--only", only)

    assert done.code == 5
    assert "another kind" in problem(done)["cause"]


@pytest.mark.parametrize("kind", ["serverless", "models", "openai-deployment"])
@pytest.mark.parametrize("version", ["2019-01-01-preview", "nonsense"])
def test_a_wrong_api_version_is_found_by_trying_another(cli, kind, version):
    """A version that works is named; if the service accepts any version, none is reported as wrong."""
    done = cli.doctor(NAMES[kind], kind, "--json", "--api-version", version)
    if kind == "openai-deployment" and version == "2019-01-01-preview":
        assert done.code == 0
        return
    assert done.code == 5
    assert version in problem(done)["cause"]
    default = Endpoint.parse(cli.emulator.endpoint(NAMES[kind], kind)).api_version
    assert default in problem(done)["fix"]


@pytest.mark.parametrize("path", ["", "/nothing/here", "/serverless/no-such-model", "/v1"])
def test_a_wrong_route_ends_with_5(cli, emulator, path):
    """The panel shows how the URL was recognised, and an example of that kind."""
    done = cli("doctor", emulator.url + path, "--model", "gpt-4o", "--json")

    assert done.code == 5
    assert "https://" in problem(done)["fix"]


def test_a_closed_port_ends_with_3(cli):
    """The cause is that nothing listens there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = cli("doctor", f"http://127.0.0.1:{port}/openai/v1", "--model", "m", "--json")

    assert done.code == 3
    assert "Nothing listens" in problem(done)["cause"]


def test_a_server_that_does_not_answer_ends_with_3(cli):
    """After the timeout."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/openai/v1"
        done = cli("doctor", url, "--model", "m", "--json", "--timeout", "0.3")

    assert done.code == 3
    assert "--timeout" in problem(done)["fix"]


class Page(BaseHTTPRequestHandler):
    """A web server that answers everything with a page."""

    def do_GET(self) -> None:
        body = b"<!DOCTYPE html><html><body>Welcome</body></html>"
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.server.status)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


class Files(SimpleHTTPRequestHandler):
    """Python's own file server."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Any]:
    servers: list[ThreadingHTTPServer] = []

    def start(handler: Any = Page, status: int = 200, context: ssl.SSLContext | None = None) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.status = status
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("path", ["/openai/v1", "/models", "/openai/deployments/m", ""])
@pytest.mark.parametrize("status", [200, 400, 404, 405])
def test_a_plain_web_server_is_not_the_api(cli, web, path, status):
    """Whatever its status: what comes is a page."""
    done = cli("doctor", f"http://{web(status=status)}{path}", "--model", "m", "--json")

    assert done.code == 5
    assert "web server" in problem(done)["cause"]


def test_a_file_server_is_not_the_api(cli, web):
    """It answers 501 to a POST."""
    done = cli("doctor", f"http://{web(Files)}/openai/v1", "--model", "m", "--json")

    assert done.code == 5


def test_a_redirect_is_not_followed(cli, web):
    """The credential is not sent elsewhere."""
    done = cli("doctor", f"http://{web(status=302)}/openai/v1", "--model", "m", "--json")

    assert done.code == 5


def test_an_untrusted_certificate_ends_with_3(cli, web, tmp_path):
    """The fix names the variable for a company's own certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    done = cli("doctor", f"https://{web(context=context)}/openai/v1", "--model", "m", "--json")

    assert done.code == 3
    assert "certificate" in problem(done)["cause"]
    assert "SSL_CERT_FILE" in problem(done)["fix"]


def test_plain_http_behind_https_ends_with_3(cli, web):
    """The cause is that the server does not speak TLS."""
    done = cli("doctor", f"https://{web()}/openai/v1", "--model", "m", "--json")

    assert done.code == 3
    assert "TLS" in problem(done)["cause"]


def certificate(folder: Any) -> str:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - dt.timedelta(1), now + dt.timedelta(1))
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "own.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("[Errno -2] Name or service not known", "host name"),
        ("[Errno -3] Temporary failure in name resolution", "host name"),
        ("[Errno 8] nodename nor servname provided, or not known", "host name"),
        ("[Errno 11001] getaddrinfo failed", "host name"),
        ("[Errno 101] Network is unreachable", "no route"),
        ("[Errno 113] No route to host", "no route"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer", "certificate"),
    ],
)
def test_network_messages_of_operating_systems_are_understood(said, cause):
    """Those of Linux, macOS and Windows."""
    target = Target(Endpoint.parse("https://h.openai.azure.com"), "m", Secret("k", "V", entra=False))
    found = diagnose(APIConnectionError(f"https://h.openai.azure.com could not be reached ({said})."), target)

    assert found.exit_code == 3
    assert cause in found.cause


def test_a_proxy_in_the_environment_is_mentioned(cli, monkeypatch):
    """The cause names its variable."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    done = cli("doctor", "https://h.openai.azure.com", "--model", "m", "--json")

    assert done.code == 3
    assert "HTTPS_PROXY" in problem(done)["cause"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Public access is disabled. Please configure private endpoint.", "network"),
        ("Principal does not have access to API/Operation.", "not allowed to do this"),
    ],
)
def test_403_is_about_the_network_or_the_role(cli, emulator, text, cause):
    """Both messages are the service's own."""
    emulator.faults(Fault(status=403, body={"error": {"code": "403", "message": text}}, times=100))
    done = cli.doctor("gpt-4o", None, "--json")

    assert done.code == 4
    assert cause in problem(done)["cause"]


def test_a_used_up_quota_ends_with_1(cli, emulator):
    """The endpoint and the key are right, but the quota is exhausted."""
    emulator.faults(Fault(status=429, headers={"retry-after": "0"}, times=100))
    done = cli.doctor("gpt-4o", None, "--json")

    assert done.code == 1
    assert "quota" in problem(done)["cause"]


@pytest.mark.slow
@pytest.mark.parametrize("form", [["--json"], []])
def test_a_service_that_becomes_unreachable_ends_with_3(cli, emulator, form):
    """Earlier findings are shown, but no code to paste."""
    emulator.faults(*[Fault()] * 10, Fault(reset_before_body=True, times=999))
    done = cli.doctor("gpt-4o", None, *form)

    assert done.code == 3
    if form:
        report = json.loads(done.out)
        assert 2 < len(report["findings"]) < 22
        assert (report["langchain"], report["profile"]) == (None, None)
    else:
        assert "Streaming" in done.out
        assert "ModelProfile" not in done.out


@pytest.mark.parametrize("arguments", [["not-a-url"], ["https://h.openai.azure.com"], []])
def test_wrong_usage_ends_with_2(cli, arguments):
    """No URL, one without a model, and what is none."""
    done = cli("doctor", *arguments)

    assert done.code == 2
    assert done.err.startswith("azureai: ")


def test_no_key_ends_with_2(cli, emulator, monkeypatch):
    """Without a terminal, nobody can be asked for it."""
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL")
    done = cli.doctor("gpt-4o")

    assert done.code == 2
    assert "AZURE_INFERENCE_CREDENTIAL" in done.err
    assert cli("doctor", emulator.url, "--key-env", "NOT_SET").code == 2


class FakeCredential:
    """Stands for azure-identity's: a token for whatever scope is asked."""

    def get_token(self, *scopes: str, **_: Any) -> Any:
        return f"emulator-token:{scopes[0]}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_the_kinds_own_scope_works(cli, monkeypatch, kind):
    """The scope is shown, and the printed code uses the credential."""
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", FakeCredential)
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL")
    done = cli.doctor(NAMES[kind], kind, "--json", "--entra")
    report = json.loads(done.out)

    assert done.code == 0
    assert report["auth"] == [
        {
            "name": f"Entra token for {report['endpoint']['token_scope']}",
            "verdict": "yes",
            "said": "",
            "value": None,
        }
    ]
    assert "DefaultAzureCredential()" in report["langchain"]
    names: dict[str, Any] = {}
    exec(report["langchain"], names)
    assert names["model"].invoke("hi").content


def test_a_token_of_a_wrong_scope_ends_with_4(cli, monkeypatch):
    """It was chosen by hand: leave it out."""
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", FakeCredential)
    wrong = "https://management.azure.com/.default"
    done = cli.doctor("gpt-4o", "models", "--json", "--entra", "--scope", wrong)

    assert done.code == 4
    assert wrong in problem(done)["cause"]
    assert "--scope" in problem(done)["fix"]


def test_a_credential_that_is_not_signed_in_ends_with_4(cli, monkeypatch):
    """The credential's own message is shown."""

    class SignedOut:
        def get_token(self, *_: str, **__: Any) -> Any:
            raise RuntimeError("please run az login")

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", SignedOut)
    done = cli.doctor("gpt-4o", None, "--json", "--entra")

    assert done.code == 4
    assert "az login" in problem(done)["what"]


def test_entra_without_azure_identity_says_what_to_install(cli, monkeypatch):
    """Exit code 2 and one sentence."""
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    done = cli.doctor("gpt-4o", None, "--entra")

    assert done.code == 2
    assert "azureai-adapters[identity]" in done.err


def test_control_characters_of_a_service_do_not_reach_the_screen(cli, emulator):
    """An error text could rewrite the terminal."""
    emulator.faults(Fault(status=400, body={"error": {"message": "bad \x1b[2J\x07 thing"}}, times=100))
    done = cli.doctor("gpt-4o")

    assert "\x1b[2J" not in done.out
    assert "\x07" not in done.out


def test_a_key_that_the_service_echoes_is_masked(cli, emulator):
    """In the table, in the panel and in JSON; each run of a command checks its own output for the key."""
    emulator.faults(Fault(status=400, body={"error": {"message": f"bad key {emulator.key}"}}, times=200))

    assert "***" in cli.doctor("gpt-4o").out
    assert "***" in cli.doctor("gpt-4o", None, "--json").out
