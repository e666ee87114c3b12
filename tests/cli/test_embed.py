"""`azureai embed`: the order is kept, nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from azureai_core import InferenceClient
from azureai_emulator import Fault

SMALL = "text-embedding-3-small"


@pytest.fixture
def embed(cli, tmp_path, monkeypatch):
    """`azureai embed` with a deployment, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(file, *arguments, name=SMALL, kind="openai-v1", stdin=None):
        url = cli.emulator.endpoint(name, kind) if name == SMALL else cli.emulator.endpoint(name)
        return cli("embed", file, "--endpoint", url, "--model", name, *arguments, stdin=stdin)

    return run


def lines(count: int, path: str = "texts.txt") -> list[str]:
    texts = [f"Text number {number} of the sea" for number in range(count)]
    Path(path).write_text("\n".join(texts) + "\n", "utf-8")
    return texts


def rows(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def embedded_texts(emulator) -> list[str]:
    """All texts that were sent, in the order of the requests."""
    return [text for exchange in emulator.requests for text in json.loads(exchange.body_bytes)["input"]]


def test_each_line_becomes_a_row_in_the_same_order(embed, emulator):
    """The vectors are those of the client, to the last bit of a float32."""
    texts = lines(300)
    done = embed("texts.txt", "--batch-size", "16", "--dimensions", "64")
    found = rows("texts.embeddings.jsonl")
    with InferenceClient(emulator.endpoint(SMALL, "openai-v1"), emulator.key, model=SMALL) as client:
        wanted = client.embed(texts, dimensions=64).vectors

    assert done.code == 0
    assert [row["line"] for row in found] == list(range(1, 301))
    assert [as_float32(row["embedding"]) for row in found] == wanted


def as_float32(vector: list[float]) -> list[float]:
    from array import array

    return array("f", vector).tolist()


def test_json_lines_keep_their_ids(embed, emulator):
    """Ids of any type; blank lines are skipped, but count as lines."""
    Path("in.jsonl").write_text('{"key": "a", "body": "One"}\n\n{"key": 7, "body": "Two"}\n{"body": "Three"}\n')
    done = embed("in.jsonl", "--field", "body", "--id-field", "key", "-o", "out.jsonl")
    found = [{name: row.get(name) for name in ("line", "id")} for row in rows("out.jsonl")]

    assert done.code == 0
    assert found == [{"line": 1, "id": "a"}, {"line": 3, "id": 7}, {"line": 4, "id": None}]
    assert embedded_texts(emulator) == ["One", "Two", "Three"]


def test_a_line_separator_inside_a_text_does_not_end_the_line(embed, emulator):
    """U+2028 and U+0085 are part of the text; a byte order mark is not."""
    Path("in.txt").write_bytes("\ufeffa\u2028b\u0085c\r\nsecond\n".encode())

    assert embed("in.txt").code == 0
    assert embedded_texts(emulator) == ["a\u2028b\u0085c", "second"]


def test_texts_from_a_pipe_need_an_output(embed):
    """For stdin (`-`) there is no default name."""
    assert embed("-", stdin="One\nTwo\n").code == 2
    assert embed("-", "-o", "out.jsonl", stdin="One\nTwo\n").code == 0
    assert len(rows("out.jsonl")) == 2


def test_the_summary_has_the_counts(embed):
    """It is one JSON object."""
    lines(5)
    done = embed("texts.txt", "--json", "--dimensions", "8")
    summary = json.loads(done.out)

    assert summary | {"seconds": 0} == {
        "output": "texts.embeddings.jsonl",
        "rows": 5,
        "resumed": 0,
        "embedded": 5,
        "errors": 0,
        "dimensions": 8,
        "tokens": 30,
        "model": SMALL,
        "seconds": 0,
        "problem": None,
        "exit_code": 0,
    }


def test_options_reach_the_service(embed, emulator):
    """Dimensions and input type."""
    lines(2)
    embed("texts.txt", "--input-type", "query", name="cohere-embed-v3-english")

    assert json.loads(emulator.requests[0].body_bytes)["input_type"] == "query"


def test_parquet_has_the_same_rows(embed):
    """Vectors are float32 lists, ids are text."""
    import pyarrow.parquet as pq

    Path("in.jsonl").write_text('{"id": "a", "text": "One"}\n{"id": 2, "text": ""}\n{"id": 3, "text": "Three"}\n')
    done = embed("in.jsonl", "-o", "out.parquet", "--on-error", "skip", "--dimensions", "16")
    embed("in.jsonl", "-o", "out.jsonl", "--on-error", "skip", "--dimensions", "16")
    table = pq.read_table("out.parquet")

    assert done.code == 1
    assert str(table.schema.field("embedding").type) in {"list<element: float>", "list<item: float>"}
    assert table.column("id").to_pylist() == ["a", "2", "3"]
    assert table.column("line").to_pylist() == [1, 2, 3]
    plain = [row.get("embedding") for row in rows("out.jsonl")]
    assert table.column("embedding").to_pylist() == [vector and as_float32(vector) for vector in plain]
    assert table.column("error").to_pylist() == [None, "the field 'text' is empty", None]
    assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl", "out.jsonl", "out.parquet"]


def test_parquet_without_pyarrow_says_so_before_any_request(embed, emulator, monkeypatch):
    """Exit code 2."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    lines(2)
    done = embed("texts.txt", "-o", "out.parquet")

    assert done.code == 2
    assert "azureai-adapters[parquet]" in done.err
    assert emulator.requests == []


BAD = '{"id": 1, "text": "One"}\n{"id": 2, "text": ""}\nnot json\n{"id": 4}\n[5]\n{"id": 6, "text": "Six"}\n'


def test_invalid_rows_stop_the_job_and_name_their_line(embed):
    """The rows before them are kept."""
    Path("in.jsonl").write_text(BAD)
    done = embed("in.jsonl")

    assert done.code == 1
    assert "in.jsonl, line 2: the field 'text' is empty" in done.err
    assert [row["line"] for row in rows("in.embeddings.jsonl.part")] == [1]
    assert not Path("in.embeddings.jsonl").exists()


def test_invalid_rows_become_error_rows(embed):
    """In their places; the exit code is 1."""
    Path("in.jsonl").write_text(BAD)
    done = embed("in.jsonl", "--on-error", "skip")
    found = rows("in.embeddings.jsonl")

    assert done.code == 1
    assert [row["line"] for row in found] == [1, 2, 3, 4, 5, 6]
    assert ["error" in row for row in found] == [False, True, True, True, True, False]


def test_bytes_that_are_not_text_become_an_error_row(embed):
    """They are neither guessed nor a crash."""
    Path("in.txt").write_bytes(b"good\n\xff\xfe bad\nalso good\n")
    done = embed("in.txt", "--on-error", "skip")

    assert done.code == 1
    assert ["error" in row for row in rows("in.embeddings.jsonl")] == [False, True, False]


def test_texts_that_the_model_refuses_become_error_rows(embed, emulator):
    """Two texts that are too long among many: all others are embedded, each once more at most a few times."""
    texts = lines(60)
    texts[7] = texts[41] = "word " * 9000
    Path("texts.txt").write_text("\n".join(texts) + "\n")
    done = embed("texts.txt", "--on-error", "skip", "--batch-size", "20", "--dimensions", "8")
    found = rows("texts.embeddings.jsonl")

    assert done.code == 1
    assert [row["line"] for row in found] == list(range(1, 61))
    assert [row["line"] for row in found if "error" in row] == [8, 42]
    assert "context length" in found[7]["error"]
    assert len(emulator.requests) < 40


def test_a_refused_text_stops_the_job_and_names_the_lines(embed):
    """This is the default."""
    texts = lines(10)
    texts[4] = "word " * 9000
    Path("texts.txt").write_text("\n".join(texts) + "\n")
    done = embed("texts.txt", "--batch-size", "3", "--concurrency", "1")

    assert done.code == 1
    assert "texts.txt, from line 4 on" in done.err
    assert len(rows("texts.embeddings.jsonl.part")) == 3


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(status=401, times=99), 4),
        (Fault(status=404, body={"error": {"code": "DeploymentNotFound", "message": "no"}}, times=99), 5),
        (Fault(status=503, headers={"retry-after": "0"}, times=99), 1),
        (Fault(reset_before_body=True, times=99), 3),
    ],
)
@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_problem_that_no_text_causes_stops_the_job(embed, emulator, fault, code, policy):
    """There are no error rows for it."""
    lines(10)
    emulator.faults(fault)
    done = embed("texts.txt", "--on-error", policy)

    assert done.code == code
    assert "The same command resumes from there." in done.err
    assert rows("texts.embeddings.jsonl.part") == []

    emulator.clear()
    assert embed("texts.txt", "--on-error", policy).code == 0
    assert len(rows("texts.embeddings.jsonl")) == 10


def interrupted(cli, *arguments: str, number: signal.Signals, rows_before: int) -> int:
    """Start a job, wait until some rows are finished, and end it by a signal."""
    cli.emulator.faults(Fault(latency=0.15, times=1000))
    url = cli.emulator.endpoint(SMALL, "openai-v1")
    command = ["embed", *arguments, "--endpoint", url, "--model", SMALL]
    process = cli.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    part, end = Path("texts.embeddings.jsonl.part"), time.monotonic() + 60
    while not (part.exists() and part.read_bytes().count(b"\n") >= rows_before):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    time.sleep(0.5)  # what the process had sent last may still be arriving
    cli.emulator.clear()
    return process.returncode


@pytest.mark.slow
def test_after_a_kill_it_resumes_where_it_stopped(embed, cli, emulator):
    """SIGKILL: no row is lost, none is there twice, none that was done is asked for again."""
    texts = lines(400)
    code = interrupted(cli, "texts.txt", "--batch-size", "10", number=signal.SIGKILL, rows_before=60)
    kept = len(rows_of_part())
    done = embed("texts.txt", "--batch-size", "10", "--json")
    summary = json.loads(done.out)

    assert code == -signal.SIGKILL
    assert 60 <= kept < 400
    assert sorted(embedded_texts(emulator)) == sorted(texts[kept:])
    assert (summary["resumed"], summary["embedded"], summary["rows"]) == (kept, 400 - kept, 400)
    assert [row["line"] for row in rows("texts.embeddings.jsonl")] == list(range(1, 401))
    assert sorted(path.name for path in Path().iterdir()) == ["texts.embeddings.jsonl", "texts.txt"]


def rows_of_part() -> list[bytes]:
    """The complete lines of the part file."""
    return Path("texts.embeddings.jsonl.part").read_bytes().split(b"\n")[:-1]


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_rows(embed, cli):
    """The exit code is 130."""
    lines(400)

    assert interrupted(cli, "texts.txt", "--batch-size", "10", number=signal.SIGINT, rows_before=20) == 130
    assert embed("texts.txt", "--batch-size", "10").code == 0
    assert len(rows("texts.embeddings.jsonl")) == 400


def test_two_jobs_do_not_write_one_part_file(embed, cli, emulator):
    """The second one is refused, the first one is not disturbed."""
    lines(200)
    emulator.faults(Fault(latency=0.1, times=1000))
    url = emulator.endpoint(SMALL, "openai-v1")
    command = ["embed", "texts.txt", "--endpoint", url, "--model", SMALL, "--batch-size", "10"]
    first = cli.start(*command, stderr=subprocess.PIPE)
    while not Path("texts.embeddings.jsonl.part.json").exists():
        time.sleep(0.02)
    second = embed("texts.txt")
    first.communicate(timeout=60)

    assert second.code == 2
    assert "Another job" in second.err
    assert first.returncode == 0
    assert len(rows("texts.embeddings.jsonl")) == 200


def test_a_chat_model_does_not_embed(embed):
    """The exit code is 5, and the cause is named."""
    lines(2)
    done = embed("texts.txt", name="mistral-large-2411")

    assert done.code == 5
    assert "another kind" in done.err


def test_an_incomplete_line_is_written_again(embed, cli):
    """The process ended in the middle of a row."""
    lines(100)
    interrupted(cli, "texts.txt", "--batch-size", "10", number=signal.SIGKILL, rows_before=20)
    with Path("texts.embeddings.jsonl.part").open("ab") as part:
        part.write(b'{"line": 99, "embedd')

    assert embed("texts.txt").code == 0
    assert [row["line"] for row in rows("texts.embeddings.jsonl")] == list(range(1, 101))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--dimensions", "8"], "dimensions"),
        (["--input-type", "text"], "input_type"),
        (["--field", "x"], "field"),
        ([], "input"),
    ],
)
def test_another_job_does_not_resume_from_this_part_file(embed, cli, emulator, change, said):
    """It names the difference and sends nothing; `--restart` starts over."""
    lines(100)
    interrupted(cli, "texts.txt", "--batch-size", "10", number=signal.SIGKILL, rows_before=20)
    if not change:
        lines(101)
    done = embed("texts.txt", *change)

    assert done.code == 2
    assert said in done.err
    assert "--restart" in done.err
    assert emulator.requests == []
    if said == "dimensions":
        assert embed("texts.txt", *change, "--restart").code == 0
        assert {len(row["embedding"]) for row in rows("texts.embeddings.jsonl")} == {8}


def test_an_output_is_not_overwritten(embed, emulator):
    """Unless `--restart` is given."""
    lines(3)
    embed("texts.txt")
    before = len(emulator.requests)

    assert embed("texts.txt").code == 2
    assert len(emulator.requests) == before
    assert embed("texts.txt", "--restart").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file.txt"], "no-such-file.txt"),
        (["texts.txt", "-o", "out.csv"], "out.csv"),
        (["texts.txt", "-o", "nowhere/out.jsonl"], "nowhere"),
    ],
)
def test_wrong_usage_ends_with_2(embed, emulator, arguments, said):
    """One sentence, before any request."""
    lines(2)
    done = embed(*arguments)

    assert done.code == 2
    assert said in done.err
    assert emulator.requests == []


def test_an_empty_file_gives_an_empty_output(embed):
    """Nothing is sent, and it is not an error."""
    Path("texts.txt").write_text("\n\n")

    assert embed("texts.txt").code == 0
    assert rows("texts.embeddings.jsonl") == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_file(cli, tmp_path):
    """10,000 rows need at most 20 MB more than 1,000; kept in memory, their vectors would need 80 MB."""
    peaks = []
    for count in (1_000, 10_000):
        source = tmp_path / f"{count}.txt"
        source.write_text("".join(f"Row {number}\n" for number in range(count)))
        peaks.append(peak_memory(cli, source, tmp_path / f"{count}.jsonl"))

    assert peaks[1] - peaks[0] < 20_000


def peak_memory(cli, source: Path, output: Path) -> int:
    """The most memory a job had, in kB. Not `ru_maxrss`: a process begins with that of the one that started it."""
    code = "from azureai_cli import main\ntry: main()\nexcept SystemExit as e: assert not e.code\nprint(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    url = cli.emulator.endpoint(SMALL, "openai-v1")
    options = ["--endpoint", url, "--model", SMALL, "--dimensions", "256", "-o", str(output)]
    done = subprocess.run(
        [sys.executable, "-c", code, "embed", str(source), *options], capture_output=True, timeout=110, check=True
    )
    return int(done.stdout.split()[-1])


def test_in_a_terminal_there_is_a_progress_bar(terminal, emulator, tmp_path, monkeypatch):
    """It counts rows."""
    monkeypatch.chdir(tmp_path)
    lines(200)
    screen = terminal(
        "embed", "texts.txt", "--endpoint", emulator.endpoint(SMALL), "--model", SMALL, "--batch-size", "10"
    )

    assert screen.end() == 0
    assert "200/200" in screen.screen
    assert "200 embedded" in screen.screen


def test_the_key_is_in_no_file(embed, cli):
    """Neither in the output nor in the settings beside the part file."""
    lines(100)
    interrupted(cli, "texts.txt", "--batch-size", "10", number=signal.SIGKILL, rows_before=10)
    files = [path.read_bytes() for path in Path().iterdir()]

    assert len(files) == 3
    assert not any(cli.emulator.key.encode() in content for content in files)


@pytest.mark.parametrize(("source", "output"), [("a.jsonl", "a.jsonl"), ("b.jsonl.part", "b.jsonl")])
def test_the_texts_are_not_overwritten(embed, emulator, source, output):
    """Even with --restart, and not by the part file either."""
    Path(source).write_text('{"text": "One"}\n')
    done = embed(source, "-o", output, "--restart")

    assert done.code == 2
    assert "overwrite the texts" in done.err
    assert Path(source).read_text() == '{"text": "One"}\n'
    assert emulator.requests == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_full_disk_keeps_the_finished_rows(embed, cli):
    """Exit code 1, a sentence, no traceback; with free space again, the same command resumes."""
    lines(400)
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); from azureai_cli import main; main()"
    options = ["--endpoint", cli.emulator.endpoint(SMALL, "openai-v1"), "--model", SMALL, "--dimensions", "8"]
    command = [sys.executable, "-c", limited, "embed", "texts.txt", *options, "--batch-size", "20", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    again = embed("texts.txt", "--dimensions", "8", "--batch-size", "20", "--json")

    assert done.returncode == json.loads(done.stdout)["exit_code"] == 1
    assert "texts.embeddings.jsonl.part: File too large." in done.stderr
    assert "The same command resumes from there." in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(again.out)["resumed"] > 50
    assert [row["line"] for row in rows("texts.embeddings.jsonl")] == list(range(1, 401))
