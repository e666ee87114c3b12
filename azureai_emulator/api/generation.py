"""From a checked request to a completion: content safety, the brain, limits."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from azureai_emulator.brains.base import Answer, Ask, Brain, message_text
from azureai_emulator.brains.rules import RulesBrain
from azureai_emulator.wire.errors import ServiceError
from azureai_emulator.wire.stream import Stream

from . import limits, logprobs, replies, safety
from .live import LiveChoice
from .request import Task

Json = Any
RULES: Brain = RulesBrain()


def prompt_text(messages: list[Json]) -> str:
    """The text of all messages."""
    return "\n".join(map(message_text, messages))


def screen(task: Task, text: str) -> safety.Triggers:
    """The content-safety triggers in a prompt; a refusal when they are severe enough."""
    found = safety.find_triggers(text)
    if safety.refuses(found):
        raise ServiceError(safety.prompt_refused(task.kind, task.api_version, found))
    return found


def generation_options(body: Json) -> Json:
    """The generation parameters of a request, as arguments of `Ask`."""
    stop = body.get("stop") or ()
    return {
        "stop": (stop,) if isinstance(stop, str) else tuple(stop),
        "sampling": {name: body[name] for name in _SAMPLING if body.get(name) is not None},
        "room": limits.output_limit(body),
        "logprobs": logprobs.asked_for(body),
    }


_SAMPLING = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")


def complete(task: Task, ask: Ask, prompt_tokens: int, found: safety.Triggers) -> replies.Completion:
    """The brain's answer within the limits of request and model, `n` times."""
    limits.check_window(task, prompt_tokens)
    answer = _reasoned(task, ask, (task.deployment.brain or RULES).answer(ask))
    wanted = limits.output_limit(task.body)
    available = max(0, task.profile.context_window - prompt_tokens)
    room = available if wanted is None else min(wanted, available)
    filtered, count = "filter-answer" in found, task.body.get("n") or 1
    if answer.written is not None and task.body.get("stream") and not filtered and count == 1:
        live = LiveChoice(answer.written, room, answer.reasoning, ask.stop, scores=answer.scores)
        return replies.new_completion(task, [live], prompt_tokens, found)
    choice = limits.finish(task, _whole(answer, room), room, filtered=filtered)
    return replies.new_completion(task, [choice] * count, prompt_tokens, found)


def _whole(answer: Answer, room: int) -> Answer:
    """The answer with its whole text, generated up to one token beyond the limit."""
    if answer.written is None:
        return answer
    choice = LiveChoice(answer.written, room + 1)
    text = "".join(choice.chunks())
    return replace(answer, text=text, written=None, cut=choice.finish == "length")


def stream_of(frames: Iterator[Json], completion: replies.Completion, *, done: bool = True) -> Stream:
    """The frames as a stream that counts their tokens."""

    def total() -> int:
        tokens: int = completion.usage["total_tokens"]
        return tokens

    if not isinstance(completion.choices[0], LiveChoice):
        return Stream(frames, done, total())
    known = completion.prompt_tokens
    return Stream(frames, done, known, slow=True, rest=lambda: total() - known)


def _reasoned(task: Task, ask: Ask, answer: Answer) -> Answer:
    if task.profile.reasoning == "none" or answer.reasoning:
        return answer
    last = message_text(ask.messages[-1])
    topic = " ".join(last.replace("<", " ").replace(">", " ").split()[:8])
    return replace(answer, reasoning=f'The user wrote "{topic}". A short answer will do.')
