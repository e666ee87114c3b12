"""API reference of AzureAICompletionsModel: chat, then the model for the whole session."""

import os

from llama_index.core import Settings
from llama_index.core.llms import ChatMessage
from llama_index.llms.azure_inference import AzureAICompletionsModel

llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    temperature=0,
)
answer = llm.chat(messages=[ChatMessage(role="user", content="Who keeps the harbour?")])
Settings.llm = llm
