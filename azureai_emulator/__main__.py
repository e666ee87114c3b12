"""`python -m azureai_emulator`: serve until SIGTERM or SIGINT."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from .brains.registry import BRAINS
from .server.banner import DEFAULT_KEY, plain
from .server.emulator import HOST, Emulator, serve
from .tape.record import Record
from .tape.replay import Replay

DEFAULT_PORT = 8100
_USAGE_ERROR = 2
_HIGHEST_PORT = 65535
_POLL_SECONDS = 0.2
Show = Callable[[Emulator], None]


def _show(emulator: Emulator) -> None:
    print(plain(emulator, emulator.tape), flush=True)  # noqa: T201 - the command's output


def main(argv: Sequence[str] | None = None, *, show: Show = _show, prog: str = "azureai_emulator") -> int:
    """The exit code: 0 after a clean stop, 2 when the server could not be started; `show` prints what is served."""
    options = _parser(prog).parse_args(argv)
    try:
        emulator = _emulator(options)
        _print_what_loads(emulator)
        emulator.start()
    except (OSError, ImportError, ValueError) as error:
        print(f"{prog}: {_reason(error, options.port)}", file=sys.stderr)  # noqa: T201 - the command's output
        return _USAGE_ERROR
    return _serve_until_stopped(emulator, show)


def _emulator(options: argparse.Namespace) -> Emulator:
    return serve(
        port=options.port,
        key=options.key,
        deployments=options.deployments,
        tape=_tape(options),
        brain=options.brain,
    )


def _print_what_loads(emulator: Emulator) -> None:
    for about in {getattr(brain, "about", "") for brain in emulator.brains} - {""}:
        print(f"Loading {about}", file=sys.stderr, flush=True)  # noqa: T201 - the command's output


def _tape(options: argparse.Namespace) -> Record | Replay | None:
    if options.replay is not None:
        return Replay(options.replay)
    if options.record is not None:
        key = options.upstream_key or os.environ.get("AZURE_INFERENCE_CREDENTIAL", "")
        return Record(options.record, options.upstream, key)
    return None


def _reason(error: Exception, port: int) -> str:
    if isinstance(error, OSError):
        return f"cannot listen on {HOST}:{port} ({error.strerror}); choose another --port, or 0 for a free one"
    return str(error)


def _serve_until_stopped(emulator: Emulator, show: Show) -> int:
    stop = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        show(emulator)
        while not stop.wait(_POLL_SECONDS):  # a signal just before a wait is handled only when the wait ends
            pass
    finally:
        emulator.stop()
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
    return 0


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="A local server for the Azure AI inference API.")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="0 is a free port (default %(default)s)")
    parser.add_argument("--key", type=_key, default=DEFAULT_KEY, help="the key that callers must send")
    parser.add_argument("--deployments", type=Path, metavar="FILE.toml", help="serve these instead of the shipped ones")
    parser.add_argument(
        "--brain", metavar="NAME", help=f"what answers: {', '.join(BRAINS)}, or package.module:Name (default rules)"
    )
    tapes = parser.add_mutually_exclusive_group()
    tapes.add_argument("--record", type=Path, metavar="DIR", help="forward requests to --upstream and record them here")
    parser.add_argument("--upstream", default="", metavar="URL", help="the real endpoint to record")
    parser.add_argument("--upstream-key", metavar="KEY", help="its key (or AZURE_INFERENCE_CREDENTIAL)")
    tapes.add_argument("--replay", type=Path, metavar="DIR", help="answer from recorded exchanges only")
    parser.add_argument("--host", choices=[HOST], default=HOST, help="the loopback interface only")
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_HIGHEST_PORT}, not {text!r}")
    return int(text)


def _key(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the key must not be empty")
    return text


if __name__ == "__main__":
    sys.exit(main())
