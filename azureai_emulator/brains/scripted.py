"""Scripted replies: what a deployment says next, in the words of a test."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from azureai_emulator.wire.errors import ServiceError, bad_request

from .base import Answer, Ask, Brain, ToolCall

Json = Any


class Script:
    """Replies to give in order, one per chat or text completion that is accepted."""

    def __init__(self) -> None:
        self._replies: deque[Json] = deque()
        self._given = 0
        self._rules_after = True
        self._lock = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether there is something to say, or to refuse."""
        return bool(self._replies) or not self._rules_after

    @property
    def left(self) -> int:
        """How many replies are still to be given."""
        return len(self._replies)

    def set(self, replies: Iterable[Json], *, rules_after: bool) -> None:
        """Replace the script."""
        checked = [_checked(reply) for reply in replies]
        with self._lock:
            self._replies = deque(checked)
            self._given = len(checked)
            self._rules_after = rules_after

    def clear(self) -> None:
        """No script: the deployment's brain answers."""
        self.set((), rules_after=True)

    def take(self) -> Json:
        """The next reply, or `None` when the brain may answer."""
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            if self._rules_after:
                return None
        raise ServiceError(bad_request(f"The script of {self._given} replies is used up."))


def _checked(reply: Json) -> Json:
    match reply:
        case str() | {"choices": [*_]} | {"name": str()}:
            return reply
        case [*calls] if calls and all(isinstance(call, dict) and "name" in call for call in calls):
            return reply
        case {**fields} if fields and fields.keys() <= {"content", "tool_calls", "reasoning"}:
            return reply
    raise ValueError(
        f"A scripted reply is a text, a call {{'name', 'arguments'}}, a list of calls, a message with 'content', "
        f"'tool_calls' and 'reasoning', or a whole body with 'choices'; not {reply!r}."
    )


@dataclass
class ScriptedBrain:
    """Says the next scripted reply; `wire` is set when that was a whole body, to be sent as it stands."""

    script: Script
    otherwise: Brain
    wire: Json = field(default=None)

    def answer(self, ask: Ask) -> Answer:
        """The next scripted reply, or the other brain's."""
        reply = self.script.take()
        match reply:
            case None:
                return self.otherwise.answer(ask)
            case str():
                return Answer(reply)
            case {"choices": _}:
                self.wire = reply
                return Answer()
            case {"name": _}:
                return Answer(calls=(_call(reply, ask),))
            case list():
                return Answer(calls=tuple(_call(call, ask) for call in reply))
        calls = tuple(_call(call, ask) for call in reply.get("tool_calls") or ())
        return Answer(reply.get("content") or "", calls, reply.get("reasoning") or "")


def _call(call: Json, ask: Ask) -> ToolCall:
    arguments = call.get("arguments", {})
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    digits = uuid4().hex
    made = digits[:9] if ask.id_style == "short" else f"call_{digits[:24]}"
    return ToolCall(call.get("id") or made, call["name"], text)


def wire_frames(body: Json) -> Iterator[Json]:
    """A whole body as stream frames: each choice as one delta, then its finish, then usage if it has some."""
    envelope = {name: body[name] for name in ("id", "created", "model") if name in body}
    envelope["object"] = "chat.completion.chunk"
    for index, choice in enumerate(body["choices"]):
        number, message = choice.get("index", index), choice.get("message") or {}
        first = {"index": number, "delta": _delta(message), "finish_reason": None}
        yield {**envelope, "choices": [first]}
        last = {"index": number, "delta": {}, "finish_reason": choice.get("finish_reason", "stop")}
        yield {**envelope, "choices": [last]}
    if body.get("usage") is not None:
        yield {**envelope, "choices": [], "usage": body["usage"]}


def _delta(message: Json) -> Json:
    calls = message.get("tool_calls")
    numbered = [{"index": index, **call} for index, call in enumerate(calls or ())]
    return {**message, "tool_calls": numbered} if calls else message
