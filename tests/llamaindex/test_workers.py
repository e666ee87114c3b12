"""Ingestion pipelines with worker processes: the model travels, the vectors come back."""

import multiprocessing
import sys
from pathlib import Path

import llama_index.core.ingestion.pipeline
import pytest
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import Document

from llamaindex_azureai import AzureAIEmbedding

# A worker that dies while unpickling makes the pool wait for ever.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.fixture
def make(service):
    def make(**options):
        return AzureAIEmbedding(
            **{
                "endpoint": service.url + "/models",
                "credential": service.key,
                "model": "m",
                "embed_batch_size": 4,
                **options,
            }
        )

    return make


@pytest.fixture
def tokens(monkeypatch, tmp_path):
    """A token provider in a module that worker processes can import."""
    (tmp_path / "worker_tokens.py").write_text(
        "class Credential:\n"
        "    def get_token(self, *scopes, **options):\n"
        "        return type('T', (), {'token': 'worker-token-0123', 'expires_on': 4102444800})()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import worker_tokens

    yield worker_tokens
    sys.modules.pop("worker_tokens", None)


@pytest.fixture
def documents():
    return [Document(text=f"text number {n}", doc_id=str(n)) for n in range(12)]


def _vectors(nodes):
    return {node.ref_doc_id: node.embedding for node in nodes}


@pytest.mark.parametrize("kind", ["key", "factory"])
async def test_two_workers_give_the_vectors_of_one(service, make, tokens, documents, caller, kind):
    """Spawned or forked, with a key or a token credential made in the worker."""
    auth = (
        {"credential_factory": tokens.Credential, "credential": None, "allow_http_token": True}
        if kind == "factory"
        else {}
    )
    model = make(**auth)
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), model], disable_cache=True)
    single = _vectors(pipeline.run(documents=documents))
    before = len(service.requests)
    double = _vectors(await caller(pipeline, "run", documents=documents, num_workers=2))

    assert set(double) == set(single)
    assert {k: v[0] for k, v in double.items()} == {k: v[0] for k, v in single.items()}
    assert sorted(len(r.body["input"]) for r in service.requests[before:]) == [2, 2, 4, 4]
    expected = "Bearer worker-token-0123" if kind == "factory" else f"Bearer {service.key}"
    assert {r.headers["authorization"] for r in service.requests} == {expected}


@pytest.mark.parametrize("workers", [None, 2])
async def test_a_second_run_is_all_cache_hits(service, make, documents, caller, workers):
    """The cache key is stable, also for another object of the same settings, and across processes."""
    if workers and not hasattr(llama_index.core.ingestion.pipeline, "_run_transformations_worker"):
        pytest.skip("workers of this version of the framework keep what they cached to themselves")
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), make()])
    await caller(pipeline, "run", documents=documents, num_workers=workers)
    sent = len(service.requests)
    pipeline.transformations = [SentenceSplitter(), make()]
    nodes = await caller(pipeline, "run", documents=documents, num_workers=workers)

    assert len(service.requests) == sent
    assert all(node.embedding for node in nodes)


def _child(model, queue):
    queue.put(model.get_text_embedding("ab"))


def test_a_forked_process_does_not_share_connections(service, make):
    """The parent's open connection is left alone; both go on."""
    model = make()
    model.get_text_embedding("a")
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=_child, args=(model, queue))
    process.start()
    vector = queue.get()
    process.join()

    assert (vector, model.get_text_embedding("abc")) == ([2.0, 0.0], [3.0, 0.0])
    assert Path(__file__).exists()
