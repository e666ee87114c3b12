"""Fixtures of the LangChain tests."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from media import PDF, WAV, png


@pytest.fixture
def offline_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Public files that the standard suite downloads come from here instead: the same kinds, made on the spot."""

    def get(url: Any, **_: Any) -> httpx.Response:
        kinds = {".pdf": PDF, ".wav": WAV}
        content = next((data for ending, data in kinds.items() if str(url).endswith(ending)), png())
        return httpx.Response(200, content=content, request=httpx.Request("GET", str(url)))

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "azureai-adapters tests")
