"""Error answers as services send them, as data. Each names where it was seen; none comes from running our own code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from azureai_core import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    NotFoundError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
)

MODEL_ERROR = {"ms-azureml-model-error-reason": "model_error"}
FILTERED = "The response was filtered due to the prompt triggering Microsoft's content management policy. Please modify your prompt and retry."
VIOLENCE = {
    "hate": {"filtered": False, "severity": "safe"},
    "jailbreak": {"filtered": True, "detected": True},
    "violence": {"filtered": True, "severity": "medium"},
}
RATE = (
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-05-01-preview have exceeded "
    "call rate limit of your current OpenAI S0 pricing tier. Please retry after {} seconds."
)
EXTRA = (
    "Extra parameters ['n'] are not allowed when extra-parameters is not set or set to be 'error'. "
    "Set extra-parameters to 'pass-through' to pass to the model."
)


@dataclass(frozen=True)
class Seen:
    """An error answer, and what a user must be told."""

    id: str
    source: str
    status: int
    body: Any
    kind: type[APIStatusError]
    says: tuple[str, ...]
    """Words that the message must have."""
    code: str | None = None
    parameters: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    attempts: int = 1


SEEN = (
    Seen(
        "E1",
        "Azure AI Model Inference documentation, 'Content safety'",
        400,
        {"error": {"message": FILTERED, "type": None, "param": "prompt", "code": "content_filter", "status": 400}},
        ContentFilterError,
        ("content management policy", "The prompt was filtered"),
        "content_filter",
    ),
    Seen(
        "E2",
        "microsoft/TinyTroupe#85",
        400,
        {
            "error": {
                "message": "The response was filtered.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": VIOLENCE},
            }
        },
        ContentFilterError,
        ("The prompt was filtered",),
        "content_filter",
    ),
    Seen(
        "E3",
        "browser-use/browser-use#262: `inner_error`, plural `content_filter_results`",
        400,
        {
            "error": {
                "inner_error": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_results": {"jailbreak": {"filtered": True, "detected": True}},
                },
                "code": "content_filter",
                "message": "The response was filtered",
                "param": "prompt",
                "type": None,
            }
        },
        ContentFilterError,
        ("The prompt was filtered",),
        "content_filter",
    ),
    Seen(
        "E4",
        "Azure AI Model Inference documentation, REST pivot: flat",
        400,
        {
            "status": 400,
            "code": "content_filter",
            "message": "The response was filtered",
            "param": "messages",
            "type": None,
        },
        ContentFilterError,
        ("The response was filtered.", "The prompt was filtered"),
        "content_filter",
    ),
    Seen(
        "E5",
        "recorded: serverless endpoint",
        401,
        {"statusCode": 401, "message": "Auth token validation failed. Please provide a valid key or a valid AAD token"},
        AuthenticationError,
        ("Auth token validation failed", "Check the key"),
        "401",
        headers={"x-ms-error-reason": "Invalid JWT."},
    ),
    Seen(
        "E6",
        "recorded: Azure OpenAI",
        401,
        {
            "statusCode": 401,
            "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
            "(https://cognitiveservices.azure.com), or have expired.",
        },
        AuthenticationError,
        ("token audience should be https://cognitiveservices.azure.com/.default", "credential_scopes="),
        "401",
    ),
    Seen(
        "E7",
        "recorded: embeddings on a chat-only serverless endpoint",
        404,
        "NOT FOUND",
        NotFoundError,
        ("NOT FOUND", "The route /chat/completions is not served by this model"),
        headers={**MODEL_ERROR, "ms-azureml-model-error-statuscode": "404"},
    ),
    Seen(
        "E8",
        "recorded: wrong path on Azure OpenAI",
        404,
        {"error": {"code": "404", "message": "Resource not found"}},
        NotFoundError,
        ("Resource not found.", "Check the endpoint URL"),
        "404",
    ),
    Seen(
        "E9",
        "chatboxai/chatbox#646",
        404,
        {
            "error": {
                "code": "DeploymentNotFound",
                "message": "The API deployment for this resource does not exist. If you created the deployment within "
                "the last 5 minutes, please wait a moment and try again.",
            }
        },
        NotFoundError,
        ("does not exist", "Check the model= argument"),
        "DeploymentNotFound",
    ),
    Seen(
        "E10",
        "recorded: GitHub Models",
        400,
        {"error": {"code": "unknown_model", "message": "Unknown model: X", "details": "Unknown model: X"}},
        BadRequestError,
        ("Unknown model: X.", "Check the model= argument"),
        "unknown_model",
        headers={"x-ms-error-code": "unknown_model"},
    ),
    Seen(
        "E11",
        "azure-ai-inference README: a route that the model lacks",
        405,
        "Method Not Allowed",
        APIStatusError,
        ("The route /chat/completions is not served by this model",),
    ),
    Seen(
        "E11-older",
        "azure-ai-inference README, earlier",
        424,
        {"detail": "Not Found"},
        APIStatusError,
        ("The route /chat/completions is not served by this model",),
    ),
    Seen(
        "E12",
        "MicrosoftDocs/azure-docs#94105",
        408,
        "upstream request timeout",
        APIStatusError,
        ("upstream request timeout.", "Raise the deployment's request timeout"),
        attempts=3,
    ),
    Seen(
        "E13",
        "Aider-AI/aider#2296",
        413,
        {
            "error": {
                "code": "tokens_limit_reached",
                "message": "Request body too large for gpt-4o model. Max size: 8000 tokens.",
                "details": None,
            }
        },
        APIStatusError,
        ("Max size: 8000 tokens.", "Shorten the messages"),
        "tokens_limit_reached",
    ),
    Seen(
        "E14",
        "Azure AI Model Inference reference: `detail` is an object",
        422,
        {
            "status": 422,
            "code": "parameter_not_supported",
            "detail": {"loc": ["body", "response_format"], "input": "json_object"},
            "message": "One of the parameters contain invalid values.",
        },
        UnprocessableEntityError,
        ("response_format = 'json_object'", "unsupported_parameters='drop'"),
        "parameter_not_supported",
        ("response_format",),
    ),
    Seen(
        "E14-value",
        "Azure AI Model Inference reference page: `value` for `input`",
        422,
        {
            "code": "parameter_not_supported",
            "detail": {"loc": ["body", "response_format"], "value": "json_object"},
            "message": "One of the parameters contain invalid values.",
        },
        UnprocessableEntityError,
        ("response_format = 'json_object'",),
        "parameter_not_supported",
        ("response_format",),
    ),
    Seen(
        "E15",
        "Azure AI Model Inference documentation, Python pivot: `detail` is a list",
        422,
        {
            "detail": [
                {"loc": ["body", "response_format"], "input": "x", "type": "enum", "msg": "Input should be 'text'"}
            ]
        },
        UnprocessableEntityError,
        ("response_format = 'x': Input should be 'text'",),
        None,
        ("response_format",),
    ),
    Seen(
        "E16",
        "recorded: Mistral-small, JSON inside a string",
        422,
        {
            "error": {
                "code": "Invalid input",
                "message": '{"detail":[{"type":"extra_forbidden","loc":["body","response_format"],'
                '"msg":"Extra inputs are not permitted","input":"bar"}]}',
                "status": 422,
            }
        },
        UnprocessableEntityError,
        ("response_format = 'bar': Extra inputs are not permitted",),
        "Invalid input",
        ("response_format",),
        headers={**MODEL_ERROR, "ms-azureml-model-error-statuscode": "422"},
    ),
    Seen(
        "E17",
        "langchain-ai/langchain#29679: `detail` is a string",
        400,
        {"detail": EXTRA},
        BadRequestError,
        ("Extra parameters ['n']", "extra_parameters='pass-through'", "'drop'"),
        None,
        ("n",),
    ),
    Seen(
        "E18",
        "BerriAI/litellm#4815: `error` is a list of strings",
        422,
        {"error": ["Input should be 'user', 'assistant' or 'system'", "Extra inputs are not permitted"]},
        UnprocessableEntityError,
        ("Input should be 'user', 'assistant' or 'system'; Extra inputs are not permitted.",),
    ),
    Seen(
        "E19",
        "Azure-Samples/azure-search-power-skills#214: vLLM, a Python repr in the message",
        400,
        {
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), "
            "'msg': 'Extra inputs are not permitted', 'input': {'include_usage': True}}]",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        BadRequestError,
        ("stream_options = {'include_usage': True}: Extra inputs are not permitted",),
        "400",
        ("stream_options",),
    ),
    Seen(
        "E20",
        "microsoft/PhiCookBook#289",
        400,
        {
            "object": "error",
            "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        BadRequestError,
        ("has no tool support",),
        "400",
        ("tool_choice",),
    ),
    Seen(
        "E21",
        "recorded: Azure OpenAI",
        400,
        {
            "error": {
                "message": "Invalid type for 'response_format': expected an object, but got a string instead.",
                "type": "invalid_request_error",
                "param": "response_format",
                "code": "invalid_type",
            }
        },
        BadRequestError,
        ("Invalid type for 'response_format'",),
        "invalid_type",
        ("response_format",),
    ),
    Seen(
        "E22",
        "microsoft/sample-app-aoai-chatGPT#1260: `code` is a number",
        400,
        {
            "error": {
                "requestid": "r",
                "code": 400,
                "message": "Validation error at #/max_completion_tokens: Extra inputs are not permitted\n"
                "Validation error at #/store: Extra inputs are not permitted",
            }
        },
        BadRequestError,
        ("Validation error at #/store",),
        "400",
        ("max_completion_tokens", "store"),
    ),
    Seen(
        "E23",
        "'Troubleshoot online endpoints': a managed container's own failure",
        424,
        "",
        APIStatusError,
        ("without a reason", "The model's own container answered 500"),
        headers={**MODEL_ERROR, "ms-azureml-model-error-statuscode": "500"},
    ),
    Seen(
        "E24",
        "recorded: Azure OpenAI",
        429,
        {"error": {"code": "429", "message": RATE.format(10)}},
        RateLimitError,
        ("retry after 10 seconds", "The service asks to wait 10 seconds"),
        "429",
        headers={"Retry-After": "10", "x-ratelimit-reset-requests": "10", "policy-id": "DeploymentRatelimit-Call"},
        attempts=3,
    ),
    Seen(
        "E25",
        "jasonacox/TinyLLM#17",
        429,
        {"error": {"code": "429", "message": RATE.format(86400)}},
        RateLimitError,
        ("The service asks to wait 86400 seconds",),
        "429",
        headers={"Retry-After": "86400"},
    ),
    Seen(
        "E26",
        "GitHub Models clients: the code's name",
        429,
        {"error": {"code": "RateLimitReached", "message": "Rate limit of 10 per 60s exceeded", "details": ""}},
        RateLimitError,
        ("Rate limit of 10 per 60s exceeded.", "Send fewer requests"),
        "RateLimitReached",
        attempts=3,
    ),
    Seen(
        "E27",
        "'Troubleshoot online endpoints': too many pending requests, no body",
        429,
        "",
        RateLimitError,
        ("without a reason",),
        attempts=3,
    ),
    Seen(
        "E28",
        "'Foundry Models quotas and limits': more than ten custom headers",
        431,
        "",
        APIStatusError,
        ("headers",),
    ),
    Seen(
        "E29-html",
        "a gateway's page",
        502,
        "<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>",
        ServerError,
        ("502 Bad Gateway",),
        attempts=3,
    ),
    Seen("E29-503", "'Troubleshoot online endpoints': a spike", 503, "", ServerError, ("503",), attempts=3),
    Seen(
        "E29-504",
        "'Troubleshoot online endpoints': a timeout",
        504,
        "upstream request timeout",
        ServerError,
        ("Raise the deployment's request timeout",),
        attempts=3,
    ),
    Seen("E29-500", "any body", 500, {"error": "oops"}, ServerError, ("oops.",), attempts=3),
    Seen(
        "title-less page",
        "a gateway's page without a title",
        500,
        "<!DOCTYPE html><p>Sorry, <b>no</b></p>",
        ServerError,
        ("Sorry, no.",),
        attempts=3,
    ),
    Seen("a list", "no service: any JSON is survived", 400, ["a", "b"], BadRequestError, ("a; b.",)),
)
