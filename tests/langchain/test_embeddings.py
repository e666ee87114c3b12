"""The embeddings over real HTTP: what leaves, and what comes back."""

from __future__ import annotations

import asyncio
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azureai_core import ConfigurationError, Usage
from azureai_emulator import Emulator
from langchain_azureai import AzureAIEmbeddings
from media import png


@pytest.fixture
def emulator(azureai_emulator: Emulator) -> Iterator[Emulator]:
    azureai_emulator.clear()
    yield azureai_emulator
    azureai_emulator.clear()


def cohere(emulator: Emulator, **arguments: Any) -> AzureAIEmbeddings:
    return AzureAIEmbeddings(
        endpoint=emulator.url + "/models", credential=emulator.key, model="cohere-embed-v3-english", **arguments
    )


def openai(emulator: Emulator, **arguments: Any) -> AzureAIEmbeddings:
    return AzureAIEmbeddings(
        endpoint=emulator.url + "/openai/v1", credential=emulator.key, model="text-embedding-3-small", **arguments
    )


async def documents(model: AzureAIEmbeddings, mode: str, texts: list[str]) -> list[list[float]]:
    return model.embed_documents(texts) if mode == "sync" else await model.aembed_documents(texts)


modes = pytest.mark.parametrize("mode", ["sync", "async"])


@modes
async def test_queries_and_documents_have_their_input_types(emulator: Emulator, mode: str) -> None:
    """Cohere Embed gets `query` and `document`, so that the same text has two vectors."""
    model = cohere(emulator)

    (as_document,) = await documents(model, mode, ["the sea"])
    as_query = model.embed_query("the sea") if mode == "sync" else await model.aembed_query("the sea")

    assert [request.body["input_type"] for request in emulator.requests] == ["document", "query"]
    assert as_document != as_query


@modes
async def test_models_without_input_type_do_not_get_it(emulator: Emulator, mode: str) -> None:
    """OpenAI's models answer 422 to it."""
    await documents(openai(emulator), mode, ["the sea"])

    assert "input_type" not in emulator.requests[-1].body


@modes
async def test_an_input_type_of_the_users_is_sent_as_it_is(emulator: Emulator, mode: str) -> None:
    """The arguments win over the profile."""
    await documents(cohere(emulator, document_input_type="text"), mode, ["the sea"])

    assert emulator.requests[-1].body["input_type"] == "text"


@modes
async def test_many_texts_come_back_in_order(emulator: Emulator, mode: str) -> None:
    """Batches run at once; each text has the vector it has alone."""
    texts = [f"text number {n}" for n in range(23)]
    model = openai(emulator, batch_size=5, dimensions=16)

    vectors = await documents(model, mode, texts)

    assert len(emulator.requests) == 5
    alone = [(await documents(model, mode, [text]))[0] for text in texts]
    assert vectors == alone


@modes
async def test_the_models_batch_limit_is_kept(emulator: Emulator, mode: str) -> None:
    """Cohere takes 96 texts at once, which its profile knows."""
    await documents(cohere(emulator), mode, ["x"] * 200)

    assert sorted(len(request.body["input"]) for request in emulator.requests) == [8, 96, 96]


@modes
async def test_dimensions_shorten_the_vectors(emulator: Emulator, mode: str) -> None:
    """`dimensions` is sent and kept."""
    (vector,) = await documents(openai(emulator, dimensions=256), mode, ["the sea"])

    assert len(vector) == 256


@modes
async def test_base64_and_floats_are_the_same_vectors(emulator: Emulator, mode: str) -> None:
    """The default asks for base64; its float32 values are those of the plain list."""
    (packed,) = await documents(openai(emulator), mode, ["the sea"])
    (plain,) = await documents(openai(emulator, encoding_format="float"), mode, ["the sea"])

    assert [request.body["encoding_format"] for request in emulator.requests] == ["base64", "float"]
    assert packed == pytest.approx(plain, abs=1e-6)


@modes
async def test_no_texts_make_no_request(emulator: Emulator, mode: str) -> None:
    """An empty list gives an empty list."""
    assert await documents(openai(emulator), mode, []) == []
    assert emulator.requests == []


@modes
async def test_an_empty_text_is_named_by_its_index(emulator: Emulator, mode: str) -> None:
    """The service would refuse it without saying which."""
    with pytest.raises(ConfigurationError, match="Text 1 is empty"):
        await documents(openai(emulator), mode, ["a", "", "b"])


@modes
async def test_progress_is_reported(emulator: Emulator, mode: str) -> None:
    """After each batch: texts done, of all."""
    seen: list[tuple[int, int | None]] = []
    model = openai(emulator, batch_size=2, on_progress=lambda done, total: seen.append((done, total)))

    await documents(model, mode, ["a", "b", "c"])

    assert seen == [(2, 3), (3, 3)]


@modes
async def test_images_come_in_every_form(emulator: Emulator, mode: str, tmp_path: Path) -> None:
    """Bytes, path, open file, data URL and a dict with text; the same picture has the same vector."""
    content = png()
    (tmp_path / "a.png").write_bytes(content)
    forms: list[Any] = [content, str(tmp_path / "a.png"), tmp_path / "a.png", io.BytesIO(content)]
    model = cohere(emulator)

    vectors = model.embed_images(forms) if mode == "sync" else await model.aembed_images(forms)
    with_text = model.embed_images([{"image": content, "text": "a red square"}])

    assert all(vector == vectors[0] for vector in vectors)
    assert len(with_text) == 1
    assert emulator.requests[-1].path.endswith("/images/embeddings")


def test_a_model_pickles_and_serves_many_loops(emulator: Emulator) -> None:
    """Before and after use, and across three event loops."""
    model = pickle.loads(pickle.dumps(openai(emulator)))
    asyncio.run(model.aembed_query("a"))
    model = pickle.loads(pickle.dumps(model))

    assert len({len(asyncio.run(model.aembed_query("a"))) for _ in range(3)}) == 1


@modes
async def test_usage_is_reachable(emulator: Emulator, mode: str) -> None:
    """`on_usage` gets the tokens of each request."""
    seen: list[Usage] = []
    model = openai(emulator, batch_size=2, on_usage=seen.append)

    await documents(model, mode, ["a", "b", "c"])
    await model.aembed_query("a") if mode == "async" else model.embed_query("a")

    assert len(seen) == 3
    assert all(usage.total_tokens == usage.prompt_tokens > 0 for usage in seen)
