"""Whatever is sent, an answer comes, and none is a 500."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azureai_emulator import _app, _gate
from azureai_emulator._deployments import DEPLOYMENTS
from azureai_emulator._service import Stream, encode_json

FIELDS = sorted(set().union(*_gate.STANDARD_FIELDS.values()) | {"n", "stream_options", "parallel_tool_calls", "foo"})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(-3, 3) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer", "x"])
MESSAGE = st.fixed_dictionaries(
    {"role": ROLES, "content": st.text(max_size=60) | JSON},
    optional={"tool_call_id": st.sampled_from(["a", "b"]), "tool_calls": JSON, "name": JSON},
)
SCHEMA = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "x"])},
        optional={
            "enum": st.lists(JSON, max_size=3),
            "format": st.sampled_from(["date", "email", "zzz"]),
            "pattern": st.text(max_size=4),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.text(max_size=6), inner, max_size=3)},
        optional={
            "required": st.lists(st.text(max_size=4), max_size=2),
            "anyOf": st.lists(inner, max_size=2),
            "$ref": st.sampled_from(["#", "#/properties/a", "#/x"]),
        },
    ),
    max_leaves=5,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": st.sampled_from(["add", "get_weather", "x"])},
                optional={"parameters": SCHEMA, "description": st.text(max_size=40)},
            ),
        }
    ),
    max_size=2,
)
BODY = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4).flatmap(
    lambda fields: st.fixed_dictionaries(
        {"messages": st.lists(MESSAGE, max_size=4), "input": JSON, "prompt": JSON}, optional={"tools": TOOLS}
    ).map(lambda usual: {**fields, **usual})
)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda item: item.name)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODY, policy=st.sampled_from(["pass-through", "drop"]), tools=TOOLS, schema=SCHEMA)
def test_no_request_is_a_defect(deployment, body, policy, tools, schema):
    """Any body on any route gets an answer that serialises, and never a 500."""
    spec = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    said = {"messages": [{"role": "user", "content": "Add 3 and 4 in Paris"}]}
    bodies = [body, {**said, "tools": tools, "tool_choice": "required"}, {**said, "response_format": spec}]
    for kind in deployment.kinds:
        for route in _gate.STANDARD_FIELDS:
            for one in bodies:
                answer(deployment, kind, route, one, policy)


def answer(deployment, kind, route, body, policy):
    incoming = _gate.Incoming(kind, route, None, "POST", [], {"extra-parameters": policy}, b"")
    only = {key: value for key, value in body.items() if key in _gate.STANDARD_FIELDS[route] or key in FIELDS[:3]}
    with contextlib.suppress(_gate.ServiceError):
        task = _gate.Task(kind, route, deployment, only, "2024-10-21", model_given=True)
        result = _app.guarded(incoming, task)
        frames = list(result.frames) if isinstance(result, Stream) else [result.body]
        assert isinstance(result, Stream) or result.status != 500, result.body
        for frame in frames:
            json.loads(encode_json(frame))
