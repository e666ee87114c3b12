"""What users hand in to be embedded, checked and brought into wire form."""

from __future__ import annotations

import os
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from .errors import ConfigurationError

ImageInput = str | bytes | os.PathLike[str] | IO[bytes] | Mapping[str, Any]
"""A data URL or path, a `Path`, the bytes, an open file, or `{"image": any of these, "text": str}`."""

DEFAULT_BATCH = 256
"""Texts of one request: decoding more at once blocks an event loop for over 5 ms (1024 dimensions)."""
MAX_BATCH_CHARS = 600_000
"""Characters of one request: Azure OpenAI takes 300,000 tokens, at least two characters each in most languages."""

# First bytes → media type. Source: the formats' own specifications.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def check_text(text: object, index: int) -> str:
    """The text, if it is one that can be embedded. Raises `ConfigurationError` that names its index."""
    if not isinstance(text, str):
        raise ConfigurationError(f"Text {index} is {type(text).__name__}: texts to embed must be strings.")
    if not text:
        raise ConfigurationError(f"Text {index} is empty, and the service refuses that: leave it out.")
    return text


def check_texts(texts: Iterable[str]) -> list[str]:
    """The texts as a list. Raises `ConfigurationError` on a bare string and on an empty text."""
    if isinstance(texts, str):
        raise ConfigurationError("texts is one string: pass a list of strings.")
    checked = [check_text(text, index) for index, text in enumerate(texts)]
    if not checked:
        raise ConfigurationError("texts is empty: give at least one text.")
    return checked


def batches(texts: Iterable[str], size: int, start: int = 0) -> Iterator[list[str]]:
    """The texts in lists of at most `size`, and of at most `MAX_BATCH_CHARS` characters unless one text is longer."""
    batch: list[str] = []
    chars = 0
    for index, text in enumerate(texts, start):
        check_text(text, index)
        if batch and (len(batch) == size or chars + len(text) > MAX_BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch


def image_items(images: Sequence[ImageInput]) -> list[dict[str, str]]:
    """The wire form of images: `{"image": data URL, "text"?: str}` each."""
    if isinstance(images, str | bytes | Mapping):
        raise ConfigurationError("images is one image: pass a list of images.")
    if not images:
        raise ConfigurationError("images is empty: give at least one image.")
    return [_image_item(image, index) for index, image in enumerate(images)]


def _image_item(image: ImageInput, index: int) -> dict[str, str]:
    if not isinstance(image, Mapping):
        return {"image": data_url(image, f"Image {index}")}
    unknown = set(image) - {"image", "text"}
    if unknown or "image" not in image:
        raise ConfigurationError(f"Image {index} has the keys {sorted(image)}: give 'image', and 'text' if you like.")
    item = {"image": data_url(image["image"], f"Image {index}")}
    return {**item, "text": image["text"]} if image.get("text") is not None else item


def data_url(image: object, name: str = "The image") -> str:
    """`data:image/…;base64,…` of a data URL, path, bytes or open file. Reads the file."""
    if isinstance(image, str) and image.startswith("data:"):
        return image
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        raise ConfigurationError(f"{name} is a web address, which this route does not fetch: pass the image's bytes.")
    content = _image_bytes(image, name)
    return f"data:{_media_type(content, name)};base64,{b64encode(content).decode()}"


def base64_data_url(image: bytes, name: str = "The image") -> str:
    """The data URL of an image that is base64 already, taken as it stands: its first characters tell the format.

    Raises `ConfigurationError` for what is no base64, or of no known format.
    """
    try:
        head = a2b_base64(image[:24], strict_mode=True)
    except ValueError:
        raise ConfigurationError(f"{name} is no base64: it begins with {image[:8]!r}.") from None
    return f"data:{_media_type(head, name)};base64,{image.decode()}"


def _image_bytes(image: object, name: str) -> bytes:
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, str | os.PathLike):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{name} cannot be read: {error}.") from error
    read = getattr(image, "read", None)
    content = read() if callable(read) else None
    if not isinstance(content, bytes):
        raise ConfigurationError(f"{name} is {type(image).__name__}: pass a data URL, a path, bytes or an open file.")
    return content


def _media_type(content: bytes, name: str) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    if kind is None:
        raise ConfigurationError(f"{name} is no PNG, JPEG, GIF, BMP or WebP file: its first bytes are {content[:8]!r}.")
    return kind
