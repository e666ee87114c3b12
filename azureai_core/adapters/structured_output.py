"""Structured output: which mechanisms a model has, and what an error says about the one that was tried."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args

from azureai_core.deployments import Deployment
from azureai_core.errors import APIStatusError, ContentFilterError

StructuredOutputMode = Literal["json_schema", "tool", "json_object", "text"]
"""How an object is asked for: by schema, by a forced tool call, in JSON mode with the schema in words, or in words."""

_NAMED_BY_REFUSALS: Mapping[StructuredOutputMode, tuple[str, ...]] = {
    "json_schema": ("response_format", "json_schema"),
    "json_object": ("response_format", "json_object"),
    "tool": ("tool_choice", "tools", "tool calling", "tool choice"),
    "text": (),
}
_SCHEMA_CODES = frozenset({"invalid_json_schema", "invalid_function_parameters"})
# Azure OpenAI: "Invalid schema for response_format 'X': In context=(…)", "Invalid schema for function 'X'", often with
# `code: null`; a path into the schema or the function is about that one, too.
_ABOUT_SCHEMA = re.compile(
    r"invalid (?:json )?schema|in context=\(|schema[^.]{0,40} (?:invalid|not valid)"
    r"|tools\W{1,2}\d+\W{1,2}function|json_schema\.(?:schema|name)|function[. ](?:parameters|name)",
    re.IGNORECASE,
)


def structured_output_modes(deployment: Deployment) -> list[StructuredOutputMode]:
    """The mechanisms to try, best first: those of the profile that were not refused; the last works with any model."""
    profile = deployment.profile
    able = {"json_schema": profile.json_schema, "tool": profile.tools, "json_object": profile.json_mode, "text": True}
    refused = deployment.state.refused_modes
    return [mode for mode in get_args(StructuredOutputMode) if able[mode] and mode not in refused]


def is_refusal(error: APIStatusError, mode: StructuredOutputMode) -> bool:
    """Whether the service refused the mechanism, or one schema in it, so that another mechanism may do."""
    if error.status_code not in {400, 422} or isinstance(error, ContentFilterError) or error.context_exceeded:
        return False
    names = _NAMED_BY_REFUSALS[mode]
    named = bool(set(names) & set(error.parameters)) or any(name in error.message for name in names)
    return named or (bool(names) and is_schema_refusal(error))


def is_schema_refusal(error: APIStatusError) -> bool:
    """Whether the service refused this one schema, which says nothing about the mechanism."""
    return error.code in _SCHEMA_CODES or bool(_ABOUT_SCHEMA.search(error.message[:4000]))


def note_refusal(deployment: Deployment, mode: StructuredOutputMode, error: APIStatusError) -> None:
    """Remembers that a deployment does not have a mechanism; a refused schema teaches nothing.

    Raises the error when it means something else, so that no other mechanism would do.
    """
    if not is_refusal(error, mode):
        raise error
    if not is_schema_refusal(error):
        deployment.state.refused_modes.add(mode)
