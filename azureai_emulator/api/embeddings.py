"""`POST /embeddings` and `POST /images/embeddings`."""

from typing import Any
from uuid import uuid4

from azureai_emulator.brains.vectors import encode, image_vector, meaning_vector, text_vector
from azureai_emulator.wire import errors, media
from azureai_emulator.wire.errors import Refusal, Reply, ServiceError

from . import tokens
from .request import Task
from .validate import check_batch, check_embedding_fields, check_embedding_options, require

Json = Any


def embeddings(task: Task) -> Reply:
    """`POST /embeddings`."""
    check_embedding_fields(task.body, task.profile.batch_limit)
    _check_embedding_support(task)
    value = task.body["input"]
    items = [value] if isinstance(value, str) or isinstance(value[0], int) else value
    texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]
    counts = [tokens.count(item) for item in texts]
    _check_text_lengths(task, counts)
    size, input_type = _size(task), task.body.get("input_type")
    embed = getattr(task.deployment.brain, "embed", None)
    if embed is None:
        vectors = [text_vector(item, size, input_type) for item in texts]
    else:
        vectors = [meaning_vector(meaning, size, input_type) for meaning in embed(texts)]
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
        raise ServiceError(errors.refusal_reply(_parameter_refused("input_type", body["input_type"]), "azure"))
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
    require(task.body, "input")
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
        image_vector(raw, text, size, input_type, meaning) for (raw, text), meaning in zip(pairs, meanings, strict=True)
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
    return media.decode_data_url(item["image"], "image", f"{field}.image")[1], item.get("text") or ""


def _embedding_reply(task: Task, vectors: list[list[float]], usage: Json, model: str | None = None) -> Reply:
    encoding = task.body.get("encoding_format") or "float"
    data = [
        {"index": index, "object": "embedding", "embedding": encode(vector, encoding)}
        for index, vector in enumerate(vectors)
    ]
    named = model or task.model_given or task.profile.error_style == "openai"
    served = (model or task.served_name) if named else ""
    body = {"id": uuid4().hex, "object": "list", "data": data, "model": served, "usage": usage}
    return Reply(200, body, {} if named else {"x-api-warning": "model was not set"})
