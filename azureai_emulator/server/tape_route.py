"""The one route of a server that records or replays."""

import time

from azureai_emulator.api import request
from azureai_emulator.api.auth import listing_refusal
from azureai_emulator.api.request import Incoming
from azureai_emulator.tape.record import Record
from azureai_emulator.tape.replay import Replay
from azureai_emulator.wire import errors
from azureai_emulator.wire.asgi import Receive, Scope, Send, query_pairs, read_body, request_headers
from azureai_emulator.wire.conversation import Conversation

from .state import State


class TapeRoute:
    """Every path, answered by a recorder or a replayer. Callers need the key."""

    def __init__(self, state: State, tape: Record | Replay) -> None:
        self._state = state
        self._tape = tape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        raw = await read_body(receive, request.MAX_BODY)
        headers = request_headers(scope)
        session = self._state.sessions.find(headers)
        path = scope["path"].strip("/")
        incoming = Incoming("models", path, None, scope["method"], query_pairs(scope), headers, raw or b"")
        exchange = session.record(incoming, scope["path"])
        conversation = Conversation(scope, receive, send, session.key, exchange, {}, started)
        refused = listing_refusal(headers, session.key)
        if refused or raw is None:
            await conversation.reply(refused or errors.body_too_large(request.MAX_BODY))
        elif await self._tape.answer(conversation, raw):
            await self._state.drop(conversation, reset=False)
