"""API reference of AzureAIChatCompletionsModel: an endpoint that serves a single model, without `model_name`."""

import os

from langchain_azure_ai.chat_models.inference import AzureAIChatCompletionsModel
from langchain_core.messages import HumanMessage, SystemMessage

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
)
answer = model.invoke([SystemMessage(content="Answer in Italian."), HumanMessage(content="Good evening")])
