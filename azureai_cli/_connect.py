"""What `doctor`, `chat` and `embed` share: the endpoint, the credential, error messages and exit codes."""

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


class ExitCode(IntEnum):
    """The exit codes of all commands."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNAUTHORISED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 success, 1 reached but something essential failed, 2 wrong usage, 3 not reachable (name, network, "
    "TLS, timeout), 4 not authorised, 5 no such route, deployment or api-version, 130 stopped by Ctrl-C."
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
        help="The deployment's name, if one URL serves many.",
        envvar=MODEL_VARIABLE,
        show_default=False,
    ),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        "--key-env",
        metavar="NAME",
        help=f"The environment variable that holds the key. Default: {KEY_VARIABLE}; if unset, you are asked for it.",
        show_default=False,
    ),
]
Entra = Annotated[
    bool, typer.Option("--entra", help="Use an Entra ID token (DefaultAzureCredential) instead of a key.")
]
Scope = Annotated[
    str | None,
    typer.Option(
        metavar="SCOPE", help="The scope of the token. Default: that of the endpoint kind.", show_default=False
    ),
]
ApiVersion = Annotated[
    str | None, typer.Option(metavar="VERSION", help="Overrides the one in the URL.", show_default=False)
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Seconds for connecting and for each read.", min=0.001)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def print_error(text: str) -> None:
    """Print one sentence on stderr."""
    Console(stderr=True, highlight=False).print("azureai: " + text, markup=False, soft_wrap=True)


def exit_with(text: str, code: ExitCode) -> typer.Exit:
    """Print an error; returns the exception that ends the command, to be raised."""
    print_error(text)
    return typer.Exit(code)


P = ParamSpec("P")


def stops_on_interrupt(command: Callable[P, None]) -> Callable[P, None]:
    """The command; Ctrl-C ends it with a message and status 130, also at a prompt."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (KeyboardInterrupt, typer.Abort):
            raise exit_with("Stopped.", ExitCode.INTERRUPTED) from None

    return run


def print_json(value: dict[str, Any], indent: int | None = None) -> None:
    """Print a JSON object on stdout, escaped to ASCII if stdout is not UTF-8."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    typer.echo(json.dumps(value, ensure_ascii=not is_utf8, indent=indent))


@dataclass(frozen=True)
class Target:
    """A deployment as the user named it. Its `repr` does not contain the key."""

    endpoint: Endpoint
    model: str | None
    secret: "Secret"
    scope: str | None = None
    timeout: float | None = None

    def client(self, **options: Any) -> InferenceClient:
        """A client for this deployment."""
        return InferenceClient(self.endpoint, self.secret.credential(), **self._options(options))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        own = {"model": self.model, "credential_scopes": self.scope, "timeout": self.timeout}
        loopback = self.secret.entra and self.endpoint.is_loopback
        return {**own, "allow_http_token": loopback, **options}


class Secret:
    """The key, the variable it came from, and whether a token is used instead."""

    def __init__(self, key: str | None, variable: str, *, entra: bool) -> None:
        self.key = key
        self.variable = variable
        self.entra = entra

    def __repr__(self) -> str:
        return f"Secret({self.variable}, entra={self.entra})"

    def as_key(self) -> "Secret":
        """The same with the key, even if a token was preferred."""
        return Secret(self.key, self.variable, entra=False)

    def credential(self) -> Any:
        """The credential for `InferenceClient`. Raises `ConfigurationError` if azure-identity is missing."""
        return entra_credential() if self.entra else self.key


def entra_credential() -> Any:
    """A `DefaultAzureCredential`. Raises `ConfigurationError` if azure-identity is not installed."""
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
    """The deployment that the arguments name; ends the command with status 2 if they are wrong or incomplete."""
    try:
        endpoint = Endpoint.parse(url, api_version) if url else Endpoint.from_environment(api_version)
    except ConfigurationError as error:
        raise exit_with(error.message, ExitCode.USAGE) from None
    if endpoint.needs_model and not model:
        raise exit_with(
            f"{endpoint.base_url} serves many models: name one with --model NAME, the deployment's name.",
            ExitCode.USAGE,
        )
    found = Target(endpoint, model, _secret(key_env, entra=entra), scope, timeout)
    try:
        found.client().close()
    except ConfigurationError as error:
        raise exit_with(error.message, ExitCode.USAGE) from None
    return found


def _secret(key_env: str | None, *, entra: bool) -> Secret:
    names = (key_env,) if key_env else _KEY_VARIABLES
    name = next((name for name in names if os.environ.get(name, "").strip()), None)
    if name is None and key_env and not entra:
        raise exit_with(
            f"The environment variable {key_env} is not set. Set it, or choose another --key-env.", ExitCode.USAGE
        )
    key = os.environ[name].strip() if name else None
    if key is None and not entra:
        key = _prompt_for_key()
    return Secret(key, name or key_env or KEY_VARIABLE, entra=entra)


def _prompt_for_key() -> str:
    """A key typed without echo; on a command line it would stay in the shell's history."""
    if not sys.stdin.isatty():
        raise exit_with(f"No key: set the environment variable {KEY_VARIABLE}, or use --entra.", ExitCode.USAGE)
    with suppress(EOFError):  # Ctrl-D
        return getpass("Key (not shown): ").strip()
    return ""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Text from the service without control characters, which could rewrite the screen.

    >>> printable("a\x1b[2Jb\n")
    'a [2Jb '
    """
    kept = "\n\t" if lines else ""
    return "".join(c if c.isprintable() or c in kept else " " for c in text)
