"""`AzureAILLM`: a LangChain LLM over the route `/completions`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, Self, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LangSmithParams
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from pydantic import ConfigDict, model_validator

from azureai_core import Choice, Completion, Delta

from ._errors import model_errors
from ._generation import GenerationArguments, token_usage

Request = TypeVar("Request")
Response = TypeVar("Response")


class AzureAILLM(GenerationArguments, BaseLLM):
    """Continue a prompt with a text-completion model behind an Azure AI endpoint.

    Example:
        >>> model = AzureAILLM(
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

    @classmethod
    def lc_id(cls) -> list[str]:
        """The identifier in dumps, which stays what it first was, so that dumps of every version load."""
        return [*cls.get_lc_namespace(), "AzureAITextCompletionsModel"] if cls is AzureAILLM else super().lc_id()

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
        payloads = [self._payload(prompt, stop, kwargs) for prompt in prompts]
        with model_errors:
            return _to_result(_each(self.client.complete_text, payloads), self.model_name)

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
        payloads = [self._payload(prompt, stop, kwargs) for prompt in prompts]
        with model_errors:
            return _to_result(await _aeach(self.client.acomplete_text, payloads), self.model_name)

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
        """A whole continuation that was streamed; the callbacks get each chunk."""
        return _joined(list(self._stream(prompt, stop, run_manager, **kwargs)))

    async def _astreamed(self, prompt: str, stop: Any, run_manager: Any, kwargs: dict[str, Any]) -> GenerationChunk:
        return _joined([chunk async for chunk in self._astream(prompt, stop, run_manager, **kwargs)])

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), **({} if self.n is None else {"n": self.n})}

    def _payload(self, prompt: str, stop: list[str] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {"prompt": prompt, **self._body(stop, kwargs)}


_MAX_CONCURRENCY = 8
"""Requests of one batch in flight."""


def _each(send: Callable[[Request], Response], requests: Sequence[Request]) -> list[Response]:
    """The responses, a few requests in flight. When one fails, those that have not begun are not sent."""
    if len(requests) == 1:
        return [send(requests[0])]
    pool = ThreadPoolExecutor(_MAX_CONCURRENCY)  # a thread starts only where there is work for it
    try:
        jobs = [pool.submit(copy_context().run, send, request) for request in requests]
        wait(jobs, return_when=FIRST_EXCEPTION)
    finally:
        pool.shutdown(cancel_futures=True)
    return [job.result() for job in jobs]


async def _aeach(send: Callable[[Request], Awaitable[Response]], requests: Sequence[Request]) -> list[Response]:
    """The same without blocking the event loop; those in flight are cancelled too."""
    slots = asyncio.Semaphore(_MAX_CONCURRENCY)

    async def run(request: Request) -> Response:
        async with slots:
            return await send(request)

    tasks = [asyncio.ensure_future(run(request)) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _joined(chunks: list[GenerationChunk]) -> GenerationChunk:
    info = {name: value for chunk in chunks for name, value in (chunk.generation_info or {}).items()}
    return GenerationChunk(text="".join(chunk.text for chunk in chunks), generation_info=info or None)


def _to_result(completions: list[Completion], requested_model: str | None) -> LLMResult:
    usages = [completion.usage for completion in completions if completion.usage is not None]
    counts = {
        "prompt_tokens": sum(usage.prompt_tokens for usage in usages),
        "completion_tokens": sum(usage.completion_tokens for usage in usages),
        "total_tokens": sum(usage.total_tokens for usage in usages),
    }
    served = next((completion.model for completion in completions if completion.model), requested_model)
    return LLMResult(
        generations=[[_to_generation(choice) for choice in completion.choices] for completion in completions],
        llm_output={"token_usage": counts, "model_name": served},
    )


def _to_generation(choice: Choice) -> Generation:
    info = {"finish_reason": choice.finish_reason, "logprobs": choice.logprobs}
    return Generation(text=choice.content, generation_info=info)


def _to_chunk(delta: Delta) -> GenerationChunk:
    """A chunk of the continuation; the finish reason and the usage on the chunks that have them."""
    found = {
        "finish_reason": delta.finish_reason,
        "logprobs": delta.logprobs,
        "token_usage": token_usage(delta.usage) or None,
    }
    info = {name: value for name, value in found.items() if value is not None}
    return GenerationChunk(text=delta.content, generation_info=info or None)


AzureAITextCompletionsModel = AzureAILLM
"""The class under the retired adapter's name."""
