"""Checks of an embeddings class."""
# ruff: noqa: PLR2004  expected numbers stand in the assertion

from __future__ import annotations

import asyncio
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar

import pytest
from llama_index.core import Document
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from ._base import Caller, Conformance, Recorder, quietly, status_of
from ._replies import Json, embedded, embedded_backwards, fails, vector_of
from ._service import ScriptedService

Make = Callable[..., BaseEmbedding]
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]
VECTORS = [vector_of(text) for text in TEXTS]


class EmbeddingConformance(Conformance):
    """What an embeddings class must do to be a first-class citizen of LlamaIndex."""

    has_input_types: ClassVar[bool] = True
    """Whether queries and documents are embedded differently; the factory makes such a model when asked for
    `model="cohere-embed-v3-english"`."""
    has_images: ClassVar[bool] = True
    """Whether the factory `image_embedding` gives a model that embeds images."""
    has_dimensions: ClassVar[bool] = True
    """Whether the factory takes `dimensions`."""
    has_retries: ClassVar[bool] = True
    """Whether the factory takes `max_retries`, the number of retries."""
    has_many_workers: ClassVar[bool] = True
    """Whether ingestion with worker processes is supported."""
    most_in_flight: ClassVar[int] = 16
    """Requests in flight at most when a whole corpus is embedded."""

    def embedding(self, base_url: str, key: str, **kwargs: Any) -> BaseEmbedding:
        """A model on the base URL, with the key."""
        raise NotImplementedError

    def image_embedding(self, base_url: str, key: str, **kwargs: Any) -> MultiModalEmbedding:
        """A model that embeds images too."""
        raise NotImplementedError

    @pytest.fixture
    def make(self, service: ScriptedService) -> Make:
        """Makes models on the scripted service."""
        return lambda **kwargs: self.embedding(service.base_url(self.dialect), service.key, **kwargs)

    @pytest.fixture
    def model(self, make: Make) -> BaseEmbedding:
        """A model on the scripted service."""
        return make()

    # ------------------------------------------------------------------ vectors

    @pytest.mark.parametrize("method", ["get_text_embedding", "get_query_embedding"])
    def test_one_text_is_one_request(
        self, service: ScriptedService, model: BaseEmbedding, caller: Caller, method: str
    ) -> None:
        """A plain list of floats."""
        vector = caller(model, method, "a text")

        assert vector == vector_of("a text")
        assert {type(vector), *map(type, vector)} == {list, float}
        assert len(service.requests) == 1
        assert service.last.body["input"] in (["a text"], "a text")

    def test_a_batch_keeps_its_order(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """One request, one vector per text."""
        assert caller(make(embed_batch_size=10), "get_text_embedding_batch", TEXTS) == VECTORS
        assert len(service.requests) == 1

    def test_answers_out_of_order_are_sorted(
        self, service: ScriptedService, model: BaseEmbedding, caller: Caller
    ) -> None:
        """The server answers back to front, and says so in `index`."""
        service.will(embedded_backwards)

        assert caller(model, "get_text_embedding_batch", TEXTS) == VECTORS

    def test_batches_have_the_chosen_size(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """Two, two and one, joined in order."""
        assert caller(make(embed_batch_size=2), "get_text_embedding_batch", TEXTS) == VECTORS
        assert sorted(len(body["input"]) for body in service.bodies) == [1, 2, 2]

    def test_texts_given_are_not_changed(self, model: BaseEmbedding, caller: Caller) -> None:
        """Neither their number nor their order."""
        texts = list(TEXTS)
        caller(model, "get_text_embedding_batch", texts)

        assert texts == TEXTS

    def test_too_few_vectors_are_an_error(self, service: ScriptedService, model: BaseEmbedding, caller: Caller) -> None:
        """Else vectors would belong to other texts."""
        service.will(lambda body: embedded({**body, "input": body["input"][1:]}))
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever the class raises
            caller(model, "get_text_embedding_batch", TEXTS)

    def test_an_empty_text_is_named(self, model: BaseEmbedding, caller: Caller) -> None:
        """By its place in the corpus: services refuse the whole batch without saying which one."""
        with pytest.raises(Exception, match=r"(?<![\d.])1(?![\d.])"):
            caller(model, "get_text_embedding_batch", ["a", "", "b"])

    def test_node_embeddings(self, model: BaseEmbedding, caller: Caller) -> None:
        """As a step of a pipeline."""
        nodes = [TextNode(text=text) for text in TEXTS]
        found = model(nodes) if not caller.is_async else caller(model, "call", nodes)

        assert [node.embedding for node in found] == VECTORS

    @pytest.mark.parametrize("method", ["get_text_embedding", "get_query_embedding"])
    def test_query_and_document_differ(self, service: ScriptedService, make: Make, caller: Caller, method: str) -> None:
        """Where the model embeds the two differently."""
        if not self.has_input_types:
            pytest.skip("no input types")
        caller(make(model="cohere-embed-v3-english"), method, "a text")

        assert service.last.body["input_type"] == ("query" if "query" in method else "document")

    def test_the_cache_keeps_queries_apart(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """A cached document is not the vector of a query; each is asked for once."""
        if not self.has_input_types:
            pytest.skip("no input types")
        model = make(model="cohere-embed-v3-english", embeddings_cache=SimpleKVStore())
        for _ in range(2):
            caller(model, "get_text_embedding", "a text")
            caller(model, "get_query_embedding", "a text")

        assert sorted(body["input_type"] for body in service.bodies) == ["document", "query"]

    def test_the_cache_is_used(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """The second time nothing is sent."""
        model = make(embeddings_cache=SimpleKVStore())
        assert [caller(model, "get_text_embedding_batch", TEXTS) for _ in range(2)] == [VECTORS] * 2
        assert len(service.requests) == 1

    def test_dimensions_are_sent(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """And the vectors are that long."""
        if not self.has_dimensions:
            pytest.skip("no dimensions")
        vector = caller(make(dimensions=2), "get_text_embedding", "a text")

        assert (service.last.body["dimensions"], len(vector)) == (2, 2)

    # ------------------------------------------------------------------ requests

    def test_requests_run_side_by_side_within_bounds(
        self, service: ScriptedService, make: Make, runner: asyncio.Runner
    ) -> None:
        """More than one, and not the whole corpus at once."""
        service.hold(2)
        texts = [f"text {n}" for n in range(120)]
        vectors = runner.run(_awaited(make(embed_batch_size=1).aget_text_embedding_batch, texts))

        assert vectors == [vector_of(text) for text in texts]
        assert 2 <= service.most_in_flight <= self.most_in_flight

    def test_connections_are_used_again(self, service: ScriptedService, model: BaseEmbedding, caller: Caller) -> None:
        """Ten calls one after the other, one connection."""
        for _ in range(10):
            caller(model, "get_text_embedding", "a text")

        assert len({request.connection for request in service.requests}) == 1

    @pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
    def test_errors_tell_their_status(self, service: ScriptedService, make: Make, caller: Caller, status: int) -> None:
        """In `status_code`, and the service's words in the text."""
        model = make(max_retries=0) if self.has_retries else make()
        service.will(*[fails(status, {"error": {"code": "bad", "message": "the reason given"}})] * 4)
        with pytest.raises(Exception, match="the reason given") as caught:
            caller(model, "get_text_embedding_batch", TEXTS)

        assert status_of(caught.value) == status

    def test_an_asked_wait_is_repeated(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """A 429 says when to come back."""
        if not self.has_retries:
            pytest.skip("no argument for retries")
        service.will(fails(429, {"error": {"message": "slowly"}}, retry_after="0"))

        assert caller(make(max_retries=1), "get_text_embedding_batch", TEXTS) == VECTORS
        assert len(service.requests) == 2

    def test_nothing_is_asked_behind_the_users_back(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """Nothing at construction, one request of any kind per call."""
        model = make()
        assert not service.all_requests
        caller(model, "get_text_embedding", "a text")

        assert [request.method for request in service.all_requests] == ["POST"]

    def test_one_event_per_batch(self, make: Make, caller: Caller, recorder: Recorder) -> None:
        """One start, one end."""
        caller(make(embed_batch_size=3), "get_text_embedding_batch", TEXTS)

        assert sorted(recorder.names("Embedding")) == ["EmbeddingEndEvent"] * 2 + ["EmbeddingStartEvent"] * 2

    # ------------------------------------------------------------------ dumps, hashes, copies, loops

    def test_no_secret_in_dumps(self, service: ScriptedService, model: BaseEmbedding) -> None:
        """Not in `to_dict`, `to_json`, `repr` or the payload of events."""
        payload = model.to_payload() if hasattr(model, "to_payload") else {}
        shown = [str(model.to_dict()), model.to_json(), repr(model), str(payload)]

        assert not [text for text in shown if service.key in text]

    def test_dict_round_trip(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """`from_dict(to_dict())` with the secret apart asks the same of the same address."""
        model = make()
        again = type(model).from_dict(json.loads(json.dumps(model.to_dict())), **{self.secret_argument: service.key})
        caller(model, "get_text_embedding", "a text")
        caller(again, "get_text_embedding", "a text")

        assert service.bodies[0] == service.bodies[1]
        assert service.requests[0].path == service.requests[1].path

    def test_the_hash_of_a_pipeline_step(self, service: ScriptedService, make: Make) -> None:
        """The same for the same settings, also with another key; another one for what changes vectors."""
        nodes = [TextNode(text="a", id_="1")]
        base = service.base_url(self.dialect)
        models = [
            make(),
            self.embedding(base, "another-key"),
            make(model="other"),
            self.embedding(base + "/x", service.key),
        ]
        models += [make(dimensions=2)] if self.has_dimensions else []
        first, rotated, *others = [get_transformation_hash(nodes, model) for model in models]

        assert first == rotated
        assert len({first, *others}) == len(models) - 1

    @pytest.mark.parametrize("when", ["fresh", "used"])
    def test_pickling(self, make: Make, caller: Caller, when: str) -> None:
        """A copy in another process works, also after use."""
        model = make()
        if when == "used":
            caller(model, "get_text_embedding", "a text")
        copied = pickle.loads(pickle.dumps(model))  # noqa: S301  our own bytes

        assert caller(copied, "get_text_embedding_batch", TEXTS) == VECTORS

    def test_three_event_loops(self, model: BaseEmbedding) -> None:
        """Repeated `asyncio.run`; no error, no warning."""
        with quietly():
            found = [asyncio.run(_awaited(model.aget_text_embedding_batch, TEXTS)) for _ in range(3)]
        assert found == [VECTORS] * 3

    # ------------------------------------------------------------------ ingestion

    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # the framework forks with threads
    def test_ingestion_with_two_workers(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """The model travels to the processes; the vectors are those of one."""
        if not self.has_many_workers:
            pytest.skip("no worker processes")
        documents = [Document(text=f"text number {n}", doc_id=str(n)) for n in range(12)]
        pipeline = IngestionPipeline(transformations=[make(embed_batch_size=4)], disable_cache=True)
        nodes = caller(pipeline, "run", documents=documents, num_workers=2)

        assert {n.node_id: n.embedding for n in nodes} == {str(n): vector_of(f"text number {n}") for n in range(12)}
        assert sorted(len(body["input"]) for body in service.bodies) == [2, 2, 4, 4]

    def test_a_second_ingestion_is_all_cache_hits(self, service: ScriptedService, make: Make, caller: Caller) -> None:
        """With another object of the same settings."""
        documents = [Document(text=text, doc_id=text) for text in TEXTS]
        pipeline = IngestionPipeline(transformations=[make()])
        caller(pipeline, "run", documents=documents)
        sent = len(service.requests)
        pipeline.transformations = [make()]
        nodes = caller(pipeline, "run", documents=documents)

        assert [node.embedding for node in nodes] == VECTORS
        assert len(service.requests) == sent

    # ------------------------------------------------------------------ images

    @pytest.fixture
    def images(self, service: ScriptedService) -> MultiModalEmbedding:
        """A model that embeds images."""
        if not self.has_images:
            pytest.skip("no images")
        return self.image_embedding(service.base_url("model-inference"), service.key)

    def test_it_is_the_frameworks_class_for_images(self, images: MultiModalEmbedding) -> None:
        """Multi-modal indexes insist on it."""
        assert isinstance(images, MultiModalEmbedding)

    @pytest.mark.parametrize("form", ["bytes", "path"])
    def test_an_image(
        self, service: ScriptedService, images: MultiModalEmbedding, caller: Caller, tmp_path: Any, form: str
    ) -> None:
        """An open file or a path; a data URL leaves."""
        (tmp_path / "a.png").write_bytes(_png())
        given = BytesIO(_png()) if form == "bytes" else str(tmp_path / "a.png")
        vector = caller(images, "get_image_embedding", given)
        [sent] = service.last.body["input"]

        assert service.last.path.partition("?")[0].endswith("/images/embeddings")
        assert sent["image"].startswith("data:image/png;base64,")
        assert vector == vector_of(sent)

    def test_a_batch_of_images_keeps_its_order(
        self, service: ScriptedService, images: MultiModalEmbedding, caller: Caller
    ) -> None:
        """However many requests it takes."""
        pictures = [BytesIO(_png(size)) for size in (1, 2, 3)]
        vectors = caller(images, "get_image_embedding_batch", pictures)
        sent: list[Json] = [item for body in service.bodies for item in body["input"]]

        assert vectors == sorted(map(vector_of, sent), key=lambda vector: vector[0])


def _png(width: int = 1) -> bytes:
    """A black picture; the wider, the longer its bytes."""
    head = struct.pack(">IIBBBBB", width, 1, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" + bytes(range(width * 3)), 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _part(name, data) for name, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )


def _part(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


async def _awaited(function: Callable[..., Any], *args: Any) -> Any:
    return await function(*args)
