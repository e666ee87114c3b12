"""LangChain documentation, 'Agents', with the model of the integration guide in the place of the model."""

from langchain.agents import create_agent
from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


llm = AzureAIChatCompletionsModel(model_name="gpt-4", temperature=0)
agent = create_agent(llm, tools=[multiply])
result = agent.invoke({"messages": [("user", "What is 17 times 23?")]})
