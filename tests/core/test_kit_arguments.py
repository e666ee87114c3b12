"""Names of constructor arguments: spellings that are taken, and one sentence about each that is not."""

from __future__ import annotations

from typing import Any

import pytest

from azureai_core import ConfigurationError
from azureai_core.adapters import check_call_arguments, check_client_kwargs, resolve_arguments, stop_list
from azureai_core.adapters.arguments import SPELLINGS

FIELDS = {
    name: name
    for name in (
        "endpoint", "credential", "model", "timeout", "max_tokens", "stop", "temperature", "send_reasoning",
        "client_kwargs", "model_kwargs",
    )
}  # fmt: skip


def resolve(fields: dict[str, str] | None = None, /, **given: Any) -> dict[str, Any]:
    return resolve_arguments("Chat", given, FIELDS if fields is None else fields)


def test_no_spelling_stands_in_two_rows() -> None:
    """Each name has one meaning."""
    names = [name for row in SPELLINGS for name in row]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("spelling", "field"),
    [(name, row[0]) for row in SPELLINGS for name in row if row[0] in FIELDS],
)
def test_each_spelling_is_its_field(spelling: str, field: str) -> None:
    """Whichever name of a row the caller uses."""
    assert resolve(**{spelling: 1}) == {field: 1}


@pytest.mark.parametrize("field", ["model", "model_name"])
@pytest.mark.parametrize("spelling", ["model", "model_name"])
def test_the_class_decides_how_its_field_is_called(spelling: str, field: str) -> None:
    """One class has `model`, another `model_name`; both take both."""
    assert resolve({field: field}, **{spelling: "m"}) == {field: "m"}


def test_an_alias_of_the_class_itself_is_taken() -> None:
    """A subclass may add fields with aliases of their own."""
    assert resolve({"depth": "depth", "d": "depth"}, d=3) == {"depth": 3}


@pytest.mark.parametrize("twice", [{"endpoint": "a", "base_url": "a"}, {"max_tokens": 1, "max_completion_tokens": 2}])
def test_an_argument_under_two_names_is_refused(twice: dict[str, Any]) -> None:
    """One of the values would be lost."""
    first, second = map(repr, sorted(twice))
    with pytest.raises(ConfigurationError, match=f"{first} and {second} are the same argument of Chat"):
        resolve(**twice)


def test_options_of_the_client_go_into_client_kwargs() -> None:
    """Given directly, under either name, or inside; what was given is not changed."""
    inside = {"limits": 1}

    assert resolve(client_kwargs=inside, default_headers={"a": "b"}) == {
        "client_kwargs": {"limits": 1, "headers": {"a": "b"}}
    }
    assert inside == {"limits": 1}
    with pytest.raises(ConfigurationError, match="'limits' both directly and within client_kwargs"):
        resolve(client_kwargs=inside, limits=2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("azure_deployment", "'azure_deployment': it is 'model'."),
        ("azure_ad_token_provider", "it is 'credential'."),
        ("project_endpoint", "give the project's URL as 'endpoint'."),
        ("reasoning_effort", "model_kwargs={'reasoning_effort': …}"),
        ("top_logprobs", "model_kwargs={'top_logprobs': …}"),
        ("temprature", "Did you mean 'temperature'?"),
        ("send_resoning", "Did you mean 'send_reasoning'?"),
        ("safe_prompt", "A field of the body goes into model_kwargs"),
        ("own", "here it is done otherwise."),
    ],
)
def test_an_unknown_argument_is_told_what_to_do(name: str, words: str) -> None:
    """A name from elsewhere is never taken for a misspelling of something else."""
    with pytest.raises(ConfigurationError) as caught:
        resolve_arguments("Chat", {name: 1}, FIELDS, {"own": "here it is done otherwise"})

    assert str(caught.value).startswith(f"Chat has no argument {name!r}: ")
    assert words in str(caught.value)
    assert ("Did you mean" in str(caught.value)) == ("Did you mean" in words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("retry_total", "for retry_total use max_retries of the class itself"),
        ("temperature", "for temperature use temperature=…, an argument of the class itself"),
        ("transport", "for transport use http_client="),
        ("tools", "for tools use bind_tools"),
        ("nonsense", "client_kwargs has nonsense. It takes headers, limits."),
    ],
)
def test_an_unknown_key_of_client_kwargs_is_told_what_to_do(name: str, words: str) -> None:
    """The retired SDK's names, the adapter's own hints first; else what there is."""
    with pytest.raises(ConfigurationError) as caught:
        check_client_kwargs([name], ["limits", "headers"], {"tools": "bind_tools"})

    assert words in str(caught.value)


def test_what_a_call_does_not_take_is_told_what_to_do() -> None:
    """Other names are fields of the body."""
    check_call_arguments({"temperature": 0}, {"headers": "pass them to the model"})

    with pytest.raises(ConfigurationError, match="A call takes no 'headers': pass them to the model"):
        check_call_arguments({"headers": {}}, {"headers": "pass them to the model"})


@pytest.mark.parametrize(("stop", "sent"), [("END", ["END"]), (["a", "b"], ["a", "b"]), ([], None), (None, None)])
def test_stop_sequences_are_a_list_or_nothing(stop: Any, sent: list[str] | None) -> None:
    """Source: REST reference, 'stop'."""
    assert stop_list(stop) == sent
