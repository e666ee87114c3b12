"""The contenders, by name: where each lives, and what all have to be able to do.

A contender's methods are the scenarios. Its imports stand in its methods, so that a peer is needed only where it is
measured, and a fresh process pays for nothing but itself.
"""

# What a contender cannot do takes the arguments all the same.
# ruff: noqa: ARG002

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

KEY, MODEL = "benchmark-key", "mock-model"
PROMPT = "Say something short."
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "Keeps a text.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}
HISTORY = 500
"""Messages of the long history."""


class Unable(Exception):  # noqa: N818  no error, but a finding
    """The contender cannot do the scenario; the text says why."""


class Contender:
    """What a scenario asks for. Streams give the framework's own items; `text_of` is used outside of what is timed."""

    dimensions = 1024
    """Length of the vectors to come, for the floors."""

    def __init__(self, url: str) -> None:
        self.url = url

    def chat(self) -> str:
        raise Unable("it has no chat")

    async def achat(self) -> str:
        raise Unable("it has no async chat")

    def stream(self, prompt: str) -> Iterator[Any]:
        raise Unable("it has no streams")

    async def astream(self, prompt: str) -> AsyncIterator[Any]:
        raise Unable("it has no async streams")

    def text_of(self, item: Any) -> str:
        """The text that an item of a stream adds."""
        raise NotImplementedError

    def tools(self, prompt: str) -> Iterator[Any]:
        raise Unable("it has no streamed tool calls")

    def arguments_of(self, items: list[Any]) -> str:
        """The arguments of all calls of a stream, one after the other."""
        raise NotImplementedError

    def prepare_history(self) -> None:
        """Makes the messages of the framework, which is not timed: users keep them."""

    def history(self) -> str:
        raise Unable("it has no messages")

    def embed(self, texts: list[str]) -> list[Any]:
        raise Unable("it has no embeddings")

    async def aembed(self, texts: list[str]) -> list[Any]:
        raise Unable("it has no embeddings")

    def embed_batches(self, texts: Iterator[str]) -> Iterator[list[Any]]:
        raise Unable("it embeds all at once")

    @staticmethod
    def load() -> None:
        """Imports what a user imports, no more."""
        raise Unable("nothing to import")


@dataclass(frozen=True)
class Entry:
    """Where a contender stands: its class, its framework, and the environment it is measured in."""

    place: str
    environment: str
    framework: str = ""
    kind: str = "peer"
    """`ours`, `floor`, `base` or `peer`."""

    def make(self, url: str) -> Contender:
        """The contender, imported now."""
        return self._kind()(url)

    def load(self) -> None:
        """Imports what a user of the contender imports."""
        self._kind().load()

    def _kind(self) -> type[Contender]:
        module, name = self.place.split(":")
        kind: type[Contender] = getattr(import_module(module), name)
        return kind


CONTENDERS = {
    "httpx": Entry("contenders_plain:Httpx", "ours-langchain", kind="base"),
    "azureai_core": Entry("contenders_plain:Core", "ours-langchain", kind="ours"),
    "azure-ai-inference": Entry("contenders_plain:AzureInference", "azure-ai-inference"),
    "lc-floor": Entry("contenders_langchain:Floor", "ours-langchain", "langchain", "floor"),
    "ours-langchain": Entry("contenders_langchain:Ours", "ours-langchain", "langchain", "ours"),
    "lc-azure-inference": Entry("contenders_langchain:AzureInference", "langchain-azure-ai", "langchain"),
    "lc-azure-openai": Entry("contenders_langchain:AzureOpenAI", "langchain-azure-ai", "langchain"),
    "lc-openai": Entry("contenders_langchain:OpenAI", "langchain-openai", "langchain"),
    "li-floor": Entry("contenders_llamaindex:Floor", "ours-llamaindex", "llamaindex", "floor"),
    "ours-llamaindex": Entry("contenders_llamaindex:Ours", "ours-llamaindex", "llamaindex", "ours"),
    "li-azure-inference": Entry("contenders_llamaindex:AzureInference", "li-azure-inference", "llamaindex"),
    "li-openai-like": Entry("contenders_llamaindex:OpenAILike", "li-openai-like", "llamaindex"),
}
OWN = tuple(name for name, entry in CONTENDERS.items() if entry.kind != "peer")
"""What is measured without any peer installed."""


def wire_history() -> list[dict[str, Any]]:
    """The long history in wire form, some 320 kB: question (now and then with an image), call, result, answer."""
    image = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 16).decode()
    messages: list[dict[str, Any]] = []
    for n in range(HISTORY // 4):
        question: Any = f"Question {n}: " + "what do we know about this part of the plan? " * 4
        if n % 5 == 0:
            question = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": image}}]
        arguments = json.dumps({"text": f"part {n} " + "of the plan " * 10})
        call = {"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": arguments}}
        messages += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{n}", "content": f"Result {n}: " + "a line of the result. " * 10},
            {"role": "assistant", "content": f"Answer {n}: " + "this follows from the result above. " * 6},
        ]
    messages[-1] = {"role": "user", "content": "And what is left to do?"}
    return messages


def prepared_answer() -> str:
    """What the mock server answers to a chat, for the floors."""
    return "A short answer. " * 12


def words_asked(prompt: str) -> int:
    """How many events the mock server would send, for the floors."""
    found = re.search(r"Write (\d+) words", prompt)
    return int(found.group(1)) if found else 20
