"""API reference of AzureAIEmbeddingsModel: an endpoint that serves several models; sync and async calls."""

import asyncio
import os

from langchain_azure_ai.embeddings.inference import AzureAIEmbeddingsModel

embed_model = AzureAIEmbeddingsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="cohere-embed-v3-multilingual",
)
texts = ["The library closes at nine.", "Trams run every ten minutes."]
vectors = embed_model.embed_documents(texts)
avectors = asyncio.run(embed_model.aembed_documents(texts))
query = asyncio.run(embed_model.aembed_query("When does the library close?"))
