"""What is sent and what comes back: TypedDicts for payloads, frozen dataclasses for answers.

Source of the shapes: Azure AI Model Inference REST reference and recorded traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

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
class TextPart:
    """Text of an answer."""

    text: str
    annotations: tuple[Json, ...] = ()
    """Citations and other notes about the text, as the service gave them."""


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """What the model thought before it answered."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalPart:
    """Why the model refuses to answer."""

    text: str


Part = TextPart | ReasoningPart | RefusalPart | ToolCall
"""One part of an answer."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The log probability of one token of an answer."""

    token: str
    logprob: float
    bytes: tuple[int, ...] = ()
    """The token's UTF-8 bytes, where the service gave them."""
    alternatives: tuple[TokenLogprob, ...] = ()
    """The most likely tokens in its place, itself among them; empty where none were asked for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers to a request; there is more than one only where `n` asked for that."""

    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    """Why the answer ends: `stop`, `length`, `tool_calls`, `content_filter`, or the service's own word."""
    reasoning: str = ""
    refusal: str = ""
    """Why the model refuses, where it says so beside the content."""
    annotations: tuple[Json, ...] = ()
    """Citations and other notes about the content, as the service gave them."""
    audio: Json | None = None
    """Spoken output: `id`, `data` (base64), `transcript`, `expires_at`."""
    context: Json | None = None
    """The sources of 'On Your Data': `citations`, `intent`."""
    logprobs: Json | None = None
    """Log probabilities as the service gave them; `token_logprobs` reads those of a chat answer."""
    filter_results: Json = field(default_factory=dict)
    """Category → what the content filter says of the answer."""
    filter_offsets: Json = field(default_factory=dict)
    """Which characters the content filter has looked at, where it runs beside the stream."""
    ordered: tuple[Part, ...] | None = None
    """The parts, where their order is not the usual one; `parts` has them in any case."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Reasoning, text, refusal and tool calls, in the order in which they came."""
        if self.ordered is not None:
            return self.ordered
        head: list[Part] = [ReasoningPart(self.reasoning)] if self.reasoning else []
        if self.content:
            head.append(TextPart(self.content, self.annotations))
        if self.refusal:
            head.append(RefusalPart(self.refusal))
        return (*head, *self.tool_calls)

    @property
    def token_logprobs(self) -> tuple[TokenLogprob, ...]:
        """One entry per token of a chat answer; empty where none were asked for."""
        return _token_logprobs(self.logprobs)


def _token_logprobs(logprobs: Json | None) -> tuple[TokenLogprob, ...]:
    tokens = logprobs.get("content") if logprobs else None
    return tuple(_token_logprob(t) for t in tokens if isinstance(t, dict)) if isinstance(tokens, list) else ()


def _token_logprob(token: Json) -> TokenLogprob:
    return TokenLogprob(
        token=token.get("token") or "",
        logprob=token.get("logprob") or 0.0,
        bytes=tuple(token.get("bytes") or ()),
        alternatives=tuple(_token_logprob(t) for t in token.get("top_logprobs") or () if isinstance(t, dict)),
    )


@dataclass(frozen=True, slots=True)
class Completion(Choice):
    """One answer of a chat or text model: its first choice, and what is said of all."""

    usage: Usage | None = None
    model: str | None = None
    """The model that answered, as the service names it; often not the deployment's name."""
    id: str | None = None
    created: int | None = None
    """When it was made, in seconds since 1970."""
    system_fingerprint: str | None = None
    service_tier: str | None = None
    citations: tuple[Any, ...] = ()
    """Sources of the whole answer, where the service names them beside its choices."""
    prompt_filter_results: tuple[Json, ...] = ()
    """What the content filter says of the prompt."""
    others: tuple[Choice, ...] = ()
    """The choices after the first."""
    raw: Json = field(default_factory=dict)
    """The wire's own object, to be handed on. Of a stream: its frames, as the body of an answer in one piece."""
    request_id: str | None = None
    meta: ResponseMeta = NO_META

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All choices by their index; the first is the completion itself."""
        return (self, *self.others)


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
    """The frame itself, to be handed on."""
    meta: ResponseMeta | None = None
    id: str | None = None
    """The answer's id, the same on each delta."""
    refusal: str = ""
    logprobs: Json | None = None
    """Log probabilities of the tokens of this frame, as the service gave them."""

    @property
    def token_logprobs(self) -> tuple[TokenLogprob, ...]:
        """One entry per token of this frame; empty where none were asked for."""
        return _token_logprobs(self.logprobs)


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
