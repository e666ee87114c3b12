"""LangChain's own standard tests, against the emulator: conformance of transport and translation, not of a model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

from azureai_emulator import Emulator
from langchain_azureai import AzureAIEmbeddings, ChatAzureAI

SERDES = "langchain_core's loader knows only classes of its own mapping; our round trip: test_serialization.py"
ENDPOINT, KEY = "https://name.services.ai.azure.com/models", "unit-test-key"


class TestChatUnit(ChatModelUnitTests):
    """The unit suite: no socket."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAzureAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"endpoint": ENDPOINT, "credential": KEY, "model": "gpt-4o"}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        params = super().standard_chat_model_params
        params.pop("api_key")  # the alias of `credential`, which is given
        return params

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"AZURE_INFERENCE_ENDPOINT": ENDPOINT, "AZURE_INFERENCE_CREDENTIAL": KEY}
        return environment, {"model": "gpt-4o"}, {"model_name": "gpt-4o"}

    @pytest.mark.xfail(reason=SERDES, strict=True)
    def test_serdes(self, model: Any, snapshot: Any) -> None:
        super().test_serdes(model, snapshot)


class TestEmbeddingsUnit(EmbeddingsUnitTests):
    """The unit suite: no socket."""

    @property
    def embeddings_class(self) -> type[AzureAIEmbeddings]:
        return AzureAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"endpoint": ENDPOINT, "credential": KEY, "model": "text-embedding-3-small"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"AZURE_INFERENCE_ENDPOINT": ENDPOINT, "AZURE_INFERENCE_CREDENTIAL": KEY}
        return environment, {"model": "text-embedding-3-small"}, {"model_name": "text-embedding-3-small"}


@pytest.mark.usefixtures("offline_downloads")
class _ChatIntegration(ChatModelIntegrationTests):
    """The integration suite over real HTTP, all optional flags on."""

    base: str
    model_name: str
    other_model: str
    method: str | None = None
    arguments: dict[str, Any] = {}

    @pytest.fixture(autouse=True)
    def _emulator(self, azureai_emulator: Emulator) -> None:
        type(self)._params = {
            "endpoint": azureai_emulator.url + self.base,
            "credential": azureai_emulator.key,
            "model": self.model_name,
            **self.arguments,
        }

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAzureAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return self._params

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        params = super().standard_chat_model_params
        params.pop("api_key", None)
        return params

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method} if self.method else {}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return self.other_model


class _WithMedia:
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True


class TestOpenAIV1(_WithMedia, _ChatIntegration):
    base, model_name, other_model = "/openai/v1", "gpt-4o", "gpt-4o-mini"


class TestOpenAIV1FunctionCalling(_WithMedia, _ChatIntegration):
    base, model_name, other_model, method = "/openai/v1", "gpt-4o", "gpt-4o-mini", "function_calling"


class TestFoundryModels(_WithMedia, _ChatIntegration):
    supports_pdf_inputs = supports_pdf_tool_message = False  # the model-inference schema has no file part
    base, model_name, other_model = "/models", "gpt-4o", "gpt-4o-mini"
    arguments = {"stream_usage": True}  # GPT models give no usage unasked, and this route is not asked by default


class TestServerlessMistral(_ChatIntegration):
    base, model_name, other_model = "/serverless/mistral-large-2411", "mistral-large-2411", "mistral-large-2411"


class TestReasoningGPT(_ChatIntegration):
    """Only `max_completion_tokens`, no temperature: the suite's standard parameters are renamed and dropped."""

    base, model_name, other_model = "/openai/v1", "gpt-reasoning", "gpt-4o"
    arguments = {"unsupported_parameters": "drop"}
    pytestmark = pytest.mark.filterwarnings("ignore::azureai_core.UnsupportedParameterWarning")

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[str]]:
        return {"invoke": ["reasoning_output"], "stream": ["reasoning_output"]}

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        model = ChatAzureAI(**self.chat_model_params)
        prompt = (
            "Explain the relationship between the 2008/9 economic crisis and the startup ecosystem in the early 2010s"
        )
        if not stream:
            return model.invoke(prompt)
        first, *rest = model.stream(prompt)
        return sum(rest, start=first)


class _WithoutTools(_ChatIntegration):
    """Models with neither tools nor JSON mode: structured output is asked for in the prompt."""

    method = "prompted"
    has_tool_calling = has_tool_choice = False
    supports_json_mode = False
    supports_anthropic_inputs = False


class TestDeepSeekThinkTags(_WithoutTools):
    base, model_name, other_model = "/models", "deepseek-r1", "mistral-large-2411"
    arguments = {"api_version": "2024-05-01-preview", "unsupported_parameters": "drop"}
    pytestmark = pytest.mark.filterwarnings("ignore::azureai_core.UnsupportedParameterWarning")


class TestDeepSeekReasoningContent(_WithoutTools):
    base, model_name, other_model = "/models", "deepseek-r1", "mistral-large-2411"
    arguments = {"api_version": "2025-04-01", "unsupported_parameters": "drop"}
    pytestmark = pytest.mark.filterwarnings("ignore::azureai_core.UnsupportedParameterWarning")


class TestPhi3(_WithoutTools):
    base, model_name, other_model = "/models", "phi-3-mini-4k-instruct", "mistral-large-2411"


class TestEmbeddings(EmbeddingsIntegrationTests):
    """The integration suite over real HTTP."""

    @pytest.fixture(autouse=True)
    def _emulator(self, azureai_emulator: Emulator) -> None:
        type(self)._params = {
            "endpoint": azureai_emulator.url + "/models",
            "credential": azureai_emulator.key,
            "model": "cohere-embed-v3-english",
        }

    @property
    def embeddings_class(self) -> type[AzureAIEmbeddings]:
        return AzureAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return self._params
