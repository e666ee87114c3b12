"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': 'Using Azure OpenAI models'."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

llm = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    api_version="2024-05-01-preview",
)
answer = llm.invoke("Good evening")
