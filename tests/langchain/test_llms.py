"""The text-completion LLM over real HTTP."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from azureai_core import BadRequestError
from azureai_emulator import Emulator, Fault
from langchain_azureai import AzureAILLM

USER = ContextVar("USER", default="lost")

modes = pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def llm(emulator: Emulator, **arguments: Any) -> AzureAILLM:
    return AzureAILLM(endpoint=emulator.url + "/serverless/mistral-large-2411", credential=emulator.key, **arguments)


@modes
async def test_a_prompt_is_continued_alike_in_every_mode(emulator: Emulator, mode: str) -> None:
    """The body has the prompt and what was set, a list of stops among it; the text is the same in all modes."""
    model = llm(emulator, temperature=0, max_tokens=20, stop="END")
    expected = model.invoke("Once upon a time")

    if mode == "invoke":
        text = model.invoke("Once upon a time")
    elif mode == "ainvoke":
        text = await model.ainvoke("Once upon a time")
    elif mode == "stream":
        text = "".join(model.stream("Once upon a time"))
    else:
        text = "".join([piece async for piece in model.astream("Once upon a time")])

    body = emulator.requests[-1].body
    assert body.pop("stream", False) is ("stream" in mode)
    assert body == {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 20, "stop": ["END"]}
    assert text == expected


def test_a_batch_sums_its_usage(emulator: Emulator) -> None:
    """`generate` gives a generation per prompt with its finish reason, and the tokens of all."""
    result = llm(emulator).generate(["a", "b"])

    assert [len(generations) for generations in result.generations] == [1, 1]
    assert result.generations[0][0].generation_info["finish_reason"] == "stop"
    counts = result.llm_output["token_usage"]
    assert counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"] > 0


def test_tokens_are_counted_offline_and_the_model_pickles(emulator: Emulator) -> None:
    """No vocabulary is downloaded; a pickled model works."""
    model = pickle.loads(pickle.dumps(llm(emulator)))

    assert model.get_num_tokens("four letters in a word") > 3
    assert model.invoke("hi")


def test_several_continuations_of_a_prompt(azureai_emulator: Emulator) -> None:
    """`n` gives that many generations, each with its finish reason."""
    model = AzureAILLM(
        endpoint=azureai_emulator.url + "/openai/v1", credential=azureai_emulator.key, model="gpt-4o", n=3
    )

    (generations,) = model.generate(["Once upon a time"]).generations

    assert [g.generation_info["finish_reason"] for g in generations] == ["stop"] * 3


@pytest.mark.parametrize("streamed", [False, True])
def test_log_probabilities_are_kept(azureai_emulator: Emulator, streamed: bool) -> None:
    """On the generation, or on the piece that has them."""
    logprobs = {"tokens": ["hi"], "token_logprobs": [-0.5]}
    choice = {"index": 0, "text": "hi", "finish_reason": "stop", "logprobs": logprobs}
    body: Any = {"id": "1", "choices": [choice]}
    headers = {}
    if streamed:
        body = f"data: {json.dumps(body)}\n\ndata: [DONE]\n\n"
        headers = {"content-type": "text/event-stream"}
    azureai_emulator.clear()
    azureai_emulator.faults(Fault(status=200, body=body, headers=headers))

    ((generation,),) = llm(azureai_emulator, streaming=streamed).generate(["hi"]).generations

    assert generation.text == "hi"
    assert generation.generation_info["logprobs"] == logprobs


def test_log_probabilities_go_with_their_text(azureai_emulator: Emulator) -> None:
    """Choices may come in any order, and with something else among them."""
    choices = [{"index": n, "text": text, "logprobs": {"of": text}} for n, text in ((1, "b"), (0, "a"))]
    azureai_emulator.clear()
    azureai_emulator.faults(Fault(status=200, body={"id": "1", "choices": [None, *choices]}))

    (generations,) = llm(azureai_emulator).generate(["hi"]).generations

    assert [(g.text, g.generation_info["logprobs"]["of"]) for g in generations] == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("mode", ["generate", "agenerate"])
async def test_a_refused_prompt_ends_its_batch(emulator: Emulator, mode: str, streaming: bool) -> None:
    """A few requests are in flight, and none begins after the error; no task goes on."""
    emulator.faults(Fault(status=400, body={"error": {"message": "no"}}), Fault(latency=0.2, times=99))
    model = llm(emulator, max_retries=0, streaming=streaming)
    prompts = [f"prompt {n}" for n in range(100)]
    tasks = len(asyncio.all_tasks())

    with pytest.raises(BadRequestError, match="no"):
        await (asyncio.to_thread(model.generate, prompts) if mode == "generate" else model.agenerate(prompts))

    assert len(asyncio.all_tasks()) == tasks
    await asyncio.sleep(0.3)
    assert len(emulator.requests) <= 9


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("mode", ["generate", "agenerate"])
async def test_the_context_of_the_caller_is_kept(emulator: Emulator, mode: str, count: int) -> None:
    """A credential, or a trace, sees the same context variables as the caller."""
    seen: list[str] = []

    def token() -> str:
        seen.append(USER.get())
        return emulator.key

    model = AzureAILLM(
        endpoint=emulator.url + "/serverless/mistral-large-2411",
        credential=token,
        client_kwargs={"allow_http_token": True},
    )
    USER.set("kept")
    if mode == "generate":
        model.generate(["hi"] * count)
    else:
        await model.agenerate(["hi"] * count)

    assert set(seen) == {"kept"}
