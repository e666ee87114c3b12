"""Content safety on demand: a prompt that carries a trigger word is treated as harmful.

Triggers in the prompt: `emulator:hate`, `emulator:sexual`, `emulator:violence`, `emulator:self_harm`,
`emulator:jailbreak` refuse the request; `emulator:filter-answer` cuts the answer short with the finish reason
`content_filter`; `emulator:filter-failed` answers normally and says that the filter did not run (E31).
"""

import re

from ._errors import Json, Reply

CATEGORIES = ("hate", "self_harm", "sexual", "violence")
_TRIGGER = re.compile(r"emulator:(hate|self_harm|sexual|violence|jailbreak|filter-answer|filter-failed)\b")
_ANSWER_TRIGGERS = frozenset({"filter-answer", "filter-failed"})
_MESSAGE = (
    "The response was filtered due to the prompt triggering Microsoft's content management policy. "
    "Please modify your prompt and retry."
)


def triggers(text: str) -> frozenset[str]:
    """The trigger words in the text, without their prefix."""
    return frozenset(_TRIGGER.findall(text)) if "emulator:" in text else frozenset()


def prompt_categories(found: frozenset[str]) -> frozenset[str]:
    """The categories for which the prompt has to be refused."""
    return found - _ANSWER_TRIGGERS


def results(found: frozenset[str] = frozenset(), *, jailbreak: bool = False) -> Json:
    """A `content_filter_result` object: every category with its verdict."""
    verdicts: Json = {name: _verdict(name in found) for name in CATEGORIES}
    if jailbreak:
        hit = "jailbreak" in found
        verdicts["jailbreak"] = {"filtered": hit, "detected": hit}
    return dict(sorted(verdicts.items()))


def _verdict(hit: bool) -> Json:
    return {"filtered": hit, "severity": "medium" if hit else "safe"}


def filter_failed() -> Json:
    """E31: the filter did not run, the answer is valid. Source: Azure OpenAI, 'Content filtering'."""
    return {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}


def prompt_refused(kind: str, api_version: str, found: frozenset[str]) -> Reply:
    """The 400 for a filtered prompt, in the shape of the endpoint kind."""
    if kind == "serverless":
        return _flat() if api_version == "2024-04-01-preview" else _nested()
    return _openai_v1(found) if kind == "openai-v1" else _azure_openai(found)


def _nested() -> Reply:
    """E1, without categories. Source: Azure AI Studio documentation and public reports."""
    error = {"message": _MESSAGE, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return Reply(400, {"error": error})


def _flat() -> Reply:
    """E4. Source: Azure AI Model Inference REST documentation of the first preview."""
    body = {
        "status": 400,
        "code": "content_filter",
        "message": "The response was filtered",
        "param": "messages",
        "type": None,
    }
    return Reply(400, body)


def _azure_openai(found: frozenset[str]) -> Reply:
    """E2, `innererror` and a singular result. Source: public reports of Azure OpenAI."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": results(found, jailbreak=True)}
    body = _nested().body
    body["error"]["innererror"] = inner
    return Reply(400, body)


def _openai_v1(found: frozenset[str]) -> Reply:
    """E3, `inner_error` and plural results. Source: public report of Azure OpenAI."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results(found, jailbreak=True)}
    error = {"inner_error": inner, "code": "content_filter", "message": _MESSAGE, "param": "prompt", "type": None}
    return Reply(400, {"error": error})
