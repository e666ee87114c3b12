"""Microsoft Learn, 'Develop applications with LlamaIndex and Azure AI Foundry': 'Configure the models your code uses'.

The article sets the session's models; the query engine, the evaluator and the agent are what then use them.
"""

import asyncio
import os

from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.evaluation import RelevancyEvaluator
from llama_index.embeddings.azure_inference import AzureAIEmbeddingsModel
from llama_index.llms.azure_inference import AzureAICompletionsModel

Settings.llm = AzureAICompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="gpt-4o",
)
Settings.embed_model = AzureAIEmbeddingsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="cohere-embed-v3-multilingual",
)
documents = [Document(text="The library closes at nine."), Document(text="Trams run every ten minutes.")]
engine = VectorStoreIndex.from_documents(documents).as_query_engine(similarity_top_k=1)
answer = engine.query("When does the library close?")
stream = VectorStoreIndex.from_documents(documents).as_query_engine(streaming=True).query("When do trams run?")
streamed = list(stream.response_gen)

relevancy_evaluator = RelevancyEvaluator(llm=Settings.llm)
verdict = relevancy_evaluator.evaluate_response("When does the library close?", answer)


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def ask_agent():
    """The agent that fits the session's model."""
    return await AgentWorkflow.from_tools_or_functions([multiply]).run("What is 17 times 23?")


agent_answer = asyncio.run(ask_agent())
