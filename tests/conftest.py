"""What all tests share: a clean environment, and the emulator on a loopback port."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

os.environ.setdefault("IS_TESTING", "1")  # llama-index: no OpenAI defaults
os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "logfire-plugin")  # else it loads Logfire into every process

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script; our children would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

_VARIABLES = (
    "AZURE_INFERENCE_ENDPOINT",
    "AZURE_INFERENCE_CREDENTIAL",
    "AZUREAI_ENDPOINT_URL",
    "AZUREAI_ENDPOINT_KEY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


@pytest.fixture(autouse=True)
def clean_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the machine's own endpoint, key or proxies."""
    if "live" not in request.keywords:
        for name in _VARIABLES:
            monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def forget_what_deployments_refused() -> Iterator[None]:
    """Each test meets its deployments for the first time."""
    yield
    from azureai_core import reset_deployments

    reset_deployments()
