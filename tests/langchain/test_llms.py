"""The text-completion LLM over real HTTP."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from azureai_emulator import Emulator, Fault
from langchain_azureai import AzureAITextCompletionsModel

modes = pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def llm(emulator: Emulator, **arguments: Any) -> AzureAITextCompletionsModel:
    return AzureAITextCompletionsModel(
        endpoint=emulator.url + "/serverless/mistral-large-2411", credential=emulator.key, **arguments
    )


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
    model = AzureAITextCompletionsModel(
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
