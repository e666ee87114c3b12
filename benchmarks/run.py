"""Contenders side by side: interleaved rounds against a local mock server, CPU per unit, ratios within a round.

    python benchmarks/run.py                     # ours and plain httpx
    python benchmarks/run.py --peers DIR         # and the peers, each in an environment of its own below DIR

Absolute times move with the machine; the ratios within one run are what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Scenario → units of one round.
SCENARIOS = {
    "chat": 200,
    "achat": 200,
    "stream": 20,
    "astream": 20,
    "tools": 20,
    "embed": 1000,
    "aembed": 1000,
    "concurrent": 200,
}
OURS = ("httpx", "azureai_core", "langchain_azureai", "llamaindex_azureai")
# Folder below --peers → what is measured in it.
PEERS = {
    "langchain-openai": "langchain-openai",
    "langchain-azure-ai": "langchain-azure-ai[v1]",
    "llama-index-openai-like": "llama-index-llms-openai-like",
    "llama-index-azure-inference": "llama-index-llms-azure-inference",
}


def start_server(latency: float) -> tuple[subprocess.Popen[str], str]:
    """The mock server and its URL."""
    command = [sys.executable, str(HERE / "server.py"), "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"


def measure(python: str, contender: str, scenario: str, url: str) -> dict[str, float] | None:
    """CPU and wall seconds per unit, or `None` where the contender cannot do it."""
    command = [python, str(HERE / "worker.py"), contender, scenario, url, str(SCENARIOS[scenario])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        print(f"  {contender} cannot do {scenario}: {done.stderr.strip().splitlines()[-1][:150]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def contenders(peers: Path | None) -> dict[str, str]:
    """Contender → the interpreter it runs in."""
    found = dict.fromkeys(OURS, sys.executable)
    for folder, name in PEERS.items():
        python = peers / folder / "bin" / "python" if peers else None
        if python is not None and python.exists():
            found[name] = str(python)
    return found


def rounds(scenario: str, who: dict[str, str], count: int) -> dict[str, list[dict[str, float]]]:
    """The measurements of each contender, one per round, the order turned from round to round."""
    server, url = start_server(0.1 if scenario == "concurrent" else 0.0)
    names = list(who)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    try:
        for number in range(count):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                result = measure(who[name], name, scenario, url) if len(found[name]) == number else None
                if result is not None:
                    found[name].append(result)
    finally:
        server.terminate()
        server.wait()
    return {name: results for name, results in found.items() if len(results) == count}


def ratio(results: dict[str, list[dict[str, float]]], name: str, base: str, kind: str) -> str:
    """The median over the rounds of the ratio to a base."""
    if name not in results or base not in results:
        return "-"
    pairs = zip(results[name], results[base], strict=True)
    return f"{statistics.median(one[kind] / other[kind] for one, other in pairs):.2f}"


def main() -> None:
    """Prints a Markdown table: CPU as a multiple of plain httpx, wall time for `concurrent`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    options = parser.parse_args()
    who = contenders(options.peers)
    print("| scenario | httpx, CPU µs | " + " | ".join(name for name in who if name != "httpx") + " |")
    print("|---|---:|" + "---:|" * (len(who) - 1))
    for scenario in options.scenarios:
        results = rounds(scenario, who, options.rounds)
        kind = "wall" if scenario == "concurrent" else "cpu"
        base = statistics.median(result["cpu"] for result in results["httpx"]) * 1e6
        cells = [ratio(results, name, "httpx", kind) for name in who if name != "httpx"]
        print(f"| {scenario} | {base:.0f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
