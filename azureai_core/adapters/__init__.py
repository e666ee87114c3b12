"""The kit of the adapters: decisions that both frameworks share."""

from .addresses import endpoint_argument, endpoint_of_environment, plain_endpoint, public_url
from .arguments import CLIENT_OPTIONS, check_call_arguments, check_client_kwargs, resolve_arguments, stop_list
from .history import CallIds, repair_history
from .schemas import response_format, strict_schema
from .structured_output import (
    StructuredOutputMode,
    is_refusal,
    is_schema_refusal,
    note_refusal,
    structured_output_modes,
)
from .templates import fast_constructor
from .tool_choice import wire_tool_choice

__all__ = [
    "CLIENT_OPTIONS",
    "CallIds",
    "StructuredOutputMode",
    "check_call_arguments",
    "check_client_kwargs",
    "endpoint_argument",
    "endpoint_of_environment",
    "fast_constructor",
    "is_refusal",
    "is_schema_refusal",
    "note_refusal",
    "plain_endpoint",
    "public_url",
    "repair_history",
    "resolve_arguments",
    "response_format",
    "stop_list",
    "strict_schema",
    "structured_output_modes",
    "wire_tool_choice",
]
