"""Checks that any LangChain chat or embeddings adapter for Azure AI can be put to, over real HTTP on this machine.

Each check is a function of an `Adapter` and a `ScriptedServer`; it returns when the adapter does the right thing, and
raises anything else when it does not. Its docstring says which pain it guards against, and where users reported it.
`python langchain_checks.py ADAPTER CHECK` runs one check and prints its result as a line of JSON.
"""

# ruff: noqa: PLR2004  expected numbers stand in the assertion

from __future__ import annotations

import argparse
import asyncio
import base64
import copy
import gc
import json
import os
import pickle
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent))

from langchain_adapters import ADAPTERS, KEY, Adapter, NotApplicable, access_token
from langchain_core import exceptions as lc
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel
from scripted_server import Reply, Request, ScriptedServer, sse


@dataclass(frozen=True)
class Check:
    """A check with what the table says of it."""

    run: Callable[[Adapter, ScriptedServer], None]
    topic: str
    """What it is about, in a word or two."""
    reference: str
    other_models: bool = False
    """Whether it concerns models that are not OpenAI's."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.run.__name__

    @property
    def promise(self) -> str:
        """The first sentence of the docstring."""
        return " ".join((self.run.__doc__ or "").split()).rstrip(".")


CHECKS: list[Check] = []


def check(topic: str, reference: str, *, other_models: bool = False) -> Callable[[Any], Any]:
    """Enters a function into `CHECKS`."""

    def enter(function: Any) -> Any:
        CHECKS.append(Check(function, topic, reference, other_models))
        return function

    return enter


# ---------------------------------------------------------------------------- what the service says


def completion(content: str | None = "Hello", *, finish: str = "stop", model: str = "m", **message: Any) -> Reply:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    return Reply(body={**_head("chat.completion", model), "choices": [choice], "usage": _USAGE})


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A frame of a stream."""
    return {
        **_head("chat.completion.chunk", "m"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def tool_call(name: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A tool call of an answer."""
    return {
        "id": "call_1",
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
        **more,
    }


def refusal(status: int, message: str, **more: Any) -> Reply:
    """An error of the service."""
    return Reply(status, {"error": {"code": str(status), "message": message, **more}})


def vectors(request: Request) -> Reply:
    """One vector per input, `[length, position]`, the last input first; base64 where it is asked for."""
    inputs = request.body["input"]
    data = [
        {"index": n, "object": "embedding", "embedding": [float(len(text)), float(n)]} for n, text in enumerate(inputs)
    ]
    if request.body.get("encoding_format") == "base64":
        for item in data:
            item["embedding"] = base64.b64encode(struct.pack("<2f", *item["embedding"])).decode()
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return Reply(body={"object": "list", "model": "m", "data": data[::-1], "usage": usage, "id": "e1"})


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_760_000_000, "model": model}


_USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
_HELLO = (chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop"))
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def whole(stream: Any) -> Any:
    """The chunks of a stream, added."""
    total = None
    for part in stream:
        total = part if total is None else total + part
    assert total is not None, "the stream was empty"
    return total


@contextmanager
def raises(kind: type[BaseException] = Exception) -> Iterator[list[BaseException]]:
    """Like `pytest.raises`, which peers' environments need not have."""
    caught: list[BaseException] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    assert caught, f"no {kind.__name__} was raised"


def broken_off(stream: Any) -> tuple[str, BaseException]:
    """The text that a stream gave before it raised, and what it raised."""
    text = ""
    with raises() as caught:
        for part in stream:
            text += part.text
    return text, caught[0]


async def abroken_off(stream: Any) -> tuple[str, BaseException]:
    """The same of an async stream."""
    text = ""
    with raises() as caught:
        async for part in stream:
            text += part.text
    return text, caught[0]


def said(error: BaseException) -> str:
    """Everything that an error tells."""
    response = getattr(error, "response", None)
    body = getattr(response, "text", "")
    return f"{error} {vars(error)} {body() if callable(body) else body}"


class Credential:
    """A token credential whose tokens name their scope, and are stale at once, so that each use fetches a new one."""

    def __init__(self, delay: float = 0.0, lifetime: float = 0.0) -> None:
        self.scopes: list[str] = []
        self.delay = delay
        self.lifetime = lifetime

    def get_token(self, *scopes: str, **_: Any) -> Any:
        """The next token, `<number>:<scope>`."""
        time.sleep(self.delay)
        self.scopes.extend(scopes)
        return access_token(f"{len(self.scopes)}:{scopes[0]}", time.time() + self.lifetime)


class Trip(BaseModel):
    """A trip."""

    city: str
    travellers: int


class TripDict(TypedDict):
    """A trip."""

    city: str
    travellers: int


_TRIP = {"city": "Rome", "travellers": 2}


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def fill_schema(request: Request) -> Reply:
    """A trip, in whichever way the request asks for one; plain text where it asks for none."""
    if (request.body.get("response_format") or {}).get("type") in {"json_schema", "json_object"}:
        return completion(json.dumps(_TRIP))
    if request.body.get("tools"):
        name = request.body["tools"][0]["function"]["name"]
        return completion(None, finish="tool_calls", tool_calls=[tool_call(name, _TRIP)])
    return completion("Rome, two of us")


# ---------------------------------------------------------------------------- secrets, streams, the standard suite


@check("standard suite", "langchain-tests `test_init`")
def an_empty_stop_list_is_not_sent(adapter: Adapter, server: ScriptedServer) -> None:
    """`stop=[]` is accepted and does not reach the service (standard test `test_init` of langchain-tests)."""
    server.play(completion())

    adapter.chat(server.url, stop=[]).invoke("hi")

    assert not server.last.body.get("stop")
    assert "stop" not in server.last.body or server.last.body["stop"] is None


@check("standard suite", "langchain-tests `test_stop_sequence`")
def a_stop_list_is_sent(adapter: Adapter, server: ScriptedServer) -> None:
    """A list of stop sequences given to the constructor is sent (standard test `test_stop_sequence`)."""
    server.play(completion())

    adapter.chat(server.url, stop=["END", "STOP"]).invoke("hi")

    assert server.last.body["stop"] == ["END", "STOP"]


@check("standard suite", "langchain-tests `test_usage_metadata`")
def the_answer_names_its_model(adapter: Adapter, server: ScriptedServer) -> None:
    """`response_metadata["model_name"]` is there (six standard tests and the usage callback need it)."""
    server.play(completion(model="m-2026"), sse(*_HELLO))
    model = adapter.chat(server.url)

    assert model.invoke("hi").response_metadata["model_name"] == "m-2026"
    assert whole(model.stream("hi")).response_metadata["model_name"] == "m"


@check("standard suite", "langchain-tests `test_image_inputs`")
def a_standard_image_block_becomes_an_image_url_part(adapter: Adapter, server: ScriptedServer) -> None:
    """LangChain's own image block is translated, not sent as it is (standard test `test_image_inputs`)."""
    server.play(completion())
    image = {"type": "image", "base64": _PIXEL, "mime_type": "image/png"}

    adapter.chat(server.url).invoke([HumanMessage([{"type": "text", "text": "What is it?"}, image])])

    parts = server.last.body["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"] == f"data:image/png;base64,{_PIXEL}"


@check("standard suite", "langchain-tests `test_tool_message_histories_list_content`")
def tool_use_blocks_are_not_sent(adapter: Adapter, server: ScriptedServer) -> None:
    """A history with another provider's `tool_use` block is sent with tool calls only (a standard test's history)."""
    server.play(completion())
    blocks: list[Any] = [
        {"type": "text", "text": "I look it up."},
        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome"}},
    ]
    calls = [{"id": "call_1", "name": "get_weather", "args": {"city": "Rome"}}]

    history = [HumanMessage("hi"), AIMessage(blocks, tool_calls=calls), ToolMessage("sunny", tool_call_id="call_1")]
    adapter.chat(server.url).invoke(history)

    content = server.last.body["messages"][1]["content"]
    kinds = {"text"} if isinstance(content, str) else {part["type"] for part in content}
    assert kinds == {"text"}
    assert [call["id"] for call in server.last.body["messages"][1]["tool_calls"]] == ["call_1"]


@check("secrets", "no public report known")
def the_key_is_in_no_repr(adapter: Adapter, server: ScriptedServer) -> None:
    """`repr` and `str` of a chat model do not show the API key (no public report known)."""
    model = adapter.chat(server.url)

    assert KEY not in f"{model!r} {model}"


@check("secrets", "no public report known")
def the_key_of_embeddings_is_in_no_repr(adapter: Adapter, server: ScriptedServer) -> None:
    """`repr` and `str` of an embeddings model do not show the API key (no public report known)."""
    model = adapter.embeddings(server.url)

    assert KEY not in f"{model!r} {model}"


@check("secrets", "no public report known")
def the_key_is_in_no_dump_and_no_trace(adapter: Adapter, server: ScriptedServer) -> None:
    """`dumpd(model)` and what callbacks and tracers are handed hold no API key (no public report known)."""
    server.play(completion())
    seen: list[Any] = []

    class Watch(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: dict[str, Any], messages: Any, **kwargs: Any) -> None:
            seen.extend([serialized, messages, kwargs])

    model = adapter.chat(server.url)
    model.invoke("hi", config={"callbacks": [Watch()]})

    assert seen
    assert KEY not in str(seen)
    assert KEY not in str(dumpd(model))


@check("cache", "no public report known")
def the_cache_tells_models_apart(adapter: Adapter, server: ScriptedServer) -> None:
    """Two instances that differ in the model do not share a cached answer (no public report known)."""
    server.play(completion("one"), completion("two"))
    cache = InMemoryCache()

    first = adapter.chat(server.url, model="m", cache=cache).invoke("hi").text
    second = adapter.chat(server.url, model="m2", cache=cache).invoke("hi").text

    assert (first, second) == ("one", "two")


@check("copies", "no public report known")
def a_changed_model_is_asked(adapter: Adapter, server: ScriptedServer) -> None:
    """After `model_copy(update=…)` the new model is asked, not the old one (no public report known)."""
    server.play(completion())
    model = adapter.chat(server.url, model="old")
    model.invoke("hi")

    model.model_copy(update={adapter.model_field: "new"}).invoke("hi")

    assert adapter.asked_model(server.last) == "new"


@check("streams", "LangChain contract: streaming", other_models=True)
def tool_calls_without_an_index_are_kept(adapter: Adapter, server: ScriptedServer) -> None:
    """A streamed tool call whose delta has no `index`, as Mistral's, is not lost."""
    frames = (
        chunk({"role": "assistant", "content": "", "tool_calls": [tool_call("get_weather", {"city": "Rome"})]}),
        chunk({}, "tool_calls"),
    )
    server.play(sse(*frames))

    answer = whole(adapter.chat(server.url).bind_tools([get_weather]).stream("weather?"))

    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("get_weather", {"city": "Rome"})]


@check("streams", "LangChain contract: streaming")
def an_error_inside_a_stream_is_raised(adapter: Adapter, server: ScriptedServer) -> None:
    """An error object among the events of a stream is raised, with its message, not swallowed."""
    server.play(sse(_HELLO[0], {"error": {"code": "overloaded", "message": "the model is overloaded"}}))

    text, error = broken_off(adapter.chat(server.url, max_retries=0).stream("hi"))

    assert text == "Hel"
    assert "overloaded" in said(error)


@check("streams", "LangChain contract: streaming")
def a_cut_stream_is_no_answer(adapter: Adapter, server: ScriptedServer) -> None:
    """A stream that ends before its `finish_reason` raises; half an answer does not pass for a whole one."""
    server.play(sse(*_HELLO[:2], done=False))

    text, _ = broken_off(adapter.chat(server.url, max_retries=0).stream("hi"))

    assert text == "Hello"


@check("errors", "langchain-ai/langchain#18977")
def an_answer_without_choices_does_not_crash(adapter: Adapter, server: ScriptedServer) -> None:
    """`choices: []` gives an empty answer or a clear error, not a crash (langchain-ai/langchain#18977)."""
    server.play(Reply(body={**_head("chat.completion", "m"), "choices": [], "usage": _USAGE}))
    crashes = (UnboundLocalError, TypeError, IndexError, AttributeError, KeyError)
    model = adapter.chat(server.url, max_retries=0)

    try:
        model.invoke("hi")
    except crashes:
        raise
    except Exception as error:  # noqa: BLE001  whichever the class raises
        assert str(error), "the error says nothing"  # noqa: PT017  either outcome is right


@check("Entra ID", "LangChain contract: `timeout`, `max_retries`")
def timeout_and_retries_hold_with_entra_id(adapter: Adapter, server: ScriptedServer) -> None:
    """`timeout` and `max_retries` are obeyed with a token credential as they are with a key."""

    def slow(_: Request) -> Reply:
        time.sleep(2.0)
        return completion()

    server.play(slow)
    hasty = adapter.chat(server.url, token=Credential(), timeout=0.4, max_retries=0)
    begun = time.monotonic()
    with raises():
        hasty.invoke("hi", **adapter.call_options)
    assert time.monotonic() - begun < 1.5
    assert len(server.requests) == 1

    server.play(refusal(500, "broken"))
    twice = adapter.chat(server.url, token=Credential(), max_retries=1)
    with raises():
        twice.invoke("hi", **adapter.call_options)
    assert len(server.requests) == 1 + 2


@check("streams", "langchain-ai/langchain#35984")
def text_and_tool_calls_stay_apart_in_v1_streams(adapter: Adapter, server: ScriptedServer) -> None:
    """With `output_version="v1"`, text before a tool call is not merged with it (langchain-ai/langchain#35984)."""
    call = tool_call("get_weather", {"city": "Rome"}, index=0)
    server.play(sse(_HELLO[0], chunk({"tool_calls": [call]}), chunk({}, "tool_calls")))

    answer = whole(adapter.chat(server.url, output_version="v1").bind_tools([get_weather]).stream("weather?"))

    texts = [block for block in answer.content if block["type"] == "text"]
    assert [block["text"] for block in texts] == ["Hel"]
    assert not {"id", "name", "args"} & set(texts[0])
    assert [call["args"] for call in answer.tool_calls] == [{"city": "Rome"}]


@check("agents", "LangChain contract: `create_agent`")
def no_tools_means_no_tool_fields(adapter: Adapter, server: ScriptedServer) -> None:
    """`bind_tools([])`, which `create_agent` calls, sends no empty `tools`, which the service refuses."""
    server.play(completion())

    adapter.chat(server.url).bind_tools([]).invoke("hi")

    assert not {"tools", "tool_choice"} & set(server.last.body)


@check("serialization", "LangChain contract: `is_lc_serializable`")
def a_dump_can_be_loaded(adapter: Adapter, server: ScriptedServer) -> None:
    """What `dumpd` writes, `load` turns into a working model, with the secret from the secrets map."""
    server.play(completion())
    model = adapter.chat(server.url, temperature=0)
    kind = type(model)
    if not kind.is_lc_serializable():
        raise NotApplicable("LangChain's serialisation")
    names = {*model.lc_secrets.values()}

    twin: Any = load(
        json.loads(dumps(model)),
        secrets_map=dict.fromkeys(names, KEY),
        allowed_objects=[kind],
        valid_namespaces=[kind.__module__.partition(".")[0]],
    )

    assert isinstance(twin, kind)
    assert twin.invoke("hi").text == "Hello"


# ---------------------------------------------------------------------------- reasoning, usage, errors, Entra ID


def _blocks(message: Any) -> list[tuple[str, str]]:
    return [(block["type"], block.get("reasoning") or block.get("text")) for block in message.content_blocks]


_THOUGHT = [("reasoning", "Let me think."), ("text", "42")]


@check("reasoning", "langchain-ai/langchain-azure#49, langchain-ai/langchain#35059", other_models=True)
def reasoning_content_is_a_block(adapter: Adapter, server: ScriptedServer) -> None:
    """`reasoning_content` becomes a standard reasoning block (langchain-ai/langchain-azure#49)."""
    server.play(completion("42", reasoning_content="Let me think."))

    assert _blocks(adapter.chat(server.url, model="DeepSeek-R1").invoke("hi")) == _THOUGHT


@check("reasoning", "langchain-ai/langchain#34706", other_models=True)
def streamed_reasoning_content_is_a_block(adapter: Adapter, server: ScriptedServer) -> None:
    """Streamed `reasoning_content` becomes a standard reasoning block (langchain-ai/langchain#34706)."""
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "reasoning_content": "Let me "},
        {"reasoning_content": "think."},
        {"content": "42"},
    ]
    server.play(sse(*map(chunk, deltas), chunk({}, "stop")))

    assert _blocks(whole(adapter.chat(server.url, model="DeepSeek-R1").stream("hi"))) == _THOUGHT


@check("reasoning", "langchain-ai/langchain#35059", other_models=True)
def reasoning_is_among_the_v3_events(adapter: Adapter, server: ScriptedServer) -> None:
    """`stream_events(version="v3")` gives reasoning and text apart (langchain-ai/langchain#35059)."""
    deltas: list[dict[str, Any]] = [
        {"reasoning_content": "Let me "},
        {"reasoning_content": "think."},
        {"content": "42"},
    ]
    server.play(sse(*map(chunk, deltas), chunk({}, "stop")))

    events = list(adapter.chat(server.url, model="DeepSeek-R1").stream_events("hi", version="v3"))

    done = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert [(block["type"], block.get("reasoning") or block.get("text")) for block in done] == _THOUGHT


@check("reasoning", "langchain-ai/langchain-azure#49, BerriAI/litellm#8267", other_models=True)
def think_tags_are_taken_out_of_the_text(adapter: Adapter, server: ScriptedServer) -> None:
    """`<think>…</think>` in the text becomes a reasoning block (langchain-ai/langchain-azure#49)."""
    server.play(completion("<think>Let me think.</think>42"))

    assert _blocks(adapter.chat(server.url, model="DeepSeek-R1").invoke("hi")) == _THOUGHT


@check("reasoning", "langchain-ai/langchain-azure#49, BerriAI/litellm#8267", other_models=True)
def streamed_think_tags_are_taken_out_of_the_text(adapter: Adapter, server: ScriptedServer) -> None:
    """`<think>` tags split over frames are recognised in a stream as well (langchain-ai/langchain-azure#49)."""
    texts = ("<th", "ink>Let me ", "think.</thi", "nk>", "42")
    server.play(sse(*[chunk({"content": text}) for text in texts], chunk({}, "stop")))

    assert _blocks(whole(adapter.chat(server.url, model="DeepSeek-R1").stream("hi"))) == _THOUGHT


def _usage_when_asked(request: Request) -> Reply:
    asked = (request.body.get("stream_options") or {}).get("include_usage")
    frame = {**_head("chat.completion.chunk", "m"), "choices": [], "usage": _USAGE}
    return sse(*_HELLO, *([frame] if asked else []))


@check("usage", "langchain-ai/langgraph#4848, langchain-ai/langchain#26145")
def streams_have_usage_by_default(adapter: Adapter, server: ScriptedServer) -> None:
    """A stream from OpenAI's routes has usage without an argument that asks for it (langchain-ai/langgraph#4848)."""
    server.play(_usage_when_asked)

    answer = whole(adapter.chat(server.url, openai=True).stream("hi"))

    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 18


@check("usage", "langchain-ai/langchain#33298")
def streams_have_usage_when_asked_for(adapter: Adapter, server: ScriptedServer) -> None:
    """A stream has usage at least when an argument of the class asks for it (langchain-ai/langchain#33298)."""
    server.play(_usage_when_asked)

    answer = whole(adapter.chat(server.url, openai=True, **adapter.stream_usage).stream("hi"))

    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] == 18


@check("usage", "LangChain contract: `usage_metadata`")
def usage_has_its_details(adapter: Adapter, server: ScriptedServer) -> None:
    """Cached and reasoning tokens of the service's usage are in `usage_metadata`."""
    reply = completion()
    details = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 5}}
    server.play(Reply(body={**reply.body, "usage": {**_USAGE, **details}}))

    usage = adapter.chat(server.url).invoke("hi").usage_metadata

    assert usage is not None
    assert usage["input_token_details"]["cache_read"] == 4
    assert usage["output_token_details"]["reasoning"] == 5


@check("streams", "BerriAI/litellm#11696", other_models=True)
def a_service_without_stream_options_can_be_streamed(adapter: Adapter, server: ScriptedServer) -> None:
    """A model that refuses `stream_options` can still be streamed with the defaults (BerriAI/litellm#11696)."""

    def strict(request: Request) -> Reply:
        if "stream_options" in request.body:
            return refusal(422, "stream_options: Extra inputs are not permitted")
        return sse(*_HELLO)

    server.play(strict)

    assert whole(adapter.chat(server.url, openai=True, model="mistral-large").stream("hi")).text == "Hello"


@check("parameters", "BerriAI/litellm#3899, langchain-ai/langchain#29679")
def only_what_was_set_is_sent(adapter: Adapter, server: ScriptedServer) -> None:
    """No unset field (`user`, `n`, tool fields, nulls) is sent; some models refuse them (BerriAI/litellm#3899)."""
    server.play(completion())

    adapter.chat(server.url).invoke("hi")

    assert set(server.last.body) <= {"messages", "model", "stream"}
    assert set(server.last.body["messages"][0]) == {"role", "content"}


_EXTRA_INPUTS = "Extra inputs are not permitted"


@check("errors", "BerriAI/litellm#4815")
def a_refused_parameter_is_named(adapter: Adapter, server: ScriptedServer) -> None:
    """The error for a parameter that the model does not take names the parameter (BerriAI/litellm#4815)."""
    detail = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": _EXTRA_INPUTS, "input": 7}]}
    server.play(Reply(422, detail))

    model = adapter.chat(server.url, max_retries=0, seed=7)
    with raises() as caught:
        model.invoke("hi")

    assert "seed" in str(caught[0])


@check("errors", "LangChain contract: `ModelInvalidRequestError`")
def a_422_is_a_model_error(adapter: Adapter, server: ScriptedServer) -> None:
    """422, Azure's answer to an unsupported parameter, is LangChain's `ModelInvalidRequestError`."""
    server.play(refusal(422, _EXTRA_INPUTS))

    model = adapter.chat(server.url, max_retries=0, seed=7)
    with raises(lc.ModelInvalidRequestError):
        model.invoke("hi")


@check("errors", "LangChain contract: `ModelError`")
def statuses_are_typed_model_errors(adapter: Adapter, server: ScriptedServer) -> None:
    """400, 401, 403, 404, 429 and 500 are LangChain's matching model errors, which its retry middleware reads."""
    kinds = {
        400: lc.ModelInvalidRequestError,
        401: lc.ModelAuthenticationError,
        403: lc.ModelPermissionDeniedError,
        404: lc.ModelNotFoundError,
        429: lc.ModelRateLimitError,
        500: lc.ModelAPIError,
    }
    for status, kind in kinds.items():
        server.play(refusal(status, "no"))
        with raises(kind):
            adapter.chat(server.url, max_retries=0).invoke("hi")


_ACCEPTED = {
    "/models": ("https://cognitiveservices.azure.com/.default",),
    "/openai": ("https://cognitiveservices.azure.com/.default", "https://ai.azure.com/.default"),
}
_AUDIENCE = (
    "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), "
    "or have expired."
)


def _checks_audience(request: Request) -> Reply:
    accepted = next(scopes for path, scopes in _ACCEPTED.items() if request.path.startswith(path))
    if request.token.partition(":")[2] in accepted:
        return completion()
    return Reply(401, {"statusCode": 401, "message": _AUDIENCE})


@check("Entra ID", "Azure/azure-sdk-for-python#40260, langchain-ai/langchain-azure#57")
def the_default_token_scope_is_the_endpoints(adapter: Adapter, server: ScriptedServer) -> None:
    """With no scope given, the Entra ID token is for the endpoint's own audience (Azure/azure-sdk-for-python#40260)."""
    server.play(_checks_audience)

    model = adapter.chat(server.url, token=Credential(), default_scope=True, max_retries=0)

    assert model.invoke("hi", **adapter.call_options).text == "Hello"


@check("Entra ID", "Azure/azure-sdk-for-python#44412")
def a_token_for_the_wrong_audience_is_a_clear_error(adapter: Adapter, server: ScriptedServer) -> None:
    """A wrong audience is an error that names the right one, at once (Azure/azure-sdk-for-python#44412)."""
    server.play(Reply(401, {"statusCode": 401, "message": _AUDIENCE}))

    model = adapter.chat(server.url, token=Credential(), max_retries=0)
    with raises() as caught:
        model.invoke("hi", **adapter.call_options)

    assert "https://cognitiveservices.azure.com" in str(caught[0])
    assert len(server.requests) <= 2


# ---------------------------------------------------------------------------- event loops, URLs, tools, content


async def _both(model: Any) -> str:
    text = (await model.ainvoke("hi")).text
    return text + "".join([part.text async for part in model.astream("hi")])


def _either(request: Request) -> Reply:
    return sse(*_HELLO) if request.body.get("stream") else completion()


@check("event loops", "langchain-ai/langchain-azure#69, openai/openai-python#1254")
def one_model_serves_several_event_loops(adapter: Adapter, server: ScriptedServer) -> None:
    """The same instance works in one `asyncio.run` after the other (langchain-ai/langchain-azure#69)."""
    server.play(_either)
    model = adapter.chat(server.url)

    assert [asyncio.run(_both(model)) for _ in range(3)] == ["HelloHello"] * 3


@check("event loops", "bytedance/deer-flow#2615")
def a_new_model_in_a_new_event_loop_works(adapter: Adapter, server: ScriptedServer) -> None:
    """New instances in new event loops work, whatever is shared between them (bytedance/deer-flow#2615)."""
    server.play(_either)

    async def fresh() -> str:
        return await _both(adapter.chat(server.url))

    assert [asyncio.run(fresh()) for _ in range(3)] == ["HelloHello"] * 3


@check("event loops", "run-llama/llama_index#19348, run-llama/llama_index#20433")
def embeddings_serve_several_event_loops(adapter: Adapter, server: ScriptedServer) -> None:
    """The same embeddings work in one `asyncio.run` after the other (run-llama/llama_index#19348)."""
    server.play(vectors)
    model = adapter.embeddings(server.url)

    assert [asyncio.run(model.aembed_query("abc")) for _ in range(3)] == [[3.0, 0.0]] * 3


_NOISE = ("ResourceWarning", "nclosed", "Event loop is closed", "never awaited", "Exception ignored", "Traceback")


@check("event loops", "langchain-ai/langchain-azure#69, run-llama/llama_index#20433")
def a_program_ends_in_silence(adapter: Adapter, server: ScriptedServer) -> None:
    """Sync and async use, then exit: nothing about unclosed sessions is printed (langchain-ai/langchain-azure#69)."""
    server.play(_either)
    command = [sys.executable, "-X", "dev", __file__, adapter.name, "--program", server.url]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr[-500:]
    noise = [line for line in done.stderr.splitlines() if any(word in line for word in _NOISE)]
    assert not noise, noise[0]


def program(adapter: Adapter, url: str) -> None:
    """What a user's program does: sync, async, no clean-up, end."""
    model = adapter.chat(url)
    model.invoke("hi")
    whole(model.stream("hi"))
    asyncio.run(_both(model))
    del model
    gc.collect()


@check("URLs", "langchain-ai/langchain-azure#79, BerriAI/litellm#7275")
def a_url_pasted_with_its_route_works(adapter: Adapter, server: ScriptedServer) -> None:
    """The target URI as the portal shows it, with route and api-version, works (langchain-ai/langchain-azure#79)."""

    def exact(request: Request) -> Reply:
        return completion() if request.path == adapter.chat_path else refusal(404, "Resource not found")

    server.play(exact)
    query = {} if "/v1/" in adapter.chat_path else {"api-version": "2025-04-01"}
    pasted = server.url + adapter.chat_path + ("?" + urlencode(query) if query else "")

    model = adapter.chat(server.url, pasted=pasted, max_retries=0)

    assert model.invoke("hi").text == "Hello"
    assert query.items() <= server.last.query.items()


@check("errors", "BerriAI/litellm#11227, BerriAI/litellm#17765")
def a_404_shows_the_url(adapter: Adapter, server: ScriptedServer) -> None:
    """A 404 says which URL was called (BerriAI/litellm#11227)."""
    server.play(refusal(404, "Resource not found"))

    model = adapter.chat(server.url, max_retries=0)
    with raises() as caught:
        model.invoke("hi")

    assert adapter.chat_path in str(caught[0])


@check("tools", "langchain-ai/langchain-azure#67")
def tool_choice_any_is_required_on_the_wire(adapter: Adapter, server: ScriptedServer) -> None:
    """LangChain's `tool_choice="any"` becomes the service's `required` (langchain-ai/langchain-azure#67)."""
    server.play(completion())

    adapter.chat(server.url).bind_tools([get_weather], tool_choice="any").invoke("hi")

    assert server.last.body["tool_choice"] == "required"


@check("tools", "langchain-ai/langchain-azure#165")
def a_tools_name_as_tool_choice_becomes_an_object(adapter: Adapter, server: ScriptedServer) -> None:
    """A tool's name as `tool_choice` becomes the service's function object (langchain-ai/langchain-azure#165)."""
    server.play(completion())

    adapter.chat(server.url).bind_tools([get_weather], tool_choice="get_weather").invoke("hi")

    assert server.last.body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


@check("tools", "langchain-ai/langchain-azure#35")
def tool_calls_go_back_with_their_type(adapter: Adapter, server: ScriptedServer) -> None:
    """Tool calls of the history go back with `type` and without `index` (langchain-ai/langchain-azure#35)."""
    call = tool_call("get_weather", {"city": "東京"}, index=0)
    server.play(sse(chunk({"tool_calls": [call]}), chunk({}, "tool_calls")), completion())
    model = adapter.chat(server.url).bind_tools([get_weather])
    answer = whole(model.stream("weather?"))

    model.invoke([HumanMessage("weather?"), answer, ToolMessage("sunny", tool_call_id="call_1")])

    sent = server.last.body["messages"][1]["tool_calls"][0]
    assert set(sent) == {"id", "type", "function"}
    assert sent["type"] == "function"
    assert json.loads(sent["function"]["arguments"]) == {"city": "東京"}


@check("content", "langchain-ai/langchain-azure#19")
def an_answer_without_content_is_taken(adapter: Adapter, server: ScriptedServer) -> None:
    """`content: null` beside tool calls is taken, and can be sent back (langchain-ai/langchain-azure#19)."""
    server.play(completion(None, finish="tool_calls", tool_calls=[tool_call("get_weather", {"city": "Rome"})]))
    model = adapter.chat(server.url).bind_tools([get_weather])

    answer = model.invoke("weather?")
    model.invoke([HumanMessage("weather?"), answer, ToolMessage("sunny", tool_call_id="call_1")])

    assert answer.content in ("", [])
    assert [call["args"] for call in answer.tool_calls] == [{"city": "Rome"}]


@check("content", "langchain-ai/langchain-azure#226")
def untyped_content_items_get_a_type(adapter: Adapter, server: ScriptedServer) -> None:
    """Strings and dicts without `type` in a content list become text parts (langchain-ai/langchain-azure#226)."""
    server.play(completion())

    items: list[Any] = ["Hello", {"text": "there"}]
    adapter.chat(server.url).invoke([HumanMessage(items)])

    content = server.last.body["messages"][0]["content"]
    assert isinstance(content, str) or all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    assert "Hello" in str(content)
    assert "there" in str(content)


# ---------------------------------------------------------------------------- structured output, parameters, history

_WIRE_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "Trip", "schema": {**Trip.model_json_schema(), "additionalProperties": False}},
}


@check("structured output", "crewAIInc/crewAI#3906")
def response_format_may_be_a_dict(adapter: Adapter, server: ScriptedServer) -> None:
    """`response_format` in the wire's own form is sent as it is (crewAIInc/crewAI#3906)."""
    server.play(fill_schema)

    answer = adapter.chat(server.url).bind(response_format=_WIRE_SCHEMA).invoke("a trip")

    assert server.last.body["response_format"] == _WIRE_SCHEMA
    assert json.loads(answer.text) == _TRIP


@check("structured output", "microsoft/semantic-kernel#11708, LangChain contract: `create_agent`")
def an_agent_gives_a_structured_response(adapter: Adapter, server: ScriptedServer) -> None:
    """`create_agent(model, response_format=Schema)` gives an object of the schema."""
    from langchain.agents import create_agent

    server.play(fill_schema)

    agent: Any = create_agent(adapter.chat(server.url, model="gpt-4o"), tools=[], response_format=Trip)

    assert agent.invoke({"messages": [HumanMessage("a trip")]})["structured_response"] == Trip(**_TRIP)


@check("structured output", "LangChain contract: `with_structured_output`")
def json_schema_takes_a_typed_dict(adapter: Adapter, server: ScriptedServer) -> None:
    """`with_structured_output(method="json_schema")` takes a TypedDict as it takes a class."""
    server.play(fill_schema)
    model = adapter.chat(server.url)

    assert model.with_structured_output(TripDict, method="json_schema").invoke("a trip") == _TRIP
    assert model.with_structured_output(Trip, method="json_schema").invoke("a trip") == Trip(**_TRIP)


@check("structured output", "LangChain contract: `with_structured_output`")
def json_mode_gives_an_instance(adapter: Adapter, server: ScriptedServer) -> None:
    """`with_structured_output(method="json_mode")` with a class gives an instance of it, not a dict."""
    server.play(fill_schema)

    answer = adapter.chat(server.url).with_structured_output(Trip, method="json_mode").invoke("a trip as JSON")

    assert answer == Trip(**_TRIP)


@check("parameters", "OpenHands/OpenHands#11662, actions/ai-inference#116")
def max_tokens_works_where_only_max_completion_tokens_does(adapter: Adapter, server: ScriptedServer) -> None:
    """`max_tokens` works on a model that takes only `max_completion_tokens` (OpenHands/OpenHands#11662)."""

    def reasoning_model(request: Request) -> Reply:
        if "max_tokens" in request.body:
            message = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            )
            return refusal(400, message, param="max_tokens", type="invalid_request_error")
        return completion() if request.body.get("max_completion_tokens") == 50 else refusal(400, "no limit given")

    server.play(reasoning_model)

    assert adapter.chat(server.url, max_tokens=50, max_retries=0).invoke("hi").text == "Hello"


@check("parameters", "lobehub/lobehub#5909, FlowiseAI/Flowise#5060", other_models=True)
def max_tokens_works_where_only_max_tokens_does(adapter: Adapter, server: ScriptedServer) -> None:
    """`max_tokens` works on a model that refuses `max_completion_tokens` (lobehub/lobehub#5909)."""

    def older_model(request: Request) -> Reply:
        if "max_completion_tokens" in request.body:
            return refusal(422, f"max_completion_tokens: {_EXTRA_INPUTS}")
        return completion() if request.body.get("max_tokens") == 50 else refusal(400, "no limit given")

    server.play(older_model)

    assert adapter.chat(server.url, max_tokens=50, max_retries=0).invoke("hi").text == "Hello"


@check("parameters", "langchain-ai/langchain#29396, langchain-ai/langchain#34003")
def reasoning_models_work_with_the_defaults(adapter: Adapter, server: ScriptedServer) -> None:
    """No sampling parameter that nobody set breaks a reasoning model of any name (langchain-ai/langchain#29396)."""
    sampling = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}

    def reasoning_model(request: Request) -> Reply:
        for name, default in sampling.items():
            if request.body.get(name, default) != default:
                return refusal(400, f"Unsupported value: '{name}'. Only the default ({default}) value is supported.")
        return completion()

    server.play(reasoning_model)

    for name in ("O3-Mini", "o1-preview", "prod"):
        assert adapter.chat(server.url, model=name, max_retries=0).invoke("hi").text == "Hello", name


@check("parameters", "no public report known")
def zero_is_a_value(adapter: Adapter, server: ScriptedServer) -> None:
    """`temperature=0` and `seed=0` are sent (no public report known)."""
    server.play(completion())

    adapter.chat(server.url, temperature=0, seed=0).invoke("hi")

    assert (server.last.body["temperature"], server.last.body["seed"]) == (0, 0)


@check("embeddings", "BerriAI/litellm#11434, Azure/azure-sdk-for-python#41001", other_models=True)
def queries_and_documents_are_embedded_differently(adapter: Adapter, server: ScriptedServer) -> None:
    """A Cohere model gets `input_type` query and document (BerriAI/litellm#11434)."""
    server.play(vectors)
    model = adapter.embeddings(server.url, model="cohere-embed-v3-english")

    model.embed_query("hi")
    query = server.last.body.get("input_type")
    model.embed_documents(["hi"])

    assert (query, server.last.body.get("input_type")) == ("query", "document")


@check("embeddings", "Azure/azure-sdk-for-python#41001, BerriAI/litellm#11126")
def extra_fields_of_embeddings_are_sent(adapter: Adapter, server: ScriptedServer) -> None:
    """Further fields of embeddings reach the service under their own names (Azure/azure-sdk-for-python#41001)."""
    server.play(vectors)

    adapter.embeddings(server.url, extra={"truncate": "END"}).embed_documents(["hi"])

    assert server.last.body["truncate"] == "END"


@check("history", "danny-avila/LibreChat#12429, zed-industries/zed#37021", other_models=True)
def a_question_after_a_tool_result_reaches_mistral(adapter: Adapter, server: ScriptedServer) -> None:
    """A user message after a tool result, which Mistral refuses, is put in order (danny-avila/LibreChat#12429)."""

    def mistral(request: Request) -> Reply:
        roles = [message["role"] for message in request.body["messages"]]
        if ("tool", "user") in pairwise(roles):
            return refusal(400, "Unexpected role 'user' after role 'tool'")
        return completion()

    server.play(mistral)
    calls = [{"id": "call_1", "name": "get_weather", "args": {"city": "Rome"}}]
    history = [HumanMessage("hi"), AIMessage("", tool_calls=calls), ToolMessage("sunny", tool_call_id="call_1")]

    answer = adapter.chat(server.url, model="Mistral-Large-2411", max_retries=0).invoke([*history, HumanMessage("?")])

    assert answer.text == "Hello"


# ---------------------------------------------------------------------------- embeddings, profile, HTTP client, copies


@check("embeddings", "langchain-ai/langchain#6793, agno-agi/agno#6759", other_models=True)
def texts_are_sent_as_texts_by_default(adapter: Adapter, server: ScriptedServer) -> None:
    """By default embeddings send texts, no token ids, and download no tokenizer (langchain-ai/langchain#6793)."""
    server.play(vectors)

    adapter.embeddings(server.url, plain=True).embed_documents(["a", "bb"])

    assert server.last.body["input"] == ["a", "bb"]


@check("embeddings", "langchain-ai/langchain#23268, langchain-ai/langchain#21575")
def one_query_is_sent_as_a_list(adapter: Adapter, server: ScriptedServer) -> None:
    """A query is a list of one text, which all models take (langchain-ai/langchain#23268)."""
    server.play(vectors)

    vector = adapter.embeddings(server.url).embed_query("abc")

    assert server.last.body["input"] == ["abc"]
    assert vector == [3.0, 0.0]


@check("embeddings", "embeddings API: `data[].index`")
def vectors_come_back_in_the_order_of_the_texts(adapter: Adapter, server: ScriptedServer) -> None:
    """Vectors that the service lists in another order are put back into that of the texts."""
    server.play(vectors)

    assert adapter.embeddings(server.url).embed_documents(["a", "bb", "ccc"]) == [[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]]


@check("profile", "langchain-ai/langchain#36761, openchoreo/openchoreo#3574", other_models=True)
def catalogue_models_have_a_profile(adapter: Adapter, server: ScriptedServer) -> None:
    """Models of the catalogue have a profile with their limits (langchain-ai/langchain#36761)."""
    for name in ("Mistral-Large-2411", "DeepSeek-R1", "Phi-4", "gpt-4o"):
        profile = adapter.chat(server.url, model=name).profile
        assert profile, name
        assert profile["max_input_tokens"], name


@check("profile", "langchain-ai/langchain#36761")
def a_profile_can_be_given(adapter: Adapter, server: ScriptedServer) -> None:
    """The caller's own `profile` wins, since deployment names are free text (langchain-ai/langchain#36761)."""
    model = adapter.chat(server.url, model="prod", profile={"max_input_tokens": 1000, "tool_calling": True})

    assert model.profile == {"max_input_tokens": 1000, "tool_calling": True}


@check("profile", "LangChain contract: `get_num_tokens`")
def tokens_are_counted_offline(adapter: Adapter, server: ScriptedServer) -> None:
    """Counting tokens, as trimming and summaries do, needs no download."""
    count = adapter.chat(server.url, model="gpt-4o").get_num_tokens_from_messages([HumanMessage("hi there")])

    assert count > 0


@check("HTTP client", "langchain-ai/langchain#25561, langchain-ai/langchain#19116")
def the_callers_sync_client_is_used_and_async_still_works(adapter: Adapter, server: ScriptedServer) -> None:
    """A sync HTTP client of the caller's is used, and async calls still work (langchain-ai/langchain#25561)."""
    server.play(_either)
    own = adapter.own_http_client()
    try:
        model = adapter.chat(server.url, http_client=own)
        model.invoke("hi")
        assert server.last.headers.get("x-own") == "yes"
        assert asyncio.run(_both(model)) == "HelloHello"
    finally:
        own.close()


@check("HTTP client", "langchain-ai/langchain#32489")
def the_environments_proxy_is_used(adapter: Adapter, server: ScriptedServer) -> None:
    """`HTTP_PROXY` is followed, in sync and async code (langchain-ai/langchain#32489)."""
    server.play(_either)
    names = ("HTTP_PROXY", "http_proxy")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, server.url))
    try:
        model = adapter.chat("http://models.example.test", max_retries=0)
        model.invoke("hi")
        asyncio.run(_both(model))
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})

    assert len(server.requests) == 3
    assert all(request.target.startswith("http://models.example.test") for request in server.requests)


def _used(adapter: Adapter, server: ScriptedServer) -> Any:
    server.play(_either)
    model = adapter.chat(server.url, temperature=0)
    model.invoke("hi")
    asyncio.run(_both(model))
    return model


@check("copies", "ScrapeGraphAI/Scrapegraph-ai#374")
def a_used_model_can_be_pickled(adapter: Adapter, server: ScriptedServer) -> None:
    """A model that was used, sync and async, pickles, and its twin works (ScrapeGraphAI/Scrapegraph-ai#374)."""
    twin = pickle.loads(pickle.dumps(_used(adapter, server)))

    assert twin.invoke("hi").text == "Hello"
    assert server.last.body["temperature"] == 0


@check("copies", "HKUDS/LightRAG#21")
def a_used_model_can_be_copied(adapter: Adapter, server: ScriptedServer) -> None:
    """`copy.deepcopy` of a model that was used works (HKUDS/LightRAG#21)."""
    twin = copy.deepcopy(_used(adapter, server))

    assert twin.invoke("hi").text == "Hello"


# ---------------------------------------------------------------------------- content filter, tokens, time

_FILTERED = {
    "hate": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": True, "severity": "medium"},
}


@check("content filter", "langchain-ai/langchain#18977, microsoft/semantic-kernel#4996")
def a_filtered_prompt_is_a_typed_error_with_categories(adapter: Adapter, server: ScriptedServer) -> None:
    """A prompt that the filter refuses is a model error with the categories (langchain-ai/langchain#18977)."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _FILTERED}
    message = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    server.play(Reply(400, {"error": {"code": "content_filter", "message": message, "innererror": inner}}))

    model = adapter.chat(server.url, max_retries=0)
    with raises(lc.ModelError) as caught:
        model.invoke("hi")

    assert "violence" in said(caught[0])


@check("content filter", "microsoft/semantic-kernel#4996")
def a_filtered_answer_keeps_its_text_and_categories(adapter: Adapter, server: ScriptedServer) -> None:
    """An answer cut by the filter keeps its text, its finish reason and the categories, wherever it stands."""
    body = completion("So far", finish="content_filter").body
    choice = {**body["choices"][0], "content_filter_results": _FILTERED}
    server.play(Reply(body={**body, "choices": [choice]}))

    answer = adapter.chat(server.url).invoke("hi")

    assert answer.text == "So far"
    assert answer.response_metadata["finish_reason"] == "content_filter"
    assert "violence" in str(answer.response_metadata)


@check("content filter", "langchain-ai/langchain#18977")
def a_frame_of_filter_results_alone_is_taken(adapter: Adapter, server: ScriptedServer) -> None:
    """A stream's first frame with `choices: []` and filter results does no harm (langchain-ai/langchain#18977)."""
    prompt = {"prompt_index": 0, "content_filter_results": _FILTERED}
    first = {**_head("", ""), "id": "", "choices": [], "prompt_filter_results": [prompt]}
    server.play(sse(first, *_HELLO))

    answer = whole(adapter.chat(server.url).stream("hi"))

    assert answer.text == "Hello"
    assert answer.response_metadata.get("model_name", "m") == "m"


@check("Entra ID", "earendil-works/pi#6228, earendil-works/pi#9645")
def the_route_does_not_depend_on_the_credential(adapter: Adapter, server: ScriptedServer) -> None:
    """Key and Entra ID use the same route, and by default that of chat completions (earendil-works/pi#6228)."""
    server.play(completion())

    adapter.chat(server.url, plain=True, max_retries=0).invoke("hi")
    model = adapter.chat(server.url, plain=True, max_retries=0, token=Credential())
    with suppress(Exception):  # the reply fits one route only
        model.invoke("hi", **adapter.call_options)

    assert [request.path for request in server.requests] == [adapter.chat_path] * 2


@check("Entra ID", "langchain-ai/langchain-azure#673, langchain-ai/langchain#12632")
def a_stale_token_is_replaced(adapter: Adapter, server: ScriptedServer) -> None:
    """A token that has expired is fetched anew for the next call (langchain-ai/langchain-azure#673)."""
    server.play(completion())
    model = adapter.chat(server.url, token=Credential())

    for _ in range(2):
        model.invoke("hi", **adapter.call_options)

    first, second = (request.token.partition(":")[0] for request in server.requests)
    assert int(second) > int(first)


@check("Entra ID", "langchain-ai/langchain#12632")
def a_sync_credential_does_not_block_the_event_loop(adapter: Adapter, server: ScriptedServer) -> None:
    """A slow sync credential used from async code leaves the event loop running (langchain-ai/langchain#12632)."""
    server.play(completion())
    credential = Credential()
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)

    async def ask() -> None:
        model = adapter.chat(server.url, token=credential)
        await model.ainvoke("hi", **adapter.call_options)  # imports and connections are made here
        credential.delay = 1.0
        ticking = asyncio.create_task(tick())
        await model.ainvoke("hi", **adapter.call_options)
        ticking.cancel()

    asyncio.run(ask())

    assert gaps
    assert max(gaps) < 0.6


@check("time", "jasonacox/TinyLLM#17")
def a_wait_that_the_service_asks_for_is_kept(adapter: Adapter, server: ScriptedServer) -> None:
    """After a 429 the request is repeated, not before the time that the service names (jasonacox/TinyLLM#17)."""
    refused = Reply(429, {"error": {"code": "429", "message": "Rate limit is exceeded."}}, {"retry-after": "2"})
    server.play(refused, completion())
    begun = time.monotonic()

    assert adapter.chat(server.url, max_retries=2).invoke("hi").text == "Hello"
    assert time.monotonic() - begun >= 1.9


@check("time", "567-labs/instructor#1082")
def an_absurd_wait_is_not_slept(adapter: Adapter, server: ScriptedServer) -> None:
    """A wait of 86400 seconds is not slept (567-labs/instructor#1082)."""
    refused = Reply(429, {"error": {"code": "429", "message": "Quota exceeded."}}, {"retry-after": "86400"})
    server.play(refused)
    model = adapter.chat(server.url, max_retries=1)
    begun = time.monotonic()

    with raises():
        model.invoke("hi")

    assert time.monotonic() - begun < 15


def _stalling(_: Request) -> Reply:
    return sse(_HELLO[0], *[piece for _ in range(30) for piece in (0.1, b": keep-alive\n\n")], *_HELLO[1:])


@check("time", "langchain-openai `stream_chunk_timeout`")
def a_stalled_stream_ends_in_sync_code(adapter: Adapter, server: ScriptedServer) -> None:
    """A stream that sends only keep-alive comments ends with an error after the given time, in sync code."""
    server.play(_stalling)
    model = adapter.chat(server.url, timeout=0.4, max_retries=0, **adapter.stalled)
    begun = time.monotonic()

    text, _ = broken_off(model.stream("hi"))

    assert text == "Hel"
    assert time.monotonic() - begun < 2.5


@check("time", "langchain-openai `stream_chunk_timeout`")
def a_stalled_stream_ends_in_async_code(adapter: Adapter, server: ScriptedServer) -> None:
    """A stream that sends only keep-alive comments ends with an error after the given time, in async code."""
    server.play(_stalling)
    model = adapter.chat(server.url, timeout=0.4, max_retries=0, **adapter.stalled)
    begun = time.monotonic()

    text, _ = asyncio.run(abroken_off(model.astream("hi")))

    assert text == "Hel"
    assert time.monotonic() - begun < 2.5


# ---------------------------------------------------------------------------- extra fields, checkpoints, side routes


@check("parameters", "Azure/azure-sdk-for-python#42561, microsoft/semantic-kernel#13005")
def extra_fields_are_sent_under_their_own_names(adapter: Adapter, server: ScriptedServer) -> None:
    """Model extras stand at the top of the body, not under another key (Azure/azure-sdk-for-python#42561)."""
    server.play(completion())

    adapter.chat(server.url, extra={"safe_prompt": True}).invoke("hi")

    assert server.last.body["safe_prompt"] is True
    assert set(server.last.body) <= {"messages", "model", "stream", "safe_prompt"}


@check("parameters", "langchain-ai/langchain#28129", other_models=True)
def extra_fields_come_with_their_header(adapter: Adapter, server: ScriptedServer) -> None:
    """On `/models`, extra fields come with `extra-parameters: pass-through` (langchain-ai/langchain#28129)."""
    if not adapter.chat_path.startswith("/models"):
        raise NotApplicable("the `/models` routes")
    server.play(completion())

    adapter.chat(server.url, extra={"safe_prompt": True}).invoke("hi")

    assert server.last.headers.get("extra-parameters") == "pass-through"


@check("tools", "langchain-ai/langchain#28129", other_models=True)
def tools_can_be_bound_on_a_single_model_endpoint(adapter: Adapter, server: ScriptedServer) -> None:
    """An endpoint that serves one model needs no model name, and takes tools (langchain-ai/langchain#28129)."""
    if not adapter.chat_path.startswith("/models"):
        raise NotApplicable("endpoints that serve one model")
    server.play(completion(None, finish="tool_calls", tool_calls=[tool_call("get_weather", {"city": "Rome"})]))
    model = adapter.chat(server.url, pasted=server.url, model=None)

    answer = model.bind_tools([get_weather]).invoke("weather?")

    assert answer.tool_calls[0]["name"] == "get_weather"
    assert server.last.body.get("model") is None
    assert server.last.path == "/chat/completions"


@check("serialization", "langchain-ai/langchain-azure#179, langchain-ai/langgraph#6275")
def answers_fit_into_a_checkpoint(adapter: Adapter, server: ScriptedServer) -> None:
    """An answer with tool calls survives LangGraph's checkpoint serializer (langchain-ai/langchain-azure#179)."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    server.play(completion(None, finish="tool_calls", tool_calls=[tool_call("get_weather", {"city": "Rome"})]))
    answer = adapter.chat(server.url).bind_tools([get_weather]).invoke("weather?")
    serializer = JsonPlusSerializer(pickle_fallback=False)

    again = serializer.loads_typed(serializer.dumps_typed(answer))

    assert again == answer
    assert again.additional_kwargs == json.loads(json.dumps(answer.additional_kwargs))


@check("embeddings", "BerriAI/litellm#17527", other_models=True)
def images_are_embedded_on_their_own_route(adapter: Adapter, server: ScriptedServer) -> None:
    """Images go to `/images/embeddings` in the field `image` (BerriAI/litellm#17527)."""

    def images(_: Request) -> Reply:
        return Reply(
            body={"object": "list", "model": "m", "data": [{"index": 0, "embedding": [1.0, 2.0]}], "usage": {}}
        )

    server.play(images)
    url = f"data:image/png;base64,{_PIXEL}"

    assert adapter.embed_image(adapter.embeddings(server.url), url) == [1.0, 2.0]
    assert server.last.path.endswith("/images/embeddings")
    assert server.last.body["input"] == [{"image": url}]


@check("Entra ID", "BerriAI/litellm#37727")
def embeddings_take_entra_id(adapter: Adapter, server: ScriptedServer) -> None:
    """Embeddings sign their requests with a token as chat does (BerriAI/litellm#37727)."""
    server.play(vectors)
    if adapter.call_options:
        raise NotApplicable("tokens over plain HTTP for embeddings, so it cannot be tried here")

    adapter.embeddings(server.url, token=Credential()).embed_query("hi")

    assert server.last.token.startswith("1:https://")


# ---------------------------------------------------------------------------- one check as a program


def verdict(adapter: Adapter, one: Check) -> dict[str, str]:
    """The result of a check: `pass`, `fail` or `n/a`, and why."""
    try:
        with ScriptedServer(completion()) as server:
            one.run(adapter, server)
    except NotApplicable as reason:
        return {"result": "n/a", "detail": str(reason)}
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the result
        if one.other_models and adapter.only_openai_models:
            return {"result": "n/a", "detail": "models that are not OpenAI's"}
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split()) or where.line or ""
        return {"result": "fail", "detail": f"{type(error).__name__}: {text[:160]}"}
    return {"result": "pass", "detail": ""}


def main() -> None:
    """Runs one check and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("adapter", choices=ADAPTERS)
    parser.add_argument("check", nargs="?", choices=[one.name for one in CHECKS])
    parser.add_argument("--program", metavar="URL", help="be a user's program against this server instead")
    parser.add_argument("--versions", action="store_true", help="print the versions of the adapter's distributions")
    given = parser.parse_args()
    adapter = ADAPTERS[given.adapter]
    if given.program:
        program(adapter, given.program)
    elif given.versions:
        print(adapter.versions())
    else:
        one = next(one for one in CHECKS if one.name == given.check)
        print(json.dumps(verdict(adapter, one)), flush=True)
        os._exit(0)  # a client thread that hangs is no reason to wait


if __name__ == "__main__":
    main()
