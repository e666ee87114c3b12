"""The chat model of the local brain: SmolLM2 on llama.cpp, in the emulator's process."""

import json
import os
import threading
from collections.abc import Callable
from functools import lru_cache
from queue import SimpleQueue
from secrets import token_hex
from typing import Any

from azureai_emulator.wire.errors import Refusal

from .base import Written
from .weights import weights_path
from .work_queue import disconnect_event

Json = Any

WINDOW = 4096
"""In tokens, prompt and answer together."""
DEFAULT_LIMIT = 256
"""Token limit of an answer without one of its own: small models do not always stop."""
_TEXT_DEFAULTS = {"temperature": 0.2, "top_p": 0.9, "frequency_penalty": 0.2, "seed": 7}
"""Defaults that a request may override: the same answer every time, and few repetitions."""
_JSON_DEFAULTS = {"temperature": 0, "seed": 7}


@lru_cache(maxsize=1)
def _server() -> Any:
    # Threads that spin while waiting would take processor time from client and server.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp  # type: ignore[import-not-found,import-untyped,unused-ignore]  # an extra, without types  # noqa: PLC0415

    params = xllamacpp.CommonParams()
    params.model.path = str(weights_path())
    params.n_ctx, params.n_parallel = WINDOW, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib, params.verbosity, params.warmup, params.ui = 0, -1, False, False
    # llama.cpp always opens a port on 127.0.0.1; a random key makes it unusable.
    params.n_threads_http, params.endpoint_slots, params.api_keys = 1, False, [token_hex(16)]
    return xllamacpp.Server(params)


def load() -> None:
    """Load the model, once per process."""
    _server()


def write(
    messages: list[Json],
    *,
    schema: Json = None,
    limit: int = DEFAULT_LIMIT,
    scores: list[Json] | None = None,
    **options: Json,
) -> Written:
    """The model's answer in chunks; JSON that fits `schema` when given. The tokens' logprobs are added to `scores`.

    Returns when the first chunk is there. Raises `Refusal` when the prompt is too long or the schema cannot be used.
    """
    form = _TEXT_DEFAULTS if schema is None else {"grammar": _grammar(json.dumps(schema)), **_JSON_DEFAULTS}
    generated = _chunks({"messages": messages, "stream": True, "max_tokens": limit, **form, **options}, scores)
    try:
        first = next(generated)
    except StopIteration as stop:
        return _with_first((), generated, stop.value)
    if schema is not None and first.lstrip()[:1] not in _JSON_BEGINS:
        # llama.cpp ignores a grammar that it cannot use, and reports that only in its log.
        generated.close()
        raise Refusal("The local model cannot keep to this JSON schema: it uses a keyword that is not supported.")
    return _with_first((first,), generated, None)


_JSON_BEGINS = frozenset('{["-0123456789tfn')


@lru_cache(maxsize=256)
def _grammar(schema: str) -> str:
    """A grammar of the JSON that fits a schema, on one line: with free white space, small models do not stop."""
    import xllamacpp  # type: ignore[import-not-found,import-untyped,unused-ignore]  # an extra, without types  # noqa: PLC0415

    grammar: str = xllamacpp.json_schema_to_grammar(json.dumps({**json.loads(schema), "x-guidance": _ON_ONE_LINE}))
    return grammar


_ON_ONE_LINE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "coerce_one_of": True}


def _with_first(first: tuple[str, ...], rest: Written, reason: str | None) -> Written:
    yield from first
    return (yield from rest) or reason


def _chunks(request: Json, scores: list[Json] | None) -> Written:
    """llama.cpp calls back from its own loop: it runs in a thread, and a queue passes its chunks."""
    chunks: SimpleQueue[Json] = SimpleQueue()
    finished, disconnected = threading.Event(), disconnect_event()

    def on_chunk(chunk: Json) -> bool:
        chunks.put(chunk)
        return finished.is_set() or disconnected.is_set()  # true stops the generation

    # Not a daemon: Python must not end while llama.cpp may still call back, or the process aborts.
    threading.Thread(target=_generate, args=(request, on_chunk, chunks.put), name="azureai-llama").start()
    try:
        while (chunk := chunks.get()) is not None:
            choice = _choice(chunk)
            if scores is not None:
                scores += (choice.get("logprobs") or {}).get("content") or ()
            if choice["delta"].get("content"):
                yield choice["delta"]["content"]
            if choice["finish_reason"] is not None:
                return str(choice["finish_reason"])
        return None
    finally:
        finished.set()


def _generate(request: Json, on_chunk: Callable[[Json], bool], put: Callable[[Json], None]) -> None:
    try:
        _server().handle_chat_completions(request, on_chunk)
    except Exception as error:  # noqa: BLE001 - raised where the chunks are read
        put(error)
    finally:
        put(None)


def _choice(chunk: Json) -> Json:
    if isinstance(chunk, Exception):
        raise Refusal(f"The local model cannot work with this request: {_first_line(str(chunk))}") from chunk
    if "error" in chunk:
        raise _refused(chunk["error"])
    return chunk["choices"][0]


def _refused(error: Json) -> Refusal:
    if error.get("type") == "exceed_context_size_error":
        message = f"This prompt has {error['n_prompt_tokens']} tokens; the local model reads {WINDOW} at most."
        return Refusal(message, param="messages", code="context_length_exceeded")
    return Refusal(f"The local model cannot work with this request: {_first_line(error.get('message', ''))}")


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "no reason given").rstrip(".") + "."
