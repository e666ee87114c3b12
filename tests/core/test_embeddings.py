"""Vectors: complete, in order, in batches that the service takes, a few at once."""

from __future__ import annotations

import asyncio
import gc
import io
import threading
import time
from base64 import b64decode, b64encode
from contextlib import nullcontext
from pathlib import Path
from struct import pack

import pytest

from azureai_core import (
    APIStatusError,
    AzureAIError,
    BadRequestError,
    ConfigurationError,
    RateLimitError,
    ResponseMeta,
    Usage,
    data_url,
)
from azureai_core.protocols.embeddings import EncodedEmbeddings
from fakes import HANG, Reply, vectors

PNG = b"\x89PNG\r\n\x1a\n rest"


def echo(request):
    """Each text's number as its vector."""
    return vectors(*([float(text)] for text in request.body["input"]))


def numbers(count):
    return [str(n) for n in range(count)]


def values(parts):
    return [vector[0] for part in parts for vector in part.vectors]


def test_options_and_extras_are_sent(fake_service, make_client, colour):
    """And nothing else; `model` may come with the call."""
    fake_service.default = vectors([1.0])

    colour.call(
        make_client("/models", model="m"),
        "embed",
        (text for text in ["a"]),
        dimensions=3,
        input_type="text",
        encoding_format="float",
        extra={"model": "other", "user": "u"},
    )

    assert fake_service.last.body == {
        "input": ["a"],
        "model": "other",
        "dimensions": 3,
        "input_type": "text",
        "encoding_format": "float",
        "user": "u",
    }
    assert fake_service.last.header("extra-parameters") == "pass-through"


def test_base64_gives_the_same_floats(fake_service, make_client, colour):
    """Little-endian float32. Source: recorded Cohere answers."""
    packed = b64encode(pack("<3f", 0.5, -1.25, 3.0)).decode()
    fake_service.plays(vectors(packed), vectors([0.5, -1.25, 3.0]))
    client = make_client()

    assert colour.call(client, "embed", ["a"]).vectors == colour.call(client, "embed", ["a"]).vectors


def test_integers_are_passed_through(fake_service, make_client, colour):
    """int8 and binary encodings come as lists of integers."""
    fake_service.default = vectors([1, -128, 127])

    assert colour.call(make_client(), "embed", ["a"], encoding_format="int8").vectors == [[1, -128, 127]]
    assert fake_service.last.body["encoding_format"] == "int8"


def test_items_without_an_index_are_in_order(fake_service, make_client, colour):
    """An answer that names no index, or not for all, is taken as it comes."""
    fake_service.default = Reply(body={"data": [{"embedding": [1.0]}, {"embedding": [2.0], "index": 0}]})

    assert colour.call(make_client(), "embed", ["a", "b"]).vectors == [[1.0], [2.0]]


@pytest.mark.parametrize("rows", [([1.0],), ([1.0], None), ([1.0], []), ([1.0], "AAA"), ([1.0], [2.0], [3.0])])
def test_another_number_of_vectors_is_an_error(rows, fake_service, make_client, colour):
    """None may be lost or shifted."""
    fake_service.default = Reply(body=vectors(*rows).body, headers={"x-request-id": "r-1"})

    with pytest.raises(AzureAIError, match=r"gave \d vectors for 2 inputs \(request id r-1\)"):
        colour.call(make_client(), "embed", ["a", "b"])


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ("bare", "texts is one string"),
        ([], "texts is empty"),
        (["a", ""], "Text 1 is empty"),
        (["a", "b", 3], "Text 2 is int"),
    ],
)
def test_what_cannot_be_embedded_is_named(texts, says, make_client, colour, fake_service):
    """With its index; nothing is sent."""
    with pytest.raises(ConfigurationError, match=says):
        colour.call(make_client(), "embed", texts)

    assert fake_service.requests == []


# ---------------------------------------------------------------------------- many


def test_many_texts_in_order(fake_service, make_client, colour):
    """Batches of at most the size asked for; progress after each."""
    fake_service.answer = echo
    progress = []

    parts = colour.each(
        make_client(), "embed_many", numbers(25), batch_size=10, on_progress=lambda *done: progress.append(done)
    )

    assert values(parts) == [float(n) for n in range(25)]
    assert sorted(len(r.body["input"]) for r in fake_service.requests) == [5, 10, 10]
    assert progress == [(10, 25), (20, 25), (25, 25)]


def test_any_iterable_of_texts(fake_service, make_client, colour):
    """The total is unknown then; none at all give nothing."""
    fake_service.answer = echo
    progress = []
    client = make_client()

    def note(done, total):
        progress.append((done, total))

    parts = colour.each(client, "embed_many", iter(numbers(3)), batch_size=2, on_progress=note)

    assert values(parts) == [0, 1, 2]
    assert progress == [(2, None), (3, None)]
    assert colour.each(client, "embed_many", []) == []


def test_an_iterable_is_read_as_far_as_needed(fake_service, make_client):
    """Not to its end before the first request."""
    fake_service.answer = echo
    read = []

    def texts():
        for n in range(1000):
            read.append(n)
            yield str(n)

    job = make_client().embed_many(texts(), batch_size=10, max_concurrency=2)
    next(job)
    job.close()

    assert len(read) <= 40


def test_the_batch_size_follows_the_profile(fake_service, make_client, colour):
    """96 for Cohere, 256 else; and not too many characters at once."""
    fake_service.answer = echo
    for model, size in (("cohere-embed-v3", 96), ("other", 256)):
        colour.each(make_client("/models", model=model), "embed_many", numbers(300))
        assert max(len(r.body["input"]) for r in fake_service.requests if r.body["model"] == model) == size
    fake_service.requests.clear()
    fake_service.answer = lambda r: vectors(*([1.0] for _ in r.body["input"]))

    colour.each(make_client(), "embed_many", ["x" * 400_000] * 3)

    assert [len(r.body["input"]) for r in fake_service.requests] == [1, 1, 1]


@pytest.mark.parametrize(("asked", "most"), [(None, 4), (1, 1), (7, 7)])
def test_requests_in_flight_are_bounded(asked, most, fake_service, make_client, colour):
    """Four by default, in both colours, and all of them at once."""
    gate = _Gate(fake_service, most)
    fake_service.answer = gate.answer

    parts = gate.run(colour, make_client(), numbers(30), asked)

    assert values(parts) == list(range(30))
    assert gate.most == most


class _Gate:
    """Counts the requests in flight from the client's side: sent and not yet yielded back."""

    def __init__(self, service, expected):
        self.service = service
        self.expected = expected
        self.lock = threading.Lock()
        self.open = self.most = 0

    def answer(self, request):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        row = vectors(*([float(text)] for text in request.body["input"]))
        return Reply(pieces=self._held(row.content()), headers={"content-type": "application/json"})

    def _held(self, body):
        yield body[:5]
        for _ in range(200):  # until the others are here too, or time is up
            if self.most >= self.expected:
                break
            yield 0.005
        yield 0.01
        with self.lock:
            self.open -= 1
        yield body[5:]

    def run(self, colour, client, texts, limit):
        return colour.each(client, "embed_many", texts, batch_size=2, max_concurrency=limit)


TOO_MANY = {
    "cohere": "invalid request: total number of texts must be at most 5 - received {}",
    "azure": "Invalid 'input': the max number of inputs is 5",
    "vague": "batch size too large",
    "model name": "batch size too large for text-embedding-3-large",
    "number first": "too many inputs: 4 tokens each; the limit is 5",
}


@pytest.mark.parametrize("said", TOO_MANY)
def test_a_smaller_limit_is_learnt(said, fake_service, make_client, colour):
    """The batch is split, the vectors stay in order, and the next job starts with what was learnt."""

    def answer(request):
        size = len(request.body["input"])
        return Reply(400, {"message": TOO_MANY[said].format(size)}) if size > 5 else echo(request)

    fake_service.answer = answer
    client = make_client()

    parts = colour.each(client, "embed_many", numbers(20), batch_size=12, max_concurrency=1)
    fake_service.requests.clear()
    again = colour.each(client, "embed_many", numbers(20), batch_size=12, max_concurrency=1)

    assert values(parts) == values(again) == list(range(20))
    assert max(len(r.body["input"]) for r in fake_service.requests) <= 5
    assert again[0].usage == Usage(12, 0, 12)


def test_a_413_halves_the_batch(fake_service, make_client, colour):
    """Whatever it says."""
    fake_service.answer = lambda r: Reply(413) if len(r.body["input"]) > 3 else echo(r)

    assert values(colour.each(make_client(), "embed_many", numbers(10), batch_size=10)) == list(range(10))


def test_an_error_says_where_to_resume(fake_service, make_client, colour):
    """The batches before it are given first; `first_index` and `batch_size` name the failed one."""
    fake_service.answer = lambda r: Reply(400, {"message": "no"}) if "25" in r.body["input"] else echo(r)
    given = []

    async def read(client):
        async for part in client.aembed_many(numbers(40), batch_size=10):
            given.append(part)  # noqa: PERF401  what came before the error counts

    with pytest.raises(BadRequestError, match="no") as caught:  # noqa: PT012  one of two loops runs
        if colour.name == "async":
            asyncio.run(read(make_client()))
        for part in make_client().embed_many(numbers(40), batch_size=10):
            given.append(part)  # noqa: PERF402  what came before the error counts

    assert values(given) == list(range(20))
    assert (caught.value.first_index, caught.value.batch_size) == (20, 10)
    assert caught.value.__notes__ == ["In texts 20 to 29; those before are done."]


def test_one_text_that_is_too_much_is_an_error(fake_service, make_client, colour):
    """There is nothing to split."""
    fake_service.default = Reply(413)

    with pytest.raises(APIStatusError):
        colour.each(make_client(), "embed_many", ["a"])

    assert len(fake_service.requests) == 1


def test_a_refusal_is_retried_in_its_batch(fake_service, make_client, colour, clock):
    """A 429 in one batch does not fail the job; without repeats it does."""
    fake_service.plays(Reply(429, "", {"Retry-After": "1"}))
    fake_service.default = vectors([1.0])
    assert len(colour.each(make_client(), "embed_many", ["a", "b"], batch_size=1, max_concurrency=1)) == 2

    fake_service.plays(Reply(429))
    with pytest.raises(RateLimitError):
        colour.each(make_client(retry=None, max_retries=0), "embed_many", ["a"])


@pytest.mark.parametrize(
    ("texts", "options", "says"),
    [
        ("bare", {}, "texts is one string"),
        (["a"], {"batch_size": 0}, "use 1 or more"),
        (["a"], {"max_concurrency": 0}, "use 1 to 64"),
        (["a"], {"max_concurrency": 65}, "use 1 to 64"),
        (["a", "b", ""], {"batch_size": 1}, "Text 2 is empty"),
    ],
)
def test_bad_jobs_are_named(texts, options, says, fake_service, make_client, colour):
    """With the values that are allowed."""
    fake_service.default = vectors([1.0])

    with pytest.raises(ConfigurationError, match=says):
        colour.each(make_client(), "embed_many", texts, **options)


def test_leaving_a_job_early_leaves_nothing_behind(fake_service, make_client):
    """No task, no thread, no connection."""
    fake_service.answer = echo
    client = make_client()
    for _ in client.embed_many(numbers(100), batch_size=1):
        break

    async def run():
        job = client.aembed_many(numbers(100), batch_size=1)
        async for _ in job:
            break
        await job.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    client.close()
    fake_service.wait_until(lambda: fake_service.open == 0)

    assert len(fake_service.requests) < 30
    assert not [t for t in threading.enumerate() if t.name.startswith("azureai-embed")]


# ---------------------------------------------------------------------------- images


def test_images_in_all_their_forms(fake_service, make_client, colour, tmp_path):
    """A path in two forms, bytes, an open file, a data URL; each with a text or not."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    url = "data:image/png;base64," + b64encode(PNG).decode()
    fake_service.default = vectors(*([1.0] for _ in range(7)))
    with path.open("rb") as file:
        images = [str(path), path, PNG, bytearray(PNG), io.BytesIO(PNG), file, {"image": url, "text": "t"}]
        colour.call(make_client(model="m"), "embed_images", images, input_type="query", extra={"user": "u"})

    assert fake_service.last.body == {
        "input": [{"image": url}] * 6 + [{"image": url, "text": "t"}],
        "input_type": "query",
        "user": "u",
        "model": "m",
    }


@pytest.mark.parametrize(
    ("magic", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"BM....", "image/bmp"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
    ],
)
def test_the_media_type_is_read_from_the_bytes(magic, kind):
    """Whatever the file is called."""
    head, _, data = data_url(magic).partition(";base64,")

    assert (head, b64decode(data)) == (f"data:{kind}", magic)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (PNG, "images is one image"),
        ("a.png", "images is one image"),
        ({"image": PNG}, "images is one image"),
        ([], "images is empty"),
        (["no/such/file.png"], "Image 0 cannot be read"),
        ([PNG, b"text"], "Image 1 is no PNG"),
        ([7], "Image 0 is int"),
        ([io.StringIO("text")], "Image 0 is StringIO"),
        (["https://example.com/a.png"], "does not fetch"),
        ([{"text": "t"}], "has the keys"),
        ([{"image": PNG, "title": "t"}], "has the keys"),
    ],
)
def test_what_is_no_image_is_named(images, says, make_client, colour):
    """With its index."""
    with pytest.raises(ConfigurationError, match=says):
        colour.call(make_client(), "embed_images", images)


def test_a_missing_text_is_left_out():
    """`text: None` is not given."""
    from azureai_core.inputs import image_items

    assert image_items([{"image": PNG, "text": None}]) == [{"image": data_url(PNG)}]
    assert isinstance(Path("x"), Path)


def test_a_body_that_is_too_large_says_nothing_of_the_next(fake_service, make_client, colour):
    """The batch is halved, whatever numbers the message has; shorter texts go out in full batches again."""
    said = {"error": {"message": "Request body too large for text-embedding-3-large model. Max size: 2 tokens."}}
    fake_service.answer = lambda r: Reply(413, said) if len("".join(r.body["input"])) > 20 else echo(r)
    client = make_client()

    assert values(colour.each(client, "embed_many", [str(n) for n in range(28, 40)], batch_size=12)) == list(
        range(28, 40)
    )
    first = sorted(len(r.body["input"]) for r in fake_service.requests)
    fake_service.requests.clear()
    colour.each(client, "embed_many", numbers(12), batch_size=12)

    assert first == [6, 6, 12]
    assert [len(r.body["input"]) for r in fake_service.requests] == [12]


@pytest.mark.parametrize("leaves", [False, True])
def test_a_hanging_batch_holds_nobody_up(leaves, fake_service, make_client):
    """An error, or the end of interest, ends the job at once; what is in flight ends by itself."""

    def answer(request):
        (text,) = request.body["input"]
        return (
            Reply(fault=HANG) if text == "slow" else Reply(400, {"message": "no"}) if text == "bad" else echo(request)
        )

    fake_service.answer = answer
    parts = make_client(timeout=2.0).embed_many(["1" if leaves else "bad", "slow"], batch_size=1, max_concurrency=2)
    started = time.monotonic()
    with nullcontext() if leaves else pytest.raises(BadRequestError):
        next(parts)
    parts.close()

    assert time.monotonic() - started < 1.5
    for thread in threading.enumerate():
        if thread.name.startswith("azureai-embed"):
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize("vector", ["", [], "AAAA"])
def test_an_empty_vector_is_named(vector, fake_service, make_client, colour):
    """It is not said that they should be sent again."""
    fake_service.default = vectors(vector)

    with pytest.raises(AzureAIError, match=r"empty or cannot be read.*encoding_format='float'"):
        colour.call(make_client(), "embed", ["a"])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (([1.0], [1.0, 2.0]), "lengths from 1 to 2"),
        (([None], [1.0]), "elements such as None"),
        ((["x"], [1.0]), "elements such as 'x'"),
        ((b64encode(pack("<f", 1)).decode(), b64encode(pack("<2f", 1, 2)).decode()), "lengths from 1 to 2"),
    ],
)
def test_vectors_that_are_not_alike_are_an_error(rows, says, fake_service, make_client, colour):
    """An index would take them, and fail much later."""
    fake_service.default = vectors(*rows)

    with pytest.raises(AzureAIError, match=f"gave vectors with {says}"):
        colour.call(make_client(), "embed", ["a", "b"])


# ---------------------------------------------------------------------------- all at once


def packed(request):
    """The same as base64."""
    return vectors(*(b64encode(pack("<f", float(text))).decode() for text in request.body["input"]))


@pytest.mark.parametrize("answer", [echo, packed], ids=["lists", "base64"])
def test_all_vectors_at_once(answer, fake_service, make_client, colour):
    """In order, with progress after each batch and the usage of each request; of any iterable, an empty one too."""
    fake_service.answer = answer
    progress, usages = [], []
    client = make_client()

    found = colour.call(
        client,
        "embed_all",
        numbers(25),
        batch_size=10,
        on_progress=lambda *done: progress.append(done),
        on_usage=usages.append,
    )

    assert found == [[float(n)] for n in range(25)]
    assert progress == [(10, 25), (20, 25), (25, 25)]
    assert usages == [Usage(10, 0, 10), Usage(10, 0, 10), Usage(5, 0, 5)]
    assert colour.call(client, "embed_all", iter(numbers(3)), batch_size=2) == [[0.0], [1.0], [2.0]]
    assert colour.call(client, "embed_all", []) == []


@pytest.mark.parametrize("answer", [echo, packed], ids=["lists", "base64"])
def test_all_at_once_keep_their_places_where_batches_are_split(answer, fake_service, make_client, colour):
    """A limit is learnt on the way; an answer may come in any order."""

    def some(request):
        if len(request.body["input"]) > 3:
            return Reply(400, {"message": "too many inputs: at most 3"})
        reply = answer(request)
        reply.body["data"].reverse()
        return reply

    fake_service.answer = some

    found = colour.call(make_client(), "embed_all", numbers(20), batch_size=8)

    assert found == [[float(n)] for n in range(20)]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda row: row.body["data"].pop(), "gave 9 vectors for 10 inputs"),
        (lambda row: row.body["data"].append(row.body["data"][0]), "gave 11 vectors for 10 inputs"),
        (lambda row: row.body["data"][3].update(embedding=[]), "the others are empty or cannot be read"),
        (lambda row: row.body["data"][3].update(embedding=[1.0, 2.0]), "lengths from 1 to 2"),
    ],
    ids=["too few", "too many", "empty", "lengths"],
)
@pytest.mark.parametrize("answer", [echo, packed], ids=["lists", "base64"])
def test_none_is_lost_of_all_at_once(broken, said, answer, fake_service, make_client, colour):
    """The error says which texts it is about."""

    def some(request):
        reply = answer(request)
        if "25" in request.body["input"]:
            broken(reply)
        return reply

    fake_service.answer = some

    with pytest.raises(AzureAIError, match=said) as caught:
        colour.call(make_client(), "embed_all", numbers(40), batch_size=10)

    assert (caught.value.first_index, caught.value.batch_size) == (20, 10)


def test_an_error_ends_all_at_once(fake_service, make_client, colour):
    """With its place; what is in flight is not waited for."""
    fake_service.answer = lambda r: Reply(400, {"message": "no"}) if "5" in r.body["input"] else echo(r)

    with pytest.raises(BadRequestError, match="no") as caught:
        colour.call(make_client(), "embed_all", numbers(40), batch_size=2)

    assert (caught.value.first_index, caught.value.batch_size) == (4, 2)
    assert caught.value.__notes__ == ["In texts 4 to 5."]
    assert len(fake_service.requests) < 20


def collections(function):
    """How often the garbage collector runs meanwhile, with the threshold of Python 3.11; later ones raise it."""
    seen, usual = [], gc.get_threshold()

    def note(phase, _info):
        seen.append(phase)

    gc.collect()
    gc.set_threshold(700, *usual[1:])
    gc.callbacks.append(note)
    try:
        function()
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*usual)
    return seen.count("start")


def test_all_at_once_gives_the_garbage_collector_no_occasion():
    """It would walk through all floats of the vectors that are new."""
    rows = [pack("<2f", n, n) for n in range(3000)]
    places = [[] for _ in rows]

    assert collections(lambda: EncodedEmbeddings(3000, {"data": rows}, ResponseMeta()).fill(places, 0)) == 0
    assert places == [[n, n] for n in range(3000)]
    assert collections(lambda: EncodedEmbeddings(3000, {"data": rows}, ResponseMeta()).decoded()) >= 3
