"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': 'Use chat completions models'."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

model = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model="mistral-large-2407",
)
answer = model.invoke([SystemMessage(content="Answer in Italian."), HumanMessage(content="Good evening")])

prompt_template = ChatPromptTemplate.from_messages([("system", "Answer in {language}."), ("user", "{text}")])
parser = StrOutputParser()
chain = prompt_template | model | parser
text = chain.invoke({"language": "Italian", "text": "Good evening"})
