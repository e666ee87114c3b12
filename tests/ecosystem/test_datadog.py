"""Datadog's `ddtrace`: its checks run in a process of their own, for what it does to a process on import stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ddtrace")

QUIET = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}


def test_ddtrace_sees_the_requests(tmp_path: Path) -> None:
    """All of `datadog_checks.py` passes; no agent is there, and its address is a file that does not exist."""
    checks = Path(__file__).with_name("datadog_checks.py")
    variables = {**os.environ, **QUIET, "DD_TRACE_AGENT_URL": f"unix://{tmp_path / 'no-agent'}"}

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(checks)]
    ran = subprocess.run(command, env=variables, capture_output=True, encoding="utf-8", timeout=100, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
