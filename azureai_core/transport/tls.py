"""Whom we trust: the same authorities as httpx, from the same environment variables."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import certifi

from azureai_core.errors import ConfigurationError


def ssl_context() -> ssl.SSLContext:
    """The TLS context of the process; a new one where the environment has changed, since making one costs 20 ms.

    Raises `ConfigurationError` when `SSL_CERT_FILE` or `SSL_CERT_DIR` cannot be read.
    """
    return _context(os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None)


@lru_cache(maxsize=4)
def _context(file: str | None, folder: str | None) -> ssl.SSLContext:
    if file is not None:
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:  # also an SSLError, for a file without certificates
            raise ConfigurationError(
                f"SSL_CERT_FILE={file!r} cannot be used: {error}. Point it to a file of certificates in PEM form, or "
                "unset it."
            ) from None
    if folder is not None:
        if not os.path.isdir(folder):  # noqa: PTH112  OpenSSL would trust nobody, without a word
            raise ConfigurationError(f"SSL_CERT_DIR={folder!r} is not a folder: correct it, or unset it.")
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())
