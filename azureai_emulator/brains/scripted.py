"""Scripted replies: a test says what a deployment answers next."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from azureai_emulator.wire.errors import ServiceError, bad_request

from .base import Answer, Ask, Brain, ToolCall, call_id

Json = Any


class Script:
    """Replies in order, one for each accepted chat or text completion."""

    def __init__(self) -> None:
        self._replies: deque[Json] = deque()
        self._given = 0
        self._rules_after = True
        self._lock = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether requests get scripted replies, or a refusal after the last one."""
        return bool(self._replies) or not self._rules_after

    @property
    def left(self) -> int:
        """How many replies are left."""
        return len(self._replies)

    def set(self, replies: Iterable[Json], *, rules_after: bool) -> None:
        """Replace the script."""
        checked = [_checked(reply) for reply in replies]
        with self._lock:
            self._replies = deque(checked)
            self._given = len(checked)
            self._rules_after = rules_after

    def clear(self) -> None:
        """Remove the script; the deployment's brain answers again."""
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
        f"A scripted reply is a string, a call {{'name', 'arguments'}}, a list of calls, a message with 'content', "
        f"'tool_calls' and 'reasoning', or a whole body with 'choices'; not {reply!r}."
    )


@dataclass
class ScriptedBrain:
    """Answers with the next scripted reply; `wire` is set when that is a whole body, which is sent unchanged."""

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
    return ToolCall(call.get("id") or call_id(ask.id_style), call["name"], text)


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
