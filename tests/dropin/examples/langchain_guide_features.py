"""LangChain documentation, 'AzureAIChatCompletionsModel integration guide': each row of 'Model features' it ticks."""

import asyncio

from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


llm = AzureAIChatCompletionsModel(model_name="gpt-4", temperature=0)

called = llm.bind_tools([multiply]).invoke("What is 17 times 23?")
seen = llm.invoke(
    [
        HumanMessage(
            content=[
                {"type": "text", "text": "How large is this image?"},
                {"type": "image_url", "image_url": {"url": PIXEL}},
            ]
        )
    ]
)
streamed = [chunk.content for chunk in llm.stream("Name three colours.")]
logprobs = llm.bind(logprobs=True).invoke("Good evening")


async def native_async():
    """One call and one stream on the running loop."""
    answer = await llm.ainvoke("Good evening")
    return answer, [chunk.content async for chunk in llm.astream("Name three colours.")]


answer, astreamed = asyncio.run(native_async())
