"""The scripted service, the clock and the modes of `tests/fakes.py`, for the tests of the core."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def _load(path: Path) -> None:
    """Makes a helper module importable by its plain name, once for all test folders."""
    if path.stem not in sys.modules:
        spec = spec_from_file_location(path.stem, path)
        sys.modules[path.stem] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])


_load(Path(__file__).parents[1] / "fakes.py")
_load(Path(__file__).with_name("chaos.py"))

from fakes import _quiet, clock, colour, fake_service, make_client, mode  # noqa: E402, F401
