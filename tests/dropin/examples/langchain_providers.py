"""LangChain documentation, providers page 'Azure AI': endpoint and key from the environment, chat and embeddings."""

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from langchain_azure_ai.embeddings import AzureAIEmbeddingsModel

llm = AzureAIChatCompletionsModel(model_name="gpt-4o", api_version="2024-05-01-preview")
joke = llm.invoke("Tell me a joke")

embed_model = AzureAIEmbeddingsModel(model_name="text-embedding-ada-002")
vector = embed_model.embed_query("Tell me a joke")
