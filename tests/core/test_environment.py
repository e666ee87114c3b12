"""What the environment says about proxies and certificates: as httpx users expect, and one sentence where it is wrong."""

from __future__ import annotations

import httpx
import pytest

from azureai_core import APIConnectionError, ConfigurationError, InferenceClient, RetryPolicy
from fakes import KEY, FakeService

HI = {"messages": [{"role": "user", "content": "hi"}]}
ONCE = RetryPolicy(max_retries=0)
REMOTE = "http://service.invalid/v1"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def client_for(url=REMOTE):
    return InferenceClient(url, KEY, model="m", retry=ONCE, timeout=5)


@pytest.fixture
def proxy():
    service = FakeService().start()
    yield service
    service.stop()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_used(name, proxy, monkeypatch, mode):
    """Under each name that httpx reads."""
    monkeypatch.setenv(name, proxy.url)
    mode.ask(client_for(), HI)

    assert proxy.last.header("host") == "service.invalid"


def test_a_proxy_that_is_set_later_is_used_by_the_next_client(proxy, fake_service, monkeypatch, mode):
    """The environment is read when a client makes its first call, not once for all."""
    mode.ask(client_for(fake_service.url + "/v1"), HI)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    mode.ask(client_for(), HI)

    assert proxy.last.header("host") == "service.invalid"


@pytest.mark.parametrize("exempt", ["service.invalid", "invalid", ".invalid", "*"])
def test_a_host_in_no_proxy_is_asked_directly(exempt, proxy, monkeypatch, mode):
    """By its name, its domain, or all of them."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", exempt)

    with pytest.raises(APIConnectionError, match="could not be reached"):
        mode.ask(client_for(), HI)
    assert proxy.requests == []


def test_this_machine_is_never_asked_through_a_proxy(fake_service, monkeypatch, mode):
    """A company's proxy knows nothing of a local emulator."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    mode.ask(client_for(fake_service.url + "/v1"), HI)

    assert len(fake_service.requests) == 1


def test_a_proxy_that_is_down_is_named(monkeypatch, mode):
    """With its address, without its password, and the variables to look at."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:hidden-word@127.0.0.1:1")

    with pytest.raises(APIConnectionError) as caught:
        mode.ask(client_for(), HI)
    assert "through the proxy http://127.0.0.1:1" in str(caught.value)
    assert "HTTP_PROXY" in str(caught.value)
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_named(url, monkeypatch, mode):
    """The variable, and why."""
    monkeypatch.setenv("HTTP_PROXY", url)

    with pytest.raises(ConfigurationError, match="HTTP_PROXY cannot be used"):
        mode.ask(client_for(), HI)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_missing_are_named(name, monkeypatch, tmp_path, mode):
    """The variable and its value."""
    monkeypatch.setenv(name, str(tmp_path / "missing"))

    with pytest.raises(ConfigurationError, match=rf"{name}='.*missing'"):
        mode.ask(client_for("https://127.0.0.1:1/v1"), HI)


def test_a_file_without_certificates_is_named(monkeypatch, tmp_path, mode):
    """OpenSSL's own words are few."""
    (tmp_path / "empty.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))

    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE='.*empty\.pem' cannot be used"):
        mode.ask(client_for("https://127.0.0.1:1/v1"), HI)


def test_a_client_of_httpx2_is_refused():
    """Before any call, in one sentence."""
    httpx2 = pytest.importorskip("httpx2")
    with (
        httpx2.Client() as own,
        pytest.raises(ConfigurationError, match=r"http_client is a client of httpx2.*httpx\.Client"),
    ):
        InferenceClient(REMOTE, KEY, http_client=own)


def test_an_untrusted_certificate_is_named_behind_a_proxy_too(monkeypatch):
    """A company's proxy that opens TLS is where most of them come from."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    executor = client_for()._executor()
    executor.clients.sync()
    error = executor._reader.connection_error(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"))

    assert "SSL_CERT_FILE" in str(error)
