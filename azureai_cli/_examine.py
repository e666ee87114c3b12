"""The examination of a deployment: reach it, get in, see what it is, ask what it can do. No output."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from azureai_core import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    AzureAIError,
    Endpoint,
    InferenceClient,
    ModelInfo,
    NotFoundError,
    PermissionDeniedError,
    profile_for,
)

from ._bench import Bench, Finding, Outcome, Probe, Verdict, run
from ._connect import Exit, Target
from ._diagnosis import Problem, blames_version, diagnose, is_web_page, said, wrong_version
from ._probes import CHAT, EMBEDDINGS, HELLO

Task = Literal["chat", "embeddings"]
PROBES: dict[Task, tuple[Probe, ...]] = {"chat": CHAT, "embeddings": EMBEDDINGS}
Step = Callable[[str], object]
_NO_INFO = {404, 405, 424}


@dataclass
class Report:
    """All that an examination found."""

    target: Target
    info: ModelInfo | None = None
    info_said: str = ""
    auth: list[tuple[str, Outcome]] = field(default_factory=list)
    task: Task | None = None
    findings: list[Finding] = field(default_factory=list)
    problem: Problem | None = None
    requests: int = 0
    tokens: int = 0

    @property
    def exit(self) -> Exit:
        """How the command ends."""
        return self.problem.exit if self.problem else Exit.FINE

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes by the probe's name."""
        return {finding.probe.name: finding.outcome for finding in self.findings}


def cost(only: Task | None) -> tuple[int, int]:
    """At most how many requests an examination sends, and about how many tokens they use."""
    plans = [PROBES[only]] if only else list(PROBES.values())
    calls = max(sum(probe.calls for probe in plan) for plan in plans)
    tokens = max(sum(probe.tokens for probe in plan) for plan in plans)
    return calls + _FREE_CALLS + (only is None), round(tokens, -2)


_FREE_CALLS = 6
"""`/info`, two knocks for each header of a key or for the token, and another api-version after a refusal."""


def steps(only: Task | None) -> int:
    """How often `on_step` is called, at most."""
    return 2 + max(len(PROBES[task]) for task in ([only] if only else PROBES))


def examine(target: Target, only: Task | None, on_step: Step) -> Report:
    """The report on a deployment; what stops the examination is its `problem`."""
    report = Report(target)
    with target.client(negotiate=False) as client:
        bench = Bench(client)
        try:
            _examine(report, bench, only, on_step)
        except AzureAIError as error:
            report.problem = _problem(error, report)
        report.requests += bench.requests
        report.tokens = bench.tokens
    return report


def _examine(report: Report, bench: Bench, only: Task | None, on_step: Step) -> None:
    on_step("/info")
    _read_info(report, bench)
    on_step("credential")
    _try_credentials(report)
    report.task = only or _task(report, bench)
    _check_essential(report.task, bench)
    for finding in run(PROBES[report.task], bench, lambda probe: on_step(probe.label)):
        report.findings.append(finding)


# ------------------------------------------------------------------ what it is


def _read_info(report: Report, bench: Bench) -> None:
    """Asks `/info`, which only single-model endpoints have. Raises when nothing can be reached at all."""
    report.requests += 1
    try:
        report.info = bench.client.info()
    except APIConnectionError:
        raise
    except APIStatusError as error:
        missing = error.status_code in _NO_INFO
        report.info_said = (
            f"not served here ({error.status_code})" if missing else f"{error.status_code}: {said(error)}"
        )
    except AzureAIError as error:
        report.info_said = said(error)


def _task(report: Report, bench: Bench) -> Task:
    """What the deployment is for: as `/info` says, else by its name, else by trying."""
    if report.info is not None and "embedding" in report.info.model_type:
        return "embeddings"
    name = report.info.model_name if report.info else report.target.model or report.target.endpoint.base_url
    if report.info is None and profile_for(name).embeddings:
        return "embeddings"
    try:
        bench.hello = bench.complete(HELLO)
    except APIStatusError as error:
        if error.status_code in {400, 404, 405, 422, 424} and _embeds(bench):
            return "embeddings"
        raise
    return "chat"


def _embeds(bench: Bench) -> bool:
    try:
        bench.vector = bench.embed(["Hello"]).vectors[0]
    except AzureAIError:
        return False
    return True


def _check_essential(task: Task, bench: Bench) -> None:
    """Raises the error of a deployment that does not do the one thing it is for."""
    probe = PROBES[task][0]
    probe.run(bench)


# ------------------------------------------------------------------ who may come in


def _try_credentials(report: Report) -> None:
    target = report.target
    if target.secret.key:
        report.auth += [(f"Key as {name}", _try_header(report, other)) for name, other in _KEY_HEADERS]
    if target.secret.entra:
        scope = target.scope or target.endpoint.token_scope
        report.auth.append((f"Entra token for {scope}", _try_token(report)))


_KEY_HEADERS = (("Authorization: Bearer", "api-key"), ("api-key", "authorization"))
"""Each header, and the other one, which is left out then. Source: kinds disagree on which they read."""


def _try_header(report: Report, left_out: str) -> Outcome:
    """Whether the key works in one header alone."""
    import httpx  # noqa: PLC0415  loaded by now

    def leave_out(request: httpx.Request) -> None:
        request.headers.pop(left_out, None)

    target = replace(report.target, secret=report.target.secret.as_key())
    with httpx.Client(event_hooks={"request": [leave_out]}, timeout=target.timeout or 60.0) as http:
        return _let_in(report, target, http)


def _try_token(report: Report) -> Outcome:
    return _let_in(report, report.target)


def _let_in(report: Report, target: Target, http: object = None) -> Outcome:
    """Whether a credential gets past the door: what is refused then is the empty request, which costs nothing."""
    with target.client(negotiate=False, http_client=http) as client:
        for knock in (_empty_chat, _empty_embeddings):
            report.requests += 1
            outcome = _knock(knock, client)
            if outcome is not None:
                return outcome
    return Outcome(Verdict.UNCLEAR, "404")


def _knock(knock: Callable[[InferenceClient], object], client: InferenceClient) -> Outcome | None:
    """What a door said, or `None` where there is none."""
    try:
        knock(client)
    except (AuthenticationError, PermissionDeniedError) as error:
        return Outcome(Verdict.NO, f"{error.status_code}: {said(error)}")
    except NotFoundError as error:  # to say that a deployment is not there, the service has let us in
        return Outcome(Verdict.YES) if error.code == "DeploymentNotFound" else None
    except APIStatusError as error:
        unclear = error.status_code in {405, 429} or error.status_code >= 500 or is_web_page(error)  # noqa: PLR2004
        return Outcome(Verdict.UNCLEAR, f"{error.status_code}: {said(error)}") if unclear else Outcome(Verdict.YES)
    except AzureAIError as error:
        return Outcome(Verdict.UNCLEAR, said(error))
    return Outcome(Verdict.YES)


def _empty_chat(client: InferenceClient) -> object:
    return client.complete({"messages": []})


def _empty_embeddings(client: InferenceClient) -> object:
    return client.embed(["-"], extra={"input": []})


# ------------------------------------------------------------------ why it failed


def _problem(error: AzureAIError, report: Report) -> Problem:
    """The diagnosis, by experiment where one is free: another api-version, no token spent."""
    target = report.target
    works = _working_version(error, report)
    if works is not None:
        return wrong_version(error, target, works)
    return diagnose(error, target)


def _working_version(error: AzureAIError, report: Report) -> str | None:
    """The kind's default api-version, where the one in use is another and that one gets further."""
    endpoint = report.target.endpoint
    default = Endpoint.parse(endpoint.base_url).api_version
    maybe = isinstance(error, NotFoundError) or blames_version(error)
    if not maybe or default is None or default == endpoint.api_version:
        return None
    report.requests += 1
    with replace(report.target, endpoint=endpoint.with_api_version(default)).client(negotiate=False) as client:
        try:
            _empty_chat(client)
        except NotFoundError:
            return None
        except APIStatusError as later:
            return None if blames_version(later) else default
        except AzureAIError:
            return None
    return default
