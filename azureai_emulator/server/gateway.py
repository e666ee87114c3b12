"""The routes of one endpoint kind, from the HTTP request to the sent answer."""

import asyncio
import time
from dataclasses import dataclass, replace

from azureai_emulator.api import generation, request, routes
from azureai_emulator.api.headers import answer_headers, own_headers
from azureai_emulator.api.request import Incoming, Task
from azureai_emulator.brains.scripted import Script, ScriptedBrain, wire_frames
from azureai_emulator.catalog.kinds import Kind
from azureai_emulator.faults.fault import NO_FAULT, Fault
from azureai_emulator.faults.spec import parse_fault
from azureai_emulator.faults.stream import write_stream
from azureai_emulator.wire import errors
from azureai_emulator.wire.asgi import Receive, Scope, Send, query_pairs, read_body, request_headers
from azureai_emulator.wire.conversation import Conversation
from azureai_emulator.wire.errors import Reply, ServiceError
from azureai_emulator.wire.stream import Stream

from .rates import Allowance
from .session import Session
from .state import State

FAULT_HEADER = "x-emulator-fault"


class Gateway:
    """All routes of one endpoint kind."""

    def __init__(self, state: State, kind: Kind) -> None:
        self._state = state
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        raw = await read_body(receive, request.MAX_BODY)
        incoming = self._incoming(scope, raw or b"")
        session = self._state.sessions.find(incoming.headers)
        exchange = session.record(incoming, scope["path"])
        headers = answer_headers(self._kind, incoming.headers)
        conversation = Conversation(scope, receive, send, session.key, exchange, headers, started)
        if raw is None:
            await conversation.reply(errors.body_too_large(request.MAX_BODY))
            return
        try:
            await _Call(self._state, session, conversation, incoming).answer()
        except ServiceError as error:
            await conversation.reply(error.reply)
        except Exception as error:
            if exchange.status:  # the answer has begun
                raise
            await conversation.reply(errors.emulator_defect(error))

    def _incoming(self, scope: Scope, raw: bytes) -> Incoming:
        params = scope["path_params"]
        route = params["route"].removeprefix("v1/") if self._kind == "serverless" else params["route"]
        return Incoming(
            self._kind, route, params.get("name"), scope["method"], query_pairs(scope), request_headers(scope), raw
        )


@dataclass
class _Call:
    """One request being processed: key and headers, rate limit, fault, answer."""

    state: State
    session: Session
    conversation: Conversation
    incoming: Incoming
    allowance: Allowance | None = None
    fault: Fault = NO_FAULT

    async def answer(self) -> None:
        """Check the request, then send what the deployment or a fault answers."""
        request.check_key(self.incoming, self.session.key)
        request.check_headers(self.incoming)
        task = routes.find_task(self.incoming, self.state.catalog)
        if isinstance(task, Task):
            self._admit(task)
        self.fault = self._next_fault()
        if self.fault is not NO_FAULT and await self._reset_by_fault():
            return
        reply = self.fault.reply() or (task if isinstance(task, Reply) else None)
        if reply is not None:
            await self._send(reply)
        elif isinstance(task, Task):
            await self._generate(task)

    def _admit(self, task: Task) -> None:
        """Count this request against the deployment's rate limit; raise the refusal (E24) when it is used up."""
        self.conversation.exchange.deployment = task.deployment.name
        self.conversation.headers = own_headers(task, self.conversation.headers)
        self.allowance = self.session.rates.of(task.deployment)
        if self.allowance is None:
            return
        refused = self.session.rates.admit(self.allowance, task.kind, task.route, task.api_version)
        self.conversation.headers |= self.allowance.headers()
        if refused is not None:
            raise ServiceError(refused)

    def _next_fault(self) -> Fault:
        """The fault that the request itself asks for, or the next in the queue."""
        deployment, route = self.conversation.exchange.deployment, self.incoming.route
        spec = self.incoming.headers.get(FAULT_HEADER)
        if spec is None:
            return self.session.faults.take(deployment, route)
        try:
            fault = parse_fault(spec)
        except ValueError as error:
            raise ServiceError(errors.bad_request(f"Header {FAULT_HEADER}: {error}")) from error
        return fault if fault.matches(deployment, route) else NO_FAULT

    async def _reset_by_fault(self) -> bool:
        """Wait for the fault's latency; true when the fault has reset the connection."""
        if self.fault.latency:
            await asyncio.sleep(self.fault.latency)
        if self.fault.reset_before_body:
            await self.state.drop(self.conversation, reset=True)
        return self.fault.reset_before_body

    async def _generate(self, task: Task) -> None:
        if getattr(task.deployment.brain, "slow", False):
            await self.state.work_queue.run(self.conversation.receive, lambda: self._generate_in_thread(task))
        else:
            await self._send(scripted(self.incoming, task, self.session.script))

    async def _generate_in_thread(self, task: Task) -> None:
        await self._send(await asyncio.to_thread(scripted, self.incoming, task, self.session.script))

    async def _send(self, answer: Reply | Stream) -> None:
        self._count(_used_tokens(answer))
        if self.allowance is not None:
            self.conversation.headers |= self.allowance.headers()
        if isinstance(answer, Reply):
            await self.conversation.reply(answer)
        else:
            await self._stream(replace(answer, ended=lambda: self._count(answer.rest())))

    def _count(self, tokens: int) -> None:
        self.conversation.exchange.tokens += tokens
        if self.allowance is not None:
            self.session.rates.charge(self.allowance, tokens)

    async def _stream(self, stream: Stream) -> None:
        self.conversation.exchange.response = []
        try:
            chunks = write_stream(stream, self.fault, self.conversation.note_frame)
            cut = await self.conversation.stream(chunks)
        finally:
            stream.close()
        if cut:
            await self.state.drop(self.conversation, reset=False)


def _used_tokens(answer: Reply | Stream) -> int:
    if isinstance(answer, Stream):
        return answer.tokens
    usage = answer.body.get("usage") if isinstance(answer.body, dict) else None
    return int(usage.get("total_tokens") or 0) if isinstance(usage, dict) else 0


def scripted(incoming: Incoming, task: Task, script: Script) -> Reply | Stream:
    """The next reply of the session's script, or the deployment's own answer."""
    if not script.active or task.profile.task != "chat":
        return routes.answer(incoming, task)
    brain = ScriptedBrain(script, task.deployment.brain or generation.RULES)
    result = routes.answer(incoming, replace(task, deployment=replace(task.deployment, brain=brain)))
    if brain.wire is None:
        return result
    if isinstance(result, Stream):
        return replace(result, frames=wire_frames(brain.wire))
    return Reply(200, brain.wire)
