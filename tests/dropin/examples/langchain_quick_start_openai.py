"""README of langchain-azure-ai: 'Azure AI Chat Completions Model with Azure OpenAI'."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from langchain_core.messages import HumanMessage, SystemMessage

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="gpt-4o",
)
answer = model.invoke([SystemMessage(content="Answer in Italian."), HumanMessage(content="Good evening")])
