"""Facts about model families, as data. A hint, never a gate: deployment names are free text, and the service decides.

An unknown model is allowed everything. Sources: 'Foundry Models catalog' capability tables (mid-2025), the Azure
OpenAI reasoning-models page, and the service's own answers where they say otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True)
class ModelProfile:
    """What a model family can do. `None` means unknown."""

    family: str = "unknown"
    max_input_tokens: int | None = None
    """The context window, in tokens."""
    max_output_tokens: int | None = None
    tools: bool = True
    json_mode: bool = True
    """`response_format: {"type": "json_object"}`"""
    json_schema: bool = True
    """`response_format: {"type": "json_schema"}`"""
    system_role: bool = True
    images: bool = False
    audio: bool = False
    sampling: bool = True
    """Whether temperature, top_p and the penalties are taken."""
    reasoning: bool = False
    max_tokens_field: str = "max_tokens"
    """The spelling of the output limit: o-series models take only `max_completion_tokens`."""
    user_after_tool: bool = True
    """Whether a user message may follow a tool message."""
    several_system: bool = True
    """Whether there may be more than one system message."""
    json_tool_results: bool = False
    """Whether a tool result must be JSON text."""
    embeddings: bool = False
    input_type: bool = False
    """Whether query and document are embedded differently (`input_type`)."""
    dimensions: bool = True
    max_batch: int | None = None
    """Inputs of one embeddings request."""


UNKNOWN = ModelProfile()

_PHI = ModelProfile("phi", tools=False, json_mode=False, json_schema=False)
_PHI3 = replace(_PHI, family="phi-3", max_input_tokens=131_072, max_output_tokens=4096, system_role=False)
_MISTRAL = ModelProfile("mistral", 131_072, 4096, json_schema=False, user_after_tool=False)
_LLAMA = ModelProfile("llama", 131_072, 8192, tools=False, json_mode=False, json_schema=False)
_COHERE = ModelProfile("cohere-command", 131_072, 4096, json_schema=False, json_tool_results=True)
_DEEPSEEK = ModelProfile("deepseek", 131_072, 8192, json_schema=False)
_GPT = ModelProfile("gpt", 128_000, 16_384, images=True)
_REASONING_GPT = replace(
    _GPT, family="gpt-reasoning", max_input_tokens=200_000, max_output_tokens=100_000,
    sampling=False, reasoning=True, max_tokens_field="max_completion_tokens",
)  # fmt: skip
_COHERE_EMBED = ModelProfile(
    "cohere-embed", 512, embeddings=True, input_type=True, dimensions=False, images=True, max_batch=96
)
_OPENAI_EMBED = ModelProfile("text-embedding", 8191, embeddings=True, max_batch=2048)

# The first pattern that is found in the lower-case name wins.
_FAMILIES: tuple[tuple[str, ModelProfile], ...] = (
    (r"phi-?3(\.5)?.*vision", replace(_PHI3, images=True)),
    (r"phi-?3.*(4k|8k)", replace(_PHI3, max_input_tokens=4096)),
    (r"phi-?3", _PHI3),
    (r"phi-?4-multimodal", replace(_PHI, family="phi-4", max_input_tokens=131_072, images=True, audio=True)),
    (r"phi-?4-mini", replace(_PHI, family="phi-4", max_input_tokens=131_072, max_output_tokens=4096)),
    (r"phi-?4", replace(_PHI, family="phi-4", max_input_tokens=16_384, max_output_tokens=16_384)),
    (r"codestral", replace(_MISTRAL, family="codestral", max_input_tokens=262_144, tools=False, json_mode=False)),
    (r"mistral|ministral|mixtral|(^|[-/])open-nemo", _MISTRAL),
    (r"llama-?3\.2.*vision", replace(_LLAMA, images=True)),
    (r"llama-?4", replace(_LLAMA, images=True, max_input_tokens=1_000_000)),
    (r"llama-?2", replace(_LLAMA, max_input_tokens=4096)),
    (r"llama-?3(-|$)", replace(_LLAMA, max_input_tokens=8192)),
    (r"llama", _LLAMA),
    (r"cohere-command|\bcommand-[ar](\d|\b)", _COHERE),
    (r"cohere.*embed|(^|/)embed-v|\bembed-(english|multilingual)", _COHERE_EMBED),
    (r"jais", ModelProfile("jais", 8192, 4096, json_schema=False)),
    (r"jamba", ModelProfile("jamba", 262_144, 4096)),
    (r"tsuzumi", ModelProfile("tsuzumi", 8192, 8192, tools=False, json_mode=False, json_schema=False)),
    (r"grok-?3-mini", ModelProfile("grok", 131_072, 131_072, json_mode=False, json_schema=False, reasoning=True)),
    (r"grok", ModelProfile("grok", 131_072, 131_072, json_mode=False, json_schema=False)),
    (r"deepseek-?r1|mai-ds-r1", replace(
        _DEEPSEEK, family="deepseek-r1", max_input_tokens=163_840, max_output_tokens=163_840,
        tools=False, json_mode=False, sampling=False, reasoning=True,
    )),
    (r"deepseek", _DEEPSEEK),
    (r"text-embedding-3", _OPENAI_EMBED),
    (r"text-embedding|ada-002", replace(_OPENAI_EMBED, dimensions=False)),
    (r"(^|[-/])o[134](-|$)|reasoning", _REASONING_GPT),
    (r"gpt-?5(?!.*chat)", replace(_REASONING_GPT, max_input_tokens=272_000, max_output_tokens=128_000)),
    (r"gpt-?4\.1", replace(_GPT, max_input_tokens=1_047_576, max_output_tokens=32_768)),
    (r"gpt-?4o|gpt-?5", _GPT),
    (r"gpt-?35|gpt-?3\.5", replace(
        _GPT, max_input_tokens=16_385, max_output_tokens=4096, images=False, json_schema=False,
    )),
    (r"gpt", _GPT),
)  # fmt: skip


@lru_cache(maxsize=256)
def profile_for(model: str | None) -> ModelProfile:
    """The profile that a model's or deployment's name suggests; the permissive one where it suggests none.

    >>> profile_for("Mistral-large-2411").user_after_tool
    False
    >>> profile_for("openai/o3-mini").max_tokens_field
    'max_completion_tokens'
    >>> profile_for("my-deployment").family
    'unknown'
    """
    name = (model or "").lower().replace("_", "-")
    return next((profile for pattern, profile in _FAMILIES if re.search(pattern, name)), UNKNOWN)
