"""The start-up message: the URLs, the deployments and what each supports."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from azureai_emulator.catalog.deployments import Deployment
from azureai_emulator.catalog.profiles import Profile
from azureai_emulator.tape.record import Record
from azureai_emulator.tape.replay import Replay

from .endpoint import Endpoint

DEFAULT_KEY = "emulator-key"
_SHARED_PATHS = {"models": "/models", "openai-v1": "/openai/v1", "github": "/github/inference"}
"""Kinds that serve many deployments under one URL."""


@dataclass(frozen=True)
class Row:
    """One deployment in the start-up message."""

    name: str
    skills: str
    url: str


def skills(profile: Profile) -> str:
    """What a model supports, in a few words."""
    if profile.task == "embeddings":
        return f"embeddings ({profile.dimensions})" + (", images" if profile.images else "")
    answers = {"tools": profile.calls_tools, "JSON schema": profile.json_schema, "JSON": profile.json_object}
    if profile.json_schema:
        del answers["JSON"]  # implied by the schema
    found = [name for name, can in answers.items() if can]
    found += [word for name, word in _INPUTS.items() if name in profile.inputs]
    found += ["reasoning"] if profile.reasoning != "none" else []
    return ", ".join(found) or "text only"


_INPUTS = {"image": "images", "audio": "audio", "file": "files"}


def groups(emulator: Endpoint) -> Iterator[tuple[str, list[Row]]]:
    """The deployments grouped by endpoint kinds: the kinds, and a row for each deployment."""
    for kinds, deployments in groupby(sorted(emulator.deployments, key=_order), key=lambda item: item.kinds):
        yield (
            ", ".join(kinds),
            [Row(item.name, skills(item.profile), emulator.endpoint(item.name)) for item in deployments],
        )


def _order(deployment: Deployment) -> tuple[str, ...]:
    return deployment.kinds


def shared_urls(emulator: Endpoint) -> list[tuple[str, str]]:
    """Kind and URL where one URL serves many deployments, which a request names as `model`."""
    served = {kind for item in emulator.deployments for kind in item.kinds}
    return [(kind, emulator.url + path) for kind, path in _SHARED_PATHS.items() if kind in served]


def key_hint(key: str) -> str:
    """The default key, which is not secret, else where the key came from."""
    return key if key == DEFAULT_KEY else "the one given with --key"


def tape_hint(tape: Record | Replay | None) -> str:
    """What answers in place of deployments; empty without a tape."""
    if isinstance(tape, Record):
        return f"Recording {tape.upstream} into {tape.folder}"
    return f"Replaying {tape.folder}, nothing else" if isinstance(tape, Replay) else ""


def facts(emulator: Endpoint, tape: Record | Replay | None) -> list[tuple[str, str]]:
    """Names and values that hold for the whole server."""
    found = [("Key", key_hint(emulator.key)), ("Page", emulator.url + "/")]
    brains = {getattr(item.brain, "about", "") for item in emulator.deployments} - {""}
    found += [("Brain", about) for about in sorted(brains)]
    found += [(kind, f"{url}  (name one in `model`)") for kind, url in shared_urls(emulator)]
    return found + ([("Tape", tape_hint(tape))] if tape is not None else [])


def plain(emulator: Endpoint, tape: Record | Replay | None = None) -> str:
    """The text without colours, at most 80 columns wide for the shipped deployments."""
    width = max((len(item.name) for item in emulator.deployments), default=0)
    lines = [f"Azure AI emulator on {emulator.url}", ""]
    for kinds, rows in groups(emulator):
        lines.append(f"Served as {kinds}")
        lines += [line for row in rows for line in (f"  {row.name:<{width}}  {row.skills}", f"    {row.url}")]
        lines.append("")
    lines += [f"{name:<9}  {value}" for name, value in facts(emulator, tape)]
    return "\n".join([*lines, "Stop with Ctrl+C."])
