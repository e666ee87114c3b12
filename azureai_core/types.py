"""Wire shapes: TypedDicts for what we send, frozen dataclasses for what we receive, `parse_*` between them.

No `parse_*` function raises, whatever JSON object the service sent: a field that is missing, null or of an
odd type counts as not given. Source of the shapes: Azure AI Model Inference REST reference and recorded traffic.
"""

from __future__ import annotations

import math
import sys
from array import array
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import uuid4

from .protocols.think import split_think

Json = dict[str, Any]
"""A decoded JSON object."""

NEVER_DROPPED = frozenset({"messages", "tools", "input", "prompt", "model", "stream"})
"""The fields without which a request asks for something else."""


class ChatPayload(TypedDict, total=False):
    """The standard fields of `POST /chat/completions`; any other key is an extra parameter.

    Source: Azure AI Model Inference REST reference, 'Chat Completions'.
    """

    messages: Sequence[Mapping[str, Any]]
    model: str
    frequency_penalty: float
    presence_penalty: float
    temperature: float
    top_p: float
    max_tokens: int
    stop: Sequence[str]
    stream: bool
    seed: int
    response_format: Mapping[str, Any]
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]


class TextPayload(TypedDict, total=False):
    """The standard fields of `POST /completions`. Source: REST reference, 'Completions'."""

    prompt: str | Sequence[str]
    model: str
    frequency_penalty: float
    presence_penalty: float
    temperature: float
    top_p: float
    max_tokens: int
    stop: Sequence[str]
    stream: bool
    seed: int


class EmbeddingsPayload(TypedDict, total=False):
    """The standard fields of `POST /embeddings` and `/images/embeddings`. Source: REST reference, 'Embeddings'."""

    input: Sequence[str] | Sequence[Mapping[str, str]]
    model: str
    dimensions: int
    encoding_format: str
    input_type: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one call; a detail the service did not report is `None`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    """Prompt tokens read from a cache (`prompt_tokens_details.cached_tokens`)."""
    prompt_audio_tokens: int | None = None
    prompt_image_tokens: int | None = None
    reasoning_tokens: int | None = None
    """Completion tokens spent on reasoning (`completion_tokens_details.reasoning_tokens`)."""
    completion_audio_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    images: int | None = None
    """Images embedded; seen on Cohere's `/images/embeddings`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call, or in a `Delta` a fragment of one.

    Group fragments by `index` and join `arguments` to get the calls. In a fragment `id` and `name` are `None`
    once they have been given. An id that the service left out is invented, so that a result can refer to it.
    """

    id: str | None
    name: str | None
    arguments: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class ResponseMeta:
    """What the answer's head said, beside the body."""

    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """The rate-limit, region and accounting headers, lower-case names."""
    dropped: tuple[str, ...] = ()
    """Parameters that the service refused and that were left out."""


NO_META = ResponseMeta()


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a chat or text model. Text and tool calls come from choice 0; the others are in `raw`."""

    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None
    """The model that answered, as the service names it; often not the deployment's name."""
    id: str | None = None
    reasoning: str = ""
    raw: Json = field(default_factory=dict)
    request_id: str | None = None
    meta: ResponseMeta = NO_META


@dataclass(slots=True)
class Delta:
    """What one stream frame adds. `usage` is on one delta only, `meta` on the first.

    Not frozen, unlike the others: that would make it five times as costly, and there is one for each token.
    """

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    reasoning: str = ""
    raw: Json = field(default_factory=dict)
    meta: ResponseMeta | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector per input, in input order, not normalised by us.

    Elements are floats (float32 values) or, for the integer and binary encodings, the service's integers.
    """

    vectors: list[list[float]]
    model: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    meta: ResponseMeta = NO_META


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `GET /info` says of a single-model endpoint."""

    model_name: str
    model_type: str
    """One of `chat-completion`, `completion`, `embedding`, `image-embedding`, or the service's own word."""
    model_provider_name: str
    raw: Json = field(default_factory=dict)


# Spellings seen of the type: chat-completion, chat-completions, chat_completion, text_embeddings, image embedding, ...
# Source: REST reference, 'Get info', and recorded answers.
_MODEL_TYPES = {
    "chat": "chat-completion",
    "chatcompletion": "chat-completion",
    "completion": "completion",
    "textgeneration": "completion",
    "embedding": "embedding",
    "textembedding": "embedding",
    "imageembedding": "image-embedding",
}


def parse_info(body: Json) -> ModelInfo:
    """The model's names, with the many spellings of its type folded into one."""
    kind = text_of(body.get("model_type"))
    folded = kind.lower().replace("-", "").replace("_", "").replace(" ", "").removesuffix("s")
    return ModelInfo(
        model_name=text_of(body.get("model_name")),
        model_type=_MODEL_TYPES.get(folded, kind),
        model_provider_name=text_of(body.get("model_provider_name")),
        raw=body,
    )


def parse_usage(value: object) -> Usage | None:
    """The token counts of a `usage` object, or `None` when there is none."""
    if not isinstance(value, dict) or not value:
        return None
    prompt, completion = _count(value.get("prompt_tokens")) or 0, _count(value.get("completion_tokens")) or 0
    total = _count(value.get("total_tokens")) or prompt + completion
    if value.keys() <= _TOTALS:
        return Usage(prompt, completion, total)
    into, out = mapping(value.get("prompt_tokens_details")), mapping(value.get("completion_tokens_details"))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cached_tokens=_count(into.get("cached_tokens")),
        prompt_audio_tokens=_first_count(into.get("audio_tokens"), value.get("audio_prompt_tokens")),
        prompt_image_tokens=_count(value.get("image_prompt_tokens")),
        reasoning_tokens=_count(out.get("reasoning_tokens")),
        completion_audio_tokens=_count(out.get("audio_tokens")),
        accepted_prediction_tokens=_count(out.get("accepted_prediction_tokens")),
        rejected_prediction_tokens=_count(out.get("rejected_prediction_tokens")),
        images=_count(value.get("images")),
    )


_TOTALS = {"prompt_tokens", "completion_tokens", "total_tokens"}


def parse_completion(body: Json, choice: int = 0, meta: ResponseMeta = NO_META) -> Completion:
    """The answer in choice number `choice` of a chat or text completion."""
    picked = pick_choice(body, choice) or {}
    message = mapping(picked.get("message"))
    content, reasoning = split_content(message.get("content"))
    thought, text = split_think(content)
    return Completion(
        content=text + text_of(picked.get("text")),  # `text` is the text route's; it is taken as it is
        tool_calls=tuple(_whole_call(n, call) for n, call in enumerate(dicts(message.get("tool_calls")))),
        finish_reason=text_of(picked.get("finish_reason")) or None,
        usage=parse_usage(body.get("usage")),
        model=text_of(body.get("model")) or None,
        id=text_of(body.get("id")) or None,
        reasoning=reasoning_text(message) + reasoning + thought,
        raw=body,
        request_id=meta.request_id,
        meta=meta,
    )


def pick_choice(body: Json, wanted: int = 0) -> Json | None:
    """The choice whose `index` is `wanted`; one without an index counts by position."""
    choices = body.get("choices")
    for position, choice in enumerate(dicts(choices)) if choices else ():
        index = choice.get("index")
        if (index if isinstance(index, int) else position) == wanted:
            return choice
    return None


def parse_embeddings(body: Json, meta: ResponseMeta = NO_META) -> Embeddings:
    """The vectors of an answer in the order of the inputs; a broken vector is left out."""
    return Embeddings(
        vectors=list(parse_vectors(body)),
        model=text_of(body.get("model")) or None,
        usage=parse_usage(body.get("usage")),
        request_id=meta.request_id,
        meta=meta,
    )


def parse_vectors(body: Json) -> Iterator[list[float]]:
    """The vectors one by one, as `parse_embeddings` has them."""
    data = body.get("data")
    if not (isinstance(data, list) and data and isinstance(data[0], bytes)):
        data = _in_order(dicts(data))
    for value in data:
        if vector := parse_vector(value):
            yield vector


def _in_order(items: list[Json]) -> list[Any]:
    """The vectors as the service gave them. It may answer out of order; an answer without indices is in order."""
    order = [_count(item.get("index")) for item in items]
    if None not in order:
        items = [item for _, item in sorted(zip(order, items, strict=True), key=lambda pair: pair[0] or 0)]
    return [item.get("embedding") for item in items]


def parse_vector(value: object) -> list[float] | None:
    """One embedding: a list as it is, or little-endian float32 values, as bytes or as their base64 text.

    Source: recorded Cohere answers.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, str | bytes):
        return None
    floats = array("f")
    try:
        floats.frombytes(a2b_base64(value) if isinstance(value, str) else value)
    except (Base64Error, ValueError):
        return None
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()


def split_content(value: object) -> tuple[str, str]:
    """`(text, reasoning)` of a message's content, which may be a string, null, or a list of parts (Mistral)."""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, list):
        return "", ""
    text, reasoning = [], []
    for part in value:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and part.get("type") == "thinking":
            reasoning.append(split_content(part.get("thinking"))[0])
        elif isinstance(part, dict):
            text.append(text_of(part.get("text")))
    return "".join(text), "".join(reasoning)


def reasoning_text(message: Mapping[str, Any]) -> str:
    """The separate reasoning of api-version 2025-04-01 (`reasoning_content`); some hosts say `reasoning`."""
    return text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))


def new_call_id() -> str:
    """A tool-call id for a service that gave none."""
    return f"call_{uuid4().hex[:24]}"


def call_fields(call: Mapping[str, Any]) -> tuple[str, str, str]:
    """`(id, name, arguments)` of a wire tool call or fragment; `""` where it has none."""
    function = mapping(call.get("function"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # against the contract, but some hosts send the object itself
        from .json_text import to_json_text  # noqa: PLC0415  loaded on first use

        arguments = to_json_text(arguments)
    return text_of(call.get("id")), text_of(function.get("name")), text_of(arguments)


def _whole_call(index: int, call: Json) -> ToolCall:
    call_id, name, arguments = call_fields(call)
    return ToolCall(call_id or new_call_id(), name or None, arguments, index)


def text_of(value: object) -> str:
    """The value if it is a string, else `""`."""
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if 0 <= value < math.inf else None


def _first_count(*values: object) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def dicts(value: object) -> list[Json]:
    """The objects of a list, whatever else stands in it."""
    return [item for item in value if isinstance(item, dict)] if value and isinstance(value, list) else []
