"""`POST /chat/completions`."""

from typing import Any

from azureai_emulator.brains.base import Ask
from azureai_emulator.wire.errors import Reply
from azureai_emulator.wire.stream import Stream

from . import replies, tokens
from .generation import complete, generation_options, prompt_text, screen, stream_of
from .messages import check_messages
from .request import Task
from .unsupported import check_format, check_unsupported
from .validate import check_chat_fields, require

Json = Any


def chat(task: Task) -> Reply | Stream:
    """`POST /chat/completions`."""
    require(task.body, "messages")
    check_unsupported(task)
    check_chat_fields(task.body)
    check_messages(task.body["messages"], task.profile, openai=task.openai)
    check_format(task)
    text = prompt_text(task.body["messages"])
    found = screen(task, text)
    ask = _ask(task)
    prompt_tokens = tokens.count_messages(ask.messages, list(ask.tools))
    completion = complete(task, ask, prompt_tokens, found)
    if task.body.get("stream"):
        done = replies.ends_with_done(completion)
        return stream_of(replies.frames(completion), completion, done=done)
    return Reply(200, replies.body(completion), replies.accounting(completion))


def _ask(task: Task) -> Ask:
    body = task.body
    tools = () if task.profile.tools_ignored else tuple(body.get("tools") or ())
    choice: Json = (body.get("tool_choice") if tools else None) or "auto"
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    return Ask(
        messages=_read_messages(body["messages"], task),
        tools=tools,
        choice="named" if named else choice,
        named=named,
        parallel=task.profile.parallel_tools and body.get("parallel_tool_calls") is not False,
        response_format=body.get("response_format"),
        id_style="short" if task.profile.short_call_ids else "long",
        **generation_options(body),
    )


def _read_messages(messages: list[Json], task: Task) -> list[Json]:
    if not task.profile.system_as_user:
        return messages
    return [{**item, "role": "user"} if item["role"] == "system" else item for item in messages]
