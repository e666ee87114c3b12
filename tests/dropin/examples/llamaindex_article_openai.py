"""Microsoft Learn, 'Develop applications with LlamaIndex and Azure AI Foundry': `api_version` and `model_name`."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.azure_inference import AzureAICompletionsModel

llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="gpt-4o",
    api_version="2024-05-01-preview",
)
answer = llm.chat([ChatMessage(role="user", content="Hello")])
