"""Deployments from a TOML file: a name, a shipped profile, a brain, overrides, rate limits.

    [[deployments]]
    name = "my-mistral"
    profile = "mistral"
    kinds = ["serverless"]
    brain = "echo"
    requests_per_minute = 60
    [deployments.overrides]
    context_window = 8000

A brain is `rules` (the built-in one), `local` (a small model), `echo` (repeats the last message), or
`package.module:Name`, a class without arguments or an object that has `answer(ask)`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from azureai_emulator.brains.base import Brain, BrainError
from azureai_emulator.brains.registry import find_brain

from .deployments import Deployment
from .kinds import KINDS
from .profiles import Profile
from .shipped import DEPLOYMENTS

Json = Any

PROFILES: Mapping[str, Deployment] = {item.profile.name: item for item in reversed(DEPLOYMENTS)}
"""The shipped profiles by name; each with the deployment that gives its endpoint kinds."""


class ConfigError(ValueError):
    """What is wrong in a deployments file, in one sentence: the file, the place, what is allowed."""


def load_deployments(path: Path) -> tuple[Deployment, ...]:
    """The deployments of a file, in its order; a `ConfigError` when it is invalid."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    try:
        return _deployments(document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _deployments(document: Mapping[str, Json]) -> tuple[Deployment, ...]:
    _only_known("the file", document, ["deployments"])
    tables = document.get("deployments")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("deployments: at least one table [[deployments]] is needed.")
    found = tuple(_deployment(f"deployments[{index}]", table) for index, table in enumerate(tables))
    names = [item.name for item in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"deployments: the name {twice!r} is given twice; names have to differ.")
    return found


_FIELDS: Mapping[str, Any] = {
    "name": str,
    "profile": str,
    "brain": str,
    "kinds": tuple[Literal[*KINDS], ...],  # type: ignore[valid-type]  # the names of `Kind`, not repeated here
    "overrides": dict,
    "requests_per_minute": int,
    "tokens_per_minute": int,
}


def _deployment(place: str, table: Mapping[str, Json]) -> Deployment:
    _only_known(place, table, _FIELDS)
    given = {name: _converted(f"{place}.{name}", value, _FIELDS[name]) for name, value in table.items()}
    for name in ("name", "profile"):
        if not given.get(name):
            raise ConfigError(f"{place}: {name} is missing.")
    if given["profile"] not in PROFILES:
        raise ConfigError(f"{place}.profile: no profile {given['profile']!r}; allowed are {', '.join(PROFILES)}.")
    shipped = PROFILES[given["profile"]]
    overrides = given.get("overrides", {})
    limits = {**_limits(f"{place}.overrides", overrides), **_limits(place, given)}
    facts = {name: value for name, value in overrides.items() if name not in _LIMITS}
    profile = _overridden(f"{place}.overrides", shipped.profile, facts)
    brain = _brain(f"{place}.brain", given.get("brain"))
    return Deployment(given["name"], profile, given.get("kinds") or shipped.kinds, brain, **limits)


_LIMITS = ("requests_per_minute", "tokens_per_minute")


def _limits(place: str, table: Mapping[str, Json]) -> dict[str, int]:
    return {name: _limit(f"{place}.{name}", table[name]) for name in _LIMITS if name in table}


def _limit(place: str, value: Json) -> int:
    limit: int = _converted(place, value, int)
    if limit < 1:
        raise ConfigError(f"{place}: {limit} is not allowed; a limit is at least 1, without one leave it out.")
    return limit


def _overridden(place: str, profile: Profile, table: Mapping[str, Json]) -> Profile:
    hints = get_type_hints(Profile)
    _only_known(place, table, [item.name for item in fields(Profile)])
    return replace(
        profile, **{name: _converted(f"{place}.{name}", value, hints[name]) for name, value in table.items()}
    )


def _only_known(place: str, table: Mapping[str, Json], known: Any) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(f"{place}: unknown field {name!r}; allowed are {', '.join(known)}.")


def _converted(place: str, value: Json, hint: Any) -> Any:
    """The TOML value converted to the type of a field."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in inside:
            raise ConfigError(f"{place}: {value!r} is not allowed; allowed are {', '.join(map(repr, inside))}.")
        return value
    if origin is UnionType:
        return _converted(place, value, next(item for item in inside if item is not NoneType))
    if origin in (tuple, frozenset):
        if not isinstance(value, list):
            raise ConfigError(f"{place}: {value!r} is not allowed; it takes a list.")
        return origin(_converted(f"{place}[{index}]", item, inside[0]) for index, item in enumerate(value))
    if type(value) is not hint:
        raise ConfigError(f"{place}: {value!r} is not allowed; it takes {_TYPE_NAMES[hint]}.")
    return value


_TYPE_NAMES = {str: "a string", int: "a whole number", bool: "true or false", dict: "a table"}


def _brain(place: str, name: str | None) -> Brain | None:
    """The named brain; without a name `None`, which means the server's."""
    try:
        return None if name is None else find_brain(name)
    except BrainError as error:
        raise ConfigError(f"{place}: {error}") from error
