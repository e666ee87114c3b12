"""Microsoft Learn, 'Develop applications with LangChain and Azure AI Foundry': 'Chaining multiple LLMs together'."""

import os

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnableParallel, RunnablePassthrough

producer = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="mistral-large-2407",
)
verifier = AzureAIChatCompletionsModel(
    endpoint=os.environ["AZURE_INFERENCE_ENDPOINT"],
    credential=os.environ["AZURE_INFERENCE_CREDENTIAL"],
    model_name="mistral-small",
)
producer_template = PromptTemplate(template="Write two lines about {topic}.", input_variables=["topic"])
verifier_template = PromptTemplate(template="True or False, is this rude?\n{input}", input_variables=["input"])
parser = StrOutputParser()

generate_poem = producer_template | producer | parser
verify_poem = verifier_template | verifier | parser
chain = generate_poem | RunnableParallel(poem=RunnablePassthrough(), verification=RunnablePassthrough() | verify_poem)
result = chain.invoke({"topic": "the harbour"})
