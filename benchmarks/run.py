"""Contenders side by side: interleaved rounds against a local mock server, CPU per unit, ratios within a turn.

    python benchmarks/run.py                                  # quick: ours, plain httpx, the frameworks' floors
    python benchmarks/run.py --mode full --peers .peers --write docs/performance
    python benchmarks/run.py --from docs/performance/results.json --write docs/performance    # the report alone
    python benchmarks/run.py chat stream --only httpx ours-langchain --rounds 9

Absolute times move with the machine; the ratios within one run are what counts. With `--mode full`, the exit code is 1
when a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import peers
import report
from contenders import CONTENDERS, OWN
from figures import Run, verdicts
from processes import Reply, Stage, ceiling, once
from scenarios import COLD, MODES, SCENARIOS, Scenario

ROUNDS = {"quick": 3, "full": 3, "guard": 5}


class Progress:
    """Says on standard error what is running and how much is left."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.start = total, 0, time.monotonic()

    def say(self, number: int, scenario: str, contender: str) -> None:
        """One line; on a terminal it stays in place."""
        passed = time.monotonic() - self.start
        left = passed / self.done * (self.total - self.done) if self.done > 20 else None  # noqa: PLR2004
        about = "" if left is None else f", about {left / 60:.0f} min left"
        self.done += 1
        line = f"[{self.done}/{self.total}] round {number + 1}: {scenario}, {contender}{about}"
        print(
            f"\r{line:<100}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr
        )
        sys.stderr.flush()


def interpreters(folder: Path | None, only: list[str] | None) -> dict[str, str]:
    """Contender → the interpreter it runs in; peers that are not installed are left out."""
    found = {}
    for name, entry in CONTENDERS.items():
        python = peers.python_of(entry.environment, folder.resolve()) if folder else None
        if python is None and name in OWN:
            python = sys.executable
        if python is not None and (not only or name in only):
            found[name] = python
    return found


def machine() -> dict[str, str]:
    """What was measured on, without names."""
    cpu = platform.processor() or platform.machine()
    info, memory = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if info.exists():
        lines = info.read_text("utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    total = f"{int(memory.read_text('utf-8').split()[1]) / 1024 / 1024:.0f} GB" if memory.exists() else "unknown"
    return {
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "memory": total,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load average before the run": f"{os.getloadavg()[0]:.1f}",
    }


class Bench:
    """One run."""

    def __init__(self, options: argparse.Namespace, pythons: dict[str, str]) -> None:
        self.options, self.pythons = options, pythons
        self.rounds = options.rounds or ROUNDS[options.mode]
        names = options.scenarios or [name for name in SCENARIOS if options.mode != "guard" or name not in COLD]
        self.scenarios = [SCENARIOS[name] for name in names]
        self.run = Run(self.about())
        self.progress = Progress(
            sum(len(self.taking(one)) * self.turns(one) * min(self.rounds, one.rounds) for one in self.scenarios)
        )

    def about(self) -> dict[str, object]:
        """What the report says of the run."""
        environments = {CONTENDERS[name].environment: python for name, python in self.pythons.items()}
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "mode": self.options.mode,
            "rounds": self.rounds,
            "command": self.command(),
            "machine": machine(),
            "versions": {name: peers.versions(name, python) for name, python in environments.items()},
            "contenders": list(self.pythons),
        }

    def command(self) -> str:
        """How to measure the same again; where the results went does not belong to it."""
        given = self.options
        folder = [] if given.peers is None else ["--peers", given.peers.name]
        only = ["--only", *given.only] if given.only else []
        words = [*given.scenarios, "--mode", given.mode, "--rounds", str(self.rounds), *folder, *only]
        return shlex.join(["python", "benchmarks/run.py", *words])

    def taking(self, scenario: Scenario) -> list[str]:
        """Who takes part in a scenario."""
        return [name for name in self.pythons if scenario.takes(name)]

    def measure(self) -> Run:
        """All rounds."""
        with Stage(self.pythons) as stage:
            server = stage.server((), fresh=False)
            self.run.about["ceiling"] = ceiling(server)
            for what, rate in self.run.about["ceiling"].items():
                print(f"server ceiling, bare sockets: {rate:,.0f} {what} per second", file=sys.stderr)
            self.warm_bytecode(server.url)
            for number in range(self.rounds):
                self.round(stage, number)
                if not self.options.same_processes:
                    stage.end_workers()
        return self.run

    def warm_bytecode(self, url: str) -> None:
        """Each cold contender once, so that none compiles while it is measured."""
        cold = [scenario for scenario in self.scenarios if scenario.name in COLD]
        for name in dict.fromkeys(name for scenario in cold for name in self.taking(scenario)):
            print(f"bytecode of {name}", file=sys.stderr, flush=True)
            once(self.pythons[name], name, "cold", url)

    def turns(self, scenario: Scenario) -> int:
        """How often a round measures a scenario."""
        return scenario.turns if self.options.mode == "full" else 1

    def round(self, stage: Stage, number: int) -> None:
        """Every contender in every scenario, once or some times, the order turned from one to the next."""
        for place, scenario in enumerate(self.scenarios):
            names = self.taking(scenario)
            for turn in range(self.turns(scenario) if number < scenario.rounds else 0):
                first = (number + place + turn) % max(1, len(names))
                for name in names[first:] + names[:first]:
                    self.progress.say(number, scenario.name, name)
                    if name not in self.run.unable.get(scenario.name, {}):
                        self.run.add(scenario.name, name, self.one(stage, scenario, name))

    def one(self, stage: Stage, scenario: Scenario, name: str) -> Reply:
        """One measurement."""
        url = stage.server(scenario.server_for(name), fresh=scenario.own_server).url
        if scenario.name in COLD:
            return once(self.pythons[name], name, scenario.name, url)
        job = {
            "scenario": scenario.name,
            "url": url,
            "count": scenario.size(self.options.mode, name),
            "words": scenario.words,
            "dimensions": scenario.dimensions,
        }
        return stage.worker(name, fresh=scenario.own_process).do(job)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--mode", choices=MODES, default="quick", help="how much of each")
    parser.add_argument("--rounds", type=int, help="3, for the guard 5")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="where `make bench-peers` has installed them")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=CONTENDERS, help="these contenders")
    parser.add_argument("--same-processes", action="store_true", help="keep the processes from round to round")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the report, its plots and results.json there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw results there")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="source", help="measure nothing, use these results")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return options


def main() -> int:
    """Measures or reads, prints, writes; 1 when a target was missed."""
    options = arguments()
    if options.source:
        run = Run(**json.loads(options.source.read_text("utf-8")))
    else:
        run = Bench(options, interpreters(options.peers, options.only)).measure()
    raw = json.dumps(asdict(run), indent=1) + "\n"
    if options.json:
        options.json.write_text(raw, encoding="utf-8")
    print("\n\n".join(report.tables(run)))
    if options.write:
        import plots

        options.write.mkdir(parents=True, exist_ok=True)
        (options.write / "results.json").write_text(raw, encoding="utf-8")
        report.write(run, options.write, plots.draw(run, options.write))
    missed = [found for found in verdicts(run) if found.missed]
    return 1 if missed and run.about["mode"] == "full" else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted: all processes of the run have been ended.")
