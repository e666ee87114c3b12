"""httpx, loaded when one of its names is first needed: by a caller's own client, a proxy, or an error.

A call through our own pool stands on httpcore, and needs none of them. Loading httpx takes 9 ms, and 16 ms where click
is installed, for its command line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx as httpx  # noqa: PLC0414  handed on
else:

    class _Httpx:
        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module("httpx"), name)
            setattr(self, name, value)
            return value

    httpx = _Httpx()
