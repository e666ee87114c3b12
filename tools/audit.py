"""Ask pip-audit for known vulnerabilities of the pinned dependencies, and say plainly when it could not look.

pip-audit ends with success when the advisory database does not know, or cannot be asked for, a package. Here that is a
failure: status 0 means that every package was looked up and none has a known vulnerability, 1 that one has, 2 that
packages could not be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 2


def ask(requirements: Path) -> dict[str, Any] | None:
    """pip-audit's report on a file of pinned packages; `None` when it made none."""
    tool = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip"]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    done = subprocess.run([*tool, *options], capture_output=True, encoding="utf-8", check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print(*done.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return None
    return report


def judge(report: dict[str, Any] | None) -> tuple[int, str]:
    """The status, and what to tell the reader."""
    found = [] if report is None else report["dependencies"]
    if not [item for item in found if "vulns" in item and "skip_reason" not in item]:
        said = next((f" It said: {item['skip_reason']}." for item in found if "skip_reason" in item), "")
        return (
            NOT_AUDITED,
            f"Nothing was audited: the advisory database could not be reached, or knows no package.{said}",
        )
    bad = [f"  {item['name']} {item['version']}: {identifiers(item)}" for item in found if item.get("vulns")]
    if bad:
        return VULNERABLE, "Known vulnerabilities:\n" + "\n".join(bad)
    skipped = [f"  {item['name']}: {item['skip_reason']}" for item in found if "skip_reason" in item]
    if skipped:
        return NOT_AUDITED, f"{len(skipped)} of {len(found)} packages could not be audited:\n" + "\n".join(skipped)
    return CLEAN, f"{len(found)} packages, no known vulnerability."


def identifiers(item: dict[str, Any]) -> str:
    """The advisories of a package and the versions that fix them."""
    return "; ".join(
        f"{found['id']} (fixed in {', '.join(found.get('fix_versions') or ['no version'])})" for found in item["vulns"]
    )


def main() -> int:
    """One package first: where the database cannot be asked, that is known within a minute."""
    pinned = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line]
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text(next(line for line in pinned if line.startswith("httpx==")), encoding="utf-8")
        status, message = judge(ask(probe))
        if status != NOT_AUDITED:
            status, message = judge(ask(ROOT / "constraints.txt"))
    print(message, file=sys.stdout if status == CLEAN else sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
