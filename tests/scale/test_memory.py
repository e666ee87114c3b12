"""Memory: what a job needs does not grow with the number of texts that went through it."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BENCHMARK.exists(), reason="benchmarks/ is not part of a source distribution"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


@pytest.fixture(scope="module")
def memory():
    """The benchmark as a module."""
    spec = spec_from_file_location("memory_benchmark", BENCHMARK)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("job", ["embed_many, 4 in flight", "BatchEmbed, 1,000 rows a call, float32"])
def test_a_job_taken_batch_by_batch_needs_the_same_for_any_number_of_texts(memory, job):
    """16,000 vectors are 500 MB as lists; the job needs no more than with 4,000, in a process of its own each."""
    with memory.service() as url:
        few, many = memory.measured(job, 4_000, url), memory.measured(job, 16_000, url)

    assert many < few + 40
    assert many < memory.LIMIT_MB
