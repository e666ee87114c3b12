"""What each route does with a request that reached its deployment."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from . import _errors, _limits, _logprobs, _media, _replies, _safety, _tokens, _vectors
from ._brain import Answer, Ask, Brain, RulesBrain
from ._errors import Refusal, Reply, ServiceError
from ._gate import Task
from ._live import LiveChoice
from ._messages import check_messages
from ._validate import (
    check_batch,
    check_chat_fields,
    check_embedding_fields,
    check_embedding_options,
    check_text_fields,
)

Json = Any
RULES: Brain = RulesBrain()


@dataclass(frozen=True)
class Stream:
    """A streamed answer: frames, whether `[DONE]` ends it, and the tokens it counts."""

    frames: Iterator[Json]
    done: bool = True
    tokens: int = 0
    """Of an answer that is still being written, those of the prompt; `rest` counts the others in the end."""
    slow: bool = False
    """Frames take time: they are awaited in a worker thread."""
    rest: Callable[[], int] = lambda: 0
    ended: Callable[[], None] = lambda: None
    """Called when the last frame has left, before `[DONE]`, or when the stream was cut."""

    def close(self) -> None:
        """Ends the writing. A brain that is at work in a thread at this moment sees by itself that it was given up."""
        with suppress(ValueError):  # the generator is being run
            getattr(self.frames, "close", _nothing)()


def _nothing() -> None:
    """Frames that are not being written need no end."""


def chat(task: Task) -> Reply | Stream:
    """`POST /chat/completions`."""
    _require(task.body, "messages")
    _check_unsupported(task)
    check_chat_fields(task.body)
    check_messages(task.body["messages"], task.profile, openai=task.openai)
    _check_format(task)
    text = _prompt_text(task.body["messages"])
    found = _screen(task, text)
    ask = _ask(task)
    prompt_tokens = _tokens.count_messages(ask.messages, list(ask.tools))
    completion = _complete(task, ask, prompt_tokens, found)
    if task.body.get("stream"):
        done = _replies.ends_with_done(completion)
        return _stream(_replies.frames(completion), completion, done=done)
    return Reply(200, _replies.body(completion), _replies.accounting(completion))


def _require(body: Json, field: str) -> None:
    if body.get(field) is None:
        raise Refusal(f"Missing required parameter: '{field}'.", param=field, code="missing_required_parameter")


def _check_unsupported(task: Task) -> None:
    for name in task.profile.unsupported & task.body.keys():
        message = f"Unsupported parameter: '{name}' is not supported with this model."
        if name == "max_tokens":
            message += " Use 'max_completion_tokens' instead."
        raise _lacking(
            task,
            Refusal(message, param=name, nature="unsupported", code="unsupported_parameter", value=task.body[name]),
        )
    if task.body.get("tools") and not task.profile.tools:
        raise _tools_refused(task)


def _tools_refused(task: Task) -> Exception:
    """E14 by the gateway of a model that the documents call without tools, E20 by a vLLM container."""
    if task.style == "azure":
        return Refusal("Tools are not supported by this model.", param="tools", nature="type", value=task.body["tools"])
    return ServiceError(_errors.vllm_bad_request(_NO_TOOLS))


_NO_TOOLS = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
_JSON_SCHEMA_SINCE = "2024-08-01"


def _check_format(task: Task) -> None:
    kind = (task.body.get("response_format") or {}).get("type", "text")
    if kind == "json_object" and not task.profile.json_object:
        raise _format_refused(task, kind)
    if kind == "json_schema" and not task.profile.json_schema:
        raise _format_refused(task, kind)
    if kind == "json_schema" and task.kind == "openai-deployment" and task.api_version < _JSON_SCHEMA_SINCE:
        message = "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
        raise Refusal(message, param="response_format")
    if kind == "json_object" and task.profile.error_style == "openai":
        _check_json_is_mentioned(task.body["messages"])


def _format_refused(task: Task, kind: str) -> Exception:
    message = f"response_format '{kind}' is not supported by this model."
    refusal = Refusal(message, param="response_format", nature="type", code="parameter_not_supported", value=kind)
    return _lacking(task, refusal)


def _lacking(task: Task, refusal: Refusal) -> Exception:
    """The refusal of a field of the standard body. vLLM knows them all, so it is the gateway that says no there (E14).

    Source: Azure AI Model Inference REST reference, 'Extensibility'.
    """
    return ServiceError(_errors.refusal_reply(refusal, "azure")) if task.style == "vllm" else refusal


def _check_json_is_mentioned(messages: list[Json]) -> None:
    """Source: Azure OpenAI, 'JSON mode'."""
    if "json" not in _prompt_text(messages).lower():
        message = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        )
        raise Refusal(message, param="messages")


def _prompt_text(messages: list[Json]) -> str:
    return "\n".join(content_text(message.get("content")) for message in messages)


def content_text(content: Json) -> str:
    """The text of a message's content, parts joined."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or () if part["type"] == "text")


def _screen(task: Task, text: str) -> _safety.Found:
    found = _safety.triggers(text)
    if _safety.refuses(found):
        raise ServiceError(_safety.prompt_refused(task.kind, task.api_version, found))
    return found


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
        **_generation(body),
    )


def _generation(body: Json) -> Json:
    """What a brain that generates wants to know, as arguments of `Ask`."""
    stop = body.get("stop") or ()
    return {
        "stop": (stop,) if isinstance(stop, str) else tuple(stop),
        "sampling": {name: body[name] for name in _SAMPLING if body.get(name) is not None},
        "room": _limits.output_limit(body),
        "logprobs": _logprobs.asked_for(body),
    }


_SAMPLING = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")


def _read_messages(messages: list[Json], task: Task) -> list[Json]:
    if not task.profile.system_as_user:
        return messages
    return [{**item, "role": "user"} if item["role"] == "system" else item for item in messages]


def _complete(task: Task, ask: Ask, prompt_tokens: int, found: _safety.Found) -> _replies.Completion:
    _limits.check_window(task, prompt_tokens)
    answer = _reasoned(task, ask, (task.deployment.brain or RULES).answer(ask))
    wanted = _limits.output_limit(task.body)
    left = max(0, task.profile.context_window - prompt_tokens)
    room = left if wanted is None else min(wanted, left)
    filtered, count = "filter-answer" in found, task.body.get("n") or 1
    if answer.written is not None and task.body.get("stream") and not filtered and count == 1:
        live = LiveChoice(answer.written, room, answer.reasoning, ask.stop, scores=answer.scores)
        return _replies.new_completion(task, [live], prompt_tokens, found)
    choice = _limits.finish(task, _whole(answer, room), room, filtered=filtered)
    return _replies.new_completion(task, [choice] * count, prompt_tokens, found)


def _whole(answer: Answer, room: int) -> Answer:
    """The answer once its text has been written, with a token more than there is room for at most."""
    if answer.written is None:
        return answer
    choice = LiveChoice(answer.written, room + 1)
    text = "".join(choice.pieces())
    return replace(answer, text=text, written=None, cut=choice.finish == "length")


def _stream(frames: Iterator[Json], completion: _replies.Completion, *, done: bool = True) -> Stream:
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
    last = content_text(ask.messages[-1].get("content"))
    topic = " ".join(last.replace("<", " ").replace(">", " ").split()[:8])
    return replace(answer, reasoning=f'The user wrote "{topic}". A short answer will do.')


def text(task: Task) -> Reply | Stream:
    """`POST /completions`."""
    _check_unsupported(task)
    check_text_fields(task.body)
    prompts = _prompts(task.body.get("prompt"))
    found = _screen(task, "\n".join(prompts))
    if _limits.output_limit(task.body) is None and not task.openai:
        task = replace(task, body={**task.body, "max_tokens": _TEXT_LIMIT})
    asks = [Ask([{"role": "user", "content": prompt}], **_generation(task.body)) for prompt in prompts]
    prompt_tokens = sum(_tokens.count(prompt) for prompt in prompts)
    parts = [_complete(task, ask, prompt_tokens, found) for ask in asks]
    choices = [choice for part in parts for choice in part.choices]
    completion = _replies.new_completion(task, choices, prompt_tokens, found)
    if task.body.get("stream"):
        return _stream(_replies.text_frames(completion), completion)
    return Reply(200, _replies.text_body(completion), _replies.accounting(completion))


_TEXT_LIMIT = 256
"""Source: Azure AI Model Inference REST reference, 'Completions'."""


def _prompts(prompt: Json) -> list[str]:
    if prompt is None:
        return ["<|endoftext|>"]
    if isinstance(prompt, list) and isinstance(prompt[0], int):
        return [" ".join(map(str, prompt))]
    return [prompt] if isinstance(prompt, str) else [str(item) for item in prompt]


def embeddings(task: Task) -> Reply:
    """`POST /embeddings`."""
    check_embedding_fields(task.body, task.profile.batch_limit)
    _check_embedding_support(task)
    value = task.body["input"]
    items = [value] if isinstance(value, str) or isinstance(value[0], int) else value
    texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]
    counts = [_tokens.count(item) for item in texts]
    _check_text_lengths(task, counts)
    size, input_type = _size(task), task.body.get("input_type")
    embed = getattr(task.deployment.brain, "embed", None)
    if embed is None:
        vectors = [_vectors.text_vector(item, size, input_type) for item in texts]
    else:
        vectors = [_vectors.meaning_vector(meaning, size, input_type) for meaning in embed(texts)]
    used = sum(min(count, task.profile.context_window) for count in counts)
    return _embedding_reply(task, vectors, {"prompt_tokens": used, "total_tokens": used})


def _size(task: Task) -> int:
    size: int = task.body.get("dimensions") or task.profile.dimensions
    return size


def _check_embedding_support(task: Task) -> None:
    profile, body = task.profile, task.body
    if body.get("dimensions") is not None and not profile.dimensions_settable:
        raise _parameter_refused("dimensions", body["dimensions"])
    if _size(task) > profile.dimensions:
        message = f"Invalid value for 'dimensions' = {_size(task)}. Must be less than or equal to {profile.dimensions}."
        raise Refusal(message, param="dimensions", nature="type", value=_size(task))
    if body.get("input_type") is not None and not profile.input_type:
        raise ServiceError(_errors.refusal_reply(_parameter_refused("input_type", body["input_type"]), "azure"))
    if task.style == "openai" and body.get("encoding_format", "float") not in ("float", "base64"):
        raise _parameter_refused("encoding_format", body["encoding_format"])


def _parameter_refused(name: str, value: Json) -> Refusal:
    message = f"This model does not support specifying {name}."
    return Refusal(message, param=name, nature="unsupported", code="unsupported_parameter", value=value)


def _check_text_lengths(task: Task, counts: list[int]) -> None:
    """Azure OpenAI refuses long texts, Cohere cuts them."""
    window = task.profile.context_window
    if task.profile.error_style == "openai" and max(counts) > window:
        message = (
            f"This model's maximum context length is {window} tokens, however you requested {max(counts)} tokens. "
            "Please reduce your prompt; or completion length."
        )
        raise Refusal(message, param=None, code="context_length_exceeded")


def image_embeddings(task: Task) -> Reply:
    """`POST /images/embeddings`."""
    _require(task.body, "input")
    if not isinstance(task.body["input"], list) or not task.body["input"]:
        raise Refusal("Invalid 'input': expected a non-empty array of objects.", param="input", nature="type")
    check_batch(task.body["input"], task.profile.batch_limit)
    check_embedding_options(task.body)
    _check_embedding_support(task)
    pairs = [_image(index, item) for index, item in enumerate(task.body["input"])]
    size, input_type = _size(task), task.body.get("input_type")
    embed = getattr(task.deployment.brain, "embed", None)
    meanings = [embed([text])[0] if embed and text else None for _, text in pairs]
    vectors = [
        _vectors.image_vector(raw, text, size, input_type, meaning)
        for (raw, text), meaning in zip(pairs, meanings, strict=True)
    ]
    used = 1000 * len(pairs)
    usage = {"prompt_tokens": used, "completion_tokens": 0, "total_tokens": used, "images": len(pairs)}
    return _embedding_reply(task, vectors, usage, task.profile.image_model)


def _image(index: int, item: Json) -> tuple[bytes, str]:
    field = f"input[{index}]"
    if not isinstance(item, dict) or not isinstance(item.get("image"), str):
        raise Refusal(f"Missing required parameter: '{field}.image'.", param=f"{field}.image")
    if not isinstance(item.get("text", ""), str | None):
        raise Refusal(f"Invalid type for '{field}.text': expected a string.", param=f"{field}.text", nature="type")
    return _media.decode_data_url(item["image"], "image", f"{field}.image")[1], item.get("text") or ""


def _embedding_reply(task: Task, vectors: list[list[float]], usage: Json, model: str | None = None) -> Reply:
    encoding = task.body.get("encoding_format") or "float"
    data = [
        {"index": index, "object": "embedding", "embedding": _vectors.encode(vector, encoding)}
        for index, vector in enumerate(vectors)
    ]
    named = model or task.model_given or task.profile.error_style == "openai"
    served = (model or task.served_name) if named else ""
    body = {"id": uuid4().hex, "object": "list", "data": data, "model": served, "usage": usage}
    return Reply(200, body, {} if named else {"x-api-warning": "model was not set"})


def info(task: Task) -> Reply:
    """`GET /info`. Source: recorded serverless answer."""
    kind = "chat-completion" if task.profile.task == "chat" else "embedding"
    body = {
        "model_name": task.profile.served_name or task.deployment.name,
        "model_type": kind,
        "model_provider_name": task.profile.provider,
    }
    return Reply(200, body)


Service = Callable[[Task], Reply | Stream]
POST_ROUTES: Mapping[str, tuple[str, Service]] = {
    "chat/completions": ("chat", chat),
    "completions": ("chat", text),
    "embeddings": ("embeddings", embeddings),
    "images/embeddings": ("embeddings", image_embeddings),
}
"""Route to the task that a deployment has to have, and what answers."""

_OPERATIONS = {
    "chat/completions": "chatCompletion",
    "completions": "completion",
    "images/embeddings": "imageEmbeddings",
}


def serve(task: Task) -> Reply | Stream:
    """The answer of the deployment; refusals are put in its own words."""
    wanted, service = POST_ROUTES[task.route]
    if task.profile.task != wanted or (task.route == "images/embeddings" and not task.profile.images):
        raise ServiceError(_not_served(task))
    return service(task)


def _not_served(task: Task) -> Reply:
    if task.kind == "serverless":
        return _errors.route_not_served()
    return _errors.operation_not_supported(_OPERATIONS.get(task.route, "embeddings"), task.deployment.name)


def encode_json(value: Json) -> bytes:
    """Compact JSON in UTF-8, characters as they are; a lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
