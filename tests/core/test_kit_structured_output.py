"""Which mechanism of structured output is tried, and what a refusal teaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from azureai_core import APIStatusError, Deployment, InferenceClient, error_from_response, reset_deployments
from azureai_core.adapters import is_refusal, is_schema_refusal, note_refusal, structured_output_modes

URL = "https://r.services.ai.azure.com/models"


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    reset_deployments()
    yield
    reset_deployments()


def deployment(model: str = "anything", **options: Any) -> Deployment:
    return InferenceClient(URL, "key", model=model, **options).deployment()


def error(body: Any, status: int = 400) -> APIStatusError:
    """The error of an answer, as the client raises it."""
    request = httpx.Request("POST", f"{URL}/chat/completions")
    return error_from_response(httpx.Response(status, json=body, request=request))


def said(message: str, **more: Any) -> APIStatusError:
    return error({"error": {"message": message, "code": None, **more}})


@pytest.mark.parametrize(
    ("model", "modes"),
    [
        ("gpt-4o", ["json_schema", "tool", "json_object", "text"]),
        ("mistral-large-2411", ["tool", "json_object", "text"]),
        ("grok-3", ["tool", "text"]),
        ("phi-3-mini", ["text"]),
        ("free-text-name", ["json_schema", "tool", "json_object", "text"]),
    ],
)
def test_the_mechanisms_are_those_of_the_model_family(model: str, modes: list[str]) -> None:
    """Best first; the last one works with any model."""
    assert structured_output_modes(deployment(model)) == modes


def test_the_base_model_says_what_a_name_does_not() -> None:
    """A deployment's name is free text."""
    assert structured_output_modes(deployment("mine", base_model="phi-3-mini")) == ["text"]


# Sources: Azure OpenAI's, vLLM's and Foundry's answers, as tests/contract/error_bodies.py has them.
REFUSED_MECHANISMS = [
    (
        "json_schema",
        error({"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs are not permitted"}]}, 422),
    ),
    ("json_schema", said("'response_format' of type 'json_schema' is not supported with this model.")),
    ("json_schema", said("Input should be 'text' or 'json_object'", param="response_format")),
    ("json_object", said("response_format json_object is not supported")),
    ("tool", said('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')),
    ("tool", said("deepseek-reasoner does not support this tool_choice")),
    ("tool", said("tools is not supported in this model", param="tools")),
]
REFUSED_SCHEMAS = [
    ("json_schema", said("Invalid schema for response_format 'Person': In context=(), …", param="response_format")),
    ("json_schema", said("bad", code="invalid_json_schema", param="response_format")),
    ("tool", said("Invalid schema for function 'Person': …", code="invalid_function_parameters", param="tools[0]")),
    ("tool", said("Invalid schema for function 'Person': schema must be a JSON Schema of 'type: \"object\"'")),
    ("tool", said("Invalid 'tools[0].function.name': string too long.", param="tools[0].function.name")),
]
OTHERS = [
    ("json_schema", said("messages are too odd")),
    ("tool", error({"error": {"message": "tools: slow down"}}, 429)),
    ("text", said("Invalid schema for response_format 'Person'")),
    ("json_schema", said("response_format: maximum context length is 8192 tokens", code="context_length_exceeded")),
    ("tool", said("tools were filtered", code="content_filter")),
]


@pytest.mark.parametrize(("mode", "refusal"), REFUSED_MECHANISMS, ids=lambda v: str(v)[:40])
def test_a_refused_mechanism_is_remembered_for_the_deployment(mode: Any, refusal: APIStatusError) -> None:
    """By all clients of it in this process, until `reset_deployments`; other deployments keep theirs."""
    note_refusal(deployment(), mode, refusal)

    assert mode not in structured_output_modes(deployment())
    assert mode in structured_output_modes(deployment("another"))
    reset_deployments()
    assert mode in structured_output_modes(deployment())


@pytest.mark.parametrize(("mode", "refusal"), REFUSED_SCHEMAS, ids=lambda v: str(v)[:40])
def test_a_refused_schema_is_no_refused_mechanism(mode: Any, refusal: APIStatusError) -> None:
    """Another mechanism may do for this class, and the next class may use this one."""
    assert is_refusal(refusal, mode)
    assert is_schema_refusal(refusal)
    note_refusal(deployment(), mode, refusal)

    assert mode in structured_output_modes(deployment())


@pytest.mark.parametrize(("mode", "other"), OTHERS, ids=lambda v: str(v)[:40])
def test_any_other_error_is_raised_and_teaches_nothing(mode: Any, other: APIStatusError) -> None:
    """A filtered or too long prompt stays so with any mechanism."""
    with pytest.raises(APIStatusError) as caught:
        note_refusal(deployment(), mode, other)

    assert caught.value is other
    assert mode in structured_output_modes(deployment())
