"""Our classes against the conformance checks that anyone can run against theirs, in both dialects."""

import ast
import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from llama_index.core.llms import ChatMessage

from llamaindex_azureai import AzureAI, AzureAIEmbedding, AzureAIMultiModalEmbedding, conformance
from llamaindex_azureai.conformance import EmbeddingConformance, FunctionCallingConformance, LLMConformance
from llamaindex_azureai.conformance._base import Caller
from llamaindex_azureai.conformance._strict import complaint

KIT = Path(conformance.__file__).parent


class OurLLM(FunctionCallingConformance):
    secret_argument = "credential"

    def llm(self, base_url, key, **kwargs):
        return AzureAI(base_url, key, **{"model": "gpt-4o", **kwargs})


class TestLLMOnOpenAIv1(OurLLM):
    dialect = "openai-v1"


class TestLLMOnModelInference(OurLLM):
    dialect = "model-inference"
    has_documents = False  # the dialect has no `file` parts


class TestLLMWithoutTools(LLMConformance):
    """A model without tools is still a chat model."""

    dialect = "model-inference"
    has_documents = False
    secret_argument = "credential"

    def llm(self, base_url, key, **kwargs):
        return AzureAI(base_url, key, **{"model": "phi-4", **kwargs})


class OurEmbedding(EmbeddingConformance):
    secret_argument = "credential"
    test_ingestion_with_two_workers = pytest.mark.slow(EmbeddingConformance.test_ingestion_with_two_workers)

    def embedding(self, base_url, key, **kwargs):
        return AzureAIEmbedding(base_url, key, **{"model": "m", **kwargs})

    def image_embedding(self, base_url, key, **kwargs):
        return AzureAIMultiModalEmbedding(base_url, key, **{"model": "m", **kwargs})


class TestEmbeddingOnOpenAIv1(OurEmbedding):
    dialect = "openai-v1"


class TestEmbeddingOnModelInference(OurEmbedding):
    dialect = "model-inference"


def test_the_checks_stand_on_the_framework_and_pytest_only():
    """So that they can be run against any class, beside any library."""
    allowed = {*sys.stdlib_module_names, "llama_index", "pytest", "pydantic"}
    for file in KIT.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            assert {name.split(".")[0] for name in names} <= allowed, file.name
            assert not (isinstance(node, ast.ImportFrom) and node.level > 1), file.name


@pytest.mark.slow
def test_a_missing_pytest_is_one_clear_import_error():
    """And the adapters themselves do without."""
    code = (
        "import sys\nsys.modules['pytest'] = None\nimport llamaindex_azureai\n"
        "try:\n    import llamaindex_azureai.conformance\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "The conformance checks are pytest classes: pip install pytest."


@pytest.mark.slow
def test_the_adapters_do_not_load_the_checks():
    """They are for tests."""
    code = "import sys, llamaindex_azureai\nprint([m for m in sys.modules if 'conformance' in m or m == 'pytest'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", conformance.__all__)
def test_names_are_public_and_described(name):
    """`help` has a sentence for each."""
    assert getattr(conformance, name).__doc__


# ---------------------------------------------------------------------------- the checks, checked


class Mutating(AzureAI):
    def _chat(self, messages, **kwargs):
        messages.append(messages[0])
        return super()._chat(messages, **kwargs)


class Leaking(AzureAI):
    def to_dict(self, **kwargs):
        return {**super().to_dict(**kwargs), "key": self.credential.get_secret_value()}


class Forgetful(AzureAI):
    """Loses the usage."""

    def _chat(self, messages, **kwargs):
        response = super()._chat(messages, **kwargs)
        return response.model_copy(update={"raw": {}, "additional_kwargs": {}})


class Doubling(AzureAI):
    """Completes through the public method, so that one call is two events."""

    def _chat(self, messages, **kwargs):
        super()._chat(messages, **kwargs)
        return super()._chat(messages, **kwargs)


class Blind(AzureAI):
    """Drops images."""

    def _chat(self, messages, **kwargs):
        return super()._chat([ChatMessage(role=m.role, content=m.content) for m in messages], **kwargs)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Mutating, lambda kit, service, model, caller: kit.test_nothing_given_is_changed(model, caller, "chat")),
        (Leaking, lambda kit, service, model, caller: kit.test_no_secret_in_dumps(service, model)),
        (Forgetful, lambda kit, service, model, caller: kit.test_usage_is_in_raw(model, caller, "chat")),
        (
            Doubling,
            lambda kit, service, model, caller: kit.test_one_call_is_one_request(service, model, caller, "chat"),
        ),
        (Blind, lambda kit, service, model, caller: kit.test_images_are_sent_or_refused(service, model, caller)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_checks_notice_what_is_wrong(kind, check):
    """A check that nothing can fail says nothing."""
    service = conformance.ScriptedService()
    with asyncio.Runner() as runner, pytest.raises((AssertionError, KeyError, TypeError)):
        check(OurLLM(), service, kind(service.base_url("openai-v1"), service.key, model="m"), Caller("sync", runner))
    service.stop()


CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ASKED = {"role": "assistant", "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"messages": [{"role": "user", "content": "q"}], "tool_choice": "auto"}, "only allowed when 'tools'"),
        ({"messages": [{"role": "user", "content": "q"}], "stop": None}, "should not be null: stop"),
        ({"messages": [{"role": "user", "content": "q"}], "user": "u"}, "not permitted: user"),
        ({"messages": []}, "not be empty"),
        ({"messages": [{"role": "user", "content": None}]}, "content should not be null"),
        ({"messages": [ASKED, {"role": "tool", "tool_call_id": "c1", "content": None}]}, "must not be null"),
        ({"messages": [ASKED, {"role": "tool", "tool_call_id": "c2", "content": "x"}]}, "must answer a call"),
        ({"messages": [ASKED, {"role": "user", "content": "x"}]}, "were not answered"),
        ({"messages": [{**ASKED, "tool_calls": [{**CALL, "id": None}]}]}, "id of a call must be a string"),
        ({"messages": [{**ASKED, "tool_calls": [{**CALL, "function": {"arguments": {}}}]}]}, "must be a string"),
        ({"messages": [ASKED, {"role": "tool", "tool_call_id": "c1", "content": ""}]}, None),
    ],
)
def test_the_scripted_service_is_strict(body, reason):
    """It refuses what real services refuse."""
    found = complaint("/models/chat/completions", body, pass_through=False, known_only=True)

    assert found is None if reason is None else reason in found
