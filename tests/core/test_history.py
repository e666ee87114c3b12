"""Repaired histories: what each model family refuses, and what is made of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from azureai_core import ConfigurationError, ModelProfile, profile_for, repair_history
from azureai_core.adapters import CallIds

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


@pytest.mark.parametrize(
    ("model", "in_order", "after"),
    [
        ("mistral-large", None, ["tool", "assistant", "user", "system"]),
        ("mistral-large", False, ["tool", "user", "system"]),
        ("gpt-4o", None, ["tool", "user", "system"]),
        ("gpt-4o", True, ["system", "tool", "assistant", "user"]),
    ],
)
def test_the_user_may_decide_on_the_order(model: str, in_order: bool | None, after: list[str]) -> None:
    """A deployment's name does not always tell the family."""
    messages = [message(role) for role in ("tool", "user", "system")]

    assert [m["role"] for m in repair_history(messages, profile_for(model), in_order=in_order)] == after


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


# ---------------------------------------------------------------------------- ids of calls


def ids_of(*steps: tuple[str, str | None]) -> list[str]:
    """The ids of calls (`c`) and results (`r`) in their order."""
    ids = CallIds()
    return [ids.of_call(given) if kind == "c" else ids.of_result(given) for kind, given in steps]


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        ([("c", "a"), ("r", "a")], ["a", "a"]),
        ([("c", None), ("r", None)], ["call_1", "call_1"]),
        ([("c", ""), ("r", "")], ["call_1", "call_1"]),
        ([("c", "a"), ("c", None), ("r", "a"), ("r", None)], ["a", "call_2", "a", "call_2"]),
        ([("c", None), ("c", None), ("r", None), ("r", None)], ["call_1", "call_2", "call_1", "call_2"]),
        ([("c", "a"), ("c", "a"), ("r", "a"), ("r", "a")], ["a", "a_2", "a", "a_2"]),
        ([("c", "a"), ("r", "a"), ("c", "a"), ("r", "a")], ["a", "a", "a", "a"]),
        ([("c", "a"), ("r", "a"), ("c", None), ("r", None)], ["a", "a", "call_2", "call_2"]),
        ([("c", "call_2"), ("c", None), ("r", None), ("r", None)], ["call_2", "call_3", "call_2", "call_3"]),
        ([("r", "elsewhere")], ["elsewhere"]),
    ],
)
def test_calls_and_results_refer_to_each_other(steps: list[tuple[str, str | None]], sent: list[str]) -> None:
    """Where ids are missing or repeated, too: two calls that wait at the same time never have the same one."""
    assert ids_of(*steps) == sent


def test_a_result_that_answers_no_call_is_an_error() -> None:
    """The one call has been answered already."""
    with pytest.raises(ConfigurationError, match="answers no call"):
        ids_of(("c", "a"), ("r", "a"), ("r", None))
