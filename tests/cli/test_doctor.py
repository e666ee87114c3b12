"""`azureai doctor`: its table is what each deployment of the emulator declares, under every kind of endpoint."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from azureai_core import ModelProfile
from azureai_emulator import DEPLOYMENTS, Deployment, Fault, Profile

SERVED = [(deployment, kind) for deployment in DEPLOYMENTS for kind in deployment.kinds]
IDS = [f"{deployment.name}-{kind}" for deployment, kind in SERVED]
ONE_PER_TABLE = {(kind, deployment.profile.task): (deployment, kind) for deployment, kind in SERVED}
"""A deployment for each kind of endpoint and each task: what is printed differs by these alone."""
OPENAI = {"openai-deployment", "openai-v1"}
BEARER_ONLY = {"serverless", "github"}


def sign(truth: bool) -> str:
    return "yes" if truth else "no"


def takes(profile: Profile, kind: str, field: str) -> bool:
    """Whether a non-standard field is accepted: all on the OpenAI kinds, otherwise those passed through."""
    return field not in profile.unsupported and (kind in OPENAI or field in profile.extras)


def expected_chat(profile: Profile, kind: str) -> dict[str, str]:
    """The expected table of a chat deployment with these quirks."""
    tools = sign(profile.tools)
    chosen = "unclear" if profile.tools_ignored else tools  # text instead of a call may be the model's choice
    forced = sign(profile.calls_tools)
    one_by_one = sign(profile.tools and takes(profile, kind, "parallel_tool_calls"))
    unasked = profile.stream_usage == "finish"
    asked = takes(profile, kind, "stream_options")
    return {
        "answers": "yes",
        "streaming": "yes",
        "usage_unasked": sign(unasked),
        "usage_asked": sign(asked),
        "reasoning": "note",
        "max_tokens": sign("max_tokens" not in profile.unsupported),
        "max_completion_tokens": sign(takes(profile, kind, "max_completion_tokens")),
        "temperature": sign("temperature" not in profile.unsupported),
        "system_role": "yes",  # one that is read as a user message counts too
        "several_system": "yes",
        "text_parts": sign(not profile.string_content),
        "images": sign("image" in profile.inputs and not profile.string_content),
        "tools_auto": chosen,
        "tools_none": chosen,
        "tools_required": forced,
        "tools_named": forced,
        "parallel_tools": chosen if profile.parallel_tools else "unclear",
        "parallel_tool_calls": "unclear" if profile.tools_ignored else one_by_one,
        "user_after_tool": sign(not profile.tool_then_assistant) if profile.tools else "unclear",
        "text_tool_results": sign(not profile.tool_results_as_json) if profile.tools else "unclear",
        "json_mode": sign(profile.json_object),
        "json_schema": sign(profile.json_schema),
    }


def expected_embeddings(profile: Profile, kind: str) -> dict[str, str]:
    return {
        "embeddings": "yes",
        "dimensions": sign(profile.dimensions_settable),
        "base64": "yes",
        "input_type": sign(profile.input_type),
        "batch": "note",
        "image_embeddings": sign(profile.images and kind in {"serverless", "models"}),
    }


def expected(deployment: Deployment, kind: str) -> dict[str, str]:
    table = expected_embeddings if deployment.profile.task == "embeddings" else expected_chat
    return table(deployment.profile, kind)


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {finding["name"]: finding["verdict"] for finding in report["findings"]}


def values(report: dict[str, Any]) -> dict[str, Any]:
    return {finding["name"]: finding["value"] for finding in report["findings"]}


@pytest.mark.parametrize(("deployment", "kind"), SERVED, ids=IDS)
def test_the_table_is_what_the_deployment_declares(cli, deployment, kind):
    """Every deployment, every kind: the same verdicts, and the key in the headers that the kind reads."""
    done = cli.doctor(deployment.name, kind, "--json")
    report = json.loads(done.out)

    assert done.code == 0
    assert verdicts(report) == expected(deployment, kind)
    assert report["endpoint"]["kind"] == kind
    assert [item["verdict"] for item in report["auth"]] == ["yes", sign(kind not in BEARER_ONLY)]
    assert (report["info"] is not None) == (kind == "serverless")


@pytest.mark.parametrize(("deployment", "kind"), ONE_PER_TABLE.values(), ids=map("-".join, ONE_PER_TABLE))
def test_the_printed_table_has_the_same_signs(cli, deployment, kind):
    """The printed table and the JSON report agree."""
    signs = {"✓": "yes", "✗": "no", "?": "unclear", "•": "note"}
    done = cli.doctor(deployment.name, kind)
    printed = [signs[line[0]] for line in done.out.splitlines() if re.match(r"[✓✗?•] \S", line)]

    assert done.code == 0
    wanted = ["yes", sign(kind not in BEARER_ONLY), *expected(deployment, kind).values()]
    assert printed[: len(wanted)] == wanted


@pytest.mark.parametrize("deployment", [d for d in DEPLOYMENTS if d.profile.task == "embeddings"], ids=str)
def test_sizes_of_vectors_and_batches_are_measured(cli, deployment):
    """The numbers are those that the deployment declares."""
    found = values(json.loads(cli.doctor(deployment.name, None, "--json").out))

    assert found["embeddings"] == deployment.profile.dimensions
    assert found["batch"] == deployment.profile.batch_limit


@pytest.mark.parametrize(
    ("name", "version", "style"),
    [
        ("deepseek-r1", "2024-05-01-preview", "<think>"),
        ("deepseek-r1", "2025-04-01", "reasoning_content"),
        ("gpt-reasoning", None, "hidden"),
        ("gpt-4o", None, "none"),
    ],
)
def test_the_form_of_reasoning_is_reported(cli, name, version, style):
    """It depends on the model and the api-version."""
    more = ["--api-version", version] if version else []

    assert values(json.loads(cli.doctor(name, None, "--json", *more).out))["reasoning"] == style


CHAT_PROBES_AFTER_HELLO = 40


def test_text_instead_of_a_call_is_no_only_if_a_call_was_required(cli, emulator):
    """✗ if the answer violates the request, ? if another answer would have been as valid."""
    emulator.script(["I would rather talk about the weather."] * CHAT_PROBES_AFTER_HELLO)
    found = verdicts(json.loads(cli.doctor("gpt-4o", "openai-v1", "--json").out))

    ignored = {name for name in ("tools_required", "tools_named", "json_mode", "json_schema") if found[name] == "no"}
    open_ = {
        name
        for name in ("tools_auto", "tools_none", "parallel_tools", "parallel_tool_calls", "system_role")
        if found[name] == "unclear"
    }
    assert ignored == {"tools_required", "tools_named", "json_mode", "json_schema"}
    assert open_ == {"tools_auto", "tools_none", "parallel_tools", "parallel_tool_calls", "system_role"}


def test_calls_that_violate_tool_choice_are_reported(cli, emulator):
    """A call despite `none`, another tool than the named one, two calls where one was requested."""
    calls = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Paris", "Tokyo")]
    emulator.script([calls] * CHAT_PROBES_AFTER_HELLO)
    found = verdicts(json.loads(cli.doctor("gpt-4o", "openai-v1", "--json").out))

    assert [found[name] for name in ("tools_none", "tools_named", "parallel_tool_calls")] == ["no", "no", "no"]
    assert found["tools_required"] == "yes"


class Agreeable(BaseHTTPRequestHandler):
    """A server that accepts everything and always gives the same answer, never streamed."""

    def do_GET(self) -> None:
        self.answer({"model_name": "m\x1b[2J", "model_type": "chat", "model_provider_name": None})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/embeddings"):
            self.answer(
                {"data": [{"index": n, "embedding": [0.1, 0.2, 0.3, 0.4]} for n, _ in enumerate(asked["input"])]}
            )
        else:
            message = {"role": "assistant", "content": "Sure, gladly."}
            self.answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def answer(self, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def agreeable() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agreeable)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


def test_a_server_that_accepts_everything_gets_no_undeserved_yes(cli, agreeable):
    """✓ only if acceptance is enough; ✗ if the answer violates the request; otherwise ?."""
    done = cli("doctor", agreeable, "--model", "m", "--json", "--only", "chat")
    found = verdicts(json.loads(done.out))
    by_sign = {sign: {name for name, value in found.items() if value == sign} for sign in set(found.values())}

    assert by_sign == {
        "yes": {"answers", "max_tokens", "max_completion_tokens", "temperature", "text_parts"}
        | {"user_after_tool", "text_tool_results"},
        "no": {"streaming", "tools_required", "tools_named", "json_mode", "json_schema"},
        "unclear": {"usage_unasked", "usage_asked", "system_role", "several_system", "images", "tools_auto"}
        | {"tools_none", "parallel_tools", "parallel_tool_calls"},
        "note": {"reasoning"},
    }


def test_identical_embeddings_prove_that_options_are_ignored(cli, agreeable):
    """Dimensions, encoding and input type change nothing."""
    done = cli("doctor", agreeable, "--model", "m", "--json", "--only", "embeddings")
    found = verdicts(json.loads(done.out))

    assert [found[name] for name in ("dimensions", "base64", "input_type")] == ["no", "no", "no"]
    assert values(json.loads(done.out))["batch"] is None


def test_a_broken_response_to_one_probe_is_unclear(cli, emulator):
    """The other probes are not affected."""
    emulator.script(["42", "42", "42", {"choices": []}], rules_after=True)  # hello, two streams, max_tokens
    found = verdicts(json.loads(cli.doctor("gpt-4o", None, "--json").out))

    assert found == expected(DEPLOYMENTS[0], "openai-deployment") | {"max_tokens": "unclear"}


def test_an_overloaded_service_is_a_failure_not_a_missing_capability(cli, emulator):
    """503 to every request: exit code 1, and no findings."""
    emulator.faults(Fault(status=503, headers={"retry-after": "0"}, times=100))
    done = cli.doctor("text-embedding-3-small", None, "--json")

    assert done.code == 1
    assert json.loads(done.out)["findings"] == []


@pytest.mark.parametrize(("deployment", "kind"), SERVED, ids=IDS)
def test_the_printed_code_works(cli, monkeypatch, deployment, kind):
    """It creates a LangChain and a LlamaIndex object that answer, and a profile."""
    report = json.loads(cli.doctor(deployment.name, kind, "--json").out)
    chain, index = run_code(report["langchain"]), run_code(report["llamaindex"])

    if deployment.profile.task == "embeddings":
        assert len(chain["embeddings"].embed_query("hi")) == deployment.profile.dimensions
        assert len(index["embeddings"].get_query_embedding("hi")) == deployment.profile.dimensions
    else:
        assert chain["model"].invoke("hi").content
        assert index["model"].complete("hi").text
    assert isinstance(ModelProfile(**report["profile"]), ModelProfile)


def run_code(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)
    return names


def test_the_profile_has_what_was_observed(cli):
    """Refused fields are off, and the limit has the field that is accepted."""
    reasoning = json.loads(cli.doctor("gpt-reasoning", None, "--json").out)["profile"]
    mistral = json.loads(cli.doctor("mistral-large-2411", None, "--json").out)["profile"]
    cohere = json.loads(cli.doctor("cohere-embed-v3-english", None, "--json").out)["profile"]

    assert reasoning["max_tokens_field"] == "max_completion_tokens"
    assert (reasoning["sampling"], reasoning["reasoning"]) == (False, True)
    assert (mistral["user_after_tool"], mistral["json_schema"]) == (False, False)
    assert (cohere["embeddings"], cohere["input_type"], cohere["max_batch"], cohere["images"]) == (True, True, 96, True)


def test_the_printed_code_can_be_pasted_from_a_narrow_terminal(cli, monkeypatch):
    """No line is wrapped."""
    monkeypatch.setenv("COLUMNS", "40")
    out = cli.doctor("gpt-4o", "openai-deployment").out
    chain = re.search(r"LangChain ─+\n(.*?)\n\)", out, re.DOTALL)

    assert run_code(chain[1] + "\n)")["model"].invoke("hi").content


def test_the_printed_profile_is_python_that_runs(cli):
    """It can be pasted unchanged."""
    out = cli.doctor("phi-3-mini-4k-instruct").out
    code = out[out.index("from azureai_core import ModelProfile") :]

    assert run_code(code)["profile"].json_mode is False


@pytest.mark.parametrize(("deployment", "kind"), SERVED[:4] + SERVED[-4:], ids=IDS[:4] + IDS[-4:])
def test_it_sends_no_more_requests_than_announced(cli, emulator, deployment, kind):
    """The announced number is an upper bound, and the reported number is exact."""
    done = cli.doctor(deployment.name, kind, "--json")
    announced = int(re.search(r"up to (\d+) requests", done.err)[1])

    assert json.loads(done.out)["requests"] == len(emulator.requests) <= announced


def test_the_cost_of_one_task_is_announced(cli):
    """`--only embeddings` announces only the requests of that task."""
    done = cli.doctor("cohere-embed-v3-english", None, "--json", "--only", "embeddings")
    announced = int(re.search(r"up to (\d+) requests", done.err)[1])

    assert json.loads(done.out)["task"] == "embeddings"
    assert announced < 15


def test_in_a_terminal_it_asks_first(terminal, emulator):
    """If the answer is no, nothing is sent."""
    screen = terminal("doctor", emulator.endpoint("gpt-4o"))
    screen.wait_for("Continue?")
    screen.type("n\n")

    assert screen.end() == 0
    assert "Nothing was sent." in screen.screen
    assert emulator.requests == []


def test_in_a_terminal_yes_shows_a_bar_and_the_table(terminal, emulator):
    """`--yes` skips the question."""
    screen = terminal("doctor", emulator.endpoint("gpt-4o"), "--yes", COLUMNS="120")

    assert screen.end() == 0
    assert "Continue?" not in screen.screen
    assert re.search(r"\d+/\d+", screen.screen)
    assert "✓" in screen.screen


def test_a_typed_key_is_not_echoed(terminal, emulator, monkeypatch):
    """You are asked for it if the environment contains none."""
    key = emulator.key
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL")
    screen = terminal("doctor", emulator.endpoint("gpt-4o"), "--yes")
    screen.wait_for("Key")
    screen.type(key + "\n")

    assert screen.end() == 0
    assert key not in screen.screen


def test_ctrl_c_ends_it_with_130(terminal, emulator):
    """One word is printed, no traceback."""
    emulator.faults(Fault(latency=1, times=100))
    screen = terminal("doctor", emulator.endpoint("gpt-4o"), "--yes")
    screen.wait_for("requests")
    screen.wait_for("/2")  # the bar's count
    screen.type("\x03")

    assert screen.end() == 130
    assert "Stopped." in screen.screen
    assert "Traceback" not in screen.screen


@pytest.mark.parametrize("arguments", [[], ["--yes"]], ids=["at the question", "at the key"])
def test_ctrl_c_at_a_question_ends_it_with_130(terminal, emulator, monkeypatch, arguments):
    """Nothing is sent, whichever question it is."""
    if arguments:
        monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL")
    screen = terminal("doctor", emulator.endpoint("gpt-4o"), *arguments)
    screen.wait_for("Key (not shown): " if arguments else "Continue? [Y/n]: ")
    screen.interrupt("Stopped.")

    assert screen.end() == 130
    assert emulator.requests == []


def test_no_key_at_the_question_ends_with_2(terminal, emulator, monkeypatch):
    """Ctrl-D counts as an empty answer."""
    monkeypatch.delenv("AZURE_INFERENCE_CREDENTIAL")
    screen = terminal("doctor", emulator.endpoint("gpt-4o"), "--yes")
    screen.wait_for("Key (not shown)")
    screen.type("\x04")

    assert screen.end() == 2
    assert "The credential is empty" in screen.screen
    assert "Traceback" not in screen.screen


def test_a_service_that_repeats_the_key_does_not_show_it(cli, emulator):
    """Neither in the report nor in the JSON: the fixture looks for it in every output."""
    echo = {"error": {"code": "401", "message": f"Incorrect API key provided: {cli.emulator.key}."}}
    for arguments in ((), ("--json",)):
        emulator.faults(Fault(status=401, body=echo, times=99))
        assert cli("doctor", emulator.endpoint("gpt-4o"), "--yes", *arguments).code == 4
        emulator.clear()
