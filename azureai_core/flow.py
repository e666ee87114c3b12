"""One call over the wire: sign, send, wait, amend where the service says how, and read the answer.

What is done, and in which order, is decided by generators that do no I/O: they yield steps, and get what each brought.
Two short drivers carry the steps out, `run` for sync code and `arun` for async code.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from .answers import AnswerReader, StreamReading
from .errors import APIStatusError
from .limits import RateLimit, estimate_tokens
from .negotiation import Call, ExtraParameters, UnsupportedParameters, amend, body_of, extra_parameters_header
from .protocols.base import Answer
from .protocols.error_responses import error_from_response
from .streams import AsyncDeltaStream, DeltaStream, StreamState
from .telemetry import Observation
from .transport.auth import KeyAuth, TokenAuth
from .transport.bodies import achunks, chunks
from .transport.clients import Clients
from .transport.connections import HTTPX_ERRORS
from .transport.requests import RequestBuilder
from .transport.retry import Attempts, RetryPolicy
from .types import Delta

T = TypeVar("T")

# ---------------------------------------------------------------------------- steps


@dataclass(slots=True)
class Sign:
    """Puts the credential into a request; gives whether a token was kept from before, and may be revoked since."""

    auth: KeyAuth | TokenAuth
    request: httpx.Request

    def run(self, _client: Any) -> bool:
        """Carries the step out."""
        return self.auth.sign(self.request.headers)

    async def arun(self, _client: Any) -> bool:
        """Carries the step out."""
        return await self.auth.asign(self.request.headers)


@dataclass(slots=True)
class Send:
    """Sends a request; gives the response, its body unread. Redirects are not followed."""

    request: httpx.Request

    def run(self, client: httpx.Client) -> httpx.Response:
        """Carries the step out."""
        return client.send(self.request, stream=True, follow_redirects=False)

    async def arun(self, client: httpx.AsyncClient) -> httpx.Response:
        """Carries the step out."""
        return await client.send(self.request, stream=True, follow_redirects=False)


@dataclass(slots=True)
class Wait:
    """Sleeps."""

    policy: RetryPolicy
    seconds: float

    def run(self, _client: Any) -> None:
        """Carries the step out."""
        self.policy.sleep(self.seconds)

    async def arun(self, _client: Any) -> None:
        """Carries the step out."""
        await self.policy.asleep(self.seconds)


@dataclass(slots=True)
class Read:
    """Reads the body of an error, and closes the response."""

    response: httpx.Response

    def run(self, _client: Any) -> None:
        """Carries the step out."""
        with closing(self.response), HTTPX_ERRORS:
            self.response.read()

    async def arun(self, _client: Any) -> None:
        """Carries the step out."""
        async with aclosing(self.response):
            with HTTPX_ERRORS:
                await self.response.aread()


@dataclass(slots=True)
class Discard:
    """Reads a refused answer to its end, so that its connection is used again."""

    response: httpx.Response

    def run(self, _client: Any) -> None:
        """Carries the step out."""
        with closing(self.response), suppress(httpx.HTTPError), HTTPX_ERRORS:
            for _ in chunks(self.response):
                pass

    async def arun(self, _client: Any) -> None:
        """Carries the step out."""
        async with aclosing(self.response):
            with suppress(httpx.HTTPError), HTTPX_ERRORS:
                async for _ in achunks(self.response):
                    pass


Step = Sign | Send | Wait | Read | Discard
Steps = Generator[Step, Any, T]


def run(steps: Steps[T], client: httpx.Client) -> T:
    """Carries the steps out; gives what the generator returns."""
    try:
        step = next(steps)
        while True:
            try:
                result = step.run(client)
            except BaseException as error:  # noqa: BLE001  the generator decides what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        returned: T = done.value
        return returned


async def arun(steps: Steps[T], client: httpx.AsyncClient) -> T:
    """`run` without blocking the event loop."""
    try:
        step = next(steps)
        while True:
            try:
                result = await step.arun(client)
            except BaseException as error:  # noqa: BLE001  the generator decides what it means
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        returned: T = done.value
        return returned


# ---------------------------------------------------------------------------- calls


class RequestExecutor:
    """Sends the calls of one client."""

    def __init__(
        self,
        clients: Clients,
        requests: RequestBuilder,
        reader: AnswerReader,
        policy: RetryPolicy,
        *,
        auth: KeyAuth | TokenAuth,
        extra_parameters: ExtraParameters | None,
        unsupported: UnsupportedParameters,
        limits: RateLimit | None,
    ) -> None:
        self.clients = clients
        self._requests, self._reader, self._policy, self._auth = requests, reader, policy, auth
        self._extra_parameters, self._unsupported, self._limits = extra_parameters, unsupported, limits

    def send(self, call: Call[Answer]) -> Answer:
        """The answer, as the call's protocol decodes it."""
        with self._observed(call) as observation:
            response, call = self._open(call)
            with closing(response), self._reader.connection_errors(), HTTPX_ERRORS:
                content = b"".join(chunks(response))
            answer = self._reader.decode(response, call, content)
            observation.note(answer)
            return answer

    async def asend(self, call: Call[Answer]) -> Answer:
        """`send` without blocking the event loop."""
        with self._observed(call) as observation:
            response, call = await self._aopen(call)
            async with aclosing(response):
                with self._reader.connection_errors(), HTTPX_ERRORS:
                    content = b"".join([chunk async for chunk in achunks(response)])
            answer = self._reader.decode(response, call, content)
            observation.note(answer)
            return answer

    def stream(self, call: Call[Any]) -> DeltaStream:
        """The deltas of a streamed answer; see `InferenceClient.stream`."""
        state = StreamState()
        return DeltaStream(self._deltas(call, state), state)

    def astream(self, call: Call[Any]) -> AsyncDeltaStream:
        """`stream` without blocking the event loop."""
        state = StreamState()
        return AsyncDeltaStream(self._adeltas(call, state), state)

    def _deltas(self, call: Call[Any], state: StreamState) -> Generator[Delta, None, None]:
        with self._observed(call) as observation:
            response, call = self._open(call)
            with closing(response):
                reading = StreamReading(self._reader, response, call)
                if reading.is_whole:
                    with self._reader.connection_errors(), HTTPX_ERRORS:
                        content = b"".join(chunks(response))
                    yield reading.whole(content, state, observation)
                    return
                reading.follow(state, observation)
                try:
                    with HTTPX_ERRORS:
                        for chunk in chunks(response):
                            yield from reading.feed(chunk)
                except httpx.HTTPError as error:
                    reading.raise_for(error)
                yield from reading.end()

    async def _adeltas(self, call: Call[Any], state: StreamState) -> AsyncGenerator[Delta, None]:
        with self._observed(call) as observation:
            response, call = await self._aopen(call)
            async with aclosing(response):
                reading = StreamReading(self._reader, response, call)
                if reading.is_whole:
                    with self._reader.connection_errors(), HTTPX_ERRORS:
                        content = b"".join([chunk async for chunk in achunks(response)])
                    yield reading.whole(content, state, observation)
                    return
                reading.follow(state, observation)
                try:
                    with HTTPX_ERRORS:
                        async for chunk in achunks(response):
                            for delta in reading.feed(chunk):
                                yield delta
                except httpx.HTTPError as error:
                    reading.raise_for(error)
                for delta in reading.end():
                    yield delta

    def _observed(self, call: Call[Any]) -> Observation:
        protocol = call.protocol
        return Observation(call.deployment.endpoint, protocol.route, protocol.operation, call.payload)

    # ------------------------------------------------------------------ one answer

    def _open(self, call: Call[Answer]) -> tuple[httpx.Response, Call[Answer]]:
        """A successful response, its body unread, and the call as it went at last."""
        with self._reader.connection_errors():
            return run(self._steps(call, self.clients.user_client), self.clients.sync())

    async def _aopen(self, call: Call[Answer]) -> tuple[httpx.Response, Call[Answer]]:
        """`_open` without blocking the event loop."""
        with self._reader.connection_errors():
            return await arun(self._steps(call, self.clients.async_user_client), await self.clients.current())

    def _steps(self, call: Call[Answer], user_client: Any) -> Steps[tuple[httpx.Response, Call[Answer]]]:
        """Until an answer is good. Raises the error of one that is not, when nothing can be changed in the call."""
        started: float | None = None
        while True:
            content = body_of(call) if call.protocol.method == "POST" else None
            extra = extra_parameters_header(call, self._extra_parameters)
            request = self._requests.build(call.protocol.route, content, extra, user_client)
            tokens = 0 if self._limits is None or content is None else estimate_tokens(content, call.payload)
            attempts = Attempts(self._policy, call.deployment.state.throttle(self._limits), tokens, started)
            kept = yield Sign(self._auth, request)
            response = yield from self._attempt(request, attempts)
            if response.is_success:
                return response, call
            yield Read(response)
            call = self._amended(call, response, request, is_old=kept and started is None)
            started = attempts.started

    def _attempt(self, request: httpx.Request, attempts: Attempts) -> Steps[httpx.Response]:
        """The first response that is not to be retried."""
        timeout = request.extensions["timeout"]
        while True:
            pause = attempts.delay()
            while pause > 0:
                yield Wait(self._policy, pause)
                pause = attempts.extended_delay()
            attempts.cut(timeout)
            try:
                response: httpx.Response = yield Send(request)
            except httpx.TransportError as error:
                wait = attempts.wait_after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.wait_after_answer(response)
                if wait is None:
                    return response
                yield Discard(response)
            finally:
                attempts.restore(timeout)
            yield Wait(self._policy, wait)

    def _amended(
        self, call: Call[Answer], response: httpx.Response, request: httpx.Request, *, is_old: bool
    ) -> Call[Answer]:
        """The call as it may be sent once more. Raises the error of the answer when nothing can be changed.

        A 401 may mean that the token was revoked before its time: one that `is_old` is exchanged once, for a new one.
        """
        error: APIStatusError = error_from_response(response, secrets=self._reader.secrets())
        try:
            if error.status_code == 401:  # noqa: PLR2004
                self._auth.forget(request.headers)
                if is_old and not call.exact:
                    return call
            amended = amend(call, error, self._unsupported)
            if amended is None:
                raise error
            return amended
        finally:
            del error  # this frame is part of its traceback
