"""The command line: the script that was installed runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from loopback import absent

absent("langchain_core", "llama_index")
command = Path(sys.executable).with_name("azureai")
shown = subprocess.run([command, "--help"], capture_output=True, encoding="utf-8", check=True).stdout
assert "emulate" in shown, shown
subprocess.run([command, "emulate", "--help"], capture_output=True, check=True)
print("azureai runs")
