"""Headers of answers."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from azureai_emulator.catalog.kinds import OPENAI_KINDS, Kind

from .request import Task

Json = Any


def answer_headers(kind: Kind, request: Mapping[str, str]) -> dict[str, str]:
    """The headers of every answer of an endpoint kind. Source: recorded sessions of each kind."""
    headers = {"x-ms-region": "Emulator"}
    if kind != "models":
        headers["x-request-id"] = str(uuid4())
    if kind == "serverless":
        headers["azureml-model-session"] = "emulator"
    else:
        headers["apim-request-id"] = str(uuid4())
    if kind in OPENAI_KINDS:
        headers["x-ms-rai-invoked"] = "true"
    if "x-ms-client-request-id" in request:
        headers["x-ms-client-request-id"] = request["x-ms-client-request-id"]
    return headers


def own_headers(task: Task, headers: dict[str, str]) -> dict[str, str]:
    """The headers that this deployment sends: on Foundry only OpenAI models return the client's request id.

    Source: recorded answers of Phi-3.5 on the model-inference route.
    """
    if task.kind != "models" or task.profile.provider == "OpenAI":
        return headers
    return {name: value for name, value in headers.items() if name != "x-ms-client-request-id"}
