"""LlamaIndex documentation, 'Azure AI model inference': 'Use the model', plain and streamed."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.azure_inference import AzureAICompletionsModel

llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
)
completion = llm.complete("The harbour at night is")
completed = [r.delta for r in llm.stream_complete("The harbour at night is")]

messages = [ChatMessage(role="system", content="You are a harbour pilot."), ChatMessage(role="user", content="Hello")]
chat = llm.chat(messages)
chatted = [r.delta for r in llm.stream_chat(messages)]
