"""LangChain documentation, 'AzureAIChatCompletionsModel integration guide': 'Instantiation' and 'Invocation'."""

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel

llm = AzureAIChatCompletionsModel(
    model_name="gpt-4",
    temperature=0,
    max_tokens=None,
    timeout=None,
    max_retries=2,
)
ai_msg = llm.invoke([("system", "Answer in French."), ("human", "Good evening")])
