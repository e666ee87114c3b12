"""Faults as text and JSON: the compact form of headers and lists, the JSON form, and random mixes.

The compact form is `name=value` pairs joined by `;`, without a value where the name is enough:
`status=429;retry-after=2`, `cut-stream-after=3`, `reset`, `drip`. A bare number is a status.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, get_args

from azureai_emulator.wire.sse import Framing

from .fault import Fault

Json = Any
_Change = dict[str, Any]

_MIN_STATUS, _MAX_STATUS = 200, 599
_MAX_COUNT = 100_000


def _status(text: str) -> _Change:
    status = int(text)
    if not _MIN_STATUS <= status <= _MAX_STATUS:
        raise ValueError
    return {"status": status}


def _seconds(field: str) -> Callable[[str], _Change]:
    def read(text: str) -> _Change:
        if not 0 <= float(text) <= _MAX_SECONDS:
            raise ValueError
        return {field: float(text)}

    return read


_MAX_SECONDS = 3600.0


def _count(field: str, least: int = 0) -> Callable[[str], _Change]:
    def read(text: str) -> _Change:
        if not least <= int(text) <= _MAX_COUNT:
            raise ValueError
        return {field: int(text)}

    return read


def _flag(**change: Any) -> Callable[[str], _Change]:
    def read(text: str) -> _Change:
        if text.lower() not in ("", "true"):
            raise ValueError
        return change

    return read


def _framing(text: str) -> _Change:
    if text not in get_args(Framing):
        raise ValueError
    return {"framing": text}


def _retry_after(text: str) -> _Change:
    if not text:
        raise ValueError
    return {"headers": {"Retry-After": text}}


_OPTIONS: Mapping[str, tuple[str, Callable[[str], _Change]]] = {
    "status": ("a status from 200 to 599", _status),
    "retry-after": ("seconds or a date", _retry_after),
    "latency": ("seconds", _seconds("latency")),
    "frame-latency": ("seconds", _seconds("frame_latency")),
    "reset": ("no value", _flag(reset_before_body=True)),
    "cut-stream-after": ("a number of frames", _count("cut_stream_after")),
    "error-frame-after": ("a number of frames", _count("error_frame_after")),
    "malformed-frame-after": ("a number of frames", _count("malformed_frame_after")),
    "without-done": ("no value", _flag(without_done=True)),
    "framing": (f"one of {', '.join(get_args(Framing))}", _framing),
    "split-bytes": ("a number of bytes", _count("split_bytes", 1)),
    "drip": ("no value", _flag(split_bytes=16, frame_latency=0.01)),
    "deployment": ("a name", lambda text: {"deployment": text}),
    "route": ("a route such as chat/completions", lambda text: {"route": text}),
    "times": ("a number", _count("times", 1)),
}


def parse_fault(spec: str) -> Fault:
    """The fault that a compact form describes; a `ValueError` says what is wrong and what is allowed.

    >>> parse_fault("status=429;retry-after=2") == Fault(429, headers={"Retry-After": "2"})
    True
    >>> parse_fault("503;times=2") == Fault(503, times=2)
    True
    """
    parts = [part.strip() for part in spec.split(";") if part.strip()]
    if not parts:
        raise ValueError(f"An empty fault. {_allowed()}")
    pairs = (part.partition("=") for part in parts)
    return _built((("status", name) if name.isdigit() else (name.strip(), value.strip())) for name, _, value in pairs)


def _built(pairs: Iterable[tuple[str, str]]) -> Fault:
    fault = Fault()
    for name, text in pairs:
        fault = replace(fault, **_changed(name, text))
    return fault


def _changed(name: str, text: str) -> _Change:
    if name not in _OPTIONS:
        raise ValueError(f"Unknown fault {name!r}. {_allowed()}")
    meaning, read = _OPTIONS[name]
    try:
        return read(text)
    except ValueError:
        raise ValueError(f"Fault {name!r} takes {meaning}, not {text!r}.") from None


def _allowed() -> str:
    return f"Allowed: {', '.join(_OPTIONS)}."


def read_faults(value: Json) -> list[Fault]:
    """The faults that a JSON value describes: a compact form, an object, a list of both, or a random mix."""
    match value:
        case list():
            return [fault for item in value for fault in read_faults(item)]
        case str():
            return [parse_fault(value)]
        case {"mix": dict()}:
            return _mixed(value)
        case {"faults": list(faults)} if len(value) == 1:
            return read_faults(faults)
        case dict() if value:
            return [_from_object(value)]
        case _:
            raise ValueError(f"A fault is a string or an object, not {value!r}. {_allowed()}")


def _from_object(value: Mapping[str, Json]) -> Fault:
    named = {name.replace("_", "-"): item for name, item in value.items()}
    body, headers = named.pop("body", None), named.pop("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
        raise ValueError("Fault 'headers' takes an object of strings.")
    given = {name: item for name, item in named.items() if item is not None and item is not False}
    fault = _built((name, "" if item is True else str(item)) for name, item in given.items())
    return replace(fault, body=body, headers={**fault.headers, **headers})


def _mixed(value: Mapping[str, Json]) -> list[Fault]:
    """One fault, or none, for each of the next `count` requests; the same for the same seed."""
    unknown = value.keys() - {"seed", "mix", "count"}
    if unknown:
        raise ValueError(f"Unknown field {min(unknown)!r} in a mix. Allowed: seed, mix, count.")
    seed, count = value.get("seed", 0), value.get("count", 100)
    if not isinstance(seed, int) or not isinstance(count, int) or not 0 < count <= _MAX_COUNT:
        raise ValueError(f"A mix takes a whole number as seed, and as count one from 1 to {_MAX_COUNT}.")
    shares = {spec: _share(spec, share) for spec, share in value["mix"].items()}
    if sum(shares.values()) > 1 + _ROUNDING:
        raise ValueError("The shares of a mix add up to more than 1.")
    choices = [*map(parse_fault, shares), Fault()]
    weights = [*shares.values(), max(0.0, 1 - sum(shares.values()))]
    return random.Random(seed).choices(choices, weights, k=count)  # noqa: S311 - reproducible, not secret


_ROUNDING = 1e-9


def _share(spec: str, share: Json) -> float:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"The share of {spec!r} in a mix is a number from 0 to 1, not {share!r}.")
    return float(share)


def describe(fault: Fault) -> Json:
    """A fault as a JSON object of the fields that are set."""
    usual = asdict(Fault())
    return {name: value for name, value in asdict(fault).items() if value != usual[name]}
