"""Whatever is sent, an answer comes, and none is a 500. `make fuzz` does the same for a minute."""

import contextlib
import json
import time

import fuzz
import httpx
import pytest
from fuzz import ANY_BODY, FIELDS, SCHEMA, TOOLS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azureai_emulator import serve
from azureai_emulator.api import routes
from azureai_emulator.api.fields import STANDARD_FIELDS
from azureai_emulator.api.request import Incoming, Task
from azureai_emulator.catalog.shipped import DEPLOYMENTS
from azureai_emulator.wire.errors import ServiceError
from azureai_emulator.wire.json_text import encode_json
from azureai_emulator.wire.stream import Stream


@pytest.mark.slow
def test_any_bytes_on_the_wire():
    """Right, wrong, half and broken requests on every route; nothing is left behind."""
    with serve() as emulator:
        target = fuzz.Target(emulator.url, emulator.key)
        fuzz.run(target, seconds=2, seed=1)
        state = emulator._server.server_state
        for _ in range(100):
            if not state.tasks and not state.connections:
                break
            time.sleep(0.02)

        assert (state.tasks, state.connections) == (set(), set())
        assert target.answers["2xx"] > 20
        assert target.answers["broken"] > 50
        target.control("DELETE", "/_emulator/exchanges")
        with contextlib.suppress(httpx.HTTPError):  # a fault may still be due
            httpx.post(f"{emulator.url}/openai/v1/chat/completions", headers={"api-key": emulator.key}, json={})
        assert len(emulator.requests) == 1


def test_a_body_beyond_the_limit(emulator):
    """413, once it was sent to its end."""
    assert fuzz.too_large(fuzz.Target(emulator.url, emulator.key)) == 413


@pytest.mark.slow
@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda item: item.name)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=ANY_BODY, policy=st.sampled_from(["pass-through", "drop"]), tools=TOOLS, schema=SCHEMA)
def test_no_request_is_a_defect(deployment, body, policy, tools, schema):
    """Any body on any route gets an answer that serialises, and never a 500."""
    spec = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said = {"messages": [{"role": "user", "content": "Add 3 and 4 in Paris"}]}
    bodies = [body, {**said, "tools": tools, "tool_choice": "required"}, {**said, "response_format": spec}]
    for kind in deployment.kinds:
        for route in STANDARD_FIELDS:
            for one in bodies:
                answer(deployment, kind, route, one, policy)


def answer(deployment, kind, route, body, policy):
    incoming = Incoming(kind, route, None, "POST", [], {"extra-parameters": policy}, b"")
    only = {key: value for key, value in body.items() if key in STANDARD_FIELDS[route] or key in FIELDS[:3]}
    with contextlib.suppress(ServiceError):
        task = Task(kind, route, deployment, only, "2024-10-21", model_given=True)
        result = routes.answer(incoming, task)
        frames = list(result.frames) if isinstance(result, Stream) else [result.body]
        assert isinstance(result, Stream) or result.status != 500, result.body
        for frame in frames:
            json.loads(encode_json(frame))
