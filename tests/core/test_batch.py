"""`BatchEmbed` and `BatchChat`: rows in, the same rows out, whatever happens to some of them."""

from __future__ import annotations

import doctest
import json
import multiprocessing
import pickle
import signal
import subprocess
import sys
import threading
from array import array
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from azureai_core import (
    APIConnectionError,
    AuthenticationError,
    AzureAIError,
    BadRequestError,
    BatchChat,
    BatchEmbed,
    ConfigurationError,
    ContentFilterError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from azureai_core.jobs import columns
from fakes import CUT, KEY, FakeClock, Reply, chat, vectors

POISON = "poison"
REFUSED = Reply(400, {"error": {"code": "invalid", "message": "this text is refused"}})


def _serve(request):
    """A vector that tells the text, or the last message repeated; any request with the poison is refused."""
    if "input" in request.body:
        texts = request.body["input"]
        return REFUSED if POISON in texts else vectors(*([float(len(text)), 0.5] for text in texts))
    said = request.body["messages"][-1]["content"]
    return REFUSED if said == POISON else chat(f"re: {said}")


@pytest.fixture
def embed(fake_service):
    """Makes callables for the fake service."""
    fake_service.answer = _serve
    return lambda **options: BatchEmbed(fake_service.url + "/serverless/m", KEY, **{"max_retries": 0, **options})


@pytest.fixture
def talk(fake_service):
    """Makes chat callables for the fake service."""
    fake_service.answer = _serve
    return lambda **options: BatchChat(fake_service.url + "/serverless/m", KEY, **{"max_retries": 0, **options})


# ---------------------------------------------------------------------------- batches of every kind

TEXTS = ["a", "bb", "ccc"]
EMBEDDED_TYPES = {"embedding": pa.list_(pa.float32()), "prompt_tokens": pa.int64(), "error": pa.string()}
CARRIERS = {
    "lists": list,
    "numpy": np.array,
    "numpy objects": lambda column: np.array(column, dtype=object),
    "pyarrow": pa.array,
    "chunks": lambda column: pa.chunked_array([column[:1], column[1:]]),
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_dict_of_columns_comes_back_as_one(embed, carrier):
    """All columns and rows as they were, in order, and the results beside them."""
    batch = {"id": np.array([7, 8, 9]), "text": CARRIERS[carrier](TEXTS)}
    before = dict(batch)
    out = embed()(batch)

    assert list(out) == ["id", "text", "embedding", "prompt_tokens", "error"]
    assert out["id"] is batch["id"]
    assert out["embedding"] == [[1.0, 0.5], [2.0, 0.5], [3.0, 0.5]]
    assert out["error"] == [None, None, None]
    assert batch.keys() == before.keys()


def test_a_data_frame_comes_back_as_one(embed):
    """With its index, and no column of the given one changed."""
    frame = pd.DataFrame({"id": [1, 2, 3], "text": TEXTS}, index=[30, 10, 20])
    out = embed(text_column="text")(frame)

    assert list(out.columns) == ["id", "text", "embedding", "prompt_tokens", "error"]
    assert list(out.index) == [30, 10, 20]
    assert out["embedding"].tolist() == [[1.0, 0.5], [2.0, 0.5], [3.0, 0.5]]
    assert list(frame.columns) == ["id", "text"]


def test_a_table_comes_back_as_one(embed, talk):
    """Each column with its type, also where it holds nothing but nulls, so that parts fit together."""
    table = pa.table({"id": [1, 2], "text": ["a", ""]})
    out = embed(on_error="column")(table)
    said = talk()(pa.table({"prompt": ["hi"]}))

    assert out.schema == pa.schema({**dict(zip(table.schema.names, table.schema.types, strict=True)), **EMBEDDED_TYPES})
    assert out["embedding"].to_pylist() == [[1.0, 0.5], None]
    assert out["id"] == table["id"]
    assert said["error"].type == said["answer"].type == pa.string()
    assert said["error"].to_pylist() == [None]
    assert embed()(table[:0]).schema == embed(vectors="float32")(table[:1]).schema == out.schema


def test_columns_by_other_names(embed, talk):
    """For batches that have such columns already."""
    out = embed(text_column="body", output_columns={"embedding": "vector", "error": "vector_error"})(
        {"body": ["a"], "error": ["old"]}
    )

    assert (out["vector"], out["error"], out["vector_error"]) == ([[1.0, 0.5]], ["old"], [None])
    said = talk(prompt_column="q", output_columns={"answer": "summary"})({"q": ["hi"]})
    assert said["summary"] == ["re: hi"]


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_an_empty_batch(embed, talk, fake_service, kind):
    """Gets its columns, and nothing is sent."""
    out = embed()(kind({"text": []}))
    said = talk()(kind({"prompt": []}))

    assert list(out) == ["text", "embedding", "prompt_tokens", "error"]
    assert list(said) == ["prompt", "answer", "finish_reason", "prompt_tokens", "completion_tokens", "error"]
    assert len(out["error"]) == len(said["error"]) == 0
    assert fake_service.connections == 0


def test_the_types_of_a_data_frame(embed, talk):
    """Stated, not inferred: pandas 3 makes NaN, which is true, of None beside a text."""
    mixed = embed(on_error="column", vectors="float32")(pd.DataFrame({"text": ["a", None]}, index=[5, 5]))
    said = talk(on_error="column")(pd.DataFrame({"prompt": ["a", POISON]}))
    empty = embed()(pd.DataFrame({"text": []}))

    assert mixed["error"].tolist()[0] is None
    assert (list(mixed.index), mixed["embedding"].iloc[0].tolist()) == ([5, 5], [1.0, 0.5])
    assert said["answer"].tolist() == ["re: a", None]
    for frame in (mixed, empty):
        assert [str(frame[name].dtype) for name in EMBEDDED_TYPES] == ["object", "int64", "object"]


def test_a_record_batch_comes_back_as_one(embed):
    """Like a table."""
    out = embed()(pa.record_batch({"text": ["a"]}))

    assert isinstance(out, pa.RecordBatch)
    assert out["embedding"].to_pylist() == [[1.0, 0.5]]


def test_ids_may_repeat(embed):
    """Rows are told apart by their place."""
    out = embed()({"id": [7, 7, 7], "text": ["a", "a", "bb"]})

    assert (out["id"], out["embedding"]) == ([7, 7, 7], [[1.0, 0.5], [1.0, 0.5], [2.0, 0.5]])


def test_a_text_longer_than_a_request_may_be(embed, fake_service):
    """Goes by itself, beside the others."""
    out = embed()({"text": ["a", "x" * 700_000, "bb"]})

    assert [vector[0] for vector in out["embedding"]] == [1.0, 700_000.0, 2.0]
    assert [len(request.body["input"]) for request in fake_service.requests].count(1) == 3


def test_compact_vectors(embed):
    """Float32 rows that Arrow understands; without numpy, arrays of the standard library."""
    out = embed(vectors="float32")({"text": TEXTS})

    assert [row.dtype for row in out["embedding"]] == [np.float32] * 3
    assert pa.array(out["embedding"]).type == pa.list_(pa.float32())


def test_compact_vectors_without_numpy(embed, monkeypatch):
    """Nothing is loaded for them."""
    monkeypatch.delitem(sys.modules, "numpy")
    out = embed(vectors="float32")({"text": ["a"]})

    assert out["embedding"] == [array("f", [1.0, 0.5])]


def test_nothing_heavy_is_imported():
    """No engine, no data frames, no numpy, no HTTP before the first call."""
    heavy = ("numpy", "pandas", "pyarrow", "ray", "pyspark", "dask", "httpx")
    code = (
        "import sys, azureai_core as a\nassert 'azureai_core.jobs.map_jobs' not in sys.modules\n"
        f"a.BatchEmbed('https://h/v1', 'k', model='m'); print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------------------- what leaves


def test_what_is_asked_for_reaches_the_wire(embed, talk, fake_service):
    """Dimensions, input type, model; system prompt and options."""
    embed(dimensions=2, input_type="query", model="m1")({"text": ["a"]})
    asked = fake_service.last.body
    assert (asked["input"], asked["dimensions"], asked["input_type"], asked["model"]) == (["a"], 2, "query", "m1")

    talk(system="Be brief.", options={"temperature": 0, "max_tokens": 5})({"prompt": ["hi"]})
    assert fake_service.last.body == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "temperature": 0,
        "max_tokens": 5,
    }


def test_prompts_are_texts_or_messages(talk, fake_service):
    """As engines hand them over: lists, arrays of dicts, and None where a message lacks a key."""
    messages = [{"role": "user", "content": "one", "name": None}]
    column = np.empty(3, dtype=object)
    column[:] = ["plain", messages, np.array(messages, dtype=object)]
    out = talk(concurrency=1)({"prompt": column})

    assert out["answer"] == ["re: plain", "re: one", "re: one"]
    assert fake_service.last.body["messages"] == [{"role": "user", "content": "one"}]


def test_messages_with_parts_as_engines_hand_them_over(talk, fake_service):
    """Arrays within, and None for each key that another part has."""
    content = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    messages = [{"role": "user", "content": content}]
    table = pa.table({"prompt": [messages]})
    for batch in (table, table.to_pandas()):
        fake_service.answer = lambda request: chat("seen")
        talk()(batch)
        assert fake_service.last.body["messages"] == messages


def test_a_cut_answer_says_so(talk, fake_service):
    """The finish reason is a column: an answer that ends at the limit is not a whole one."""
    fake_service.answer = lambda request: chat("The capital is", "length")
    out = talk()({"prompt": ["hi"]})

    assert (out["answer"], out["finish_reason"]) == (["The capital is"], ["length"])


def test_usage_adds_up(embed, talk, fake_service):
    """A request's tokens are shared among its rows by length; a chat's are its row's own."""
    fake_service.answer = lambda request: Reply(
        body={**vectors(*([1.0] for _ in request.body["input"])).body, "usage": {"prompt_tokens": 10}}
    )
    out = embed(batch_size=3)({"text": ["a", "b", "cc", "d"]})
    assert (sum(out["prompt_tokens"][:3]), out["prompt_tokens"][3]) == (10, 10)
    assert out["prompt_tokens"][2] == 5

    fake_service.answer = _serve
    said = talk()({"prompt": ["a", "b"]})
    assert (said["prompt_tokens"], said["completion_tokens"]) == ([3, 3], [2, 2])


def test_shares_are_as_documented():
    """Whole numbers that add up."""
    result = doctest.testmod(columns)

    assert (result.failed, result.attempted) == (0, 1)


def test_a_service_that_counts_no_tokens(embed, fake_service):
    """Is no error: 0."""
    fake_service.answer = lambda request: Reply(body={"data": [{"index": 0, "embedding": [1.0]}]})

    assert embed()({"text": ["a"]})["prompt_tokens"] == [0]


def test_requests_in_flight_are_bounded_over_all_threads(talk, fake_service):
    """Of a process: an engine may call from several threads."""
    job = talk(concurrency=2)
    batches = [{"prompt": [str(n) for n in range(10)]} for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answered = list(pool.map(job, batches))

    assert [out["error"] for out in answered] == [[None] * 10] * 4
    assert len(fake_service.requests) == 40
    assert fake_service.connections <= 2


def test_requests_in_flight_are_bounded(talk, fake_service):
    """Never more than `concurrency`, and as many where there is work."""
    talk(concurrency=3)({"prompt": [str(n) for n in range(30)]})

    assert len(fake_service.requests) == 30
    assert 1 <= fake_service.connections <= 3


def test_an_error_ends_the_waits_of_the_others(talk, fake_service):
    """A request that waits to be repeated is not sent again: nobody would read its answer."""
    slow, wrong = Reply(503, {"message": "busy"}, {"retry-after": "30"}), Reply(401, {"message": "no"})
    fake_service.answer = lambda r: slow if r.body["messages"][0]["content"] == "a" else wrong
    with pytest.raises(AuthenticationError):
        talk(max_retries=6, concurrency=2)({"prompt": ["a", "b"]})

    assert len(fake_service.requests) <= 2


def test_an_interrupt_ends_the_waits(fake_service):
    """Ctrl-C ends the process, not after all repeats."""
    fake_service.answer = lambda request: Reply(429, {"message": "slow"}, {"retry-after": "30"})
    code = (
        f"from azureai_core import BatchChat\njob = BatchChat({fake_service.url + '/serverless/m'!r}, {KEY!r})\n"
        "try:\n    job({'prompt': ['a'] * 4})\nexcept KeyboardInterrupt:\n    print('interrupted')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        fake_service.wait_until(lambda: fake_service.requests)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=15)

    assert (said, process.returncode) == ("interrupted\n", 0)


def test_no_thread_and_no_event_loop_stays(embed):
    """A worker process can be ended at any time."""
    embed(batch_size=1)({"text": TEXTS})
    names = [thread.name for thread in threading.enumerate()]
    for thread in threading.enumerate():
        if thread.name.startswith("azureai-batch"):
            thread.join(5)
            assert not thread.is_alive(), names


# ---------------------------------------------------------------------------- rows that spoil a request


def test_a_poison_row_costs_one_row(embed, fake_service):
    """Its request is halved until it stands alone: 2 log2(n) further requests."""
    texts = [f"t{n}" for n in range(8)]
    texts[5] = POISON
    out = embed(on_error="column", batch_size=8, concurrency=1)({"text": texts})

    assert [row is None for row in out["embedding"]] == [n == 5 for n in range(8)]
    assert [error for error in out["error"] if error] == [out["error"][5]]
    assert out["error"][5].startswith("BadRequestError: this text is refused")
    assert [len(r.body["input"]) for r in fake_service.requests] == [8, 4, 4, 2, 1, 1, 2]
    assert out["prompt_tokens"] == [1, 1, 1, 1, 1, 0, 1, 1]


def test_a_poison_prompt_costs_one_row(talk, fake_service):
    """One request each, no more."""
    out = talk(on_error="column")({"prompt": ["a", POISON, "c"]})

    assert out["answer"] == ["re: a", None, "re: c"]
    assert [bool(error) for error in out["error"]] == [False, True, False]
    assert len(fake_service.requests) == 3


def test_a_filtered_row(embed, talk, fake_service):
    """The content filter's refusal is the row's own, however many there are."""
    body = {"error": {"code": "content_filter", "message": "The prompt was filtered", "param": "prompt"}}
    fake_service.answer = lambda request: Reply(400, body)
    out = talk(on_error="column")({"prompt": [str(n) for n in range(20)]})

    assert all(error.startswith("ContentFilterError: The prompt was filtered") for error in out["error"])
    with pytest.raises(ContentFilterError):
        embed()({"text": ["a"]})


def test_a_vector_that_is_missing(embed, fake_service):
    """A 200 with fewer vectors than texts is taken apart like a refusal."""

    def answer(request):
        return vectors(*([1.0] for text in request.body["input"] if text != "odd")) if request.body else None

    fake_service.answer = answer
    out = embed(on_error="column", batch_size=4)({"text": ["a", "odd", "c", "d"]})

    assert [row is None for row in out["embedding"]] == [False, True, False, False]
    assert out["error"][1].startswith("AzureAIError: ")


def test_a_vector_that_is_none(embed, fake_service):
    """Costs its row; it does not end the job."""
    good, bad = [1.0], [1.0, None]
    fake_service.answer = lambda r: Reply(
        body={"data": [{"index": n, "embedding": bad if t == "b" else good} for n, t in enumerate(r.body["input"])]}
    )
    out = embed(on_error="column", vectors="float32")({"text": ["a", "b", "c"]})

    assert [row is None for row in out["embedding"]] == [False, True, False]
    assert out["error"][1].startswith("AzureAIError: The service gave a vector that is not made of numbers")


@pytest.mark.parametrize("nothing", [None, "", float("nan"), 5, "half \ud800"])
def test_a_row_without_a_text(embed, talk, fake_service, nothing):
    """Marked in its row, not sent; raised by default, with its place."""
    out = embed(on_error="column")({"text": ["a", nothing, "c"]})

    assert [row is None for row in out["embedding"]] == [False, True, False]
    assert out["error"][1].startswith("ConfigurationError: Text 1 ")
    assert [r.body["input"] for r in fake_service.requests] == [["a", "c"]]
    with pytest.raises(ConfigurationError, match="Text 1 "):
        embed()({"text": ["a", nothing]})

    said = talk(on_error="column")({"prompt": ["a", nothing]})
    assert said["answer"] == ["re: a", None]
    assert said["error"][1].startswith("ConfigurationError: Prompt 1 ")
    sent = len(fake_service.requests)
    with pytest.raises(ConfigurationError, match="Prompt 1 "):
        talk()({"prompt": ["a", nothing]})
    assert len(fake_service.requests) == sent


@pytest.mark.parametrize("prompt", [[], [1], {"role": "user"}, [["role", "user"]], ""])
def test_a_prompt_that_is_none(talk, prompt):
    """Neither a text nor a list of messages."""
    out = talk(on_error="column")({"prompt": [prompt]})

    assert "give a text, or a list of messages" in out["error"][0]


def test_by_default_the_first_error_is_raised_with_its_rows(embed, talk):
    """Counted in the batch, not in the request."""
    with pytest.raises(BadRequestError, match="this text is refused") as caught:
        embed(batch_size=2)({"text": ["a", "b", "c", POISON, "e"]})
    assert (caught.value.first_index, caught.value.batch_size) == (2, 2)
    assert caught.value.__notes__ == ["In rows 2 to 3 of the batch."]

    with pytest.raises(BadRequestError) as caught:
        talk()({"prompt": ["a", POISON]})
    assert caught.value.first_index == 1


def test_a_batch_larger_than_the_service_takes(embed, fake_service):
    """Is split as `embed_many` does, and remembered."""
    limit = Reply(400, {"error": {"message": "invalid: total number of texts must be at most 2 - received 4"}})
    fake_service.answer = lambda r: limit if len(r.body["input"]) > 2 else _serve(r)
    once = embed(on_error="column", batch_size=4, concurrency=1)
    out = once({"text": ["a", "b", "c", "d"]})
    once({"text": ["a", "b", "c", "d"]})

    assert out["error"] == [None] * 4
    assert [len(r.body["input"]) for r in fake_service.requests] == [4, 2, 2, 2, 2]


# ---------------------------------------------------------------------------- errors that hit every row

EVERYONE = {
    "wrong key": (Reply(401, {"message": "no"}), AuthenticationError),
    "not allowed": (Reply(403, {"message": "no"}), PermissionDeniedError),
    "no such deployment": (Reply(404, {"error": {"code": "DeploymentNotFound", "message": "no"}}), NotFoundError),
    "out of credit": (Reply(402, {"message": "no"}), AzureAIError),
    "daily quota": (Reply(429, {"message": "slow"}, {"retry-after": "3600"}), RateLimitError),
    "wrong argument": (
        Reply(400, {"error": {"message": "does not support dimensions", "param": "dimensions"}}),
        BadRequestError,
    ),
    "extra field": (
        Reply(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]}),
        UnprocessableEntityError,
    ),
    "never reached": (Reply(fault=CUT), APIConnectionError),
}


@pytest.mark.parametrize("case", EVERYONE)
def test_what_would_hit_every_row_is_raised(embed, talk, fake_service, case):
    """A wrong key does not go through the whole job."""
    reply, kind = EVERYONE[case]
    fake_service.answer = lambda request: reply
    for job, column in ((embed, "text"), (talk, "prompt")):
        fake_service.requests.clear()
        with pytest.raises(kind):
            job(on_error="column", concurrency=1)({column: [str(n) for n in range(600)]})
        assert len(fake_service.requests) <= 4


def test_rows_refused_one_by_one_from_the_start(embed, fake_service):
    """A refusal without a reason, and nothing ever taken: raised after 8 rows, not after all."""
    fake_service.answer = lambda request: REFUSED
    with pytest.raises(BadRequestError) as caught:
        embed(on_error="column", batch_size=64, concurrency=1)({"text": ["a"] * 640})

    assert "a configuration error" in caught.value.__notes__[-1]
    assert len(fake_service.requests) < 30


def test_many_refusals_after_a_row_was_taken(embed, fake_service):
    """Belong to the rows."""
    texts = ["good", *[POISON] * 20]
    out = embed(on_error="column", batch_size=1, concurrency=1)({"text": texts})

    assert [bool(error) for error in out["error"]] == [False, *[True] * 20]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_passes_is_written_beside_the_rows_of_its_request(embed, fake_service, status):
    """The other requests' rows are kept, and the rows can be filtered out for another run."""
    fake_service.answer = lambda r: Reply(status, {"message": "busy"}) if "c" in r.body["input"] else _serve(r)
    out = embed(on_error="column", batch_size=2)({"text": ["a", "b", "c", "d", "e"]})

    assert [bool(error) for error in out["error"]] == [False, False, True, True, False]
    assert len(fake_service.requests) == 3


def test_a_service_that_goes_away_in_mid_job(talk, fake_service):
    """Once reached, a broken connection is one that passes."""
    fake_service.answer = lambda r: Reply(fault=CUT) if r.body["messages"][-1]["content"] == "b" else chat("x")
    out = talk(on_error="column", concurrency=1)({"prompt": ["a", "b", "c"]})

    assert [bool(error) for error in out["error"]] == [False, True, False]
    assert out["error"][1].startswith("APIConnectionError: ")


def test_a_throttled_job_gets_through(embed, fake_service):
    """Retry-After is slept by the core; by default a request is repeated six times."""
    clock = FakeClock()
    replies = iter([Reply(429, {"message": "slow"}, {"retry-after": "7"})] * 5)
    fake_service.answer = lambda request: next(replies, None) or _serve(request)
    out = embed(retry=clock.policy(max_retries=6))({"text": ["a"]})

    assert out["error"] == [None]
    assert sum(clock.slept) == pytest.approx(35)


# ---------------------------------------------------------------------------- limits


def test_each_worker_takes_its_part_of_the_limits(talk):
    """10 requests a second for 4 workers: 2.5 for one, from the first one on."""
    clock = FakeClock()
    job = talk(requests_per_second=10, workers=4, concurrency=1, retry=clock.policy())
    job({"prompt": [str(n) for n in range(75)]})

    assert sum(clock.slept) == pytest.approx(74 / 2.5)


def test_tokens_are_limited_alike(talk):
    """By the size of the prompt and the output that it may have."""
    clock = FakeClock()
    job = talk(tokens_per_minute=6000, workers=2, concurrency=1, options={"max_tokens": 400}, retry=clock.policy())
    job({"prompt": ["hi"] * 10})

    assert 70 < sum(clock.slept) < 90


# ---------------------------------------------------------------------------- other processes


def test_it_pickles_before_and_after_use(embed, fake_service):
    """And the copy works."""
    job = embed(on_error="column")
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(job))
        assert copy({"text": ["a"]})["embedding"] == [[1.0, 0.5]]
        job({"text": ["a"]})

    assert fake_service.connections == 1


def test_a_key_from_the_environment_is_not_in_the_pickle(fake_service, monkeypatch):
    """The worker reads its own."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", fake_service.url + "/serverless/m")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    fake_service.answer = _serve
    job = BatchChat()
    job({"prompt": ["a"]})

    assert KEY.encode() not in pickle.dumps(job)
    assert KEY.encode() not in pickle.dumps(job, protocol=0)
    assert fake_service.last.header("api-key") == KEY


def test_no_text_holds_the_key(embed, fake_service):
    """Neither the repr, nor an error in a column or raised, where the service echoes it."""
    fake_service.answer = lambda request: Reply(400, {"error": {"message": f"not with {KEY}"}})
    job = embed(on_error="column")
    shown = [repr(job), str(job), str(job({"text": ["a"]})["error"])]
    with pytest.raises(BadRequestError) as caught:
        embed()({"text": ["a"]})

    assert [text for text in [*shown, str(caught.value), repr(pickle.dumps(caught.value))] if KEY in text] == []
    assert "not with ***" in shown[2]


class _Token:
    made = 0

    def __init__(self):
        type(self).made += 1
        self.lock = threading.Lock()  # like most credentials, it does not pickle

    def get_token(self, *scopes, **options):
        return type("Token", (), {"token": "worker-token-0123", "expires_on": 4102444800})()


def test_a_credential_is_made_once_per_process(fake_service):
    """By the factory, however many copies and calls there are."""
    fake_service.answer = _serve
    _Token.made = 0
    job = BatchChat(fake_service.url + "/serverless/m", credential_factory=_Token, allow_http_token=True)
    assert _Token.made == 0
    for _ in range(3):
        pickle.loads(pickle.dumps(job))({"prompt": ["a", "b"]})

    assert _Token.made == 1
    assert fake_service.last.header("authorization") == "Bearer worker-token-0123"


def test_a_credential_that_does_not_pickle_says_what_to_do(fake_service):
    """One sentence, with the factory in it."""
    job = BatchChat(fake_service.url + "/serverless/m", _Token(), allow_http_token=True)

    with pytest.raises(TypeError, match="pass credential_factory="):
        pickle.dumps(job)


def _in_a_child(job, queue):
    queue.put(job({"text": ["a"]})["embedding"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_another_process(embed, fake_service, method):
    """Forked with a client in use, or started anew: connections of its own."""
    job = embed()
    job({"text": ["first"]})
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    if method == "spawn":
        script = (
            "import pickle, sys, json; print(json.dumps(pickle.load(sys.stdin.buffer)({'text': ['a']})['embedding']))"
        )
        done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(job), capture_output=True, check=True)
        got = json.loads(done.stdout)
    else:
        process = context.Process(target=_in_a_child, args=(job, queue))
        process.start()
        got = queue.get()
        process.join()
    job({"text": ["last"]})

    assert got == [[1.0, 0.5]]
    first, childs, last = fake_service.requests
    assert first.connection == last.connection != childs.connection


def test_a_process_keeps_the_clients_of_a_few_jobs(embed, fake_service):
    """Those used last; the others' connections close."""
    jobs = [embed() for _ in range(20)]
    for job in jobs:
        job({"text": ["a"]})
    fake_service.wait_until(lambda: fake_service.open <= 16)
    for job in jobs:
        assert job({"text": ["a"]})["error"] == [None]


# ---------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ({"body": ["a"]}, r"no column 'text', it has 'body': pass text_column="),
        (pd.DataFrame({"body": ["a"]}), r"no column 'text', it has 'body'"),
        ({}, r"no column 'text', it has none"),
        ({"text": ["a"], "error": [""]}, r"has a column 'error' already: .* output_columns=\{'error'"),
        (["a"], r"The batch is list: pass a dict of columns, a pandas data frame or a pyarrow table"),
        ("a", r"The batch is str"),
        (pa.table({"body": ["a"]}), r"no column 'text', it has 'body'"),
        (pa.table({"text": ["a"], "error": ["x"]}), r"has a column 'error' already"),
        (None, r"The batch is NoneType"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), r"has 2 columns 'text': give each a name of its own"),
        (pa.table([["a"], ["b"]], names=["text", "text"]), r"has 2 columns 'text'"),
        ({"text": "hello"}, r"The column 'text' is str: pass a list or an array"),
        ({"text": np.array("hello")}, r"The column 'text' is ndarray"),
        ({"text": iter(["a"])}, r"The column 'text' is list_iterator"),
        ({"text": {"a": 1}}, r"The column 'text' is dict"),
        ({"text": None}, r"The column 'text' is NoneType"),
    ],
)
def test_a_wrong_batch(embed, fake_service, batch, says):
    """Named, before any request."""
    with pytest.raises(ConfigurationError, match=says):
        embed(on_error="column")(batch)

    assert fake_service.connections == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on_error": "ignore"}, r"on_error='ignore': use 'raise' or 'column'"),
        ({"concurrency": 0}, r"concurrency=0: use 1 to 64"),
        ({"concurrency": 65}, r"concurrency=65"),
        ({"concurrency": True}, r"concurrency=True"),
        ({"workers": 0}, r"workers=0: pass the number"),
        ({"requests_per_second": 0}, r"requests_per_second=0: pass a number above 0"),
        ({"tokens_per_minute": "9"}, r"tokens_per_minute='9'"),
        ({"credential_factory": dict}, r"Both credential and credential_factory"),
        ({"output_columns": {"vector": "v"}}, r"output_columns has 'vector': the result columns are"),
        ({"output_columns": {"error": "prompt_tokens"}}, r"two columns would have the same name"),
        ({"output_columns": {"error": 5}}, r"output_columns=\{'error': 5\}: pass a dict of results"),
        ({"output_columns": ["error"]}, r"output_columns=\['error'\]: pass a dict"),
        ({"http_client": object()}, r"There is no argument http_client"),
    ],
)
def test_a_wrong_argument(embed, talk, options, says):
    """Named with its value, at construction."""
    for make in (embed, talk):
        with pytest.raises(ConfigurationError, match=says):
            make(**options)


def test_a_wrong_policy(embed):
    """Named as the client names it, in the worker."""
    with pytest.raises(ConfigurationError, match="retry='x': pass a RetryPolicy"):
        embed(retry="x")({"text": ["a"]})


def test_wrong_arguments_of_one_of_them(embed, talk):
    """Likewise."""
    for options, says in (({"vectors": "int8"}, "vectors='int8'"), ({"batch_size": 0}, "batch_size=0")):
        with pytest.raises(ConfigurationError, match=says):
            embed(**options)
    for field in ("messages", "model", "stream", "tools"):
        with pytest.raises(ConfigurationError, match=f"options has '{field}'"):
            talk(options={field: 1})
    for options, says in (
        ({"options": "x"}, "options='x': pass a dict"),
        ({"system": 5}, "system is int: pass a text"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            talk(**options)
    with pytest.raises(ConfigurationError, match="credential_factory is str"):
        BatchEmbed("https://h/v1", credential_factory="x")


def test_a_plan_is_no_batch(embed):
    """A Dask data frame has to go through `map_partitions`."""
    dask = pytest.importorskip("dask.dataframe")
    with pytest.raises(ConfigurationError, match="map_partitions"):
        embed()(dask.from_pandas(pd.DataFrame({"text": ["a"]}), npartitions=1))
