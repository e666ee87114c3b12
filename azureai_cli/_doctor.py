"""`azureai doctor`: what an endpoint is, what works there, and code to paste."""

import sys
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from . import _connect
from ._connect import ApiVersion, AsJson, Entra, ExitCode, KeyEnv, Model, Scope, Target, Timeout, Url

Only = Annotated[
    Literal["chat", "embeddings"] | None,
    typer.Option(help="Skip auto-detection: what the deployment is for.", show_default=False),
]


def doctor(
    url: Url = None,
    model: Model = None,
    key_env: KeyEnv = None,
    entra: Entra = False,
    scope: Scope = None,
    api_version: ApiVersion = None,
    timeout: Timeout = 120.0,
    only: Only = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send the requests without asking first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find out what an endpoint is and what its deployment can do.

    Prints the URL that is called, which credentials work, and for each
    capability whether the service did it (✓), refused or ignored it (✗), or
    whether that is not clear (?); then matching LangChain and LlamaIndex code.
    """
    target = _connect.target(
        url, model=model, key_env=key_env, entra=entra, scope=scope, api_version=api_version, timeout=timeout
    )
    _check_consent(target, only, yes=yes or as_json)
    raise typer.Exit(_run(target, only, as_json=as_json))


def _check_consent(target: Target, only: Literal["chat", "embeddings"] | None, *, yes: bool) -> None:
    """Print what it will cost; in a terminal, ask for consent."""
    from ._examine import cost  # noqa: PLC0415

    calls, tokens = cost(only)
    console = Console(stderr=True, highlight=False)
    console.print(
        f"This sends up to {calls} requests to {target.endpoint.host}, about {tokens:,} tokens in total, "
        "more if the model reasons.",
        markup=False,
    )
    if not yes and sys.stdin.isatty() and not typer.confirm("Continue?", default=True, err=True):
        raise _connect.exit_with("Nothing was sent.", ExitCode.SUCCESS)


def _run(target: Target, only: Literal["chat", "embeddings"] | None, *, as_json: bool) -> ExitCode:
    from ._examine import examine, steps  # noqa: PLC0415
    from ._report import as_json as to_json  # noqa: PLC0415
    from ._screen import show  # noqa: PLC0415

    with progress() as bar:
        job = bar.add_task("", total=steps(only))
        report = examine(target, only, lambda step: bar.update(job, advance=1, description=step))
    if as_json:
        _connect.print_json(to_json(report), indent=2)
    else:
        show(report, Console(highlight=False))
    return report.exit_code


def progress() -> Progress:
    """A progress bar on stderr, removed at the end; none if stderr is not a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
