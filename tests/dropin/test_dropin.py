"""The retired adapters' public examples run here with only the import line changed.

`examples/` has them, written anew from the calls that the documentation shows, with the old imports; each names the
page it stands for. A test changes the imports, runs the example against the emulator, and looks at what came back and
at what went over the wire.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from azureai_core import ConfigurationError

MODELS = "/models"
OPENAI = "/openai/v1"
MISTRAL = "/serverless/mistral-large-2407"


def bodies(emulator: Any) -> list[dict[str, Any]]:
    """The request bodies, oldest first."""
    return [request.body for request in emulator.requests]


def only(emulator: Any) -> dict[str, Any]:
    """The body of the one request."""
    (body,) = bodies(emulator)
    return body


# ---------------------------------------------------------------------------- the proof itself


def test_only_import_lines_change(examples: dict[str, tuple[str, str]]) -> None:
    """Each example differs from its documented form in `from … import` lines alone, and in at least one."""
    for name, (old, new) in examples.items():
        changed = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "+-"]
        assert changed, name
        assert all(line[2:].startswith("from ") for line in changed), name
        assert "azure_inference" not in new.replace("AZURE_INFERENCE", ""), name


def test_every_example_names_its_page_and_has_a_test(examples: dict[str, tuple[str, str]]) -> None:
    """A first line in words, and a test below that runs it."""
    tests = Path(__file__).read_text("utf-8")

    assert all(old.startswith('"""') and f'"{name}"' in tests for name, (old, _) in examples.items())


# ---------------------------------------------------------------------------- LangChain: chat


def test_langchain_quick_start_on_openai_v1(run_example: Any, emulator: Any) -> None:
    """An answer with usage, from the deployment that `model_name` names."""
    ran = run_example("langchain_quick_start_openai", OPENAI)

    assert isinstance(ran.answer, AIMessage)
    assert ran.answer.content
    assert ran.answer.usage_metadata["total_tokens"] > 0
    assert ran.answer.response_metadata["finish_reason"] == "stop"
    assert only(emulator)["model"] == "gpt-4o"
    assert [message["role"] for message in only(emulator)["messages"]] == ["system", "user"]


def test_langchain_quick_start_streams_deepseek(run_example: Any, emulator: Any) -> None:
    """The answer in `content`; what the model thought is apart from it, where it used to be in the text."""
    ran = run_example("langchain_quick_start_deepseek", MODELS)

    assert ran.text.strip()
    assert "<think>" not in ran.text
    assert only(emulator)["stream"] is True


def test_langchain_reference_without_a_model_name(run_example: Any, emulator: Any) -> None:
    """An endpoint of one model is asked for no model, and nothing is asked before the call."""
    ran = run_example("langchain_reference_one_model", MISTRAL)

    assert ran.answer.content
    assert "model" not in only(emulator)


def test_langchain_reference_parameters(run_example: Any, emulator: Any) -> None:
    """Arguments of the class are fields of each request."""
    run_example("langchain_reference_parameters", MODELS)

    assert only(emulator).items() >= {"model": "mistral-large-2407", "temperature": 0.5, "top_p": 0.9}.items()


def test_langchain_reference_structured_output(run_example: Any, emulator: Any) -> None:
    """All three methods fill the class."""
    ran = run_example("langchain_reference_structured_output", MODELS)

    assert [booking.city for booking in ran.bookings] == ["Lisbon"] * 3
    asked = bodies(emulator)
    assert [body.get("response_format", {}).get("type") for body in asked] == ["json_schema", None, "json_object"]
    assert asked[1]["tool_choice"]["function"]["name"] == "Booking"


def test_langchain_article_chain(run_example: Any, emulator: Any) -> None:
    """Messages, then prompt, model and parser in a chain."""
    ran = run_example("langchain_article_chain", MODELS)

    assert ran.answer.content
    assert isinstance(ran.text, str)
    assert bodies(emulator)[1]["messages"] == [
        {"role": "system", "content": "Answer in Italian."},
        {"role": "user", "content": "Good evening"},
    ]


def test_langchain_article_two_models(run_example: Any, emulator: Any) -> None:
    """One model's answer is the other's prompt."""
    ran = run_example("langchain_article_two_models", MODELS)

    assert [body["model"] for body in bodies(emulator)] == ["mistral-large-2407", "mistral-small"]
    assert ran.result["poem"] in bodies(emulator)[1]["messages"][0]["content"]
    assert ran.result["verification"]


@pytest.mark.parametrize(
    ("name", "path", "model"),
    [
        ("langchain_article_openai_deployment", "/openai/deployments/gpt-4o", None),
        ("langchain_article_foundry_models", MODELS, "gpt-4o"),
    ],
)
def test_langchain_article_api_version(
    run_example: Any, emulator: Any, name: str, path: str, model: str | None
) -> None:
    """`api_version` is what the query says."""
    ran = run_example(name, path)

    assert ran.answer.content
    assert emulator.requests[0].query == {"api-version": "2024-05-01-preview"}
    assert only(emulator).get("model") == model


@pytest.mark.parametrize("name", ["langchain_article_entra", "langchain_article_entra_async"])
def test_langchain_article_entra(run_example: Any, https: str, entra: list[str], name: str) -> None:
    """The credential of either colour is asked for a token, which the service takes."""
    ran = run_example(name, MISTRAL, https)

    assert ran.answer.content
    assert len(entra) == 1


def test_langchain_article_debugging_is_told_the_new_spelling(run_example: Any) -> None:
    """The one example that does not run as it stands: logging is Python's own here, and the error says so."""
    with pytest.raises(ConfigurationError, match="logging"):
        run_example("langchain_article_debugging", MODELS)


def test_langchain_guide(run_example: Any, emulator: Any) -> None:
    """`temperature=0` is sent, what is `None` is not, endpoint and key come from the environment."""
    ran = run_example("langchain_guide", MODELS)

    assert ran.ai_msg.content
    assert only(emulator)["temperature"] == 0
    assert "max_tokens" not in only(emulator)


def test_langchain_guide_features(run_example: Any, emulator: Any) -> None:
    """Tools, images, streaming, async, token usage and log probabilities."""
    ran = run_example("langchain_guide_features", MODELS)

    (call,) = ran.called.tool_calls
    assert (call["name"], call["args"]) == ("multiply", {"a": 17, "b": 23})
    assert bodies(emulator)[1]["messages"][0]["content"][1]["image_url"]["url"] == ran.PIXEL
    assert ran.seen.content
    assert len(ran.streamed) > 1
    assert "".join(ran.streamed) == "".join(ran.astreamed)
    assert ran.answer.usage_metadata["output_tokens"] > 0
    assert bodies(emulator)[3]["logprobs"] is True


def test_langchain_guide_agent(run_example: Any, emulator: Any) -> None:
    """The agent calls its tool, and the answer has the result."""
    ran = run_example("langchain_guide_agent", MODELS)

    assert [message.type for message in ran.result["messages"]] == ["human", "ai", "tool", "ai"]
    assert "391" in ran.result["messages"][-1].content
    assert len(emulator.requests) == 2


# ---------------------------------------------------------------------------- LangChain: embeddings


def test_langchain_article_embeddings(run_example: Any, emulator: Any) -> None:
    """A vector store finds the document that answers the question."""
    ran = run_example("langchain_article_embeddings", MODELS)

    assert [document.id for document in ran.found] == ["1"]
    assert {body["model"] for body in bodies(emulator)} == {"text-embedding-3-large"}


def test_langchain_reference_embeddings(run_example: Any, emulator: Any) -> None:
    """Sync and async give the same vectors; queries are told from documents."""
    ran = run_example("langchain_reference_embeddings", MODELS)

    assert ran.vectors == ran.avectors
    assert (len(ran.vectors), len(ran.vectors[0])) == (2, len(ran.query))
    assert [body["input_type"] for body in bodies(emulator)] == ["document", "document", "query"]


def test_langchain_providers_page(run_example: Any, emulator: Any) -> None:
    """Endpoint and key from the environment serve both classes."""
    ran = run_example("langchain_providers", MODELS)

    assert ran.joke.content
    assert len(ran.vector) > 0
    assert [body["model"] for body in bodies(emulator)] == ["gpt-4o", "text-embedding-ada-002"]


# ---------------------------------------------------------------------------- LlamaIndex: chat


def test_llamaindex_notebook(run_example: Any, emulator: Any) -> None:
    """Completion and chat, each plain and streamed, four requests and no other."""
    ran = run_example("llamaindex_notebook", MISTRAL)

    assert ran.completion.text == "".join(ran.completed)
    assert ran.chat.message.content == "".join(ran.chatted)
    assert [body.get("stream", False) for body in bodies(emulator)] == [False, True, False, True]
    assert bodies(emulator)[0]["messages"] == [{"role": "user", "content": "The harbour at night is"}]


def test_llamaindex_notebook_several_models(run_example: Any, emulator: Any) -> None:
    """`model_name` goes along, and is the metadata's."""
    ran = run_example("llamaindex_notebook_several_models", MODELS)

    assert ran.completion.text
    assert only(emulator)["model"] == ran.metadata.model_name == "mistral-large"


def test_llamaindex_notebook_parameters(run_example: Any, emulator: Any) -> None:
    """`temperature=0.0` is sent; `model_extras` are fields of the body, passed through to the model."""
    ran = run_example("llamaindex_notebook_parameters", MISTRAL)

    first, second = bodies(emulator)
    assert first.items() >= {"temperature": 0.0, "top_p": 1.0}.items()
    assert second["safe_prompt"] is True
    assert emulator.requests[1].headers["extra-parameters"] == "pass-through"
    assert ran.first.text
    assert ran.second.text


def test_llamaindex_notebook_entra(run_example: Any, https: str, entra: list[str]) -> None:
    """Both kinds of credential."""
    ran = run_example("llamaindex_notebook_entra", MISTRAL, https)

    assert ran.completion.text == ran.acompletion.text
    assert len(entra) == 2


def test_llamaindex_reference_settings(run_example: Any) -> None:
    """The model is the session's afterwards."""
    from llama_index.core import Settings

    ran = run_example("llamaindex_reference_settings", MISTRAL)

    assert ran.answer.message.content
    assert Settings.llm is ran.llm


def test_llamaindex_article_api_version(run_example: Any, emulator: Any) -> None:
    """`api_version` and `model_name` on a Foundry models endpoint."""
    ran = run_example("llamaindex_article_openai", MODELS)

    assert ran.answer.message.content
    assert emulator.requests[0].query == {"api-version": "2024-05-01-preview"}
    assert only(emulator)["model"] == "gpt-4o"


def test_llamaindex_package_checks(run_example: Any, emulator: Any) -> None:
    """Parameters of a call, JSON mode, and calls under the old key of the message."""
    ran = run_example("llamaindex_package_checks", MISTRAL)

    assert bodies(emulator)[0].items() >= {"temperature": 0.0, "top_p": 1.0}.items()
    assert ran.as_json.message.content.strip().startswith("{")
    (call,) = ran.called.message.additional_kwargs["tool_calls"]
    assert call["function"]["name"] == "echo"


# ---------------------------------------------------------------------------- LlamaIndex: embeddings, engines, agents


def test_llamaindex_article_embeddings(run_example: Any, emulator: Any) -> None:
    """The embeddings are a transformation of nodes."""
    ran = run_example("llamaindex_article_embeddings", MODELS)

    assert len(ran.response[0].embedding) == 1024
    assert only(emulator)["model"] == "cohere-embed-v3-multilingual"


def test_llamaindex_article_session(run_example: Any, emulator: Any) -> None:
    """Query engine, streamed query engine, evaluator and agent use the session's models."""
    ran = run_example("llamaindex_article_session", MODELS)

    assert ran.answer.source_nodes[0].text == "The library closes at nine."
    assert "nine" in str(ran.answer)
    assert "".join(ran.streamed).strip()
    assert isinstance(ran.verdict.passing, bool)
    assert "391" in str(ran.agent_answer)
    assert {body["model"] for body in bodies(emulator)} == {"gpt-4o", "cohere-embed-v3-multilingual"}
