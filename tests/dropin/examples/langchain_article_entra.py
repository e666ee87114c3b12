"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': Microsoft Entra ID."""

import os

from azure.identity import DefaultAzureCredential
from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=DefaultAzureCredential(),
    model_name="mistral-large-2407",
)
answer = model.invoke("Good evening")
