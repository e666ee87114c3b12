"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': 'Use embeddings models'."""

import os

from langchain_azure_ai.embeddings import AzureAIEmbeddingsModel
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

embed_model = AzureAIEmbeddingsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="text-embedding-3-large",
)
vector_store = InMemoryVectorStore(embed_model)
vector_store.add_documents(
    documents=[
        Document(id="1", page_content="The library closes at nine.", metadata={"house": "library"}),
        Document(id="2", page_content="Trams run every ten minutes.", metadata={"house": "depot"}),
    ]
)
found = vector_store.similarity_search(query="When does the library close?", k=1)
