"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': 'Debugging and troubleshooting'."""

import logging
import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

logger = logging.getLogger("azure")
logger.setLevel(logging.DEBUG)

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="mistral-large-2407",
    client_kwargs={"logging_enable": True},
)
