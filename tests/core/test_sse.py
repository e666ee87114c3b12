"""Server-sent events. Source of the examples: WHATWG HTML, section 9.2.6 'Interpreting an event stream'."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azureai_core.protocols.sse import SSEDecoder


def decoded(*pieces: bytes) -> list[bytes]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.flush()


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [b"first event", b"second event", b" third event"],
        ),
        (b"data\n\ndata\ndata\n\ndata:\n\n", [b"", b"\n", b""]),
        (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
        (b"event: add\ndata: 1\nretry: 10\n\n", [b"1"]),
        (b"\xef\xbb\xbfdata: bom\n\n", [b"bom"]),
        (b"data: a\rdata: b\r\rdata: c\r\n\r\n", [b"a\nb", b"c"]),
        (b"data: last without a blank line", [b"last without a blank line"]),
        (b"", []),
        (b": only a comment\n\n\n\n", []),
        ("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c".encode()]),
        (b"database: no\n\n", []),
    ],
)
def test_the_standards_examples(body, data):
    """Fields, comments, line ends and blank lines as the standard says; a cut last event still counts."""
    assert decoded(body) == data


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"data: x", b"data", b":", b" ", "é".encode(), b"\xef\xbb\xbf"]))
)
def test_any_split_gives_the_same_events(parts):
    """A piece may end anywhere: also between CR and LF, and inside a character."""
    body = b"".join(parts)

    assert decoded(*(body[n : n + 1] for n in range(len(body)))) == decoded(body)
    assert decoded(*parts) == decoded(body)
