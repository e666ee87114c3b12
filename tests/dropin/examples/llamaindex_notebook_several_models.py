"""LlamaIndex documentation, 'Azure AI model inference': an endpoint that serves more than one model."""

import os

from llama_index.llms.azure_inference import AzureAICompletionsModel

llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="mistral-large",
)
completion = llm.complete("The harbour at night is")
metadata = llm.metadata
