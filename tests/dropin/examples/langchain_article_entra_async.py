"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': the asynchronous credential."""

import asyncio
import os

from azure.identity.aio import DefaultAzureCredential as DefaultAzureCredentialAsync
from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=DefaultAzureCredentialAsync(),
    model_name="mistral-large-2407",
)
answer = asyncio.run(model.ainvoke("Good evening"))
