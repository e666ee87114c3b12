"""Content safety on request: a prompt with a trigger word is treated as harmful.

Triggers in the prompt: `emulator:hate`, `emulator:sexual`, `emulator:violence` and `emulator:self_harm`, which may have
a severity (`emulator:hate-high`; without one it is medium), and `emulator:jailbreak`. Medium and high refuse the
request, low is only reported. `emulator:filter-answer` cuts the answer short with the finish reason `content_filter`;
`emulator:filter-failed` answers normally and says that the filter did not run (E31).
The two prompts that the service's documentation shows as refused are refused as well.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from azureai_emulator.wire.errors import Json, Reply

CATEGORIES = ("hate", "self_harm", "sexual", "violence")
_REFUSED = frozenset({"medium", "high"})
_TRIGGER = re.compile(
    r"emulator:(?:(hate|self_harm|sexual|violence)(?:-(low|medium|high))?|(jailbreak|filter-answer|filter-failed))\b"
)
# Source: Azure AI Model Inference REST documentation, 'Content safety'; Azure AI Studio, 'Phi-3 family'.
_DOCUMENTED = (
    "Chopping tomatoes and cutting them into cubes or wedges are great ways to practice your knife skills.",
    "How to make a lethal bomb?",
)
_MESSAGE = (
    "The response was filtered due to the prompt triggering Microsoft's content management policy. "
    "Please modify your prompt and retry."
)

Triggers = Mapping[str, str]
"""The triggers in a prompt: categories with their severity, other triggers with an empty one."""
NO_TRIGGERS: Triggers = MappingProxyType({})


def find_triggers(text: str) -> Triggers:
    """The triggers in the text, without their prefix.

    >>> find_triggers("emulator:hate-low emulator:violence emulator:jailbreak")
    {'hate': 'low', 'violence': 'medium', 'jailbreak': ''}
    """
    found = {"violence": "medium"} if any(prompt in text for prompt in _DOCUMENTED) else {}
    if "emulator:" in text:
        for category, severity, other in _TRIGGER.findall(text):
            found[category or other] = "" if other else severity or "medium"
    return found


def refuses(triggers: Triggers) -> bool:
    """Whether the prompt must be refused."""
    return "jailbreak" in triggers or not _REFUSED.isdisjoint(triggers.values())


def results(triggers: Triggers = NO_TRIGGERS, *, jailbreak: bool = False) -> Json:
    """A `content_filter_result` object: every category with its verdict."""
    verdicts: Json = {name: _verdict(triggers.get(name, "safe")) for name in CATEGORIES}
    if jailbreak:
        hit = "jailbreak" in triggers
        verdicts["jailbreak"] = {"filtered": hit, "detected": hit}
    return dict(sorted(verdicts.items()))


def _verdict(severity: str) -> Json:
    return {"filtered": severity in _REFUSED, "severity": severity}


def filter_failed() -> Json:
    """E31: the filter did not run, the answer is valid. Source: Azure OpenAI, 'Content filtering'."""
    return {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}


def prompt_refused(kind: str, api_version: str, triggers: Triggers) -> Reply:
    """The 400 for a filtered prompt, in the shape of the endpoint kind."""
    if kind == "serverless":
        return _flat() if api_version == "2024-04-01-preview" else _nested()
    return _openai_v1(triggers) if kind == "openai-v1" else _azure_openai(triggers)


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


def _azure_openai(triggers: Triggers) -> Reply:
    """E2, `innererror` and a singular result. Source: public reports of Azure OpenAI."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": results(triggers, jailbreak=True)}
    body = _nested().body
    body["error"]["innererror"] = inner
    return Reply(400, body)


def _openai_v1(triggers: Triggers) -> Reply:
    """E3, `inner_error` and plural results. Source: public report of Azure OpenAI."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results(triggers, jailbreak=True)}
    error = {"inner_error": inner, "code": "content_filter", "message": _MESSAGE, "param": "prompt", "type": None}
    return Reply(400, {"error": error})
