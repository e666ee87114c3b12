"""Conformance checks for any LlamaIndex model class that talks to a chat or embeddings service over HTTP.

Point the checks at a class of your own by saying how it is made. They run against a scripted server on a loopback
socket, so they need no account and no network:

    from llamaindex_azureai.conformance import FunctionCallingConformance

    class TestMyModel(FunctionCallingConformance):
        dialect = "openai-v1"  # or "model-inference"

        def llm(self, base_url, key, **kwargs):
            return MyModel(base_url=base_url, api_key=key, model="m", **kwargs)

`LLMConformance` is for chat models without tools, `FunctionCallingConformance` has its checks and those on tools,
structured output and agents, `EmbeddingConformance` is for embeddings. Most checks run sync and async.

What a class may legitimately lack is said by class attributes, each described where it stands: `has_images = False`
and the like. A check that an attribute switches off is skipped; blocks that a class lacks must then be refused, since
a block that is silently dropped is a wrong answer.

The factories get, by keyword and only where a check needs them: `system_prompt`, `callback_manager`, `temperature`,
`max_retries`, and for embeddings `model`, `dimensions`, `embed_batch_size`, `embeddings_cache`, `max_retries`. They
translate them to the names of the class. Everything else, such as a context window, is the factory's to set.

This package stands on llama-index-core, pytest and the standard library, and on nothing else.
"""

try:
    import pytest
except ImportError as error:
    raise ImportError("The conformance checks are pytest classes: pip install pytest.") from error

# Before they are imported, so that a failed check shows its values.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("_agents", "_embeddings", "_llm", "_tools")))

from ._agents import FunctionCallingConformance  # noqa: E402  after the registration
from ._embeddings import EmbeddingConformance  # noqa: E402
from ._llm import LLMConformance  # noqa: E402
from ._replies import Reply, calls, fails, frames, says  # noqa: E402
from ._service import Request, ScriptedService  # noqa: E402

__all__ = [
    "EmbeddingConformance",
    "FunctionCallingConformance",
    "LLMConformance",
    "Reply",
    "Request",
    "ScriptedService",
    "calls",
    "fails",
    "frames",
    "says",
]
