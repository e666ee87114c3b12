"""uvicorn's HTTP protocol, without its words on the terminal."""

import logging
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_LOGGER = logging.getLogger("azureai_emulator")
_LOGGER.addHandler(logging.NullHandler())


class HttpProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]  # uvicorn chooses it when it is imported
    """What clients do wrong is answered; it is no news for whoever runs the emulator."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _LOGGER
