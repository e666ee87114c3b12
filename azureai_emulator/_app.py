"""The ASGI application: thin routes around `_gate` and `_service`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.routing import Route, Router

from . import _control, _errors, _gate, _service
from ._errors import Refusal, Reply, ServiceError
from ._fault_spec import parse_fault
from ._faults import NO_FAULT, Fault
from ._gate import Incoming, Task
from ._http import (
    Conversation,
    Receive,
    Scope,
    Send,
    answer_headers,
    own_headers,
    read_body,
    request_headers,
    send_reply,
)
from ._log import Exchange, mask
from ._profiles import Catalog, Kind
from ._rates import Allowance
from ._script import ScriptedBrain, wire_frames
from ._slow import Turns, in_thread
from ._space import Space, Spaces
from ._sse import write_stream

FAULT_HEADER = "x-emulator-fault"
_ROUTES: Mapping[Kind, frozenset[str]] = {
    "serverless": frozenset({"chat/completions", "completions", "embeddings", "images/embeddings"}),
    "models": frozenset({"chat/completions", "embeddings", "images/embeddings"}),
    "openai-deployment": frozenset({"chat/completions", "completions", "embeddings"}),
    "openai-v1": frozenset({"chat/completions", "completions", "embeddings"}),
    "github": frozenset({"chat/completions", "embeddings"}),
}


class Tape(Protocol):
    """Something else that answers: a real endpoint behind us, or its recorded words."""

    async def answer(self, talk: Conversation, body: bytes) -> bool:
        """Answer one request; true when the connection has to be cut."""
        ...


@dataclass
class State:
    """What the routes share."""

    catalog: Catalog
    main: Space
    url: str = ""
    tape: Tape | None = None
    """Answers in place of the deployments."""
    turns: Turns = field(default_factory=Turns)
    """Who may ask the brains that take time."""
    spaces: Spaces = field(init=False)
    drop_connection: Callable[[Scope, bool], None] = lambda _scope, _reset: None
    """Closes or resets a request's connection; set by the server, which knows the sockets."""

    def __post_init__(self) -> None:
        self.spaces = Spaces(self.main)


def create_app(state: State) -> Router:
    """The application that serves the deployments of `state`."""
    if state.tape is not None:
        routes = [*_control_routes(state), Route("/{path:path}", Passage(state, state.tape))]
        return Router(routes, redirect_slashes=False)
    return Router(
        [
            Route("/serverless/{name}/{route:path}", Gateway(state, "serverless")),
            Route("/models/{route:path}", Gateway(state, "models")),
            Route("/openai/deployments/{name}/{route:path}", Gateway(state, "openai-deployment")),
            Route("/openai/v1/{route:path}", Gateway(state, "openai-v1")),
            Route("/github/inference/{route:path}", Gateway(state, "github")),
            Route("/github/orgs/{org}/inference/{route:path}", Gateway(state, "github")),
            Route("/github/{route:path}", Gateway(state, "github")),
            *_control_routes(state),
        ],
        default=_not_found,
        redirect_slashes=False,
    )


def _control_routes(state: State) -> list[Route]:
    def control(path: str, **actions: _control.Action) -> Route:
        return Route(path, _control.Control(state.spaces, state.catalog, state.url, **actions))

    return [
        Route("/", _control.File("index.html", "text/html; charset=utf-8")),
        Route("/_emulator/page.css", _control.File("page.css", "text/css; charset=utf-8")),
        Route("/_emulator/page.js", _control.File("page.js", "text/javascript; charset=utf-8")),
        control("/_emulator/exchanges", GET=_control.list_exchanges, DELETE=_control.clear_exchanges),
        control("/_emulator/exchanges/{number}", GET=_control.show_exchange),
        Route("/health", _control.Health()),
        control("/deployments", GET=_control.list_deployments),
        control("/_emulator/faults", GET=_control.list_faults, POST=_control.add_faults, DELETE=_control.clear_faults),
    ]


async def _not_found(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_reply(send, _errors.resource_not_found(), {})


class Gateway:
    """All routes of one endpoint kind."""

    def __init__(self, state: State, kind: Kind) -> None:
        self._state = state
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        raw = await read_body(receive, _gate.MAX_BODY)
        incoming = self._incoming(scope, raw or b"")
        space = self._state.spaces.find(incoming.headers)
        headers = answer_headers(self._kind, incoming.headers)
        talk = Conversation(scope, receive, send, space, _record(space, scope, incoming), headers, started)
        if raw is None:
            await talk.reply(_errors.body_too_large(_gate.MAX_BODY))
            return
        try:
            await self._answer(talk, incoming)
        except ServiceError as error:
            await talk.reply(error.reply)
        except Exception as error:
            if talk.exchange.status:  # the answer is on its way
                raise
            await talk.reply(_errors.emulator_defect(error))

    def _incoming(self, scope: Scope, raw: bytes) -> Incoming:
        params = scope["path_params"]
        route = params["route"].removeprefix("v1/") if self._kind == "serverless" else params["route"]
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return Incoming(self._kind, route, params.get("name"), scope["method"], query, request_headers(scope), raw)

    async def _answer(self, talk: Conversation, incoming: Incoming) -> None:
        _gate.check_key(incoming, talk.space.key)
        _gate.check_headers(incoming)
        task = self._task(incoming)
        allowance = None
        if isinstance(task, Task):
            talk.exchange.deployment = task.deployment.name
            talk.headers = own_headers(task, talk.headers)
            allowance = _admitted(talk, task)
        fault = _due_fault(talk, incoming)
        if fault is not NO_FAULT and await self._disturbed(talk, fault):
            return
        if isinstance(task, Reply) or fault.reply() is not None or not getattr(task.deployment.brain, "slow", False):
            answer = fault.reply() or (task if isinstance(task, Reply) else scripted(incoming, task, talk.space))
            await self._send(talk, answer, fault, allowance)
        else:
            await self._state.turns.run(talk.receive, lambda: self._slowly(talk, incoming, task, fault, allowance))

    async def _slowly(
        self, talk: Conversation, incoming: Incoming, task: Task, fault: Fault, allowance: Allowance | None
    ) -> None:
        answer = await in_thread(lambda: scripted(incoming, task, talk.space))
        await self._send(talk, answer, fault, allowance)

    async def _send(
        self, talk: Conversation, answer: Reply | _service.Stream, fault: Fault, allowance: Allowance | None
    ) -> None:
        _count(talk, _used_tokens(answer), allowance)
        if allowance is not None:
            talk.headers |= allowance.headers()
        if isinstance(answer, Reply):
            await talk.reply(answer)
        else:
            counted = replace(answer, ended=lambda: _count(talk, answer.rest(), allowance))
            await self._stream(talk, counted, fault)

    async def _disturbed(self, talk: Conversation, fault: Fault) -> bool:
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.reset_before_body:
            await dropped(self._state, talk, reset=True)
        return fault.reset_before_body

    async def _stream(self, talk: Conversation, stream: _service.Stream, fault: Fault) -> None:
        talk.exchange.response = []
        try:
            cut = await talk.stream(write_stream(stream, fault, talk.note_frame))
        finally:
            stream.close()
        if cut:
            await dropped(self._state, talk, reset=False)

    def _task(self, incoming: Incoming) -> Task | Reply:
        """The task for a deployment, or the reply of a route that needs none."""
        special = _SPECIAL_ROUTES.get((self._kind, incoming.route))
        if special is not None:
            return special(incoming, self._state.catalog)
        if incoming.route not in _ROUTES[self._kind]:
            return _errors.resource_not_found()
        if incoming.method != "POST":
            return _errors.method_not_allowed("POST")
        version = _gate.api_version(incoming)
        body = _gate.parse_body(incoming)
        deployment = _gate.find_deployment(incoming, body, self._state.catalog)
        return Task(self._kind, incoming.route, deployment, body, version, bool(body.get("model")))


class Passage:
    """All routes when something else answers; the key is asked for as everywhere."""

    def __init__(self, state: State, tape: Tape) -> None:
        self._state = state
        self._tape = tape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        raw = await read_body(receive, _gate.MAX_BODY)
        headers = request_headers(scope)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        space = self._state.spaces.find(headers)
        incoming = Incoming("models", scope["path"].strip("/"), None, scope["method"], query, headers, raw or b"")
        talk = Conversation(scope, receive, send, space, _record(space, scope, incoming), {}, started)
        refused = _gate.listing_refusal(headers, space.key)
        if refused or raw is None:
            await talk.reply(refused or _errors.body_too_large(_gate.MAX_BODY))
        elif await self._tape.answer(talk, raw):
            await dropped(self._state, talk, reset=False)


async def dropped(state: State, talk: Conversation, *, reset: bool) -> None:
    """Cut the connection, and wait until it is."""
    state.drop_connection(talk.scope, reset)
    while (await talk.receive())["type"] != "http.disconnect":
        pass


def _record(space: Space, scope: Scope, incoming: Incoming) -> Exchange:
    exchange = Exchange(
        method=incoming.method,
        path=scope["path"],
        query=dict(incoming.query),
        headers=mask(incoming.headers),
        body_bytes=incoming.raw,
        deployment=incoming.name,
        route=incoming.route,
    )
    space.log.add(exchange)
    return exchange


def _admitted(talk: Conversation, task: Task) -> Allowance | None:
    """The deployment's allowance with this request counted; a refusal (E24) when it is used up."""
    allowance = talk.space.rates.of(task.deployment)
    if allowance is None:
        return None
    refused = talk.space.rates.admit(allowance, task.kind, task.route, task.api_version)
    talk.headers |= allowance.headers()
    if refused is not None:
        raise ServiceError(refused)
    return allowance


def _count(talk: Conversation, tokens: int, allowance: Allowance | None) -> None:
    talk.exchange.tokens += tokens
    if allowance is not None:
        talk.space.rates.charge(allowance, tokens)


def _due_fault(talk: Conversation, incoming: Incoming) -> Fault:
    """The fault that the request itself asks for, or the next in the queue."""
    spec = incoming.headers.get(FAULT_HEADER)
    if spec is None:
        return talk.space.faults.take(talk.exchange.deployment, incoming.route)
    try:
        fault = parse_fault(spec)
    except ValueError as error:
        raise ServiceError(_errors.bad_request(f"Header {FAULT_HEADER}: {error}")) from error
    return fault if fault.matches(talk.exchange.deployment, incoming.route) else NO_FAULT


def _used_tokens(result: Reply | _service.Stream) -> int:
    if isinstance(result, _service.Stream):
        return result.tokens
    usage = result.body.get("usage") if isinstance(result.body, dict) else None
    return int(usage.get("total_tokens") or 0) if isinstance(usage, dict) else 0


def _info(incoming: Incoming, catalog: Catalog) -> Reply:
    if incoming.method != "GET":
        return _errors.method_not_allowed("GET")
    version = _gate.api_version(incoming)
    deployment = _gate.find_deployment(incoming, {}, catalog)
    return _service.info(Task("serverless", "info", deployment, {}, version, model_given=False))


def _model_list(incoming: Incoming, catalog: Catalog) -> Reply:
    if incoming.method != "GET":
        return _errors.method_not_allowed("GET")
    served = [item for item in catalog.deployments if "openai-v1" in item.kinds]
    return Reply(200, {"object": "list", "data": [{"id": item.name, "object": "model"} for item in served]})


def _github_catalogue(incoming: Incoming, catalog: Catalog) -> Reply:
    """Source: GitHub, 'REST API endpoints for models catalog'."""
    if incoming.method != "GET":
        return _errors.method_not_allowed("GET")
    return Reply(200, [item.in_catalogue() for item in catalog.deployments if "github" in item.kinds])


_SPECIAL_ROUTES = {
    ("serverless", "info"): _info,
    ("openai-v1", "models"): _model_list,
    ("github", "catalog/models"): _github_catalogue,
}


def scripted(incoming: Incoming, task: Task, space: Space) -> Reply | _service.Stream:
    """The answer of the deployment, in the words of the space's script while it has some."""
    if not space.script.active or task.profile.task != "chat":
        return guarded(incoming, task)
    brain = ScriptedBrain(space.script, task.deployment.brain or _service.RULES)
    result = guarded(incoming, replace(task, deployment=replace(task.deployment, brain=brain)))
    if brain.wire is None:
        return result
    if isinstance(result, _service.Stream):
        return replace(result, frames=wire_frames(brain.wire))
    return Reply(200, brain.wire)


def guarded(incoming: Incoming, task: Task) -> Reply | _service.Stream:
    """The deployment's answer; its refusals in its own words, a defect of the emulator as a 500 that says so."""
    try:
        _gate.check_field_versions(task)
        body = _gate.accepted_fields(incoming, task.body, task.profile)
        return _service.serve(_gate.with_body(task, body))
    except Refusal as refusal:
        return _errors.refusal_reply(refusal, task.style)
    except ServiceError as error:
        return error.reply
    except RecursionError:
        return _errors.refusal_reply(Refusal("The request body is nested too deeply."), task.style)
    except Exception as error:  # noqa: BLE001 - whatever happens, the caller gets an answer
        return _errors.emulator_defect(error)
