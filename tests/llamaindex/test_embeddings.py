"""Embeddings of texts and images (contract 1.11)."""

import asyncio
import base64
import pickle
from io import BytesIO

import pytest
from llama_index.core import Document
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager, CBEventType
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.schema import ImageDocument, ImageNode, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from azureai_core import AzureAIError, ConfigurationError, RateLimitError
from llamaindex_azureai import AzureAIEmbedding, AzureAIMultiModalEmbedding

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
ASYMMETRIC, SYMMETRIC = "cohere-embed-v3-english", "text-embedding-3-small"


@pytest.fixture
def make(service):
    def make(model=SYMMETRIC, kind=AzureAIEmbedding, path="/models", **options):
        return kind(service.url + path, service.key, model=model, max_retries=0, **options)

    return make


async def test_one_text_one_query(service, make, caller):
    """Plain lists of floats; base64 is asked for on our own account."""
    model = make()
    text = await caller(model, "get_text_embedding", "abc")
    query = await caller(model, "get_query_embedding", "abc")

    assert text == query == [3.0, 0.0]
    assert [r.body for r in service.requests] == [
        {"input": ["abc"], "model": SYMMETRIC, "encoding_format": "base64"}
    ] * 2


async def test_queries_and_documents_differ_where_the_model_knows_it(service, make, caller):
    """By the model's profile, by `base_model`, or by the user's words."""
    for model in (
        make(ASYMMETRIC),
        make("mine", base_model=ASYMMETRIC),
        make("x", query_input_type="query", text_input_type="text"),
    ):
        await caller(model, "get_query_embedding", "q")
        await caller(model, "get_text_embedding", "t")

    assert [r.body.get("input_type") for r in service.requests] == [
        "query",
        "document",
        "query",
        "document",
        "query",
        "text",
    ]


async def test_a_refused_input_type_is_withdrawn_and_remembered(service, make, caller):
    """What we add on our own account may not break a call."""
    refusal = service.fails(
        422, {"detail": [{"loc": ["body", "input_type"], "msg": "Extra inputs are not permitted", "input": "query"}]}
    )
    service.will(refusal)
    model = make(f"cohere-embed-{id(refusal)}")
    vectors = [await caller(model, "get_query_embedding", "q") for _ in range(2)]

    assert vectors == [[1.0, 0.0]] * 2
    assert service.requests[0].body["input_type"] == "query"
    assert len(service.requests) == 3


async def test_a_refusal_is_remembered_beside_a_cache(service, make, caller):
    """The model that asks for queries is a copy of it; from then on, queries and texts share the cache."""
    refusal = service.fails(
        422, {"detail": [{"loc": ["body", "input_type"], "msg": "Extra inputs are not permitted", "input": "query"}]}
    )
    service.will(refusal)
    model = make(f"cohere-embed-{id(refusal)}", embeddings_cache=SimpleKVStore())
    for query in ("a", "b", "c"):
        await caller(model, "get_query_embedding", query)
    await caller(model, "get_text_embedding", "c")

    assert [r.body.get("input_type") for r in service.requests] == ["query", None, None, None]


async def test_what_the_user_asked_for_is_not_withdrawn(service, make, caller):
    """The error is the user's to see."""
    service.will(service.fails(422, {"detail": [{"loc": ["body", "input_type"], "msg": "no", "input": "q"}]}))
    with pytest.raises(Exception, match="input_type"):
        await caller(make("x", query_input_type="q"), "get_query_embedding", "q")
    assert len(service.requests) == 1


async def test_options_reach_the_body(service, make, caller):
    """Dimensions, encoding, and further fields."""
    model = make(dimensions=256, encoding_format="float", model_kwargs={"user": "u", "input_type": "text"})
    await caller(model, "get_text_embedding", "a")
    await caller(model, "get_query_embedding", "a")

    expected = {
        "input": ["a"],
        "model": SYMMETRIC,
        "dimensions": 256,
        "encoding_format": "float",
        "user": "u",
        "input_type": "text",
    }
    assert [r.body for r in service.requests] == [expected] * 2


async def test_batches_keep_their_order(service, make, caller):
    """One request per framework batch where the model takes it; vectors in the order of the texts."""
    texts = ["x" * n for n in range(1, 24)]
    vectors = await caller(make(embed_batch_size=10), "get_text_embedding_batch", texts)

    assert [vector[0] for vector in vectors] == [float(len(text)) for text in texts]
    assert sorted(len(r.body["input"]) for r in service.requests) == [3, 10, 10]


async def test_answers_out_of_order_are_sorted(service, make, caller):
    """By `index`, as the service numbers them."""
    reply = service.embeds(["a", "b", "c"])
    reply.body["data"].reverse()
    service.will(reply)
    vectors = await caller(make(), "get_text_embedding_batch", ["a", "b", "c"])

    assert [vector[1] for vector in vectors] == [0.0, 1.0, 2.0]


async def test_too_few_vectors_are_an_error(service, make, caller):
    """None may be lost or shifted."""
    service.will(service.embeds(["a"]))
    with pytest.raises(Exception, match="1 vectors for 2 inputs"):
        await caller(make(), "get_text_embedding_batch", ["a", "b"])


@pytest.mark.parametrize(("model", "largest"), [(ASYMMETRIC, 96), (SYMMETRIC, 256)])
async def test_the_default_batch_fits_the_model(service, make, caller, model, largest):
    """Large framework batches, requests of the size that the model takes."""
    vectors = await caller(make(model), "get_text_embedding_batch", [f"t{n}" for n in range(300)])

    assert len(vectors) == 300
    assert max(len(r.body["input"]) for r in service.requests) == largest


async def test_an_empty_text_is_named_by_its_place(service, make, caller):
    """The place in the whole list, before anything is sent."""
    with pytest.raises(ConfigurationError, match="Text 25 is empty"):
        await caller(make(embed_batch_size=10), "get_text_embedding_batch", ["a"] * 25 + [""])
    with pytest.raises(ConfigurationError, match="Text 0 is empty"):
        await caller(make(), "get_query_embedding", "")
    assert service.requests == []


@pytest.mark.parametrize(("given", "least", "greatest"), [({}, 2, 3), ({"num_workers": 1}, 1, 1)])
async def test_requests_in_flight_are_bounded(make, service, given, least, greatest):
    """There is a coroutine per batch of the whole corpus; the framework's `num_workers` bounds batches as well."""
    now, most = 0, 0
    plain = service.default

    def slow(body):
        nonlocal now, most
        now += 1
        most = max(most, now)
        return plain(body)

    real_send = service._server.RequestHandlerClass._send

    class Handler(service._server.RequestHandlerClass):
        def _send(self, reply):
            nonlocal now
            import time

            time.sleep(0.01)
            now -= 1
            real_send(self, reply)

    service.default, service._server.RequestHandlerClass = slow, Handler
    model = make(embed_batch_size=1, max_concurrency=3, **given)
    vectors = await model.aget_text_embedding_batch([str(n) for n in range(20)])

    assert len(vectors) == 20
    assert least <= most <= greatest


async def test_errors_name_the_batch(service, make, caller):
    """So that a job can go on from there."""
    service.will(service.fails(429, {"error": {"message": "slow"}}, retry_after="7"))
    with pytest.raises(RateLimitError) as caught:
        await caller(make(max_concurrency=1), "get_text_embedding_batch", ["a", "b"])

    assert (caught.value.retry_after, caught.value.first_index, caught.value.batch_size) == (7.0, 0, 2)


async def test_the_cache_keeps_queries_and_documents_apart(service, make, caller):
    """Same text, different vectors; the second time nothing is sent. Source: llama_index PR #23181."""
    cache = SimpleKVStore()
    model = make(ASYMMETRIC, embeddings_cache=cache)
    for _ in range(2):
        await caller(model, "get_query_embedding", "same")
        await caller(model, "get_text_embedding_batch", ["same"])

    assert [r.body["input_type"] for r in service.requests] == ["query", "document"]
    assert cache.get("same", collection="embeddings") is not None
    assert model.embeddings_cache is cache


async def test_the_cache_is_shared_where_both_are_the_same(service, make, caller):
    """A symmetric model has one vector per text."""
    model = make(SYMMETRIC, embeddings_cache=SimpleKVStore())
    await caller(model, "get_query_embedding", "same")
    await caller(model, "get_text_embedding", "same")

    assert len(service.requests) == 1


def test_the_transformation_hash_holds_what_changes_vectors(make):
    """Endpoint, model, dimensions, input types; not the key, not the cache's address."""
    nodes = [TextNode(text="a")]

    def key(**options):
        return get_transformation_hash(nodes, make(**options))

    base = key()
    others = [
        key(path="/openai/v1"),
        key(model="b"),
        key(dimensions=5),
        key(query_input_type="q"),
        key(text_input_type="t"),
        key(base_model=ASYMMETRIC),
    ]
    assert len({base, *others}) == 7
    assert key(embeddings_cache=SimpleKVStore()) == base
    assert (
        get_transformation_hash(nodes, AzureAIEmbedding(make().endpoint, "another-key", model=SYMMETRIC, max_retries=0))
        == base
    )


def test_the_payload_of_events(make):
    """Model, endpoint, dimensions; no secret."""
    payload = make(dimensions=5).to_payload()

    assert (
        payload.items()
        >= {
            "class_name": "AzureAIEmbeddingsModel",
            "model": SYMMETRIC,
            "dimensions": 5,
            "endpoint_kind": "models",
        }.items()
    )
    assert "planted" not in str(payload)


async def test_one_embedding_event_per_batch(service, make, caller, recorder):
    """Start and end, with the texts and vectors."""
    await caller(make(embed_batch_size=2), "get_text_embedding_batch", ["a", "b", "c"])

    names = sorted(n for n in recorder.names() if n.startswith("Embedding"))
    assert names == ["EmbeddingEndEvent"] * 2 + ["EmbeddingStartEvent"] * 2


class Callbacks(BaseCallbackHandler):
    """Notes the events of embeddings, each with what is in its payload."""

    def __init__(self):
        super().__init__([], [])
        self.seen = []

    def on_event_start(self, event_type, payload=None, event_id="", parent_id="", **kwargs):
        if event_type == CBEventType.EMBEDDING:
            self.seen.append(("start", list(payload)))

    def on_event_end(self, event_type, payload=None, event_id="", **kwargs):
        if event_type == CBEventType.EMBEDDING:
            self.seen.append(("end", {key: str(value) for key, value in (payload or {}).items()}))

    def start_trace(self, trace_id=None):
        pass

    def end_trace(self, trace_id=None, trace_map=None):
        pass


class Limiter:
    """Counts how often the framework's rate limiter is asked."""

    def __init__(self):
        self.count = 0

    def acquire(self):
        self.count += 1

    async def async_acquire(self):
        self.count += 1


class Inherited(AzureAIEmbedding):
    """Our class, with the framework's own way through a corpus."""

    get_text_embedding_batch = BaseEmbedding.get_text_embedding_batch
    aget_text_embedding_batch = BaseEmbedding.aget_text_embedding_batch


GIVEN = {"num_workers": lambda: 2, "embeddings_cache": SimpleKVStore, "rate_limiter": Limiter}
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]


@pytest.mark.parametrize("show_progress", [False, True])
@pytest.mark.parametrize("given", [[], *([name] for name in GIVEN), ["embeddings_cache", "rate_limiter"]])
async def test_a_corpus_goes_as_the_framework_takes_it(make, caller, recorder, capsys, given, show_progress):
    """The same vectors, events, callbacks, limits and bar as from the framework's own method."""
    if not set(given) <= set(AzureAIEmbedding.model_fields):
        pytest.skip("this version of the framework has no rate limiter")

    async def observed(kind):
        options, callbacks = {name: GIVEN[name]() for name in given}, Callbacks()
        model = make(kind=kind, embed_batch_size=2, callback_manager=CallbackManager([callbacks]), **options)
        if "embeddings_cache" in given:
            await caller(model, "get_text_embedding_batch", ["bb", "dddd"])
        recorder.events.clear()
        callbacks.seen.clear()
        vectors = await caller(model, "get_text_embedding_batch", TEXTS, show_progress=show_progress)
        events = [event for event in recorder.events if isinstance(event, EmbeddingStartEvent | EmbeddingEndEvent)]
        bar = capsys.readouterr().err.rsplit("\r", 1)[-1].split("[")[0]
        asked = options["rate_limiter"].count if "rate_limiter" in given else None
        # Versions without `to_payload` show all fields of a model in their events; later ones show the payload.
        differs = {"id_", "span_id", "timestamp"} | (set() if hasattr(BaseEmbedding, "to_payload") else {"model_dict"})
        return vectors, [(type(e), e.model_dump(exclude=differs)) for e in events], callbacks.seen, bar, asked

    expected, actual = await observed(Inherited), await observed(AzureAIEmbedding)

    assert actual == expected
    assert [vector[0] for vector in actual[0]] == [1, 2, 3, 4, 5]
    assert len(actual[1]) == len(actual[2]) == 6
    assert bool(actual[3]) == show_progress


async def test_a_batch_that_fails_ends_every_callback_and_says_why(service, make, caller):
    """As the framework's own does in sync; its async one would leave all of them begun."""
    callbacks = Callbacks()
    service.will(service.embeds(["a", "bb"]), service.fails(400, {"error": {"message": "no such thing"}}))
    model = make(embed_batch_size=2, max_concurrency=1, callback_manager=CallbackManager([callbacks]))
    with pytest.raises(AzureAIError, match="no such thing"):
        await caller(model, "get_text_embedding_batch", TEXTS)

    ends = [payload for what, payload in callbacks.seen if what == "end"]
    assert len(ends) == len(callbacks.seen) - len(ends) >= 2
    assert ["no such thing" in payload.get("exception", "") for payload in ends].count(True) == 1


async def test_events_have_the_vectors_themselves(make, caller, recorder):
    """Not copies of each number, which cost more than all the rest."""
    vectors = await caller(make(embed_batch_size=2), "get_text_embedding_batch", ["a", "b", "c"])
    batches = [event.embeddings for event in recorder.events if type(event).__name__ == "EmbeddingEndEvent"]

    assert [id(vector) for batch in batches for vector in batch] == [id(vector) for vector in vectors]


async def test_a_corpus_without_texts(service, make, caller):
    """No vectors, no request."""
    assert await caller(make(), "get_text_embedding_batch", []) == []
    assert service.requests == []


async def test_an_error_stops_the_batches_that_wait(service, make):
    """The framework would let them go on in the background."""
    service.will(service.fails(400, {"error": {"message": "no"}}))
    with pytest.raises(AzureAIError, match="no"):
        await make(embed_batch_size=1, max_concurrency=1).aget_text_embedding_batch([str(n) for n in range(30)])
    await asyncio.sleep(0.05)

    assert len(service.requests) < 5


def test_three_event_loops_one_model(service, make):
    """The limit on requests belongs to a loop, as connections do."""
    model = make(embed_batch_size=1)
    for _ in range(3):
        assert len(asyncio.run(model.aget_text_embedding_batch(["a", "b"]))) == 2


async def test_pickled_before_and_after_use(service, make, caller):
    """Sync and async work in the copy."""
    model = make(ASYMMETRIC, dimensions=5)
    fresh = pickle.loads(pickle.dumps(model))
    await caller(model, "get_text_embedding", "a")
    for copied in (fresh, pickle.loads(pickle.dumps(model))):
        assert await caller(copied, "get_query_embedding", "ab") == [2.0, 0.0]
        assert (service.last.body["dimensions"], service.last.headers["api-key"]) == (5, service.key)


def test_the_default_model_name(service):
    """A single-model endpoint needs none, and none is sent."""
    model = AzureAIEmbedding(service.url + "/serverless/embed", service.key)
    model.get_text_embedding("a")

    assert (model.model_name, model.model) == ("unknown", None)
    assert "model" not in service.last.body


# ---------------------------------------------------------------------------- images


@pytest.fixture
def images(make):
    return make(ASYMMETRIC, AzureAIMultiModalEmbedding)


def test_it_is_the_frameworks_multi_modal_class(images):
    """Indexes check the type."""
    assert isinstance(images, MultiModalEmbedding)
    assert isinstance(images, AzureAIEmbedding)


async def test_an_image_in_every_form(service, images, caller, tmp_path):
    """Path, bytes, BytesIO wherever it stands, data URL: the same data URL leaves."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    at_end = BytesIO(PNG)
    at_end.seek(0, 2)
    for image in (str(path), path, PNG, BytesIO(PNG), at_end, PNG_URL):
        await caller(images, "get_image_embedding", image)

    assert [r.body["input"] for r in service.requests] == [[{"image": PNG_URL}]] * 6
    assert {r.path.partition("?")[0] for r in service.requests} == {"/models/images/embeddings"}
    assert at_end.tell() == len(PNG)


async def test_a_batch_of_images_keeps_its_order(service, images, caller):
    """One image per request by default; the vectors in order."""
    one = await caller(images, "get_image_embedding_batch", [BytesIO(PNG), PNG_URL, PNG])
    sizes = sorted(len(r.body["input"]) for r in service.requests)
    images.image_batch_size = 2
    two = await caller(images, "get_image_embedding_batch", [BytesIO(PNG), PNG_URL, PNG])

    assert (len(one), sizes, len(two)) == (3, [1, 1, 1], 3)
    assert sorted(len(r.body["input"]) for r in service.requests[3:]) == [1, 2]


async def test_openai_routes_have_no_image_embeddings(service, make, caller):
    """A named error before any request."""
    model = make("m", AzureAIMultiModalEmbedding, path="/openai/v1")
    with pytest.raises(ConfigurationError, match="no route for image embeddings"):
        await caller(model, "get_image_embedding", PNG)
    assert service.requests == []


async def test_a_bad_image_is_named(images, caller):
    """Not an image, not there, or a web address."""
    for image, message in [
        (b"nothing", "no PNG"),
        ("/no/such/file.png", "cannot be read"),
        ("https://example.com/a.png", "web address"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            await caller(images, "get_image_embedding", image)


@pytest.mark.parametrize("cached", [False, True])
async def test_errors_name_the_place_in_the_corpus(service, make, caller, cached):
    """Not in the framework's batch, whatever the batches and the cache."""
    from llama_index.core.storage.kvstore import SimpleKVStore

    cache = {"embeddings_cache": SimpleKVStore()} if cached else {}
    model = make(embed_batch_size=2, max_concurrency=1, **cache)
    service.will(
        service.embeds(["a", "b"]), service.embeds(["c", "d"]), service.fails(400, {"error": {"message": "no"}})
    )
    with pytest.raises(AzureAIError) as caught:
        await caller(model, "get_text_embedding_batch", ["a", "b", "c", "d", "e", "f"])

    assert (caught.value.first_index, caught.value.batch_size) == (4, 2)
    assert caught.value.__notes__ == ["In texts 4 to 5."]


async def test_images_and_texts_in_one_index(emulator):
    """`MultiModalVectorStoreIndex` embeds each kind by its route, and finds both, sync and async."""
    given = {"endpoint": emulator.url + "/models", "credential": emulator.key, "model": ASYMMETRIC}
    image = base64.b64encode(PNG).decode()
    before = len(emulator.requests)
    documents = [Document(text="The kitchen opens at seven."), ImageDocument(image=image, text="a small picture")]
    index = MultiModalVectorStoreIndex.from_documents(
        documents,
        embed_model=AzureAIEmbedding(**given),
        image_embed_model=AzureAIMultiModalEmbedding(**given),
    )
    retriever = index.as_retriever(similarity_top_k=1, image_similarity_top_k=1)

    found = retriever.retrieve("When does the kitchen open?")
    afound = await retriever.aretrieve("When does the kitchen open?")

    assert [type(one.node) for one in found] == [type(one.node) for one in afound] == [TextNode, ImageNode]
    images = [request for request in emulator.requests[before:] if request.path.endswith("/images/embeddings")]
    assert [request.body["input"][0]["image"] for request in images] == [f"data:image/png;base64,{image}"]
