"""API reference of AzureAIChatCompletionsModel: sampling parameters as arguments of the class."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="mistral-large-2407",
    temperature=0.5,
    top_p=0.9,
)
answer = model.invoke("Good evening")
