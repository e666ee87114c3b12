"""The public API as users type it: checked by mypy, never run."""

from typing import assert_type

from langchain_core.messages import AIMessage

from azureai_core import Completion, Delta, Embeddings, InferenceClient, ModelInfo
from langchain_azureai import AzureAIEmbeddings, ChatAzureAI
from llamaindex_azureai import AzureAICompletionsModel


async def core(client: InferenceClient) -> None:
    """Every method, in both colours."""
    assert_type(client.complete({"messages": []}), Completion)
    assert_type(await client.acomplete({"messages": []}), Completion)
    for delta in client.stream({"messages": []}):
        assert_type(delta, Delta)
    async for delta in client.astream({"messages": []}):
        assert_type(delta, Delta)
    assert_type(client.embed(["a"]), Embeddings)
    assert_type(await client.aembed(["a"], dimensions=3), Embeddings)
    for batch in client.embed_many(["a"], batch_size=2):
        assert_type(batch.vectors, list[list[float]])
    async for batch in client.aembed_many(["a"]):
        assert_type(batch, Embeddings)
    assert_type(client.embed_all(["a"]), list[list[float]])
    assert_type(await client.aembed_all(["a"], on_usage=print), list[list[float]])
    assert_type(client.info(), ModelInfo)
    with client as entered:
        assert_type(entered, InferenceClient)


async def langchain() -> None:
    """Construction and calls."""
    model = ChatAzureAI(endpoint="https://h", credential="k", model="m", temperature=0)
    assert_type(model.invoke("hi"), AIMessage)
    assert_type(await model.ainvoke("hi"), AIMessage)
    embeddings = AzureAIEmbeddings(endpoint="https://h", credential="k", model="m", dimensions=3)
    assert_type(embeddings.embed_query("hi"), list[float])


def llamaindex() -> None:
    """Construction and calls."""
    llm = AzureAICompletionsModel(endpoint="https://h", credential="k", model="m", temperature=0)
    assert_type(llm.model_name, str | None)
