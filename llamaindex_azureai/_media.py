"""Images, audio and documents of LlamaIndex messages as content parts of the API."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import a2b_base64
from io import IOBase
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import AudioBlock, DocumentBlock, ImageBlock

from azureai_core import ConfigurationError, base64_data_url, data_url

Json = dict[str, Any]


def text_part(text: str) -> Json:
    """A `text` part."""
    return {"type": "text", "text": text}


def image_part(block: ImageBlock) -> Json:
    """An `image_url` part: a web address as it is, everything else as a data URL."""
    detail = {"detail": block.detail} if block.detail is not None else {}
    return {"type": "image_url", "image_url": {"url": _image_url(block), **detail}}


def _image_url(block: ImageBlock) -> str:
    if block.url is not None:
        return str(block.url)
    if isinstance(block.image, bytes):  # base64, as the block has made it
        try:
            return base64_data_url(block.image, "the image")
        except ConfigurationError:  # none of the formats that the core knows, or changed since
            pass
    content = _content(block.image, block.path, "an ImageBlock")
    try:
        return data_url(content, "the image")
    except ConfigurationError:
        if block.image_mimetype is None:
            raise
        return f"data:{block.image_mimetype};base64,{b64encode(content).decode()}"


def audio_part(block: AudioBlock) -> Json:
    """An `input_audio` part, or `audio_url` for a web address. Source: REST reference, 'Chat completions'."""
    url = str(block.url) if block.url is not None else ""
    if url.startswith(("http://", "https://")):
        return {"type": "audio_url", "audio_url": {"url": url}}
    kind = block.format or url.removeprefix("data:audio/").partition(";")[0] or None
    if kind is None:
        raise ConfigurationError("an AudioBlock has no format. Pass format='wav' or 'mp3'.")
    data = url.partition(",")[2] if url else _base64(block.audio, block.path, "an AudioBlock")
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def document_part(block: DocumentBlock, *, takes_files: bool) -> Json:
    """Text as a text part; other documents as a `file` part, which only OpenAI's routes take."""
    mimetype = block.document_mimetype or "application/octet-stream"
    is_text = mimetype.startswith("text/") or mimetype == "application/json"
    if not is_text and not takes_files:
        raise ConfigurationError(
            f"a DocumentBlock of type {mimetype} is not taken by this endpoint. Pass its text, or use an "
            "/openai/v1 endpoint."
        )
    title = block.title or "document"
    data = _document_base64(block)
    if is_text:
        return text_part(f"{title}:\n{b64decode(data).decode('utf-8', errors='replace')}")
    return {"type": "file", "file": {"filename": title, "file_data": f"data:{mimetype};base64,{data}"}}


def _document_base64(block: DocumentBlock) -> str:
    if block.url and block.url.startswith("data:"):
        return block.url.partition(",")[2]
    if block.url:
        raise ConfigurationError("a DocumentBlock is a web address, which is not fetched. Pass its data.")
    return _base64(block.data, block.path, "a DocumentBlock")


def _base64(data: bytes | IOBase | None, path: str | Path | None, name: str) -> str:
    """The content of a block as base64 text, taken as it stands where it is base64: a few characters tell."""
    if isinstance(data, bytes) and data:
        try:
            a2b_base64(data[:64], strict_mode=True)
            return data.decode("ascii")
        except ValueError:
            return b64encode(data).decode()
    return b64encode(_content(data, path, name)).decode()


def _content(data: bytes | IOBase | None, path: str | Path | None, name: str) -> bytes:
    """The bytes of a block, which keeps them as base64. An open file's position is left where it was."""
    if isinstance(data, IOBase):
        position = data.tell()
        data.seek(0)
        content: bytes = data.read()
        data.seek(position)
    elif isinstance(data, bytes):
        content = _decoded(data)
    else:
        content = Path(path).read_bytes() if path is not None else b""
    if not content:
        raise ConfigurationError(f"{name} is empty.")
    return content


def _decoded(data: bytes) -> bytes:
    try:
        return b64decode(data, validate=True)
    except ValueError:
        return data
