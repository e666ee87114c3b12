"""The commands. Each imports what it needs when it runs, so that `--help` is fast."""

import typer

from azureai_core import __version__

from ._chat import chat
from ._connect import EXIT_CODES, stops_on_interrupt
from ._doctor import doctor
from ._embed import embed
from ._models import models

app = typer.Typer(
    name="azureai",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may include the key
)


@app.callback()
def azureai() -> None:
    """Models on Azure AI: find out what a deployment can do, chat, embed files, or run the local emulator."""


for command in (doctor, chat, embed):
    app.command(epilog=EXIT_CODES)(stops_on_interrupt(command))
app.add_typer(models)


@app.command()
def version() -> None:
    """Print the installed version."""
    typer.echo(__version__)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def emulate(context: typer.Context) -> None:
    """Serve the local emulator until Ctrl-C; `azureai emulate --help` lists its options."""
    from azureai_emulator.__main__ import main  # noqa: PLC0415

    from ._emulate import show  # noqa: PLC0415

    raise typer.Exit(main(context.args, show=show, prog="azureai emulate"))
