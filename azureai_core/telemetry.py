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

from .endpoints import Endpoint
from .errors import APIStatusError, AzureAIError, ConfigurationError
from .protocols.embeddings import EncodedEmbeddings
from .types import Completion, ToolCall, Usage

if TYPE_CHECKING:
    from .protocols.stream import DeltaReader

logger = logging.getLogger("azureai_core")


class Observation:
    """What is recorded of one call: a span around it and metrics where OpenTelemetry is installed, and a log record."""

    def __init__(self, endpoint: Endpoint, route: str, operation: str, payload: Mapping[str, Any]) -> None:
        self.endpoint, self.route, self.operation, self.payload = endpoint, route, operation, payload
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
        if self.operation and _has_otel():
            with _harmless():
                self._span = _start_span(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        is_logged = bool(self.operation) and logger.isEnabledFor(logging.DEBUG)
        if self._span is None and not is_logged:
            return
        if self._follows is not None:
            self.note(self._follows.so_far())
            self.first_chunk = self._follows.began
        if is_logged:
            with _harmless():
                _log(self, error)
        if self._span is not None:
            _finish(self._span, self, error)

    def note(self, answer: Any) -> None:
        """Notes a whole answer."""
        if isinstance(answer, Completion):
            self.model, self.id, self.usage = answer.model, answer.id, answer.usage
            self.finish_reason = answer.finish_reason
            self.text, self.reasoning, self.calls = answer.content, answer.reasoning, answer.tool_calls
        elif isinstance(answer, EncodedEmbeddings):
            self.model, self.usage = answer.model, answer.usage

    def follow(self, stream: DeltaReader) -> None:
        """Notes what a stream has brought by its end."""
        self._follows = stream

    def chunk(self) -> None:
        """Notes the time of the first chunk."""
        self.first_chunk = time.perf_counter()


@contextmanager
def _harmless() -> Iterator[None]:
    """Keeps a failure of what watches a call from becoming a failure of the call."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is; its text may hold what must not be logged
        logger.debug("not recorded: %s", type(error).__name__)


def _log(observation: Observation, error: BaseException | None) -> None:
    elapsed = (time.perf_counter() - observation.started) * 1000
    logger.debug(
        "POST %s%s %s in %.0f ms",
        observation.endpoint.base_url,
        observation.route,
        _outcome(observation, error),
        elapsed,
    )
    if os.environ.get("AZUREAI_LOG_BODIES", "").lower() == "true":
        from .json_text import to_json_text  # noqa: PLC0415  loaded on first use

        logger.debug("request %s answer %s", to_json_text(observation.payload), observation.text)


def _outcome(observation: Observation, error: BaseException | None) -> str:
    if isinstance(error, APIStatusError):
        return f"failed: {error.status_code} {type(error).__name__}, request id {error.request_id}"
    if error is not None:
        return f"ended: {type(error).__name__}"
    usage = observation.usage
    tokens = f", {usage.prompt_tokens}+{usage.completion_tokens} tokens" if usage else ""
    return f"answered: model {observation.model}, finish {observation.finish_reason}{tokens}"


# ---------------------------------------------------------------------------- OpenTelemetry
# Source: OpenTelemetry semantic conventions, 'Generative AI' spans, events and client metrics.


@lru_cache(maxsize=1)
def _has_otel() -> bool:
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.trace") is not None


def _attributes(observation: Observation) -> dict[str, Any]:
    host, port = _address(observation.endpoint.base_url)
    known = {
        "gen_ai.operation.name": observation.operation,
        "gen_ai.provider.name": "azure.ai.openai" if observation.endpoint.is_openai else "azure.ai.inference",
        "gen_ai.request.model": observation.payload.get("model"),
        "server.address": host,
        "server.port": port,
    }
    return {name: value for name, value in known.items() if value is not None}


@lru_cache(maxsize=256)
def _address(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


_REQUEST_ATTRIBUTES = {
    **{name: (name,) for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed")},
    "max_tokens": ("max_tokens", "max_completion_tokens"),  # under either spelling, as the caller meant it
}


def _start_span(observation: Observation) -> Any:
    from opentelemetry import trace  # noqa: PLC0415  the extra [otel]

    attributes = _attributes(observation)
    for name, spellings in _REQUEST_ATTRIBUTES.items():
        value = next((observation.payload[s] for s in spellings if s in observation.payload), None)
        if isinstance(value, int | float):
            attributes[f"gen_ai.request.{name}"] = value
    if observation.payload.get("stream"):
        attributes["gen_ai.request.stream"] = True
    name = f"{observation.operation} {observation.payload.get('model') or ''}".strip()
    return trace.get_tracer("azureai_core").start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)


def _finish(span: Any, observation: Observation, error: BaseException | None) -> None:
    if span.is_recording():
        _record(span, observation, error)
    with _harmless():
        span.end()
    with _harmless():
        _record_metrics(observation, error)


def _record(span: Any, observation: Observation, error: BaseException | None) -> None:
    with _harmless():
        _describe(span, observation)
    with _harmless():
        if os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").lower() == "true":
            span.set_attributes(_content(observation))
    with _harmless():
        if error is not None and not isinstance(error, GeneratorExit):
            _mark_failed(span, error)


def _describe(span: Any, observation: Observation) -> None:
    usage = observation.usage or Usage()
    counts = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "cache_read.input_tokens": usage.cached_tokens,
        "reasoning.output_tokens": usage.reasoning_tokens,
    }
    found = {
        "gen_ai.response.model": observation.model,
        "gen_ai.response.id": observation.id,
        "gen_ai.response.finish_reasons": (observation.finish_reason,) if observation.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": None
        if observation.first_chunk is None
        else observation.first_chunk - observation.started,
        **{f"gen_ai.usage.{name}": count for name, count in counts.items() if observation.usage},
    }
    span.set_attributes({name: value for name, value in found.items() if value is not None})


def _content(observation: Observation) -> dict[str, str]:
    """What was asked and answered, as the conventions' lists of messages with parts."""
    from .json_text import to_json_text  # noqa: PLC0415  loaded on first use

    text = observation.payload.get("prompt") or observation.payload.get("input")
    messages = observation.payload.get("messages") or [{"role": "user", "content": text}]
    asked = [{"role": message.get("role"), "parts": _parts(message)} for message in messages]
    answered = {"role": "assistant", "parts": _answer_parts(observation), "finish_reason": observation.finish_reason}
    found = {"gen_ai.input.messages": asked, "gen_ai.output.messages": [answered]}
    return {name: to_json_text(_without_data(value)) for name, value in found.items()}


def _answer_parts(observation: Observation) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = (
        [{"type": "reasoning", "content": observation.reasoning}] if observation.reasoning else []
    )
    if observation.text or not observation.calls:
        parts.append({"type": "text", "content": observation.text})
    calls = [{"id": c.id, "name": c.name or "", "arguments": c.arguments} for c in observation.calls]
    return parts + [{"type": "tool_call", **c} for c in calls]


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
    return parts + [{"type": "tool_call", "id": tool.get("id"), **(tool.get("function") or {})} for tool in calls]


def _mark_failed(span: Any, error: BaseException) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  the extra [otel]

    span.set_attribute("error.type", _error_type(error))
    is_own = isinstance(error, AzureAIError) and not isinstance(error, ConfigurationError)  # may quote arguments
    span.set_status(Status(StatusCode.ERROR, str(error) if is_own else type(error).__name__))


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


def _record_metrics(observation: Observation, error: BaseException | None) -> None:
    duration, tokens, first_chunk = _instruments()
    attributes = _attributes(observation)
    if observation.model:
        attributes["gen_ai.response.model"] = observation.model
    if observation.first_chunk is not None:
        first_chunk.record(observation.first_chunk - observation.started, attributes)
    if observation.usage:
        tokens.record(observation.usage.prompt_tokens, {**attributes, "gen_ai.token.type": "input"})
        tokens.record(observation.usage.completion_tokens, {**attributes, "gen_ai.token.type": "output"})
    failed = error is not None and not isinstance(error, GeneratorExit)
    outcome = {"error.type": _error_type(error)} if failed and error is not None else {}
    duration.record(time.perf_counter() - observation.started, {**attributes, **outcome})
