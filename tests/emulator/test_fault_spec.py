"""Faults in writing: by header, by HTTP, as a random mix."""

import httpx
import pytest

from azureai_emulator import Fault
from azureai_emulator.faults.spec import parse_fault, read_faults


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("status=429;retry-after=2", Fault(429, headers={"Retry-After": "2"})),
        ("503", Fault(503)),
        (" 503 ; times=2 ", Fault(503, times=2)),
        ("latency=0.2", Fault(latency=0.2)),
        ("frame-latency=0.1", Fault(frame_latency=0.1)),
        ("reset", Fault(reset_before_body=True)),
        ("cut-stream-after=3", Fault(cut_stream_after=3)),
        ("error-frame-after=0", Fault(error_frame_after=0)),
        ("malformed-frame-after=1", Fault(malformed_frame_after=1)),
        ("without-done;framing=crlf", Fault(without_done=True, framing="crlf")),
        ("split-bytes=1", Fault(split_bytes=1)),
        ("drip", Fault(split_bytes=16, frame_latency=0.01)),
        ("500;deployment=gpt-4o;route=embeddings", Fault(500, deployment="gpt-4o", route="embeddings")),
    ],
)
def test_compact_form(spec, fault):
    """Every name of the grammar."""
    assert parse_fault(spec) == fault


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("", "An empty fault"),
        ("boom", "Unknown fault 'boom'. Allowed: status, retry-after"),
        ("status=x", "Fault 'status' takes a status from 200 to 599, not 'x'."),
        ("status=700", "not '700'"),
        ("latency=-1", "Fault 'latency' takes seconds, not '-1'."),
        ("latency=nan", "not 'nan'"),
        ("reset=maybe", "Fault 'reset' takes no value"),
        ("framing=odd", "one of lf, crlf"),
        ("split-bytes=0", "a number of bytes"),
        ("retry-after", "seconds or a date"),
        ("500;times=1000000000", "not '1000000000'"),
    ],
)
def test_what_is_wrong_is_said(spec, reason):
    """The name, the value, what is allowed."""
    with pytest.raises(ValueError) as error:
        parse_fault(spec)

    assert reason in str(error.value)


def test_header_disturbs_this_request_only(wire, emulator):
    """It wins over the queue, which stays as it is."""
    emulator.faults(Fault(500))
    headers = {"x-emulator-fault": "status=429;retry-after=2"}
    first = wire.chat(headers=headers)

    assert (first.status_code, first.headers["retry-after"]) == (429, "2")
    assert [wire.chat().status_code, wire.chat().status_code] == [500, 200]


def test_header_may_be_aimed(wire):
    """Sent with every request, it disturbs those it is for."""
    headers = {"x-emulator-fault": "503;deployment=gpt-4o-mini"}

    assert [wire.chat(name, headers=headers).status_code for name in ("gpt-4o", "gpt-4o-mini")] == [200, 503]


def test_header_cuts_a_stream(wire):
    """Stream faults as well."""
    with pytest.raises(httpx.RemoteProtocolError):
        wire.chat(stream=True, headers={"x-emulator-fault": "cut-stream-after=3"})


def test_bad_header_is_a_clear_400(wire):
    """The grammar in one sentence."""
    answer = wire.chat(headers={"x-emulator-fault": "bang"})

    assert answer.status_code == 400
    assert "Header x-emulator-fault: Unknown fault 'bang'." in answer.json()["error"]["message"]


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(wire, status):
    """No body and no length; the connection goes on."""
    answer = wire.chat(headers={"x-emulator-fault": str(status)})

    assert (answer.status_code, answer.content) == (status, b"")
    assert "content-length" not in answer.headers
    assert wire.chat().status_code == 200


def test_malformed_frame(wire):
    """Half a frame in the middle of a stream that goes on."""
    text = wire.chat(stream=True, headers={"x-emulator-fault": "malformed-frame-after=2"}).text
    frames = [part.removeprefix("data: ") for part in text.split("\n\n") if part]

    assert not frames[2].endswith("}")
    assert frames[3].endswith("}")
    assert frames[-1] == "[DONE]"


@pytest.fixture
def control(wire, emulator):
    def control(method, body=None, key=emulator.key):
        return wire.http.request(method, emulator.url + "/_emulator/faults", json=body, headers={"api-key": key})

    return control


def test_faults_by_http(wire, control):
    """Queue, list, use up, clear."""
    asked = {"faults": ["503", {"status": 429, "retry_after": 5, "times": 2}, {"framing": "crlf", "body": None}]}
    queued = control("POST", asked)

    assert queued.status_code == 200
    assert queued.json()["pending"][:2] == [
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "5"}, "times": 2},
    ]
    assert len(queued.json()["pending"]) == 4
    assert wire.chat().status_code == 503
    assert len(control("GET").json()["pending"]) == 3
    assert control("DELETE").json() == {"pending": []}
    assert wire.chat().status_code == 200


def test_faults_by_http_take_bodies_and_headers(wire, control):
    """A body as JSON, headers as they are."""
    control("POST", {"status": 502, "body": {"error": "x"}, "headers": {"X-A": "b"}})
    answer = wire.chat()

    assert (answer.status_code, answer.json(), answer.headers["x-a"]) == (502, {"error": "x"}, "b")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (5, "A fault is a string or an object"),
        ({}, "A fault is a string or an object"),
        ({"bang": 1}, "Unknown fault 'bang'"),
        ({"status": 500, "headers": {"a": 1}}, "an object of strings"),
        ({"mix": {"429": 0.8, "500": 0.5}}, "more than 1"),
        ({"mix": {"429": "x"}}, "a number from 0 to 1"),
        ({"mix": {"429": 0.1}, "count": 0}, "a whole number"),
        ({"mix": {"429": 0.1}, "sed": 1}, "Unknown field 'sed'"),
        ({"mix": {"zzz": 0.1}}, "Unknown fault 'zzz'"),
    ],
)
def test_bad_orders_are_a_clear_400(control, body, reason):
    """Nothing is queued."""
    answer = control("POST", body)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]
    assert control("GET").json() == {"pending": []}


def test_control_needs_the_key_and_a_known_method(control, wire, emulator):
    """401 and 405."""
    assert control("GET", key="wrong").status_code == 401
    assert control("PUT").status_code == 405
    broken = wire.http.post(emulator.url + "/_emulator/faults", content=b"{", headers={"api-key": emulator.key})
    assert broken.status_code == 400


MIX = {"seed": 7, "mix": {"429": 0.1, "500": 0.05, "reset": 0.02, "drip": 0.05}, "count": 1000}


def test_a_mix_is_the_same_for_the_same_seed():
    """And another for another; its shares are about right."""
    first, again, other = read_faults(MIX), read_faults(MIX), read_faults({**MIX, "seed": 8})

    assert first == again
    assert first != other
    assert len(first) == 1000
    assert 70 < sum(fault.status == 429 for fault in first) < 130
    assert 740 < sum(fault == Fault() for fault in first) < 820


def test_a_mix_is_served_in_its_order(wire, control):
    """Each request takes the next of the sequence."""
    order = {"seed": 3, "mix": {"429": 0.3, "500": 0.3}, "count": 12}
    control("POST", order)
    expected = [fault.status or 200 for fault in read_faults(order)]

    assert [wire.chat().status_code for _ in range(12)] == expected
    assert len(set(expected)) == 3
    assert control("GET").json() == {"pending": []}
