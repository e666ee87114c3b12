"""Text completions: a prompt in, its continuation out, in the shapes of chat completions with `text` for a message."""

from __future__ import annotations

from azureai_core.types import Completion

from .base import WireProtocol
from .chat_completions import SAMPLING_FIELDS, ChatDecoder, decode, holds_choice

TEXT: WireProtocol[Completion] = WireProtocol(
    route="/completions",
    operation="text_completion",
    fields=frozenset({"prompt", "model"}) | SAMPLING_FIELDS,
    answer_field="choices",
    holds_answer=holds_choice,
    decode=decode,
    decoder=ChatDecoder,
)
