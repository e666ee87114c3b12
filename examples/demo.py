"""The main features of azureai-adapters in both frameworks, over real HTTP: `make demo`.

By default it runs against the local emulator. If AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL are set, it
runs against that endpoint; AZURE_INFERENCE_MODEL and AZURE_INFERENCE_EMBEDDING_MODEL name the deployments if one URL
serves many, and AZURE_INFERENCE_EMBEDDING_ENDPOINT a separate endpoint for embeddings. With `--brain local`
(`make demo-local`) the emulator answers with a small real model instead of rules.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult
from llama_index.core.node_parser import MarkdownNodeParser
from pydantic import BaseModel, Field

import llamaindex_azureai
from azureai_core import AzureAIError, Endpoint, InferenceClient
from azureai_emulator import serve
from langchain_azureai import ChatAzureAI

ROOT = Path(__file__).resolve().parent.parent
CHAT_MODEL, EMBEDDING_MODEL = "mistral-large-2411", "cohere-embed-v3-english"
AGENT_QUESTION = "What is the weather in Lisbon, and what is 17 times 23?"


@dataclass(frozen=True)
class Target:
    """Where the demo runs."""

    endpoint: str
    credential: str
    model: str | None
    embedding_endpoint: str
    embedding_model: str | None
    checked: bool = False
    """Whether each part checks its results, and fails if they are wrong."""

    def chat(self) -> dict[str, str | None]:
        """The arguments of the chat classes, the same in both frameworks."""
        return {"endpoint": self.endpoint, "credential": self.credential, "model": self.model}

    def embedding(self) -> dict[str, str | None]:
        """The arguments of the embedding classes."""
        return {"endpoint": self.embedding_endpoint, "credential": self.credential, "model": self.embedding_model}


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    forecast = {"lisbon": "sunny, 24 °C", "oslo": "snow, -3 °C", "london": "rain, 11 °C"}
    return f"{city}: {forecast.get(city.lower(), 'cloudy, 15 °C')}"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers: a times b."""
    return a * b


class Trip(BaseModel):
    """A trip to book."""

    city: str = Field(description="The city to travel to")
    travellers: int = Field(description="How many people travel")
    reason: str | None = Field(default=None, description="Why, in quotes")


def langchain_chain(target: Target) -> None:
    """A chain whose tokens are printed as they arrive."""
    heading("LangChain: a chain, streamed token by token")
    model = ChatAzureAI(**target.chat(), max_tokens=60)
    prompt = ChatPromptTemplate.from_messages([("system", "Answer in one sentence."), ("user", "{question}")])
    say("prompt | ChatAzureAI | StrOutputParser, asked about the sea:")
    chunks = 0
    for chunk in (prompt | model | StrOutputParser()).stream({"question": "Why is the sea salty?"}):
        print(chunk, end="", flush=True)
        chunks += bool(chunk)
    print(f"\n   {chunks} chunks. The same with invoke, to show the usage:")
    check(target, chunks > 1, "the answer was streamed in several chunks")
    answer = (prompt | model).invoke({"question": "Why is the sea salty?"})
    usage(answer.usage_metadata)


def langgraph_agent(target: Target) -> None:
    """A LangGraph agent that calls two tools and uses their results."""
    heading("LangGraph: an agent with two tools")
    agent = create_agent(ChatAzureAI(**target.chat()), tools=[get_weather, multiply])
    say(f"create_agent(model, tools=[get_weather, multiply]), asked: {AGENT_QUESTION!r}")
    messages = agent.invoke({"messages": [HumanMessage(AGENT_QUESTION)]})["messages"]
    for message in messages[1:]:
        for call in getattr(message, "tool_calls", ()):
            say(f"the model calls {call['name']}({json.dumps(call['args'])})")
        if message.type == "tool":
            say(f"{message.name} returned {message.content!r}")
    say(f"answer: {messages[-1].text}")
    results = [message.content for message in messages if message.type == "tool"]
    check(target, results == ["Lisbon: sunny, 24 °C", "391"], "both tools were called with the right arguments")
    check(target, bool(messages[-1].text), "the results were used in a text answer")
    for message in messages:
        if isinstance(message, AIMessage):
            usage(message.usage_metadata)


def structured_output(target: Target) -> None:
    """An answer as an instance of a Pydantic class."""
    heading("LangChain: structured output")
    model = ChatAzureAI(**target.chat()).with_structured_output(Trip)
    request = 'Book a trip to Lisbon for 3 people, the reason is "a conference".'
    say(f"model.with_structured_output(Trip), given: {request}")
    trip = model.invoke(request)
    say(f"returns {trip!r}")
    check(
        target,
        isinstance(trip, Trip) and (trip.city, trip.travellers) == ("Lisbon", 3),
        "the object has the right values",
    )


def llamaindex_rag(target: Target) -> None:
    """Questions over the project's own documents: embed, index, retrieve, answer with sources."""
    heading("LlamaIndex: a RAG query over this project's own documents")
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    documents = [Document(text=file.read_text("utf-8"), metadata={"file": file.name}) for file in files]
    nodes = MarkdownNodeParser().get_nodes_from_documents(documents)
    with embeddings(target) as embedding:
        index = VectorStoreIndex(nodes, embed_model=embedding)
        say(f"{len(files)} files, {len(nodes)} passages embedded and indexed")
        ask_documents(target, index)


@contextmanager
def embeddings(target: Target) -> Iterator[llamaindex_azureai.AzureAIEmbedding]:
    """The target's embedding model, or the emulator's if the target has none."""
    try:
        model = llamaindex_azureai.AzureAIEmbedding(**target.embedding())
        model.get_query_embedding("hello")
    except AzureAIError as error:
        say(f"{target.embedding_endpoint} does not serve embeddings: {error}")
        say("The local emulator is used instead; AZURE_INFERENCE_EMBEDDING_ENDPOINT and _MODEL name another endpoint.")
        with serve() as emulator:
            base = f"{emulator.url}/models"
            yield llamaindex_azureai.AzureAIEmbedding(endpoint=base, credential=emulator.key, model=EMBEDDING_MODEL)
    else:
        yield model


def ask_documents(target: Target, index: VectorStoreIndex) -> None:
    """A question whose answer streams, with its sources."""
    llm = llamaindex_azureai.AzureAI(**target.chat())
    engine = index.as_query_engine(llm=llm, similarity_top_k=3, streaming=True)
    question = "Which Entra ID scope does a serverless endpoint expect?"
    say(f"asked: {question!r}; the answer as it streams:")
    answer = engine.query(question)
    print("   ", end="")
    chunks = 0
    for chunk in answer.response_gen:
        print(chunk, end="", flush=True)
        chunks += bool(chunk)
    print()
    check(target, chunks > 1, "the answer was streamed in several chunks")
    found = [source.node.metadata["file"] for source in answer.source_nodes]
    check(target, "endpoints-and-auth.md" in found, "the right page was retrieved")
    for source in answer.source_nodes:
        first_line = source.node.get_content().strip().splitlines()[0]
        say(f"source {source.node.metadata['file']} (score {source.score:.2f}): {first_line}")


async def llamaindex_agent(target: Target) -> None:
    """A LlamaIndex FunctionAgent with the same tools."""
    heading("LlamaIndex: a FunctionAgent with the same two tools, streamed")
    llm = llamaindex_azureai.AzureAI(**target.chat())
    agent = FunctionAgent(tools=[get_weather, multiply], llm=llm, system_prompt="You are a helpful assistant.")
    say(f"asked: {AGENT_QUESTION!r}")
    handler = agent.run(AGENT_QUESTION)
    streamed, results = 0, []
    async for event in handler.stream_events():
        if isinstance(event, ToolCallResult):
            say(f"{event.tool_name}({json.dumps(event.tool_kwargs)}) returned {event.tool_output.content!r}")
            results.append(event.tool_output.content)
        elif isinstance(event, AgentStream):
            streamed += bool(event.delta)
    result = await handler
    say(f"answer ({streamed} chunks): {result.response.content}")
    check(target, results == ["Lisbon: sunny, 24 °C", "391"], "both tools were called with the right arguments")
    check(target, streamed > 1, "the answer was streamed in several chunks")
    counts = result.raw.get("usage") if isinstance(result.raw, dict) else None
    say(f"usage of the last call: {counts}")


def shown_exchange(target: Target) -> None:
    """One request and its response as sent, the credential masked."""
    heading("On the wire: one request and its response")
    with httpx.Client(event_hooks={"request": [show_request], "response": [show_response]}) as http_client:
        client = InferenceClient(target.endpoint, target.credential, model=target.model, http_client=http_client)
        client.complete({"messages": [{"role": "user", "content": "Say hello in one word."}], "max_tokens": 12})


def show_request(request: httpx.Request) -> None:
    """Print a request as it is sent."""
    print(f"   {request.method} {request.url.raw_path.decode()} HTTP/1.1")
    for name, value in request.headers.items():
        print(f"   {name}: {'***' if name in {'authorization', 'api-key'} else value}")
    print(f"\n   {request.content.decode()}\n")


def show_response(response: httpx.Response) -> None:
    """Print a response as received."""
    print(f"   HTTP/1.1 {response.status_code} {response.reason_phrase}")
    for name, value in response.headers.items():
        print(f"   {name}: {value}")
    response.read()
    print("\n" + textwrap.indent(json.dumps(response.json(), indent=2, ensure_ascii=False), "   "))


def heading(text: str) -> None:
    """Print a section heading."""
    print(f"\n== {text}\n")


def say(text: str) -> None:
    """Print what happens."""
    print(textwrap.fill(text, 110, initial_indent=" - ", subsequent_indent="   ", break_on_hyphens=False))


def check(target: Target, holds: bool, claim: str) -> None:
    """Print that a claim was checked, or end the demo because it is wrong."""
    if target.checked:
        if not holds:
            sys.exit(f"\nThe demo stopped. This is not true: {claim}.")
        say(f"checked: {claim}")


def usage(counts: object) -> None:
    """Print the token counts of one call."""
    if isinstance(counts, dict):
        numbers = f"{counts['input_tokens']} in, {counts['output_tokens']} out, {counts['total_tokens']} in total"
        say(f"usage: {numbers} (tokens)")


@contextmanager
def local_target() -> Iterator[Target]:
    """The emulator with the local brain."""
    try:
        emulator = serve(brain="local")
    except ValueError as error:
        sys.exit(f"The demo did not start: {error}")
    with emulator:
        print(f"Running against the local emulator at {emulator.url}, with its local brain:")
        print(
            "SmolLM2-135M-Instruct generates text (real tokens, streams and constrained JSON), MiniLM-L6-v2 embeds and"
        )
        print(
            "selects tools. Tools, arguments, JSON, sources and streaming are checked; the text of the answers is not:"
        )
        print("with 135 million parameters the model is often wrong.")
        base = f"{emulator.url}/models"
        yield Target(base, emulator.key, CHAT_MODEL, base, EMBEDDING_MODEL, checked=True)


@contextmanager
def target() -> Iterator[Target]:
    """The endpoint that the environment names, or the emulator on a free port."""
    endpoint, key = os.environ.get("AZURE_INFERENCE_ENDPOINT"), os.environ.get("AZURE_INFERENCE_CREDENTIAL")
    if endpoint and key:
        model = os.environ.get("AZURE_INFERENCE_MODEL")
        if Endpoint.parse(endpoint).needs_model and not model:
            sys.exit(f"{endpoint} serves many models: set AZURE_INFERENCE_MODEL to the name of a chat deployment.")
        print(f"Running against {endpoint}.")
        embedding_endpoint = os.environ.get("AZURE_INFERENCE_EMBEDDING_ENDPOINT", endpoint)
        yield Target(endpoint, key, model, embedding_endpoint, os.environ.get("AZURE_INFERENCE_EMBEDDING_MODEL"))
        return
    with serve() as emulator:
        print(f"Running against the local emulator at {emulator.url}: it implements the API, but it is not a model.")
        print("Its answers are generated by rules; retrieval, tools, schemas, streaming and token counts are real.")
        base = f"{emulator.url}/models"
        yield Target(base, emulator.key, CHAT_MODEL, base, EMBEDDING_MODEL)


def main() -> int:
    """Run every part; returns 1 if one of them fails."""
    parser = argparse.ArgumentParser(description="The main features of azureai-adapters in both frameworks.")
    parser.add_argument("--brain", choices=["rules", "local"], default="rules", help="who answers in the emulator")
    with local_target() if parser.parse_args().brain == "local" else target() as where:
        try:
            langchain_chain(where)
            langgraph_agent(where)
            structured_output(where)
            llamaindex_rag(where)
            asyncio.run(llamaindex_agent(where))
            shown_exchange(where)
        except AzureAIError as error:
            print(f"\nThe demo stopped: {error}", file=sys.stderr)
            return 1
    print("\nAll parts ran.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
