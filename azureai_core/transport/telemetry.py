"""What a call leaves behind for those who watch: log records, and OpenTelemetry spans and metrics.

Logger `azureai_core`: one summary per call at DEBUG; bodies too when the environment variable `AZUREAI_LOG_BODIES`
is `true`. Spans and metrics follow the OpenTelemetry semantic conventions for generative AI and need the extra
`[otel]`; message content is recorded only when `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is `true`.
No credential is ever among it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from azureai_core.endpoints import Endpoint
from azureai_core.errors import APIStatusError, AzureAIError, ConfigurationError
from azureai_core.protocols.embeddings import EncodedEmbeddings
from azureai_core.protocols.reading import text_of
from azureai_core.protocols.usage import parse_usage
from azureai_core.types import Completion, ToolCall, Usage

if TYPE_CHECKING:
    from azureai_core.protocols.stream import DeltaReader

logger = logging.getLogger("azureai_core")

OPERATIONS = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
    "/images/embeddings": "embeddings",
}


class Observation:
    """What is seen of one call: a span around it and metrics where OpenTelemetry is installed, and a log record."""

    def __init__(self, endpoint: Endpoint, route: str, payload: Mapping[str, Any]) -> None:
        self.endpoint, self.route, self.payload = endpoint, route, payload
        self.started = time.perf_counter()
        self.first_chunk: float | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.text = self.reasoning = ""
        self.calls: tuple[ToolCall, ...] = ()
        self._follows: DeltaReader | None = None
        self._span: Any = None

    def __enter__(self) -> Self:
        if _has_otel():
            with _harmless():
                self._span = _start_span(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        is_logged = logger.isEnabledFor(logging.DEBUG)
        if self._span is None and not is_logged:
            return
        if self._follows is not None:
            self.answered(self._follows.so_far())
            self.first_chunk = self._follows.began
        if is_logged:
            with _harmless():
                _log(self, error)
        if self._span is not None:
            _finish(self._span, self, error)

    def answered(self, completion: Completion) -> Completion:
        """Notes a whole answer, and gives it back."""
        self.model, self.id, self.usage = completion.model, completion.id, completion.usage
        self.finish_reason = completion.finish_reason
        self.text, self.reasoning, self.calls = completion.content, completion.reasoning, completion.tool_calls
        return completion

    def follow(self, stream: DeltaReader) -> None:
        """Notes what a stream has brought by its end."""
        self._follows = stream

    def chunk(self) -> None:
        """Notes the time of the first chunk."""
        self.first_chunk = time.perf_counter()

    def embedded(self, answer: EncodedEmbeddings) -> EncodedEmbeddings:
        """Notes what an answer says beside its vectors, and gives it back."""
        self.model, self.usage = text_of(answer.body.get("model")) or None, parse_usage(answer.body.get("usage"))
        return answer


@contextmanager
def _harmless() -> Iterator[None]:
    """Keeps a failure of what watches a call from becoming a failure of the call."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is; its text may hold what must not be logged
        logger.debug("not recorded: %s", type(error).__name__)


def _log(seen: Observation, error: BaseException | None) -> None:
    elapsed = (time.perf_counter() - seen.started) * 1000
    logger.debug("POST %s%s %s in %.0f ms", seen.endpoint.base_url, seen.route, _outcome(seen, error), elapsed)
    if os.environ.get("AZUREAI_LOG_BODIES", "").lower() == "true":
        from azureai_core.json_text import to_json_text  # noqa: PLC0415  loaded on first use

        logger.debug("request %s answer %s", to_json_text(seen.payload), seen.text)


def _outcome(seen: Observation, error: BaseException | None) -> str:
    if isinstance(error, APIStatusError):
        return f"failed: {error.status_code} {type(error).__name__}, request id {error.request_id}"
    if error is not None:
        return f"ended: {type(error).__name__}"
    usage = seen.usage
    tokens = f", {usage.prompt_tokens}+{usage.completion_tokens} tokens" if usage else ""
    return f"answered: model {seen.model}, finish {seen.finish_reason}{tokens}"


# ---------------------------------------------------------------------------- OpenTelemetry
# Source: OpenTelemetry semantic conventions, 'Generative AI' spans, events and client metrics.


@lru_cache(maxsize=1)
def _has_otel() -> bool:
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.trace") is not None


def _attributes(seen: Observation) -> dict[str, Any]:
    host, port = _address(seen.endpoint.base_url)
    known = {
        "gen_ai.operation.name": OPERATIONS[seen.route],
        "gen_ai.provider.name": "azure.ai.openai" if seen.endpoint.is_openai else "azure.ai.inference",
        "gen_ai.request.model": seen.payload.get("model"),
        "server.address": host,
        "server.port": port,
    }
    return {name: value for name, value in known.items() if value is not None}


@lru_cache(maxsize=256)
def _address(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def _start_span(seen: Observation) -> Any:
    from opentelemetry import trace  # noqa: PLC0415  the extra [otel]

    attributes = _attributes(seen)
    for name in ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "seed"):
        if isinstance(seen.payload.get(name), int | float):
            attributes[f"gen_ai.request.{name}"] = seen.payload[name]
    if seen.payload.get("stream"):
        attributes["gen_ai.request.stream"] = True
    name = f"{OPERATIONS[seen.route]} {seen.payload.get('model') or ''}".strip()
    return trace.get_tracer("azureai_core").start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)


def _finish(span: Any, seen: Observation, error: BaseException | None) -> None:
    if span.is_recording():
        _tell(span, seen, error)
    with _harmless():
        span.end()
    with _harmless():
        _record_metrics(seen, error)


def _tell(span: Any, seen: Observation, error: BaseException | None) -> None:
    with _harmless():
        _describe(span, seen)
    with _harmless():
        if os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").lower() == "true":
            span.set_attributes(_content(seen))
    with _harmless():
        if error is not None and not isinstance(error, GeneratorExit):
            _mark_failed(span, error)


def _describe(span: Any, seen: Observation) -> None:
    usage = seen.usage or Usage()
    counts = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "cache_read.input_tokens": usage.cached_tokens,
        "reasoning.output_tokens": usage.reasoning_tokens,
    }
    found = {
        "gen_ai.response.model": seen.model,
        "gen_ai.response.id": seen.id,
        "gen_ai.response.finish_reasons": (seen.finish_reason,) if seen.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": None if seen.first_chunk is None else seen.first_chunk - seen.started,
        **{f"gen_ai.usage.{name}": count for name, count in counts.items() if seen.usage},
    }
    span.set_attributes({name: value for name, value in found.items() if value is not None})


def _content(seen: Observation) -> dict[str, str]:
    """What was asked and answered, as the conventions' lists of messages with parts."""
    from azureai_core.json_text import to_json_text  # noqa: PLC0415  loaded on first use

    text = seen.payload.get("prompt") or seen.payload.get("input")
    messages = seen.payload.get("messages") or [{"role": "user", "content": text}]
    asked = [{"role": message.get("role"), "parts": _parts(message)} for message in messages]
    answered = {"role": "assistant", "parts": _said_parts(seen), "finish_reason": seen.finish_reason}
    found = {"gen_ai.input.messages": asked, "gen_ai.output.messages": [answered]}
    return {name: to_json_text(_without_data(value)) for name, value in found.items()}


def _said_parts(seen: Observation) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"type": "reasoning", "content": seen.reasoning}] if seen.reasoning else []
    if seen.text or not seen.calls:
        parts.append({"type": "text", "content": seen.text})
    calls = [{"id": call.id, "name": call.name or "", "arguments": call.arguments} for call in seen.calls]
    return parts + [{"type": "tool_call", **call} for call in calls]


def _without_data(value: Any) -> Any:
    """`value` with each data URL replaced by its media type and size: an image is too large for a span."""
    if isinstance(value, str) and value.startswith("data:"):
        head, comma, data = value.partition(",")
        return f"{head} ({len(data)} characters)" if comma else value
    if isinstance(value, Mapping):
        return {key: _without_data(item) for key, item in value.items()}
    return [_without_data(item) for item in value] if isinstance(value, list | tuple) else value


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if message.get("role") == "tool":
        return [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}]
    parts = [{"type": "text", "content": content}] if not isinstance(content, list) else list(content)
    calls = message.get("tool_calls") or ()
    return parts + [{"type": "tool_call", "id": call.get("id"), **(call.get("function") or {})} for call in calls]


def _mark_failed(span: Any, error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  the extra [otel]

    span.set_attribute("error.type", _error_type(error))
    ours = isinstance(error, AzureAIError) and not isinstance(error, ConfigurationError)  # may quote arguments
    span.set_status(Status(StatusCode.ERROR, str(error) if ours else type(error).__name__))


def _error_type(error: BaseException) -> str:
    return str(error.status_code) if isinstance(error, APIStatusError) else type(error).__qualname__


@lru_cache(maxsize=1)
def _instruments() -> tuple[Any, Any, Any]:
    from opentelemetry import metrics  # noqa: PLC0415  the extra [otel]

    meter = metrics.get_meter("azureai_core")
    return (
        meter.create_histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration"),
        meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens used"),
        meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to the first chunk of a stream"
        ),
    )


def _record_metrics(seen: Observation, error: BaseException | None) -> None:
    duration, tokens, first_chunk = _instruments()
    attributes = _attributes(seen)
    if seen.model:
        attributes["gen_ai.response.model"] = seen.model
    if seen.first_chunk is not None:
        first_chunk.record(seen.first_chunk - seen.started, attributes)
    if seen.usage:
        tokens.record(seen.usage.prompt_tokens, {**attributes, "gen_ai.token.type": "input"})
        tokens.record(seen.usage.completion_tokens, {**attributes, "gen_ai.token.type": "output"})
    failed = error is not None and not isinstance(error, GeneratorExit)
    outcome = {"error.type": _error_type(error)} if failed and error is not None else {}
    duration.record(time.perf_counter() - seen.started, {**attributes, **outcome})
