"""What the chat model and the text LLM have in common: the sampling arguments, and what LangChain asks of any model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from azureai_core import Usage
from azureai_core.adapters import check_call_arguments, stop_list

from ._config import LANGCHAIN_PROVIDER, ClientConfig

# Headers that choose the model or what happens to extra parameters, and hold no secret.
# Source: REST reference, managed endpoints.
_SHOWN_HEADERS = frozenset({"azureml-model-deployment", "extra-parameters"})
# Headers that authenticate: they do not tell models apart, and not even a digest of a password may be shown.
_SECRET_NAME = re.compile("key|auth|token|secret|cookie|pass|pwd|sig|session|cred")

# Arguments that langchain-core passes along and that are not fields of the body.
_NOT_SENT = {"stream", "streaming", "ls_structured_output_format", "stream_usage"}

# Arguments of a call of the retired class, which went to the SDK's `complete`.
_CALL_HINTS = {
    "headers": "pass client_kwargs={'headers': …} to the model",
    "model_extras": "pass them as model_kwargs={…} to the model, or each field by itself",
}


class GenerationArguments(ClientConfig):
    """The arguments of a model that generates text. Unset ones are not sent; 0 is."""

    temperature: float | None = None
    """Sampling temperature; the range is the model's own."""
    top_p: float | None = None
    """Share of the probability mass to sample from, 0 to 1."""
    max_tokens: int | None = None
    """The most tokens to generate; sent as `max_completion_tokens` where the model wants that."""
    presence_penalty: float | None = None
    """-2 to 2."""
    frequency_penalty: float | None = None
    """-2 to 2."""
    stop: str | list[str] | None = None
    """Texts that end the answer."""
    seed: int | None = None
    """For reproducible answers, where the model supports that."""
    streaming: bool | None = None
    """Whether `invoke` streams. `False` keeps `stream` from streaming too, as in langchain-core; it is not the default
    because `configurable_fields` passes defaults on as if they had been given."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """What makes two models different, for traces and caches; without secrets."""
        endpoint = self.client.endpoint
        return {
            "model": self.model_name,
            "endpoint": endpoint.base_url,
            "api_version": endpoint.api_version,
            **self._identifying_headers(),
            **self._options(),
        }

    def _identifying_headers(self) -> dict[str, Any]:
        """The headers that choose the model; of others only a digest: a gateway's may choose it too, or be secret."""
        given = {k.lower(): v for k, v in (self.client_kwargs.get("headers") or {}).items()}
        shown = {name: value for name, value in given.items() if name in _SHOWN_HEADERS}
        rest = {name: value for name, value in given.items() if name not in shown and not _SECRET_NAME.search(name)}
        digest = sha256(repr(sorted(rest.items())).encode()).hexdigest()[:8] if rest else None
        return {**({"headers": shown} if shown else {}), **({"other_headers": digest} if digest else {})}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What is written out in another form than it was given: the endpoint, without a query that may be secret."""
        return {"endpoint": self._plain_endpoint(self.endpoint)} if self.endpoint else {}

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The argument that must not be written out, and the environment variable it is read from instead."""
        return {"credential": "AZURE_INFERENCE_CREDENTIAL"}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether `dumpd` may write the model out. It may: without the credential and `client_kwargs`."""
        return True

    def get_token_ids(self, text: str) -> list[int]:
        """One number per token, estimated offline at four characters a token; exact tokenizers differ by model."""
        custom = getattr(self, "custom_get_token_ids", None)
        return list(range(-(-len(text) // 4))) if custom is None else list(custom(text))

    def _traced(self, kwargs: Mapping[str, Any]) -> dict[str, str]:
        """Provider and model as LangSmith names them."""
        model = kwargs.get("model") or self.model_name or self.client.endpoint.host
        return {"ls_provider": LANGCHAIN_PROVIDER, "ls_model_name": model}

    def _options(self) -> dict[str, Any]:
        """The fields of the body that the constructor set."""
        given = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "stop": stop_list(self.stop),
            "seed": self.seed,
        }
        return {**{name: value for name, value in given.items() if value is not None}, **self.model_kwargs}

    def _body(self, stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The request body without its prompt; the arguments of the call take precedence over the constructor's."""
        check_call_arguments(kwargs, _CALL_HINTS)
        options = self._options()
        if "max_completion_tokens" in kwargs:
            options.pop("max_tokens", None)
        given = {name: value for name, value in kwargs.items() if name not in _NOT_SENT}
        body = {"model": self.model_name, **options, **given}
        wanted = stop_list(stop) or stop_list(body.pop("stop", None))
        return {**body, "stop": wanted} if wanted else body


def token_usage(usage: Usage | None) -> dict[str, int]:
    """Token counts as `llm_output["token_usage"]` has them; empty where there are none."""
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
