"""What the service refuses in a request body, one rule at a time. `wire/errors.py` gives the error bodies."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from azureai_emulator.wire.errors import Refusal

from .strict_schemas import strict_problem

Json = Any
Check = Callable[[str, Json], None]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def _wrong_type(field: str, expected: str, value: Json) -> Refusal:
    got = _JSON_NAMES.get(type(value), "object")
    message = f"Invalid type for '{field}': expected {expected}, but got {got} instead."
    return Refusal(message, param=field, nature="type", code="invalid_type", value=value)


_JSON_NAMES = {
    str: "a string", bool: "a boolean", int: "an integer", float: "a decimal", list: "an array", type(None): "null",
}  # fmt: skip


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(low: float, high: float) -> Check:
    def check(field: str, value: Json) -> None:
        if not _is_number(value):
            raise _wrong_type(field, "a decimal", value)
        _check_range(field, value, low, high)

    return check


def _integer(low: float, high: float = float("inf")) -> Check:
    def check(field: str, value: Json) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(field, "an integer", value)
        _check_range(field, value, low, high)

    return check


def _check_range(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        bound = f"a value >= {low}" if value < low else f"a value <= {high}"
        message = f"Invalid '{field}': expected {bound}, but got {value} instead."
        raise Refusal(message, param=field, nature="type", code="invalid_value", value=value)


def _of_type(kind: type, expected: str) -> Check:
    def check(field: str, value: Json) -> None:
        if not isinstance(value, kind):
            raise _wrong_type(field, expected, value)

    return check


def _stop(field: str, value: Json) -> None:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise _wrong_type(field, "a string or an array of strings", value)
    if not items:
        message = (
            "Invalid 'stop': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise Refusal(message, param=field, nature="type", code="empty_array", value=value)
    if len(items) > _MAX_STOPS:
        raise Refusal(f"Invalid 'stop': at most {_MAX_STOPS} sequences.", param=field, nature="type", value=value)


_MAX_STOPS = 16


def _response_format(field: str, value: Json) -> None:
    if not isinstance(value, dict):
        raise _wrong_type(field, "an object", value)
    if value.get("type") not in ("text", "json_object", "json_schema"):
        message = (
            f"Invalid value: '{value.get('type')}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        )
        raise Refusal(message, param=f"{field}.type", code="invalid_value", value=value)
    if value["type"] == "json_schema":
        _check_json_schema(f"{field}.json_schema", value.get("json_schema"))


def _check_json_schema(field: str, spec: Json) -> None:
    if not isinstance(spec, dict):
        raise Refusal(f"Missing required parameter: '{field}'.", param=field, code="missing_required_parameter")
    _check_name(f"{field}.name", spec.get("name"))
    if not isinstance(spec.get("schema"), dict):
        param = f"{field}.schema"
        raise Refusal(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    problem = strict_problem(spec["schema"]) if spec.get("strict") else None
    if problem:
        message = f"Invalid schema for response_format '{spec['name']}': {problem}"
        raise Refusal(message, param="response_format", code="invalid_json_schema")


def _check_name(field: str, name: Json) -> None:
    if not isinstance(name, str):
        raise Refusal(f"Missing required parameter: '{field}'.", param=field, code="missing_required_parameter")
    if not _NAME.match(name):
        message = (
            f"Invalid '{field}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$' of at most 64 characters."
        )
        raise Refusal(message, param=field, code="invalid_value", value=name)


def _tools(field: str, value: Json) -> None:
    if not isinstance(value, list):
        raise _wrong_type(field, "an array of objects", value)
    if not value:
        message = (
            f"Invalid '{field}': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise Refusal(message, param=field, code="empty_array", value=value)
    for index, tool in enumerate(value):
        _check_tool(f"{field}[{index}]", tool)


_TOOL_FIELDS = frozenset({"type", "function"})
_FUNCTION_FIELDS = frozenset({"name", "description", "parameters", "strict"})


def _check_tool(field: str, tool: Json) -> None:
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        message = f"Invalid '{field}': expected an object with type 'function' and a function."
        raise Refusal(message, param=field, code="invalid_value", value=tool)
    refuse_unknown(field, tool, _TOOL_FIELDS)
    function = tool["function"]
    refuse_unknown(f"{field}.function", function, _FUNCTION_FIELDS)
    _check_name(f"{field}.function.name", function.get("name"))
    _check_optional(f"{field}.function.description", function.get("description"), str)
    _check_optional(f"{field}.function.parameters", function.get("parameters"), dict)
    _check_parameters(field, function)


def _check_parameters(field: str, function: Json) -> None:
    parameters = function.get("parameters") or {}
    if parameters and parameters.get("type", "object") != "object":
        message = (
            f"Invalid schema for function '{function['name']}': schema must be a JSON Schema of 'type: \"object\"'."
        )
        raise Refusal(message, param=f"{field}.function.parameters", code="invalid_function_parameters")
    problem = strict_problem(parameters) if function.get("strict") else None
    if problem:
        message = f"Invalid schema for function '{function['name']}': {problem}"
        raise Refusal(message, param=f"{field}.function.parameters", code="invalid_function_parameters")


def refuse_unknown(field: str, value: Json, known: frozenset[str]) -> None:
    """Refuse an object with unknown keys."""
    unknown = [key for key in value if key not in known]
    if unknown:
        param = f"{field}.{unknown[0]}"
        raise Refusal(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter", value=value[unknown[0]])


def _check_optional(field: str, value: Json, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise _wrong_type(field, "an object" if kind is dict else "a string", value)


def _tool_choice(field: str, value: Json) -> None:
    if isinstance(value, str):
        if value not in ("none", "auto", "required"):
            message = f"Invalid value: '{value}'. Supported values are: 'none', 'auto', and 'required'."
            raise Refusal(message, param=field, code="invalid_value", value=value)
    elif not isinstance(value, dict):
        raise _wrong_type(field, "one of 'none', 'auto', 'required' or an object", value)
    elif value.get("type") != "function" or not isinstance((value.get("function") or {}).get("name"), str):
        raise Refusal(
            "Missing required parameter: 'tool_choice.function.name'.", param=field, code="missing_required_parameter"
        )


def _check_tool_choice_target(body: Json) -> None:
    choice, tools = body.get("tool_choice"), body.get("tools")
    if choice is not None and not tools:
        message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
        raise Refusal(message, param="tool_choice", value=choice)
    if isinstance(choice, dict):
        _check_named_tool(choice["function"]["name"], tools)


def _check_named_tool(name: str, tools: Json) -> None:
    if all(tool["function"]["name"] != name for tool in tools):
        message = f"Invalid value for 'tool_choice': Tool choice '{name}' not found in 'tools' parameter."
        raise Refusal(message, param="tool_choice", value=name)


def _stream_options(field: str, value: Json) -> None:
    _of_type(dict, "an object")(field, value)
    refuse_unknown(field, value, frozenset({"include_usage", "include_obfuscation"}))


_boolean = _of_type(bool, "a boolean")
_string = _of_type(str, "a string")
_object = _of_type(dict, "an object")

_FIELDS: Mapping[str, Check] = {
    "model": _string,
    "frequency_penalty": _number(-2, 2),
    "presence_penalty": _number(-2, 2),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "max_tokens": _integer(0),
    "max_completion_tokens": _integer(1),
    "stop": _stop,
    "stream": _boolean,
    "seed": _integer(-(2**63), 2**63 - 1),
    "n": _integer(1, 128),
    "response_format": _response_format,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _boolean,
    "stream_options": _stream_options,
    "logprobs": _boolean,
    "top_logprobs": _integer(0, 20),
    "user": _string,
    "store": _boolean,
    "metadata": _object,
    "logit_bias": _object,
    "reasoning_effort": _string,
    "safe_prompt": _boolean,
}


def check_chat_fields(body: Json) -> None:
    """Refuse wrong types, values out of range and fields without a required partner. `null` counts as absent."""
    for field, value in body.items():
        if value is not None and field in _FIELDS:
            _FIELDS[field](field, value)
    _check_tool_choice_target(body)
    if body.get("parallel_tool_calls") is not None and not body.get("tools"):
        message = (
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."
        )
        raise Refusal(message, param="parallel_tool_calls")
    _check_stream_partner(body)
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise Refusal(message, param="top_logprobs")


def _check_stream_partner(body: Json) -> None:
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refusal(message, param="stream_options")


def _prompt(field: str, value: Json) -> None:
    if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(v, str | int) for v in value)):
        return
    raise _wrong_type(field, "a string or an array", value)


def check_text_fields(body: Json) -> None:
    """The same for `/completions`."""
    if body.get("prompt") is not None:
        _prompt("prompt", body["prompt"])
    if body.get("logprobs") is not None:
        _integer(0, _MAX_ALTERNATIVES)("logprobs", body["logprobs"])
    check_chat_fields({key: value for key, value in body.items() if key not in ("prompt", "logprobs")})


_MAX_ALTERNATIVES = 5
"""Source: Azure OpenAI REST reference, 'Completions'."""


def _is_token_list(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(token, int) for token in value)


def check_embedding_fields(body: Json, batch_limit: int) -> None:
    """The same for `/embeddings`."""
    value = body.get("input")
    items = value if isinstance(value, list) and not _is_token_list(value) else [value]
    if value is None:
        raise Refusal("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    if not items or not all(item and (isinstance(item, str) or _is_token_list(item)) for item in items):
        message = (
            "'$.input' is invalid. Please check the API reference: input has to be a non-empty string or a "
            "non-empty array of them."
        )
        raise Refusal(message, param="input", value=value)
    check_batch(items, batch_limit)
    check_embedding_options(body)


def check_batch(items: list[Json], limit: int) -> None:
    """Refuse more inputs than the model takes in one request."""
    if len(items) > limit:
        message = (
            f"Invalid 'input': array too long. Expected an array with maximum length {limit}, "
            f"but got an array with length {len(items)} instead."
        )
        raise Refusal(message, param="input", code="array_above_max_length")


_ENCODINGS = ("float", "base64", "int8", "uint8", "binary", "ubinary")


def check_embedding_options(body: Json) -> None:
    """Refuse wrong types of the fields that text and image embeddings share."""
    for field, check in {"model": _string, "dimensions": _integer(1), "input_type": _string, "user": _string}.items():
        if body.get(field) is not None:
            check(field, body[field])
    for field, allowed in {"encoding_format": _ENCODINGS, "input_type": ("text", "query", "document")}.items():
        if body.get(field) is not None and body[field] not in allowed:
            message = f"Invalid value: '{body[field]}'. Supported values are: {', '.join(map(repr, allowed))}."
            raise Refusal(message, param=field, nature="type", code="invalid_value", value=body[field])


def require(body: Json, field: str) -> None:
    """Refuse a body without the field."""
    if body.get(field) is None:
        raise Refusal(f"Missing required parameter: '{field}'.", param=field, code="missing_required_parameter")
