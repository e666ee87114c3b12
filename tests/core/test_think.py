"""Reasoning in the text itself. Source: Foundry documentation, reasoning content of 2024-05-01-preview."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureai_core.protocols.think import ThinkSplitter, split_think


@pytest.mark.parametrize(
    ("text", "reasoning", "content"),
    [
        ("<think>a</think>\n\nb", "a", "b"),
        ("<think></think>b", "", "b"),
        ("<think>a", "a", ""),
        ("<think>a</thi", "a</thi", ""),
        ("<thi", "", "<thi"),
        ("a <think>b</think>", "", "a <think>b</think>"),
        (" <think>b</think>", "", " <think>b</think>"),
        ("<think>a</think>\r\n b\n", "a", " b\n"),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("", "", ""),
    ],
)
def test_only_a_leading_tag_is_split_off(text, reasoning, content):
    """A text that merely mentions the tag stays intact; an unclosed one loses nothing."""
    assert split_think(text) == (reasoning, content)


PARTS = st.lists(st.sampled_from(["<think>", "</think>", "<", "think", ">", "</", "a", "\n"]), max_size=12)


@given(PARTS, st.data())
def test_any_split_gives_the_same_texts(parts, data):
    """A tag may be cut anywhere."""
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    splitter = ThinkSplitter()
    got = [splitter.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)] + [splitter.flush()]

    assert ("".join(r for r, _ in got), "".join(c for _, c in got)) == split_think(text)
