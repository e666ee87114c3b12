"""A report as JSON, and as code to paste."""

from dataclasses import asdict, fields, replace
from typing import Any

from azureai_core import Endpoint, ModelProfile, profile_for

from ._connect import KEY_VARIABLE
from ._examine import Report
from ._probing import Outcome, Verdict

Json = dict[str, Any]


def as_json(report: Report) -> Json:
    """The report as one JSON object; docs/command-line.md describes it."""
    endpoint = report.target.endpoint
    usable = report.problem is None
    return {
        "endpoint": {
            "kind": str(endpoint.kind),
            "base_url": endpoint.base_url,
            "api_version": endpoint.api_version,
            "token_scope": endpoint.token_scope,
            "needs_model": endpoint.needs_model,
        },
        "model": report.target.model,
        "url": called_url(report),
        "info": _info(report),
        "auth": [{"name": name, **_outcome(outcome)} for name, outcome in report.auth],
        "task": report.task,
        "findings": [{"name": name, **_outcome(outcome)} for name, outcome in report.outcomes.items()],
        "langchain": langchain_code(report) if usable else None,
        "llamaindex": llamaindex_code(report) if usable else None,
        "profile": _profile_fields(report) if usable else None,
        "requests": report.requests,
        "tokens": report.tokens,
        "problem": _problem(report),
        "exit_code": int(report.exit_code),
    }


def _outcome(outcome: Outcome) -> Json:
    return {"verdict": str(outcome.verdict), "said": outcome.detail, "value": outcome.value}


def _info(report: Report) -> Json | None:
    if report.info is None:
        return None
    info = asdict(report.info)
    return {name: info[name] for name in ("model_name", "model_type", "model_provider_name")}


def _problem(report: Report) -> Json | None:
    problem = report.problem
    if problem is None:
        return None
    return {"what": problem.what, "cause": problem.cause, "fix": problem.fix, "status": problem.status}


def called_url(report: Report) -> str:
    """The URL that requests of this deployment are sent to; of its query, only the api-version."""
    route = "/embeddings" if report.task == "embeddings" else "/chat/completions"
    return replace(report.target.endpoint, query=()).url(route)


_CLASSES = {
    ("langchain_azureai", "chat"): "ChatAzureAI",
    ("langchain_azureai", "embeddings"): "AzureAIEmbeddings",
    ("llamaindex_azureai", "chat"): "AzureAI",
    ("llamaindex_azureai", "embeddings"): "AzureAIEmbedding",
}


def langchain_code(report: Report) -> str:
    """Python code that creates the LangChain object; it reads the key from the environment."""
    return _constructor(report, "langchain_azureai", _stream_usage(report))


def llamaindex_code(report: Report) -> str:
    """Python code that creates the LlamaIndex object; it reads the key from the environment."""
    return _constructor(report, "llamaindex_azureai", {})


def _constructor(report: Report, package: str, extra: Json) -> str:
    name = _CLASSES[package, report.task or "chat"]
    imports = f"from {package} import {name}"
    credential = f'os.environ["{report.target.secret.variable or KEY_VARIABLE}"]'
    if report.target.secret.entra:
        imports, credential = (
            f"from azure.identity import DefaultAzureCredential\n{imports}",
            "DefaultAzureCredential()",
        )
    else:
        imports = f"import os\n\n{imports}"
    given = {**_arguments(report), **extra}
    lines = [f"    endpoint={_quoted(report.target.endpoint.base_url)},", f"    credential={credential},"]
    lines += [f"    {key}={_quoted(value)}," for key, value in given.items()]
    variable = "model" if report.task == "chat" else "embeddings"
    return "\n".join([imports, "", f"{variable} = {name}(", *lines, ")"])


def _quoted(value: object) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)


def _arguments(report: Report) -> Json:
    """The arguments that differ from their defaults."""
    endpoint, target = report.target.endpoint, report.target
    given: Json = {"model": target.model} if endpoint.needs_model else {}
    if endpoint.api_version != Endpoint.parse(endpoint.base_url).api_version:
        given["api_version"] = endpoint.api_version
    model_name = report.info.model_name if report.info else ""
    if profile_for(_name(report)).family == "unknown" and profile_for(model_name).family != "unknown":
        given["base_model"] = model_name
    token: Json = {"credential_scopes": [target.scope]} if target.scope else {}
    if endpoint.is_plain_http:
        token["allow_http_token"] = True
    return {**given, "client_kwargs": token} if target.secret.entra and token else given


def _name(report: Report) -> str:
    """The deployment's name: the model, or the end of the URL."""
    return report.target.model or report.target.endpoint.base_url.rsplit("/", 1)[-1]


def _stream_usage(report: Report) -> Json:
    """`stream_usage=True` for LangChain, if streams have usage only on request and it would not be requested."""
    found = report.outcomes
    if report.task != "chat" or report.target.endpoint.streams_usage_when_asked:
        return {}
    silent = found["usage_unasked"].verdict is Verdict.NO and found["usage_asked"].verdict is Verdict.YES
    return {"stream_usage": True} if silent else {}


# Field of `ModelProfile` → the probe that decides it.
_OBSERVED = {
    "tools": "tools_auto",
    "json_mode": "json_mode",
    "json_schema": "json_schema",
    "images": "images",
    "sampling": "temperature",
    "user_after_tool": "user_after_tool",
    "several_system": "several_system",
    "input_type": "input_type",
    "dimensions": "dimensions",
}


def observed_profile(report: Report) -> ModelProfile:
    """The profile that the model's name suggests, corrected by the probes; unclear ones change nothing."""
    model_name = report.info.model_name if report.info else ""
    by_name = next(
        (p for n in (model_name, _name(report)) if (p := profile_for(n)).family != "unknown"), ModelProfile()
    )
    observations = {
        field: verdict for field, probe in _OBSERVED.items() if (verdict := _yes_or_no(report, probe)) is not None
    }
    return replace(by_name, **{**observations, **_special(report)})


def _yes_or_no(report: Report, probe: str) -> bool | None:
    found = report.outcomes.get(probe)
    decided = found is not None and found.verdict in {Verdict.YES, Verdict.NO}
    return found.verdict is Verdict.YES if found is not None and decided else None


def _special(report: Report) -> Json:
    """The fields that depend on several probes, or on a value."""
    found = report.outcomes
    if report.task == "embeddings":
        images = _yes_or_no(report, "image_embeddings")
        limit = found["batch"].value
        return {"embeddings": True, **({"max_batch": limit} if limit else {}), **({"images": images} if images else {})}
    special: Json = {"embeddings": False, "reasoning": found["reasoning"].value not in {None, "none"}}
    if _yes_or_no(report, "system_role") is False:  # acceptance does not prove that the model has one
        special["system_role"] = False
    if _yes_or_no(report, "text_tool_results") is not None:
        special["json_tool_results"] = _yes_or_no(report, "text_tool_results") is False
    only_new = _yes_or_no(report, "max_tokens") is False and _yes_or_no(report, "max_completion_tokens") is True
    return {**special, "max_tokens_field": "max_completion_tokens" if only_new else "max_tokens"}


def profile_code(report: Report) -> str:
    """The profile as Python code: what differs from the permissive default; a comment names unclear fields."""
    shown = [f"    {name}={_quoted(value)}," for name, value in _profile_fields(report).items()]
    unclear = [field for field, probe in _OBSERVED.items() if _is_unclear(report, probe)]
    note = [f"    # unclear: {', '.join(unclear)}"] if unclear else []
    return "\n".join(["from azureai_core import ModelProfile", "", "profile = ModelProfile(", *shown, *note, ")"])


def _is_unclear(report: Report, probe: str) -> bool:
    found = report.outcomes.get(probe)
    return found is not None and found.verdict is Verdict.UNCLEAR


def _profile_fields(report: Report) -> Json:
    profile, plain = observed_profile(report), ModelProfile()
    values = {field.name: getattr(profile, field.name) for field in fields(ModelProfile)}
    return {name: value for name, value in values.items() if value != getattr(plain, name)}
