"""JSON as the emulator writes it."""

import json
from typing import Any

Json = Any


def encode_json(value: Json) -> bytes:
    """Compact JSON in UTF-8, not escaped; a lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
