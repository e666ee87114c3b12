"""The processes of a run: mock servers and contenders. All end with the run, however it ends."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).resolve().parent
LIMIT = 180.0
"""Seconds after which a contender is given up."""

Result = dict[str, float]
Reply = dict[str, float | str]


def environment() -> dict[str, str]:
    """Nothing that changes what is measured: no proxies, no tracing, no keys of the machine, bytecode kept."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**kept, "LANGSMITH_TRACING": "false", "OPENAI_API_KEY": "unused", "PYTHONWARNINGS": "ignore"}


class Server:
    """A mock server."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        command = [sys.executable, str(HERE / "server.py"), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    @property
    def url(self) -> str:
        """What clients are given."""
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        """Ends it."""
        end(self.process)


class Worker:
    """A contender's process, which takes jobs."""

    def __init__(self, python: str, contender: str) -> None:
        command = [python, str(HERE / "worker.py"), contender]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        )

    def wait_ready(self) -> None:
        """Returns when the interpreter is up."""
        self._reply()

    def do(self, job: dict[str, object]) -> Reply:
        """The result, or `unable` with the reason."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"unable": "its process had ended"}
        return self._reply()

    def _reply(self) -> Reply:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], LIMIT)[0]:
            self.close()
            return {"unable": f"no end within {LIMIT:.0f} s"}
        line = self.process.stdout.readline()
        if not line:
            return {"unable": f"its process ended with code {self.process.wait()}"}
        found: Reply = json.loads(line)
        return found

    @property
    def alive(self) -> bool:
        """Whether it takes further jobs."""
        return self.process.poll() is None

    def close(self) -> None:
        """Ends it."""
        end(self.process)


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Ends a process that reads its input, patiently first."""
    if process.stdin is not None and process.poll() is None:
        process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def once(python: str, contender: str, what: str, url: str) -> Reply:
    """What a fresh process costs until its first answer, or for its import."""
    command = [python, str(HERE / "worker.py"), contender, what, url]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, check=False, env=environment(), cwd="/"
        )
    except subprocess.TimeoutExpired:
        return {"unable": f"no end within {LIMIT:.0f} s"}
    if done.returncode:
        return {"unable": (done.stderr.strip().splitlines() or ["it failed"])[-1][:200]}
    found: Reply = json.loads(done.stdout.splitlines()[-1])
    return found


class Stage:
    """All servers and workers of a run. Leaving it, also by Ctrl-C, ends every process."""

    def __init__(self, pythons: dict[str, str]) -> None:
        self.pythons = pythons
        self.servers: dict[tuple[str, ...], Server] = {}
        self.workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end_workers()
        for server in self.servers.values():
            server.close()

    def server(self, arguments: tuple[str, ...], *, fresh: bool) -> Server:
        """A server that behaves so; a fresh one replaces the one before."""
        if fresh and arguments in self.servers:
            self.servers.pop(arguments).close()
        if arguments not in self.servers:
            self.servers[arguments] = Server(arguments)
        return self.servers[arguments]

    def worker(self, contender: str, *, fresh: bool = False) -> Worker:
        """The contender's process."""
        known = self.workers.get(contender)
        if known is not None and (fresh or not known.alive):
            self.workers.pop(contender).close()
        if contender not in self.workers:
            self.workers[contender] = Worker(self.pythons[contender], contender)
            self.workers[contender].wait_ready()
        return self.workers[contender]

    def end_workers(self) -> None:
        """Ends the contenders' processes, so that the next round starts with fresh ones."""
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()


CHAT = b'{"messages":[{"role":"user","content":"Say something short."}],"model":"mock-model"}'
STREAM = b'{"messages":[{"role":"user","content":"Write 500 words."}],"model":"mock-model","stream":true}'
EMBED = b'{"input":[' + b'"a text",' * 255 + b'"a text"],"model":"mock-model","encoding_format":"base64"}'


def ceiling(server: Server) -> dict[str, float]:
    """What the server does for a bare socket, per second: chats over 1 and 32 sockets, events, texts."""
    return {
        "chats over one socket": _rate(server, 1, b"chat/completions", CHAT, 2000),
        "chats over 32 sockets": _rate(server, 32, b"chat/completions", CHAT, 6000),
        "stream events": 500 * _rate(server, 1, b"chat/completions", STREAM, 100),
        "embeddings of 1024 dimensions": 256 * _rate(server, 1, b"embeddings", EMBED, 40),
    }


def _rate(server: Server, sockets: int, route: bytes, body: bytes, count: int) -> float:
    """Answers per second, each socket asking again as soon as it has its answer."""
    request = b"POST /v1/%s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (route, len(body), body)
    opened = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(sockets)]
    try:
        size = _size(opened[0], request)
        missing = dict.fromkeys(opened, size)
        done, start = 0, time.perf_counter()
        for one in opened:
            one.sendall(request)
        while done < count:
            for one in select.select(opened, [], [])[0]:
                missing[one] -= len(one.recv(1 << 20))
                if not missing[one]:
                    done += 1
                    missing[one] = size
                    one.sendall(request)
        return done / (time.perf_counter() - start)
    finally:
        for one in opened:
            one.close()


def _size(one: socket.socket, request: bytes) -> int:
    """The bytes of an answer, which is always the same; it ends when nothing more comes."""
    one.sendall(request)
    size = len(one.recv(1 << 20))
    while select.select([one], [], [], 0.2)[0]:
        size += len(one.recv(1 << 20))
    return size
