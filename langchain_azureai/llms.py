"""`AzureAITextCompletionsModel`: a LangChain LLM over the route `/completions`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from operator import itemgetter
from typing import Any, Self, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LangSmithParams
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from pydantic import ConfigDict, model_validator

from azureai_core import Completion, Delta, parse_completion

from ._errors import model_errors
from ._generation import GenerationArguments, token_usage

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class AzureAITextCompletionsModel(GenerationArguments, BaseLLM):
    """Continue a prompt with a text-completion model behind an Azure AI endpoint.

    Example:
        >>> model = AzureAITextCompletionsModel(
        ...     endpoint="https://NAME.eastus2.models.ai.azure.com", credential="<key>", max_tokens=50
        ... )
        >>> model.invoke("Once upon a time")  # doctest: +SKIP
    """

    model_config = ConfigDict(defer_build=False)

    n: int | None = None
    """Continuations of each prompt; an extra parameter on some endpoints."""

    @model_validator(mode="after")
    def _check_azureai_connection(self) -> Self:
        _ = self.client  # raises for a missing endpoint or credential; opens nothing
        return self

    @property
    def _llm_type(self) -> str:
        return "azureai-text"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return cast("LangSmithParams", {**super()._get_ls_params(stop=stop, **kwargs), **self._traced(kwargs)})

    def _generate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        if self.streaming:
            return LLMResult(generations=[[self._streamed(prompt, stop, run_manager, kwargs)] for prompt in prompts])
        asked = [self._payload(prompt, stop, kwargs) for prompt in prompts]
        with model_errors:
            return _to_result(_each(self.client.complete_text, asked), self.model_name)

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        if self.streaming:
            streamed = await _aeach(lambda prompt: self._astreamed(prompt, stop, run_manager, kwargs), prompts)
            return LLMResult(generations=[[generation] for generation in streamed])
        asked = [self._payload(prompt, stop, kwargs) for prompt in prompts]
        with model_errors:
            return _to_result(await _aeach(self.client.acomplete_text, asked), self.model_name)

    def _stream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[GenerationChunk]:
        with model_errors:
            for delta in self.client.stream_text(self._payload(prompt, stop, kwargs)):
                chunk = _to_chunk(delta)
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[GenerationChunk]:
        with model_errors:
            async for delta in self.client.astream_text(self._payload(prompt, stop, kwargs)):
                chunk = _to_chunk(delta)
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _streamed(self, prompt: str, stop: Any, run_manager: Any, kwargs: dict[str, Any]) -> GenerationChunk:
        """A whole continuation that was streamed, each piece told to the callbacks."""
        return _joined(list(self._stream(prompt, stop, run_manager, **kwargs)))

    async def _astreamed(self, prompt: str, stop: Any, run_manager: Any, kwargs: dict[str, Any]) -> GenerationChunk:
        return _joined([chunk async for chunk in self._astream(prompt, stop, run_manager, **kwargs)])

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), **({} if self.n is None else {"n": self.n})}

    def _payload(self, prompt: str, stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {"prompt": prompt, **self._body(stop, kwargs)}


_AT_ONCE = 8
"""Prompts of one batch that are sent at once."""


def _each(ask: Callable[[Asked], Answer], asked: Sequence[Asked]) -> list[Answer]:
    """The answers, a few requests in flight. When one fails, those that have not begun are left."""
    if len(asked) == 1:
        return [ask(asked[0])]
    pool = ThreadPoolExecutor(_AT_ONCE)  # a thread starts only where there is work for it
    try:
        jobs = [pool.submit(copy_context().run, ask, one) for one in asked]
        wait(jobs, return_when=FIRST_EXCEPTION)
    finally:
        pool.shutdown(cancel_futures=True)
    return [job.result() for job in jobs]


async def _aeach(ask: Callable[[Asked], Awaitable[Answer]], asked: Sequence[Asked]) -> list[Answer]:
    """The same without blocking the event loop; those in flight are stopped too."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(one: Asked) -> Answer:
        async with slots:
            return await ask(one)

    tasks = [asyncio.ensure_future(run(one)) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joined(chunks: list[GenerationChunk]) -> GenerationChunk:
    info = {name: value for chunk in chunks for name, value in (chunk.generation_info or {}).items()}
    return GenerationChunk(text="".join(chunk.text for chunk in chunks), generation_info=info or None)


def _to_result(answers: list[Completion], model: str | None) -> LLMResult:
    usages = [answer.usage for answer in answers if answer.usage is not None]
    counts = {
        "prompt_tokens": sum(usage.prompt_tokens for usage in usages),
        "completion_tokens": sum(usage.completion_tokens for usage in usages),
        "total_tokens": sum(usage.total_tokens for usage in usages),
    }
    served = next((answer.model for answer in answers if answer.model), model)
    return LLMResult(
        generations=[_to_generations(answer) for answer in answers],
        llm_output={"token_usage": counts, "model_name": served},
    )


def _to_generations(answer: Completion) -> list[Generation]:
    """One generation per choice, in the order of their indices; without one, as they stand."""
    choices = [choice for choice in answer.raw["choices"] if isinstance(choice, dict)]
    if all(isinstance(choice.get("index"), int) for choice in choices):
        choices.sort(key=itemgetter("index"))
    parsed = [parse_completion({"choices": [{**choice, "index": 0}]}) for choice in choices]
    return [
        Generation(text=one.content, generation_info=_info(one.finish_reason, choice))
        for one, choice in zip(parsed, choices, strict=True)
    ]


def _info(finish_reason: str | None, choice: Mapping[str, Any]) -> dict[str, Any]:
    return {"finish_reason": finish_reason, "logprobs": choice.get("logprobs")}


def _to_chunk(delta: Delta) -> GenerationChunk:
    """A piece of the continuation; the finish reason and the usage on the pieces that have them."""
    choices = delta.raw.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    found = {
        "finish_reason": delta.finish_reason,
        "logprobs": choice.get("logprobs"),
        "token_usage": token_usage(delta.usage) or None,
    }
    info = {name: value for name, value in found.items() if value is not None}
    return GenerationChunk(text=delta.content, generation_info=info or None)
