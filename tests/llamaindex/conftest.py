"""A scripted service on a loopback socket, the emulator, and one driver for sync and async."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from weakref import WeakSet

os.environ["IS_TESTING"] = "1"  # else the framework builds OpenAI defaults

import llama_index.core
import pytest

# Offline, also in worker processes: unpickling a splitter loads the tokenizer's table.
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(llama_index.core.__file__).parent / "_static" / "tiktoken_cache")

KEY = "planted-key-0123456789abcdef"


def pytest_collection_modifyitems(items):
    """Lets pass what the framework itself warns of; everything else stays an error."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:is_running called from within:DeprecationWarning"))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in (
        "AZURE_INFERENCE_ENDPOINT",
        "AZURE_INFERENCE_CREDENTIAL",
        "AZUREAI_ENDPOINT_URL",
        "AZUREAI_ENDPOINT_KEY",
    ):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What the service answers: a JSON body, or frames of a stream."""

    status: int = 200
    body: Any = None
    frames: list[Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self):
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        body = json.loads(raw) if raw else None
        script = self.server.script
        with script.lock:
            script.connections.add(self.connection)
            script.requests.append(Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            reply = script.replies.pop(0) if script.replies else script.default(body)
        self._send(reply)

    do_GET = do_POST = _answer

    def _send(self, reply):
        if reply.frames is None:
            content, kind = json.dumps(reply.body).encode(), "application/json"
        else:
            events = [f"data: {json.dumps(frame)}\n\n" for frame in reply.frames]
            content, kind = "".join([*events, "data: [DONE]\n\n" if reply.done else ""]).encode(), "text/event-stream"
        self.send_response(reply.status)
        for name, value in {"content-type": kind, "content-length": str(len(content)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Keeps the tests' output clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that goes away is normal here."""


class Service:
    """A service that gives scripted answers, then plain ones, and keeps all requests."""

    def __init__(self):
        self.requests: list[Seen] = []
        self.replies: list[Reply] = []
        self.connections: WeakSet = WeakSet()
        self.lock = Lock()
        self.key = KEY
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def last(self) -> Seen:
        return self.requests[-1]

    def will(self, *replies: Reply) -> None:
        """Adds replies to the script."""
        self.replies += replies

    def says(self, content="Paris.", calls=None, *, finish=None, usage=(11, 7), reasoning=None, **extra) -> Reply:
        """A chat answer."""
        message = {"role": "assistant", "content": content}
        if calls is not None:
            message["tool_calls"] = calls
        if reasoning is not None:
            message["reasoning_content"] = reasoning
        choice = {"index": 0, "message": message, "finish_reason": finish or ("tool_calls" if calls else "stop")}
        body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice], **extra}
        if usage:
            body["usage"] = usage if isinstance(usage, dict) else self.usage(*usage)
        return Reply(body=body, headers={"x-request-id": "req-1"})

    @staticmethod
    def usage(prompt, completion):
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    @staticmethod
    def call(call_id, name, arguments, **extra):
        """A wire tool call."""
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}, **extra}

    @staticmethod
    def frame(delta=None, finish=None, usage=None, **extra):
        """A stream frame; `delta=None` leaves the choice out."""
        choices = (
            [] if delta is None and finish is None else [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
        )
        frame = {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "served",
            "choices": choices,
            **extra,
        }
        return {**frame, "usage": usage} if usage else frame

    def streams(self, *chunks, usage=(11, 7), finish="stop") -> Reply:
        """A streamed answer: strings are text, dicts are deltas."""
        deltas = [{"content": chunk} if isinstance(chunk, str) else chunk for chunk in chunks]
        frames = [
            {
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "choices": [],
                "prompt_filter_results": [{"prompt_index": 0}],
            },
            self.frame({"role": "assistant", "content": ""}),
            *(self.frame(delta) for delta in deltas),
            self.frame({}, finish),
        ]
        if usage:
            frames.append(self.frame(usage=self.usage(*usage)))
        return Reply(frames=frames, headers={"x-request-id": "req-1"})

    def fails(self, status, body, **headers) -> Reply:
        """An error answer."""
        return Reply(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def default(self, body) -> Reply:
        if isinstance(body, dict) and "input" in body:
            return self.embeds(body["input"])
        if isinstance(body, dict) and body.get("stream"):
            return self.streams("Par", "is.")
        return self.says()

    @staticmethod
    def embeds(items) -> Reply:
        data = [
            {"index": n, "object": "embedding", "embedding": [float(len(str(i))), float(n)]}
            for n, i in enumerate(items)
        ]
        return Reply(
            body={"object": "list", "data": data, "model": "served", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        )


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def emulator():
    from azureai_emulator import serve

    with serve() as emulator:
        yield emulator


class Caller:
    """Calls a method by its sync name, itself or its async twin, and collects what it streams."""

    def __init__(self, name):
        self.is_async = name == "async"

    async def __call__(self, target, method, *args, **kwargs):
        if not self.is_async:  # in a thread, where no event loop runs, as sync code expects
            return await asyncio.to_thread(getattr(target, method), *args, **kwargs)
        return await getattr(target, _async_name(method))(*args, **kwargs)

    async def listed(self, target, method, *args, **kwargs):
        stream = await self(target, method, *args, **kwargs)
        return [item async for item in stream] if self.is_async else await asyncio.to_thread(list, stream)


def _async_name(method):
    if method == "get_model_info":
        return "aget_model_info"
    return f"_a{method[1:]}" if method.startswith("_") else f"a{method}"


@pytest.fixture(params=["sync", "async"])
def caller(request) -> Caller:
    return Caller(request.param)


@pytest.fixture
def make_llm(service):
    """A chat model on the scripted service: a single-model endpoint by default."""
    from llamaindex_azureai import AzureAI

    def make(path="/serverless/chat", **options):
        return AzureAI(**{"endpoint": service.url + path, "credential": KEY, "max_retries": 0, **options})

    return make


@pytest.fixture
def llm(make_llm):
    return make_llm(model="gpt-4o")


@pytest.fixture
def user():
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role="user", content="Capital of France?")]


class Recorder:
    """The instrumentation events and the legacy callbacks of a test."""

    def __init__(self):
        self.events: list[Any] = []

    def names(self):
        return [type(event).__name__ for event in self.events]


@pytest.fixture
def recorder():
    """Records the events that the framework's dispatcher sends while a test runs."""
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler

    seen = Recorder()

    class Handler(BaseEventHandler):
        @classmethod
        def class_name(cls):
            return "Recorder"

        def handle(self, event, **kwargs):
            seen.events.append(event)

    dispatcher = get_dispatcher()
    handler = Handler()
    dispatcher.add_event_handler(handler)
    yield seen
    dispatcher.event_handlers.remove(handler)
