"""The command line `azureai`."""

import sys
from io import TextIOWrapper

try:
    from ._app import app
except ImportError as error:
    _missing: ImportError | None = error
else:
    _missing = None


def main() -> None:
    """Run the command line; if its libraries are missing, say how to install them and exit with status 2."""
    if _missing is not None:
        print(  # noqa: T201  the library for printing is missing
            f"azureai: {_missing}. Install the command line with: pip install 'azureai-adapters[cli]'", file=sys.stderr
        )
        raise SystemExit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every encoding has the tick
    app()
