"""Recorded exchanges as files: what is kept, what is masked, which requests count as the same.

One JSON file per exchange. Keys and tokens are masked, ids are replaced by others of the same form, and the same id
by the same one in every file; headers that identify a caller or a resource are left out.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any

MASK = "***"
_SECRET_NAMES = frozenset(
    {"api_key", "api-key", "apikey", "authorization", "access_token", "client_secret", "password"}
    | {"sig", "subscription-key"}
)
_SECRET_FORMS = re.compile(
    r"eyJ[\w-]{6,}\.[\w-]+\.[\w-]*|\bsk-[\w-]{16,}|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}|(?<=[?&]sig=)[^&\s\"]+"
)
_ANSWER_OBJECTS = frozenset({"chat.completion", "chat.completion.chunk", "text_completion", "list"})
KEPT_HEADERS = frozenset(
    {"content-type", "retry-after", "retry-after-ms", "x-ms-error-code", "x-ms-error-reason", "x-api-warning"}
    | {"ms-azureml-model-error-reason", "ms-azureml-model-error-statuscode", "policy-id", "x-ms-rai-invoked"}
)


@dataclass(frozen=True)
class Recording:
    """One recorded exchange; `frames` is `None` for a whole answer."""

    method: str
    path: str
    query: Mapping[str, str]
    request: Json
    status: int
    headers: Mapping[str, str]
    body: Json = None
    frames: tuple[tuple[float, Json], ...] | None = None
    """Seconds since the request, and the decoded frame."""
    done: bool = True
    """Whether `[DONE]` ended the stream."""
    complete: bool = True
    """False when the connection broke before the end."""

    def to_json(self) -> Json:
        """The content of its file."""
        answer: Json = {"status": self.status, "headers": dict(self.headers)}
        if self.frames is None:
            answer["body"] = self.body
        else:
            answer["frames"] = [{"after": round(after, 4), "data": data} for after, data in self.frames]
            answer |= {"done": self.done, "complete": self.complete}
        request = {"method": self.method, "path": self.path, "query": dict(self.query), "body": self.request}
        return {"request": request, "response": answer}


def from_json(content: Json) -> Recording:
    """The exchange in the content of a file."""
    asked, answer = content["request"], content["response"]
    frames = answer.get("frames")
    return Recording(
        method=asked["method"],
        path=asked["path"],
        query=asked["query"],
        request=asked["body"],
        status=answer["status"],
        headers=answer["headers"],
        body=answer.get("body"),
        frames=None if frames is None else tuple((frame["after"], frame["data"]) for frame in frames),
        done=answer.get("done", True),
        complete=answer.get("complete", True),
    )


def sanitised(value: Json, secrets: Iterable[str]) -> Json:
    """The value with secrets masked and ids replaced.

    >>> sanitised({"api_key": "k", "text": "my key is abc123"}, ["abc123"])
    {'api_key': '***', 'text': 'my key is ***'}
    >>> sanitised({"tool_call_id": "call_abc"}, [])
    {'tool_call_id': 'call_ba7'}
    """
    hidden = [secret for secret in secrets if secret]

    def text(item: str) -> str:
        for secret in hidden:
            item = item.replace(secret, MASK)
        return _SECRET_FORMS.sub(MASK, item)

    return _mapped(_masked_names(value), text, _replaced_id)


def _masked_names(value: Json) -> Json:
    if isinstance(value, dict):
        return {
            name: MASK if name.lower() in _SECRET_NAMES and isinstance(item, str) else _masked_names(item)
            for name, item in value.items()
        }
    return [_masked_names(item) for item in value] if isinstance(value, list) else value


def _mapped(value: Json, text: Callable[[str], str], new_id: Callable[[str], str]) -> Json:
    """A copy with every string (field names too) and every id replaced."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_mapped(item, text, new_id) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        text(name): new_id(item) if _is_id(value, name) else _mapped(item, text, new_id) for name, item in value.items()
    }


def _is_id(container: Mapping[str, Json], name: str) -> bool:
    if not isinstance(container[name], str) or not container[name]:
        return False
    of_answer = container.get("object") in _ANSWER_OBJECTS or isinstance(container.get("function"), dict)
    return name in ("tool_call_id", "requestid", "request_id") or (name == "id" and of_answer)


def _replaced_id(value: str) -> str:
    prefix, mark, rest = value.rpartition("_" if "_" in value else "-")
    digits = hashlib.sha256(rest.encode()).hexdigest()
    return prefix + mark + (digits * (len(rest) // len(digits) + 1))[: len(rest)]


def canonical(method: str, path: str, body: Json) -> str:
    """A text that is equal for equal requests: method, path and body, whatever its field order and ids."""
    numbers: dict[str, str] = {}
    numbered = _mapped(body, str, lambda value: numbers.setdefault(value, f"id-{len(numbers) + 1}"))
    return json.dumps([method, path.rstrip("/"), numbered], sort_keys=True, ensure_ascii=False)


_NUMBERING_LOCK = threading.Lock()
"""Held while a file gets its number, since exchanges may end at the same time."""


class Cassette:
    """A folder of recorded exchanges, numbered in their order."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, recording: Recording, secrets: Iterable[str]) -> Path:
        """Keep an exchange, sanitised."""
        secrets = list(secrets)
        content = json.dumps(sanitised(recording.to_json(), secrets), indent=2, ensure_ascii=False) + "\n"
        slug = re.sub(r"[^a-z0-9]+", "-", recording.path.lower()).strip("-")
        with _NUMBERING_LOCK:
            self.path.mkdir(parents=True, exist_ok=True)
            numbers = (int(found.name[:4]) for found in self.path.glob("[0-9][0-9][0-9][0-9]-*.json"))
            target = self.path / f"{max(numbers, default=0) + 1:04d}-{slug}.json"
            target.write_text(content, encoding="utf-8")
        return target

    def read(self) -> list[tuple[str, Recording]]:
        """All exchanges by file name, in order; a `ValueError` names a file that is not a recording."""
        if not self.path.is_dir():
            raise ValueError(f"{self.path}: not a folder of recorded exchanges.")
        return [(file.name, _read(file)) for file in sorted(self.path.glob("*.json"))]


def _read(file: Path) -> Recording:
    try:
        return from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: not a recorded exchange ({error}).") from error
