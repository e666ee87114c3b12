"""Images, audio and files in messages: checked byte by byte, described by size and digest."""

import base64
import binascii
import hashlib
import re
from typing import Any

from .errors import Refusal

Json = Any

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.ASCII)
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/jpg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
    "audio/wav": (b"RIFF",),
    "audio/mp3": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa"),
    "application/pdf": (b"%PDF-",),
}
_INNER_MAGIC = {"image/webp": b"WEBP", "audio/wav": b"WAVE"}


def decode(data: str, media_type: str, param: str) -> bytes:
    """The bytes behind base64 text; a refusal when they are not of the media type."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("Invalid base64 data.", param=param, code="invalid_base64") from error
    if not raw.startswith(_MAGIC[media_type]) or raw[8:12] != _INNER_MAGIC.get(media_type, raw[8:12]):
        raise Refusal(f"The data is not a valid {media_type}.", param=param, code="invalid_media")
    return raw


def decode_data_url(url: str, family: str, param: str) -> tuple[str, bytes]:
    """Media type and bytes of a `data:` URL of the family `image`, `audio` or `application`."""
    match = _DATA_URL.match(url)
    if match is None or match[1] not in _MAGIC or not match[1].startswith(family + "/"):
        raise Refusal(f"Expected a base64 data URL of a supported {family} type.", param=param, code="invalid_url")
    return match[1], decode(url[match.end() :], match[1], param)


def describe(part: Json) -> str:
    """A content part as the rules report it, so that a test can assert on the bytes that arrived.

    For example `image (image/png, 68 bytes, sha256 0a1b2c3d4e5f)`.
    """
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _describe_url("image", url)
        case {"type": "audio_url", "audio_url": {"url": str(url)}}:
            return _describe_url("audio", url)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(kind)}}:
            return _describe_bytes("audio", f"audio/{kind}", base64.b64decode(data))
        case {"type": "file", "file": {"file_data": str(url)}}:
            return _describe_url("file", url)
        case _:
            return str(part["type"])


def _describe_url(noun: str, url: str) -> str:
    match = _DATA_URL.match(url)
    if match is None:
        return f"{noun} ({url})"
    return _describe_bytes(noun, match[1], base64.b64decode(url[match.end() :]))


def _describe_bytes(noun: str, media_type: str, raw: bytes) -> str:
    return f"{noun} ({media_type}, {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()[:12]})"
