"""`vcrpy` records a chat once and replays it without the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from azureai_emulator import serve

vcr = pytest.importorskip("vcr")
CannotOverwrite = pytest.importorskip("vcr.errors").CannotOverwriteExistingCassetteException


def test_a_recording_is_replayed_when_the_service_is_gone(make_chat: Any, tmp_path: Path) -> None:
    """One request is recorded, without the key where the tape is told so; the answer is the same again."""
    tape = tmp_path / "chat.yaml"
    recorder = vcr.VCR(filter_headers=["authorization", "api-key"])
    with serve() as emulator:
        chat = make_chat(emulator.endpoint("gpt-4o", "openai-v1"), emulator.key)
        with recorder.use_cassette(tape):
            answer = chat()
        assert len(emulator.requests) == 1
    with recorder.use_cassette(tape, record_mode="none") as cassette:
        again = chat()

    assert answer == again != ""
    assert cassette.play_count == 1
    assert chat.key not in tape.read_text()


def test_an_unknown_request_does_not_go_out(
    chat: Any, calls_before: int, azureai_endpoint: Any, tmp_path: Path
) -> None:
    """With `record_mode="none"` it is vcrpy's own error that the test sees, and the service sees nothing."""
    with (
        vcr.VCR(record_mode="none").use_cassette(tmp_path / "empty.yaml"),
        pytest.raises(CannotOverwrite, match="No match for the request"),
    ):
        chat()

    assert len(azureai_endpoint.requests) == calls_before


def test_the_service_is_asked_again_once_the_tape_is_gone(
    chat: Any, calls_before: int, azureai_endpoint: Any, tmp_path: Path
) -> None:
    """A replayed call leaves nothing behind that a real one could stumble over."""
    for _ in ("recorded", "replayed"):
        with vcr.use_cassette(tmp_path / "chat.yaml") as cassette:
            chat()
    assert cassette.play_count == 1
    chat()

    assert len(azureai_endpoint.requests) == calls_before + 2  # recorded, and the last one
