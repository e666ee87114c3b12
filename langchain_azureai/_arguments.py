"""Arguments that do not exist here: what to say about them, and where those of the retired classes have gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from azureai_core import ConfigurationError

# Constructor arguments of `langchain_azure_ai`'s retired classes (1.2.12, extra `v1`) and of `AzureChatOpenAI`.
_RETIRED = {
    "azure_endpoint": "it is 'endpoint'",
    "azure_deployment": "it is 'model'",
    "deployment_name": "it is 'model'",
    "openai_api_key": "it is 'credential'",
    "openai_api_version": "it is 'api_version'",
    "azure_ad_token_provider": "it is 'credential'",
    "service": "leave it out: the kind of endpoint follows from the URL",
    "project_endpoint": "give the project's URL as 'endpoint'",
    "embed_batch_size": "it is 'batch_size'",
}
_OPTIONS = (
    "frequency_penalty", "presence_penalty", "temperature", "top_p", "max_tokens", "stop", "seed",
    "dimensions", "encoding_format",
)  # fmt: skip
_OWN_CLIENT = "make an httpx client with it and pass it as client_kwargs={'http_client': …, 'async_http_client': …}"
# Keys of `client_kwargs` that the clients of azure-ai-inference 1.0.0b9 took.
_RETIRED_CLIENT = {
    **{name: f"pass {name}=… to the model" for name in _OPTIONS},
    "input_type": "pass query_input_type=… and document_input_type=… to the model",
    "model_extras": "pass them as model_kwargs={…}",
    "response_format": "use with_structured_output, or pass model_kwargs={'response_format': {…}}",
    "tools": "use bind_tools",
    "tool_choice": "use bind_tools",
    "logging_enable": "use logging: logger 'azureai_core' at level DEBUG, bodies with AZUREAI_LOG_BODIES=true",
    "user_agent": "pass it among client_kwargs={'headers': …}",
    "retry_total": "pass max_retries=… to the model",
    "retry_policy": "pass client_kwargs={'retry': azureai_core.RetryPolicy(…)}",
    "read_timeout": "pass timeout=… to the model",
    "connection_timeout": "pass timeout=httpx.Timeout(…, connect=…) to the model",
    **dict.fromkeys(("proxies", "transport", "connection_verify", "per_call_policies"), _OWN_CLIENT),
}
# Arguments of a call that went to the SDK's `complete`.
_RETIRED_CALL = {
    "headers": "pass client_kwargs={'headers': …} to the model",
    "model_extras": "pass them as model_kwargs={…} to the model, or each field by itself",
}


def check_arguments(owner: str, given: Collection[str], spellings: Mapping[str, str]) -> None:
    """Raises `ConfigurationError` for an argument that does not exist, or is given twice: none must be lost."""
    unknown = sorted(set(given) - set(spellings))
    if unknown:
        where = "A field of the body goes into model_kwargs={…}, an argument of the client into client_kwargs={…}."
        hint = _hint(unknown[0], spellings, _RETIRED, where)
        raise ConfigurationError(f"{owner} has no argument {unknown[0]!r}: {hint}")
    for field in {spellings[name] for name in given}:
        names = sorted(name for name in given if spellings[name] == field)
        if len(names) > 1:
            raise ConfigurationError(f"{' and '.join(map(repr, names))} are the same argument of {owner}: give one.")


def check_client_kwargs(given: Collection[str], known: Collection[str]) -> None:
    """Raises `ConfigurationError` for a key of `client_kwargs` that the client does not take."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        name = unknown[0]
        hint = _hint(name, known, _RETIRED_CLIENT, f"It takes {', '.join(sorted(known))}.")
        raise ConfigurationError(f"client_kwargs has no key {name!r}: {hint}")


def check_call(given: Mapping[str, Any]) -> None:
    """Raises `ConfigurationError` for an argument of a call that is none of the body's fields."""
    for name, hint in _RETIRED_CALL.items():
        if name in given:
            raise ConfigurationError(f"A call takes no {name!r}: {hint}.")


def _hint(name: str, known: Collection[str], retired: Mapping[str, str], otherwise: str) -> str:
    if name in retired:
        return f"{retired[name]}."
    close = get_close_matches(name, known, 1)
    return f"Did you mean {close[0]!r}? {otherwise}" if close else otherwise
