"""Parameters and formats that the service has and the model does not support."""

from typing import Any

from azureai_emulator.wire import errors
from azureai_emulator.wire.errors import Refusal, ServiceError

from .generation import prompt_text
from .request import Task

Json = Any


def check_unsupported(task: Task) -> None:
    """Refuse parameters and tools that the model does not support."""
    for name in task.profile.unsupported & task.body.keys():
        message = f"Unsupported parameter: '{name}' is not supported with this model."
        if name == "max_tokens":
            message += " Use 'max_completion_tokens' instead."
        raise _unsupported(
            task,
            Refusal(message, param=name, nature="unsupported", code="unsupported_parameter", value=task.body[name]),
        )
    if task.body.get("tools") and not task.profile.tools:
        raise _tools_refused(task)


def _tools_refused(task: Task) -> Exception:
    """E14 from the gateway of a model documented without tools, E20 from a vLLM container."""
    if task.style == "azure":
        return Refusal("Tools are not supported by this model.", param="tools", nature="type", value=task.body["tools"])
    return ServiceError(errors.vllm_bad_request(_NO_TOOLS))


_NO_TOOLS = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
_JSON_SCHEMA_SINCE = "2024-08-01"


def check_format(task: Task) -> None:
    """Refuse a `response_format` that the model or the api-version does not support."""
    kind = (task.body.get("response_format") or {}).get("type", "text")
    if kind == "json_object" and not task.profile.json_object:
        raise _format_refused(task, kind)
    if kind == "json_schema" and not task.profile.json_schema:
        raise _format_refused(task, kind)
    if kind == "json_schema" and task.kind == "openai-deployment" and task.api_version < _JSON_SCHEMA_SINCE:
        message = "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
        raise Refusal(message, param="response_format")
    if kind == "json_object" and task.profile.error_style == "openai":
        _check_json_is_mentioned(task.body["messages"])


def _format_refused(task: Task, kind: str) -> Exception:
    message = f"response_format '{kind}' is not supported by this model."
    refusal = Refusal(message, param="response_format", nature="type", code="parameter_not_supported", value=kind)
    return _unsupported(task, refusal)


def _unsupported(task: Task, refusal: Refusal) -> Exception:
    """The refusal of a standard field. A vLLM container accepts them all, so there the gateway refuses (E14).

    Source: Azure AI Model Inference REST reference, 'Extensibility'.
    """
    return ServiceError(errors.refusal_reply(refusal, "azure")) if task.style == "vllm" else refusal


def _check_json_is_mentioned(messages: list[Json]) -> None:
    """Source: Azure OpenAI, 'JSON mode'."""
    if "json" not in prompt_text(messages).lower():
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )
        raise Refusal(message, param="messages")
