"""One of the scale examples against the emulator, twice: `python example.py scale_dask.py FOLDER`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from azureai_emulator import serve

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    with serve() as emulator:
        named = {
            "AZURE_INFERENCE_ENDPOINT": f"{emulator.url}/openai/v1",
            "AZURE_INFERENCE_CREDENTIAL": emulator.key,
            "EMBEDDING_MODEL": "text-embedding-3-small",
            "DOCUMENTS": str(folder / "documents"),
            "EMBEDDED": str(folder / "embedded"),
        }
        for _ in range(2):
            subprocess.run([sys.executable, str(EXAMPLES / name)], env={**os.environ, **named}, cwd=folder, check=True)


if __name__ == "__main__":
    main()
