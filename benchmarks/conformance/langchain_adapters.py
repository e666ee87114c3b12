"""How each LangChain adapter is built for the checks: the same wishes, spelt as each class wants them."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

KEY = "canary-key-0123456789abcdef"
INFERENCE_SCOPE = "https://cognitiveservices.azure.com/.default"


class NotApplicable(Exception):  # noqa: N818  no error, but a verdict
    """The class does not set out to do this; the text says what it is that it does not do."""


class Adapter:
    """What the checks need to know of a chat model and its embeddings."""

    name: str
    title: str
    distributions: tuple[str, ...]
    only_openai_models = False
    """Whether the class's own documentation limits it to OpenAI's models."""
    model_field = "model_name"
    """The attribute that names the model, for `model_copy(update=…)`."""
    chat_path = "/models/chat/completions"
    """The path of the endpoint kind the class was made for."""
    call_options: dict[str, Any] = {}  # noqa: RUF012
    """What a call with an Entra ID token over plain HTTP needs."""
    stalled: dict[str, Any] = {}  # noqa: RUF012
    """Further arguments that bound the gap between two events of a stream."""
    stream_usage: dict[str, Any] = {}  # noqa: RUF012
    """Arguments that ask for the usage of streams."""

    def chat(self, url: str, **wishes: Any) -> Any:
        """A chat model.

        Args:
            url: scheme, host and port of the server.
            wishes: arguments that all classes spell alike, and `key`, `token` (a token credential), `openai` (talk to
                the `/openai/v1` route where there is a choice), `pasted` (the URL as the portal shows it), `timeout`,
                `max_retries`, `extra` (fields outside the schema), `http_client` (a sync client of the caller's),
                `default_scope` (no token scope), `plain` (no helping arguments of ours).
        """
        raise NotImplementedError

    def embeddings(self, url: str, **wishes: Any) -> Any:
        """An embeddings model; wishes as for `chat`."""
        raise NotImplementedError

    def own_http_client(self) -> Any:
        """A sync client as the class takes it, whose headers hold `x-own: yes`."""
        raise NotImplementedError

    def embed_image(self, model: Any, data_url: str) -> list[float]:  # noqa: ARG002  what overrides it needs them
        """The vector of an image."""
        raise NotApplicable("image embeddings")

    def asked_model(self, request: Any) -> str | None:
        """The model that a request asks for."""
        return request.body.get("model")

    def versions(self) -> str:
        """The distributions with their versions."""
        return ", ".join(f"{name} {version(name)}" for name in self.distributions)


class Ours(Adapter):
    """This project's classes."""

    name = "ours"
    title = "langchain_azureai"
    distributions = ("azureai-adapters", "langchain-core")

    def chat(self, url: str, **wishes: Any) -> Any:
        from langchain_azureai import ChatAzureAI

        return ChatAzureAI(**self._arguments(url, wishes))

    def embeddings(self, url: str, **wishes: Any) -> Any:
        from langchain_azureai import AzureAIEmbeddings

        return AzureAIEmbeddings(**self._arguments(url, wishes))

    def _arguments(self, url: str, wishes: dict[str, Any]) -> dict[str, Any]:
        for name in ("plain", "default_scope"):
            wishes.pop(name, None)
        path = "/openai/v1" if wishes.pop("openai", False) else "/models"
        own = wishes.pop("http_client", None)
        token = wishes.pop("token", None)
        client = {**({"http_client": own} if own else {}), **({"allow_http_token": True} if token else {})}
        return {
            "endpoint": wishes.pop("pasted", url + path),
            "credential": token or wishes.pop("key", KEY),
            "model": wishes.pop("model", "m"),
            "model_kwargs": wishes.pop("extra", {}),
            **({"client_kwargs": client} if client else {}),
            **wishes,
        }

    def own_http_client(self) -> Any:
        import httpx

        return httpx.Client(headers={"x-own": "yes"})

    def embed_image(self, model: Any, data_url: str) -> list[float]:
        vector: list[float] = model.embed_images([data_url])[0]
        return vector


class Inference(Adapter):
    """The retired classes of langchain-azure-ai over the azure-ai-inference SDK."""

    name = "inference"
    title = "langchain-azure-ai, inference class (extra `v1`)"
    distributions = ("langchain-azure-ai", "azure-ai-inference", "langchain-core")
    call_options = {"enforce_https": False}  # noqa: RUF012
    stream_usage = {"extra": {"stream_options": {"include_usage": True}}}  # noqa: RUF012

    def chat(self, url: str, **wishes: Any) -> Any:
        from langchain_azure_ai.chat_models.inference import AzureAIChatCompletionsModel

        return AzureAIChatCompletionsModel(**self._arguments(url, wishes))

    def embeddings(self, url: str, **wishes: Any) -> Any:
        from langchain_azure_ai.embeddings.inference import AzureAIEmbeddingsModel

        return AzureAIEmbeddingsModel(**self._arguments(url, wishes))

    def _arguments(self, url: str, wishes: dict[str, Any]) -> dict[str, Any]:
        wishes.pop("plain", None)
        default_scope = wishes.pop("default_scope", False)
        path = "/openai/v1" if wishes.pop("openai", False) else "/models"
        token = wishes.pop("token", None)
        names = {"timeout": "read_timeout", "max_retries": "retry_total", "http_client": "transport"}
        client = {theirs: wishes.pop(ours) for ours, theirs in names.items() if ours in wishes}
        if token and not default_scope:
            client["credential_scopes"] = [INFERENCE_SCOPE]
        return {
            "endpoint": wishes.pop("pasted", url + path),
            "credential": token or wishes.pop("key", KEY),
            "model": wishes.pop("model", "m"),
            "model_kwargs": wishes.pop("extra", {}),
            "client_kwargs": client,
            **wishes,
        }

    def own_http_client(self) -> Any:
        import requests
        from azure.core.pipeline.transport import RequestsTransport

        session = requests.Session()
        session.headers["x-own"] = "yes"
        return RequestsTransport(session=session, session_owner=False)


class OpenAIApi(Adapter):
    """The successor classes of langchain-azure-ai over the openai SDK."""

    name = "openai-api"
    title = "langchain-azure-ai, OpenAI class"
    distributions = ("langchain-azure-ai", "langchain-openai", "openai", "langchain-core")
    chat_path = "/openai/v1/chat/completions"
    stalled = {"stream_chunk_timeout": 0.4}  # noqa: RUF012
    stream_usage = {"stream_usage": True}  # noqa: RUF012

    def chat(self, url: str, **wishes: Any) -> Any:
        from langchain_azure_ai.chat_models import AzureAIOpenAIApiChatModel

        plain = wishes.pop("plain", False)
        helping = {} if plain else {"use_responses_api": False}
        extra = wishes.pop("extra", None)
        return AzureAIOpenAIApiChatModel(
            **helping, **({"extra_body": extra} if extra else {}), **self._arguments(url, wishes)
        )

    def embeddings(self, url: str, **wishes: Any) -> Any:
        from langchain_azure_ai.embeddings import AzureAIOpenAIApiEmbeddingsModel

        plain = wishes.pop("plain", False)
        helping = {} if plain else {"check_embedding_ctx_length": False}
        extra = wishes.pop("extra", None)
        body = {"model_kwargs": {"extra_body": extra}} if extra else {}
        return AzureAIOpenAIApiEmbeddingsModel(**helping, **body, **self._arguments(url, wishes))

    def _arguments(self, url: str, wishes: dict[str, Any]) -> dict[str, Any]:
        for name in ("openai", "default_scope"):
            wishes.pop(name, None)
        return {
            "endpoint": wishes.pop("pasted", url + "/openai/v1"),
            "credential": wishes.pop("token", None) or wishes.pop("key", KEY),
            "model": wishes.pop("model", "m"),
            **wishes,
        }

    def own_http_client(self) -> Any:
        return _openai_http_client()


class AzureOpenAI(Adapter):
    """The classes of langchain-openai for Azure OpenAI deployments."""

    name = "azure-openai"
    title = "langchain-openai, AzureChatOpenAI"
    distributions = ("langchain-openai", "openai", "langchain-core")
    only_openai_models = True
    model_field = "deployment_name"
    chat_path = "/openai/deployments/m/chat/completions"
    stalled = {"stream_chunk_timeout": 0.4}  # noqa: RUF012
    stream_usage = {"stream_usage": True}  # noqa: RUF012

    def chat(self, url: str, **wishes: Any) -> Any:
        from langchain_openai import AzureChatOpenAI

        extra = wishes.pop("extra", None)
        return AzureChatOpenAI(**({"extra_body": extra} if extra else {}), **self._arguments(url, wishes))

    def embeddings(self, url: str, **wishes: Any) -> Any:
        from langchain_openai import AzureOpenAIEmbeddings

        helping = {} if wishes.get("plain") else {"check_embedding_ctx_length": False}
        extra = wishes.pop("extra", None)
        body = {"model_kwargs": {"extra_body": extra}} if extra else {}
        return AzureOpenAIEmbeddings(**helping, **body, **self._arguments(url, wishes))

    def _arguments(self, url: str, wishes: dict[str, Any]) -> dict[str, Any]:
        for name in ("openai", "plain", "default_scope"):
            wishes.pop(name, None)
        token = wishes.pop("token", None)
        model = wishes.pop("model", "m")
        signing = _token_providers(token) if token else {"api_key": wishes.pop("key", KEY)}
        return {
            "azure_endpoint": wishes.pop("pasted", url),
            "api_version": "2024-10-21",
            "azure_deployment": model,
            "model": model,
            **signing,
            **wishes,
        }

    def own_http_client(self) -> Any:
        return _openai_http_client()

    def asked_model(self, request: Any) -> str | None:
        return request.path.partition("/deployments/")[2].partition("/")[0] or None


def _token_providers(credential: Any) -> dict[str, Any]:
    """What users of AzureChatOpenAI write themselves, the scope included."""

    def token() -> str:
        return str(credential.get_token(INFERENCE_SCOPE).token)

    async def atoken() -> str:
        return await asyncio.to_thread(token)

    return {"azure_ad_token_provider": token, "azure_ad_async_token_provider": atoken}


def _openai_http_client() -> Any:
    """The openai SDK moved from httpx to httpx2; both have the same client."""
    import openai

    base = next(kind for kind in openai.DefaultHttpxClient.__mro__ if kind.__module__.startswith(("httpx", "httpx2")))
    return base(headers={"x-own": "yes"})


ADAPTERS = {adapter.name: adapter for adapter in (Ours(), Inference(), OpenAIApi(), AzureOpenAI())}


def access_token(text: str, expires_on: float) -> SimpleNamespace:
    """An access token as azure-identity gives it."""
    return SimpleNamespace(token=text, expires_on=int(expires_on), token_type="Bearer", refresh_on=None)
