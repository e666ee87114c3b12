"""Requests of every sort against a running emulator: right, wrong, half, huge and broken. Each has to get an answer.

Run it by hand with `python tests/emulator/fuzz.py --seconds 60`; the suite runs a short one.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from azureai_emulator import DEPLOYMENTS
from azureai_emulator.api.fields import STANDARD_FIELDS
from azureai_emulator.api.request import MAX_BODY
from azureai_emulator.faults.spec import parse_fault

PATIENCE = 20.0
"""Seconds to wait for an answer before it counts as none."""
FIELDS = sorted(set().union(*STANDARD_FIELDS.values()) | {"n", "stream_options", "parallel_tool_calls", "foo"})

# Bodies

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(-3, 3) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer", "x"])
TRIGGERS = st.sampled_from(["emulator:hate-low", "emulator:jailbreak", "emulator:filter-answer", "emulator:filter-failed"])  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {"role": ROLES, "content": st.text(max_size=60) | TRIGGERS | JSON},
    optional={"tool_call_id": st.sampled_from(["a", "b"]), "tool_calls": JSON, "name": JSON},
)
SCHEMA = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "x"])},
        optional={
            "enum": st.lists(JSON, max_size=3),
            "format": st.sampled_from(["date", "email", "zzz"]),
            "pattern": st.text(max_size=4),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.text(max_size=6), inner, max_size=3)},
        optional={
            "required": st.lists(st.text(max_size=4), max_size=2),
            "anyOf": st.lists(inner, max_size=2),
            "$ref": st.sampled_from(["#", "#/properties/a", "#/x"]),
        },
    ),
    max_leaves=5,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": st.sampled_from(["add", "get_weather", "x"])},
                optional={"parameters": SCHEMA, "description": st.text(max_size=40)},
            ),
        }
    ),
    max_size=2,
)
ANY_BODY = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4).flatmap(
    lambda fields: st.fixed_dictionaries(
        {"messages": st.lists(MESSAGE, max_size=4), "input": JSON, "prompt": JSON}, optional={"tools": TOOLS}
    ).map(lambda usual: {**fields, **usual})
)
SAID = {"messages": [{"role": "user", "content": "Add 3 and 4 in Paris"}]}
NAMES = [item.name for item in DEPLOYMENTS]
GOOD_BODY = st.fixed_dictionaries(
    {"model": st.sampled_from([*NAMES, "openai/gpt-4o", "nope"])},
    optional={
        "stream": st.booleans(),
        "max_tokens": st.integers(0, 20),
        "logprobs": st.sampled_from([True, False, 2]),
        "top_logprobs": st.integers(0, 21),
        "tools": TOOLS,
        "response_format": SCHEMA.map(
            lambda schema: {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        ),
        "messages": st.lists(MESSAGE, min_size=1, max_size=3),
        "input": st.lists(st.text(max_size=9), max_size=3),
        "prompt": st.text(max_size=30),
    },
).map(lambda fields: {**SAID, **fields})
FAULT_ORDER = st.sampled_from(
    [
        "503",
        "status=429;retry-after=1",
        {"status": 500, "times": 2},
        {"seed": 1, "mix": {"reset": 0.5}, "count": 3},
        ["reset", "drip"],
        {"faults": ["cut-stream-after=2"]},
        {"mix": {"x": 2}},
        "",
        None,
        {"headers": {"é": "ü"}},
        {"status": 204},
        {"status": 304, "body": "text"},
        {"body": {"a": 1}, "status": 200},
        {"latency": "nan"},
    ]
)
BROKEN_JSON = st.sampled_from(
    [
        b"",
        b"{",
        b"[" * 5000,
        b'{"a":' * 3000,
        b"\xff\xfe{}",
        b'{"messages":[{"role":"user","content":"\xc3"}]}',
        b'{"temperature":NaN}',
        b'{"seed":1' + b"0" * 5000 + b"}",
        b'"\\ud800"',
        b"null",
        b"[]",
        b"\x00" * 100,
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        json.dumps({**SAID, "user": "x" * 400000}).encode(),
    ]
)
BODY = st.one_of(
    (GOOD_BODY | ANY_BODY | FAULT_ORDER).map(lambda value: json.dumps(value).encode()), BROKEN_JSON, st.binary(max_size=300)
)  # fmt: skip

# Requests

ROUTES = [
    "chat/completions",
    "completions",
    "embeddings",
    "images/embeddings",
    "info",
    "models",
    "catalog/models",
    "v1/chat/completions",
    "",
]
PREFIXES = [
    "/models/",
    "/openai/v1/",
    "/github/inference/",
    "/github/",
    *(f"/{kind}/{{}}/" for kind in ("serverless", "openai/deployments")),
]
CONTROL = ["/", "/health", "/deployments", "/_emulator/exchanges", "/_emulator/exchanges/1", "/_emulator/faults"]
CONTROL += ["/_emulator/page.js", "/_emulator/page.css", "/_emulator/exchanges/x", "/_emulator/exchanges?after=%C3%A9"]
PATHS = st.builds(
    lambda prefix, name, route: prefix.format(name) + route,
    st.sampled_from(PREFIXES),
    st.sampled_from([*NAMES, "nope", "%00", "..", "a b"]),
    st.sampled_from(ROUTES),
)
TARGETS = st.one_of(
    st.tuples(PATHS, st.sampled_from(["2024-05-01-preview"] * 4 + ["2025-04-01", "2024-10-21", "", "x&api-version=y"])).map(
        lambda pair: f"{pair[0]}?api-version={pair[1]}"
    ),
    PATHS,
    st.sampled_from(CONTROL),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map("/".__add__),
)  # fmt: skip
METHODS = st.sampled_from(["POST"] * 6 + ["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE", "FOO"])
FAULTS = st.sampled_from(
    [
        "status=503",
        "500",
        "429",
        "cut-stream-after=1",
        "error-frame-after=1",
        "malformed-frame-after=0",
        "without-done",
        "framing=crlf",
        "split-bytes=1",
        "drip",
        "reset",
        "status=204",
        "304",
        "nonsense",
        "status=9999",
        "latency=0.001",
        "status=200;deployment=gpt-4o",
        "frame-latency=0.0001",
        "reset;route=embeddings",
        "times=2;503",
        "latency=nan",
        ";",
    ]
)
HEADERS = st.fixed_dictionaries(
    {"Content-Type": st.sampled_from(["application/json"] * 8 + ["text/plain", "", "application/json; charset=x"])},
    optional={
        "extra-parameters": st.sampled_from(["pass-through", "drop", "error", "x"]),
        "x-emulator-fault": FAULTS,
        "X-Forwarded-For": st.just("10.1.2.3"),
        "x-ms-client-request-id": st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
        "Expect": st.just("100-continue"),
        "Upgrade": st.just("websocket"),
        "Connection": st.sampled_from(["close", "keep-alive", "upgrade"]),
        "Accept-Encoding": st.just("gzip"),
    },
)
KEYS = st.sampled_from(["right"] * 12 + ["wrong", "none", "token", "latin"])


@dataclass(frozen=True)
class Request:
    """A request that HTTP allows; `chunk` is the size of its chunks, 0 a body of known length."""

    method: str
    target: str
    headers: dict[str, str]
    key: str
    body: bytes
    chunk: int

    def bytes(self, key: str) -> bytes:
        """What goes over the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: emulator", *_credentials(self.key, key)]
        lines += [f"{name}: {value.strip()}" for name, value in self.headers.items()]
        lines.append("Transfer-Encoding: chunked" if self.chunk else f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self._framed()

    def _framed(self) -> bytes:
        if not self.chunk:
            return self.body
        size = max(self.chunk, len(self.body) // 50)
        pieces = [self.body[start : start + size] for start in range(0, len(self.body), size)]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    @property
    def disturbed(self) -> bool:
        """Whether it asks for a fault."""
        return "x-emulator-fault" in self.headers

    @property
    def may_fail(self) -> bool:
        """Whether it asks for a status of 500 or more itself."""
        with contextlib.suppress(ValueError):
            status = parse_fault(self.headers.get("x-emulator-fault", "")).status
            return status is not None and status >= _SERVER_ERROR
        return False


_SERVER_ERROR = 500


def _credentials(kind: str, key: str) -> list[str]:
    token = "emulator-token:https://cognitiveservices.azure.com/.default"
    return {
        "right": [f"Authorization: Bearer {key}", f"api-key: {key}"],
        "wrong": ["api-key: wrong"],
        "none": [],
        "token": [f"Authorization: Bearer {token}"],
        "latin": ["Authorization: Bearer \xe9\xff", "api-key: \xe9"],
    }[kind]


ANY_REQUEST = st.builds(
    Request, METHODS, TARGETS.filter(lambda target: not re.search(r"[\s#]", target)), HEADERS, KEYS, BODY,
    st.sampled_from([0, 0, 0, 1, 7, 4096]),
)  # fmt: skip


def _right(pair: tuple[Any, str], body: dict[str, Any], fault: str | None, chunk: int) -> Request:
    deployment, kind = pair
    chat = deployment.profile.task == "chat"
    path = urlsplit(deployment.urls("")[kind]).path + ("/chat/completions" if chat else "/embeddings")
    version = (
        "" if kind == "openai-v1" else "?api-version=2024-10-21" if kind[:6] == "openai" else "?api-version=2025-04-01"
    )
    headers = {"Content-Type": "application/json", **({"x-emulator-fault": fault} if fault else {})}
    fields = {**SAID, **body} if chat else {"input": ["a", "b"]}
    return Request(
        "POST", path + version, headers, "right", json.dumps({**fields, "model": deployment.name}).encode(), chunk
    )


RIGHT_REQUEST = st.builds(
    _right,
    st.sampled_from([(item, kind) for item in DEPLOYMENTS for kind in item.kinds]),
    st.fixed_dictionaries({}, optional={"stream": st.booleans(), "stop": st.just(["a"]), "seed": st.integers(0, 9)}),
    st.none() | st.none() | FAULTS,
    st.sampled_from([0, 0, 5]),
)
REQUESTS = ANY_REQUEST | RIGHT_REQUEST
RAW = st.sampled_from(
    [
        b"",
        b"\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"x" * 100000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 5000,
        b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"\xff" * 64,
        b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET http://a:b@c/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /models/info HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" * 3,
    ]
)


@dataclass
class Target:
    """A running emulator, and what was counted of it."""

    url: str
    key: str
    answers: Counter[str] = field(default_factory=Counter)

    def connect(self) -> socket.socket:
        """A new connection."""
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE)

    def exchange(self, request: Request) -> None:
        """Send a whole request; its answer has to be whole as well, and no server error that it did not ask for."""
        with self.connect() as connection:
            connection.sendall(request.bytes(self.key))
            try:
                status, body = whole_answer(connection, request.method)
            except (http.client.HTTPException, ConnectionError) as error:
                if not request.disturbed:
                    raise AssertionError(f"no whole answer to {request}") from error
                status, body = 0, b""
        self.answers[f"{status // 100}xx" if status else "cut as asked"] += 1
        assert status < _SERVER_ERROR or request.may_fail, f"{status} {body[:500]!r} to {request}"

    def throw(self, raw: bytes, *, may_fail: bool = False) -> None:
        """Send what may be no whole request; an error or the end of the connection has to come, and soon."""
        with self.connect() as connection, contextlib.suppress(ConnectionError):
            connection.sendall(raw)
            with contextlib.suppress(OSError):  # the emulator may have closed already
                connection.shutdown(socket.SHUT_WR)
            heard = b"".join(iter(lambda: connection.recv(65536), b""))
            assert may_fail or not heard.startswith(b"HTTP/1.1 5"), heard[:200]
        self.answers["broken"] += 1

    def control(self, method: str, path: str) -> Any:
        """A request as it should be; its answer as JSON."""
        parts = urlsplit(self.url)
        client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            client.request(method, path, headers={"api-key": self.key})
            answer = client.getresponse()
            assert answer.status == http.HTTPStatus.OK, f"{answer.status} to {method} {path}"
            return json.loads(answer.read())
        finally:
            client.close()


def whole_answer(connection: socket.socket, method: str) -> tuple[int, bytes]:
    """Status and body of the answer, which is read to its end."""
    answer = http.client.HTTPResponse(connection, method=method)
    try:
        answer.begin()
        return answer.status, answer.read()
    finally:
        answer.close()


def run(target: Target, seconds: float, seed: int) -> None:
    """Rounds of examples until the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _round(target, seed)
        seed += 1
    assert target.control("GET", "/health") == {"status": "ok"}


def _round(target: Target, seed: int) -> None:
    @seeded(seed)
    @settings(max_examples=60, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck))
    @given(request=REQUESTS, raw=RAW, part=st.floats(0, 1), rest=st.binary(max_size=20))
    def example(request: Request, raw: bytes, part: float, rest: bytes) -> None:
        target.exchange(request)
        whole = request.bytes(target.key)
        target.throw(whole[: int(part * len(whole))], may_fail=request.may_fail)
        if request.target.startswith("/_emulator/faults"):
            target.control("DELETE", "/_emulator/faults")
        target.throw(raw + rest)

    example()


def too_large(target: Target) -> int:
    """The status for a body beyond the limit, which is sent to its end."""
    size = MAX_BODY + 1
    head = f"POST /openai/v1/embeddings HTTP/1.1\r\nHost: x\r\napi-key: {target.key}\r\nContent-Length: {size}\r\n\r\n"
    piece = b"x" * 1_000_000
    with target.connect() as connection:
        connection.sendall(head.encode())
        for start in range(0, size, len(piece)):
            connection.sendall(piece[: size - start])
        return whole_answer(connection, "POST")[0]


# By hand: a process of its own, whose memory and connections can be counted


@dataclass(frozen=True)
class Size:
    """What a process holds. Source: /proc, so on Linux only."""

    kilobytes: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Size:
        """Now."""
        status = Path(f"/proc/{pid}/status").read_text()
        return cls(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]), len(os.listdir(f"/proc/{pid}/fd")))  # noqa: PTH208


def settled(target: Target, pid: int, files: int | None = None) -> Size:
    """The size once the record is forgotten and connections are closed."""
    target.control("DELETE", "/_emulator/exchanges")
    for _ in range(50):
        size = Size.of(pid)
        if files is None or size.files <= files:
            break
        time.sleep(0.1)
    return size


_GROWTH = 32_000
"""Kilobytes that the second half of a run may add: fragments of the heap, caches that are bounded."""


def leaks(before: Size, half: Size, after: Size) -> list[str]:
    """What was not given back."""
    found = []
    if after.files > before.files:
        found.append(f"{after.files - before.files} connections or files are still open")
    if after.kilobytes - half.kilobytes > _GROWTH:
        found.append(f"memory grew by {after.kilobytes - half.kilobytes} kB in the second half")
    return found


def fuzzed(target: Target, pid: int, options: argparse.Namespace) -> list[str]:
    """Two halves of the time, and what was not given back after them."""
    run(target, min(2.0, options.seconds / 10), options.seed)
    before = settled(target, pid)
    run(target, options.seconds / 2, options.seed + 1_000)
    assert too_large(target) == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    half = settled(target, pid, before.files)
    run(target, options.seconds / 2, options.seed + 2_000)
    after = settled(target, pid, before.files)
    print(f"answers: {dict(sorted(target.answers.items()))}, {sum(target.answers.values())} in all")  # noqa: T201 - run by hand
    print(f"memory: {before.kilobytes} kB, half way {half.kilobytes} kB, at the end {after.kilobytes} kB")  # noqa: T201 - run by hand
    print(f"open files: {before.files} before, {after.files} after")  # noqa: T201 - run by hand
    return leaks(before, half, after)


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 when every request got its answer and nothing was left behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="random when left out")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}")  # noqa: T201 - run by hand
    with tempfile.TemporaryFile("w+") as said:
        problems = _on_its_own(options, said)
        said.seek(0)
        words = said.read(500)
    problems += [f"the emulator wrote: {words}"] if words else []
    print("\n".join(problems) or "Every request got its answer; nothing was left behind.")  # noqa: T201 - run by hand
    return bool(problems)


def _on_its_own(options: argparse.Namespace, said: IO[str]) -> list[str]:
    """What was wrong with an emulator in a process of its own."""
    command = [sys.executable, "-m", "azureai_emulator", "--port", "0", "--key", "fuzz-key"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
    try:
        assert server.stdout is not None
        url = re.findall(r"http://127\.0\.0\.1:\d+", server.stdout.readline())[0]
        problems = fuzzed(Target(url, "fuzz-key"), server.pid, options)
    finally:
        server.terminate()
        server.communicate(timeout=30)
    return problems + ([f"it ended with {server.returncode}"] if server.returncode else [])


if __name__ == "__main__":
    sys.exit(main())
