"""`AzureAITextCompletionsModel`: a LangChain LLM over the route `/completions`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseLLM, LangSmithParams
from langchain_core.outputs import Generation, GenerationChunk, LLMResult
from pydantic import model_validator

from azureai_core import Completion, Delta, parse_completion

from ._errors import model_errors
from ._generation import GenerationArguments, token_usage


class AzureAITextCompletionsModel(GenerationArguments, BaseLLM):
    """Continue a prompt with a text-completion model behind an Azure AI endpoint.

    Example:
        >>> model = AzureAITextCompletionsModel(
        ...     endpoint="https://NAME.eastus2.models.ai.azure.com", credential="<key>", max_tokens=50
        ... )
        >>> model.invoke("Once upon a time")  # doctest: +SKIP
    """

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
        with model_errors, ThreadPoolExecutor(_AT_ONCE) as pool:  # a thread starts only where there is work for it
            answers = list(pool.map(self.client.complete_text, asked))
        return _to_result(answers, self.model_name)

    async def _agenerate(
        self,
        prompts: list[str],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        if self.streaming:
            streams = (self._astreamed(prompt, stop, run_manager, kwargs) for prompt in prompts)
            return LLMResult(generations=[[generation] for generation in await asyncio.gather(*streams)])
        with model_errors:
            asked = (self.client.acomplete_text(self._payload(prompt, stop, kwargs)) for prompt in prompts)
            return _to_result(await asyncio.gather(*asked), self.model_name)

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
    """One generation per choice."""
    choices = answer.raw["choices"]
    parsed = [parse_completion(answer.raw, index, answer.meta) for index in range(len(choices))]
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
