"""Mixed calls in tasks and threads against a service that fails on purpose."""

from __future__ import annotations

import chaos
import pytest


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_every_call_ends_in_its_own_answer_or_a_typed_error(seed):
    """No cross-talk, nothing left behind: connection, task, file descriptor."""
    figures = chaos.run(calls=300, seed=seed)

    chaos.check(figures)
    assert all(figures["faults"][fault] for fault in chaos.FAULTS)
