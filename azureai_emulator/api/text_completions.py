"""`POST /completions`."""

from dataclasses import replace
from typing import Any

from azureai_emulator.brains.base import Ask
from azureai_emulator.wire.errors import Reply
from azureai_emulator.wire.stream import Stream

from . import limits, replies, tokens
from .generation import complete, generation_options, screen, stream_of
from .request import Task
from .unsupported import check_unsupported
from .validate import check_text_fields

Json = Any


def text(task: Task) -> Reply | Stream:
    """`POST /completions`."""
    check_unsupported(task)
    check_text_fields(task.body)
    prompts = _prompts(task.body.get("prompt"))
    found = screen(task, "\n".join(prompts))
    if limits.output_limit(task.body) is None and not task.openai:
        task = replace(task, body={**task.body, "max_tokens": _TEXT_LIMIT})
    asks = [Ask([{"role": "user", "content": prompt}], **generation_options(task.body)) for prompt in prompts]
    prompt_tokens = sum(tokens.count(prompt) for prompt in prompts)
    parts = [complete(task, ask, prompt_tokens, found) for ask in asks]
    choices = [choice for part in parts for choice in part.choices]
    completion = replies.new_completion(task, choices, prompt_tokens, found)
    if task.body.get("stream"):
        return stream_of(replies.text_frames(completion), completion)
    return Reply(200, replies.text_body(completion), replies.accounting(completion))


_TEXT_LIMIT = 256
"""Source: Azure AI Model Inference REST reference, 'Completions'."""


def _prompts(prompt: Json) -> list[str]:
    if prompt is None:
        return ["<|endoftext|>"]
    if isinstance(prompt, list) and isinstance(prompt[0], int):
        return [" ".join(map(str, prompt))]
    return [prompt] if isinstance(prompt, str) else [str(item) for item in prompt]
