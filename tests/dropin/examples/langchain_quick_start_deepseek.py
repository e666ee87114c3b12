"""README of langchain-azure-ai: 'Azure AI Chat Completions Model with DeepSeek-R1', streamed."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from langchain_core.messages import HumanMessage

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="DeepSeek-R1",
)
stream = model.stream([HumanMessage(content="What is 2 plus 2?")])
text = "".join(chunk.content for chunk in stream)
