"""Repaired histories: what each model family refuses, and what is made of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from azureai_core import ModelProfile, profile_for, repair_history

ANY = ModelProfile()


def message(role: str, content: Any = "x") -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("profile", "before", "after"),
    [
        (ANY, ["system", "tool", "user", "system"], ["system", "tool", "user", "system"]),
        (replace(ANY, user_after_tool=False), ["tool", "user"], ["tool", "assistant", "user"]),
        (replace(ANY, user_after_tool=False), ["tool", "tool", "system"], ["tool", "tool", "assistant", "system"]),
        (replace(ANY, user_after_tool=False), ["tool", "assistant", "user"], ["tool", "assistant", "user"]),
        (replace(ANY, several_system=False), ["system", "user", "system"], ["system", "user"]),
        (replace(ANY, system_role=False), ["system", "user", "assistant"], ["user", "assistant"]),
        (replace(ANY, system_role=False), ["user", "system"], ["user", "user"]),
    ],
)
def test_roles_come_into_an_order_that_the_family_takes(
    profile: ModelProfile, before: list[str], after: list[str]
) -> None:
    """A profile without a complaint changes nothing."""
    assert [m["role"] for m in repair_history([message(role) for role in before], profile)] == after


def test_no_text_is_lost() -> None:
    """Merged and moved texts are all there, also before parts."""
    several = replace(ANY, several_system=False)
    none = replace(ANY, system_role=False)
    parts = [{"type": "image_url", "image_url": {"url": "https://h/i.png"}}]

    assert repair_history([message("system", "a"), message("user", "u"), message("system", "b")], several) == [
        message("system", "a\n\nb"),
        message("user", "u"),
    ]
    assert repair_history([message("system", "a"), message("user", "u")], none) == [message("user", "a\n\nu")]
    assert repair_history([message("system", "a"), message("user", parts)], none) == [
        message("user", [{"type": "text", "text": "a"}, *parts])
    ]


@pytest.mark.parametrize(
    ("content", "sent"),
    [("sunny", '{"result": "sunny"}'), ('{"t": 1}', '{"t": 1}'), ("391", "391"), ("", '{"result": ""}')],
)
def test_cohere_gets_json_results(content: str, sent: str) -> None:
    """Source: Cohere Command R+ on Foundry, 'tool results must be JSON'."""
    profile = profile_for("cohere-command-r-plus")

    assert repair_history([{**message("tool", content), "tool_call_id": "1"}], profile)[0]["content"] == sent


def test_the_callers_messages_stay_as_they_are() -> None:
    """Nothing is changed in place."""
    messages = [message("system", "a"), message("tool", "t"), message("user", "u")]
    before = copy.deepcopy(messages)

    repair_history(messages, profile_for("mistral-large"))
    repair_history(messages, profile_for("phi-3-mini"))

    assert messages == before
