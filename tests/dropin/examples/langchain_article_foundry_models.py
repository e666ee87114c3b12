"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': the Foundry Models service."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

llm = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="gpt-4o",
    api_version="2024-05-01-preview",
)
answer = llm.invoke("Good evening")
