"""LlamaIndex documentation, 'Azure AI model inference': Microsoft Entra ID, sync and async."""

import asyncio
import os

from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as DefaultAzureCredentialAsync
from llama_index.llms.azure_inference import AzureAICompletionsModel

llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=DefaultAzureCredential(),
)
completion = llm.complete("The harbour at night is")

llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=DefaultAzureCredentialAsync(),
)
acompletion = asyncio.run(llm.acomplete("The harbour at night is"))
