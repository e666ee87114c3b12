"""Microsoft Learn, 'Develop applications with LlamaIndex and Azure AI Foundry': 'Use embeddings models'."""

import os

from llama_index.core.schema import TextNode
from llama_index.embeddings.azure_inference import AzureAIEmbeddingsModel

embed_model = AzureAIEmbeddingsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="cohere-embed-v3-multilingual",
)
nodes = [TextNode(text="The library closes at nine, the kitchen opens at seven.")]
response = embed_model(nodes=nodes)
