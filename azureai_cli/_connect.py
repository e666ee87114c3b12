"""What `doctor`, `chat` and `embed` have in common: where to call, with which credential, and how a command ends."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from functools import wraps
from getpass import getpass
from typing import Annotated, Any, ParamSpec

import typer
from rich.console import Console

from azureai_core import ConfigurationError, Endpoint, InferenceClient

KEY_VARIABLE = "AZURE_INFERENCE_CREDENTIAL"
_KEY_VARIABLES = (KEY_VARIABLE, "AZUREAI_ENDPOINT_KEY")
MODEL_VARIABLE = "AZURE_INFERENCE_MODEL"


class Exit(IntEnum):
    """How a command ends."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNAUTHORISED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 fine, 1 reached but something essential failed, 2 wrong usage, 3 not reachable (name, network, TLS, "
    "timeout), 4 not authorised, 5 no such route, deployment or api-version, 130 stopped by Ctrl-C."
)

Url = Annotated[
    str | None,
    typer.Argument(
        metavar="[URL]",
        help="The endpoint as the portal shows it. Default: AZURE_INFERENCE_ENDPOINT.",
        show_default=False,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="The endpoint as the portal shows it. Default: AZURE_INFERENCE_ENDPOINT.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The deployment's name, where one URL serves many.",
        envvar=MODEL_VARIABLE,
        show_default=False,
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        metavar="NAME",
        help=f"The environment variable that holds the key. Default: {KEY_VARIABLE}; else you are asked for it.",
        show_default=False,
    ),
]
Entra = Annotated[bool, typer.Option("--entra", help="Use an Entra ID token (DefaultAzureCredential), not a key.")]
Scope = Annotated[
    str | None,
    typer.Option(metavar="SCOPE", help="The scope of the token, if not the endpoint's own.", show_default=False),
]
ApiVersion = Annotated[
    str | None, typer.Option(metavar="VERSION", help="Wins over one in the URL.", show_default=False)
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Seconds for connecting and for each read.", min=0.001)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for machines.")]


def complain(text: str) -> None:
    """One sentence on stderr."""
    Console(stderr=True, highlight=False).print("azureai: " + text, markup=False, soft_wrap=True)


def stop(text: str, code: Exit) -> typer.Exit:
    """The end of a command, its sentence said. To be raised."""
    complain(text)
    return typer.Exit(code)


P = ParamSpec("P")


def stoppable(command: Callable[P, None]) -> Callable[P, None]:
    """The command, ended by Ctrl-C with a word and status 130, wherever it is: also at a question."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (KeyboardInterrupt, typer.Abort):
            raise stop("Stopped.", Exit.INTERRUPTED) from None

    return run


def print_json(value: dict[str, Any], indent: int | None = None) -> None:
    """One JSON object on stdout; in ASCII alone where stdout is not UTF-8, so that it is the same object."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    typer.echo(json.dumps(value, ensure_ascii=not is_utf8, indent=indent))


@dataclass(frozen=True)
class Target:
    """A deployment as the user named it. The key never shows in its `repr`."""

    endpoint: Endpoint
    model: str | None
    secret: "Secret"
    scope: str | None = None
    timeout: float | None = None

    def client(self, **options: Any) -> InferenceClient:
        """A client of it."""
        return InferenceClient(self.endpoint, self.secret.credential(), **self._options(options))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        own = {"model": self.model, "credential_scopes": self.scope, "timeout": self.timeout}
        loopback = self.secret.entra and self.endpoint.is_loopback
        return {**own, "allow_http_token": loopback, **options}


class Secret:
    """The key, where it came from, and whether a token is used in its place."""

    def __init__(self, key: str | None, variable: str, *, entra: bool) -> None:
        self.key = key
        self.variable = variable
        self.entra = entra

    def __repr__(self) -> str:
        return f"Secret({self.variable}, entra={self.entra})"

    def as_key(self) -> "Secret":
        """The key, also where a token is preferred."""
        return Secret(self.key, self.variable, entra=False)

    def credential(self) -> Any:
        """What `InferenceClient` takes. Raises `ConfigurationError` without azure-identity."""
        return entra_credential() if self.entra else self.key


def entra_credential() -> Any:
    """A `DefaultAzureCredential`. Raises `ConfigurationError` when azure-identity is not installed."""
    try:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415  an extra, and slow to load
    except ImportError as error:
        raise ConfigurationError(
            "--entra needs azure-identity. Install it with: pip install 'azureai-adapters[identity]'"
        ) from error
    return DefaultAzureCredential()


def target(
    url: str | None,
    *,
    model: str | None,
    key_env: str | None,
    entra: bool,
    scope: str | None,
    api_version: str | None,
    timeout: float | None,
) -> Target:
    """The deployment of a command's arguments; ends the command with status 2 when they are wrong or not enough."""
    try:
        endpoint = Endpoint.parse(url, api_version) if url else Endpoint.from_environment(api_version)
    except ConfigurationError as error:
        raise stop(error.message, Exit.USAGE) from None
    if endpoint.needs_model and not model:
        raise stop(
            f"{endpoint.base_url} serves many models: say which with --model NAME, the deployment's name.", Exit.USAGE
        )
    found = Target(endpoint, model, _secret(key_env, entra=entra), scope, timeout)
    try:
        found.client().close()
    except ConfigurationError as error:
        raise stop(error.message, Exit.USAGE) from None
    return found


def _secret(key_env: str | None, *, entra: bool) -> Secret:
    names = (key_env,) if key_env else _KEY_VARIABLES
    name = next((name for name in names if os.environ.get(name, "").strip()), None)
    if name is None and key_env and not entra:
        raise stop(f"The environment variable {key_env} is not set. Set it, or choose another --key-env.", Exit.USAGE)
    key = os.environ[name].strip() if name else None
    if key is None and not entra:
        key = _asked_key()
    return Secret(key, name or key_env or KEY_VARIABLE, entra=entra)


def _asked_key() -> str:
    """A key typed without echo; a command line would leave it in the shell's history."""
    if not sys.stdin.isatty():
        raise stop(f"No key: set the environment variable {KEY_VARIABLE}, or use --entra.", Exit.USAGE)
    with suppress(EOFError):  # Ctrl-D
        return getpass("Key (not shown): ").strip()
    return ""


def clean(text: str, *, lines: bool = False) -> str:
    r"""Text of a service as a terminal may show it: no control characters, which could rewrite the screen.

    >>> clean("a\x1b[2Jb\n")
    'a [2Jb '
    """
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept else " " for c in text)
