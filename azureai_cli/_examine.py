"""The examination of a deployment: reach it, try the credentials, detect its task, run the probes. No output."""

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

from ._connect import ExitCode, Target
from ._diagnosis import Problem, blames_version, diagnose, is_web_page, service_message, wrong_version
from ._probes import CHAT, EMBEDDINGS, HELLO
from ._probing import Finding, Outcome, Probe, ProbeSession, Verdict, run

Task = Literal["chat", "embeddings"]
PROBES: dict[Task, tuple[Probe, ...]] = {"chat": CHAT, "embeddings": EMBEDDINGS}
Step = Callable[[str], object]
_NO_INFO = {404, 405, 424}


@dataclass
class Report:
    """The results of an examination."""

    target: Target
    info: ModelInfo | None = None
    info_error: str = ""
    auth: list[tuple[str, Outcome]] = field(default_factory=list)
    task: Task | None = None
    findings: list[Finding] = field(default_factory=list)
    problem: Problem | None = None
    requests: int = 0
    tokens: int = 0

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return self.problem.exit_code if self.problem else ExitCode.SUCCESS

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes by probe name."""
        return {finding.probe.name: finding.outcome for finding in self.findings}


def cost(only: Task | None) -> tuple[int, int]:
    """The most requests that an examination sends, and about how many tokens they use."""
    plans = [PROBES[only]] if only else list(PROBES.values())
    calls = max(sum(probe.calls for probe in plan) for plan in plans)
    tokens = max(sum(probe.tokens for probe in plan) for plan in plans)
    return calls + _FREE_CALLS + (only is None), round(tokens, -2)


_FREE_CALLS = 6
"""`/info`, two empty requests per key header or for the token, and one with another api-version after a refusal."""


def steps(only: Task | None) -> int:
    """The most calls of `on_step`."""
    return 2 + max(len(PROBES[task]) for task in ([only] if only else PROBES))


def examine(target: Target, only: Task | None, on_step: Step) -> Report:
    """The report on a deployment; an error that ends the examination is its `problem`."""
    report = Report(target)
    with target.client(negotiate=False) as client:
        session = ProbeSession(client)
        try:
            _examine(report, session, only, on_step)
        except AzureAIError as error:
            report.problem = _problem(error, report)
        report.requests += session.requests
        report.tokens = session.tokens
    return report


def _examine(report: Report, session: ProbeSession, only: Task | None, on_step: Step) -> None:
    on_step("/info")
    _read_info(report, session)
    on_step("credential")
    _try_credentials(report)
    report.task = only or _task(report, session)
    _check_essential(report.task, session)
    for finding in run(PROBES[report.task], session, lambda probe: on_step(probe.label)):
        report.findings.append(finding)


def _read_info(report: Report, session: ProbeSession) -> None:
    """Call `/info`, which only single-model endpoints have. Raises if the endpoint cannot be reached."""
    report.requests += 1
    try:
        report.info = session.client.info()
    except APIConnectionError:
        raise
    except APIStatusError as error:
        missing = error.status_code in _NO_INFO
        report.info_error = (
            f"not served here ({error.status_code})" if missing else f"{error.status_code}: {service_message(error)}"
        )
    except AzureAIError as error:
        report.info_error = service_message(error)


def _task(report: Report, session: ProbeSession) -> Task:
    """What the deployment is for: according to `/info`, else to its name, else to a request."""
    if report.info is not None and "embedding" in report.info.model_type:
        return "embeddings"
    name = report.info.model_name if report.info else report.target.model or report.target.endpoint.base_url
    if report.info is None and profile_for(name).embeddings:
        return "embeddings"
    try:
        session.hello = session.complete(HELLO)
    except APIStatusError as error:
        if error.status_code in {400, 404, 405, 422, 424} and _embeds(session):
            return "embeddings"
        raise
    return "chat"


def _embeds(session: ProbeSession) -> bool:
    try:
        session.vector = session.embed(["Hello"]).vectors[0]
    except AzureAIError:
        return False
    return True


def _check_essential(task: Task, session: ProbeSession) -> None:
    """Raises the error of a deployment that cannot do its main task."""
    probe = PROBES[task][0]
    probe.run(session)


def _try_credentials(report: Report) -> None:
    target = report.target
    if target.secret.key:
        report.auth += [(f"Key as {name}", _try_header(report, other)) for name, other in _KEY_HEADERS]
    if target.secret.entra:
        scope = target.scope or target.endpoint.token_scope
        report.auth.append((f"Entra token for {scope}", _try_token(report)))


_KEY_HEADERS = (("Authorization: Bearer", "api-key"), ("api-key", "authorization"))
"""Each header, and the other one, which is removed. Endpoint kinds differ in which one they read."""


def _try_header(report: Report, removed: str) -> Outcome:
    """Whether the key works without the other header."""
    import httpx  # noqa: PLC0415  imported by now

    def remove_header(request: httpx.Request) -> None:
        request.headers.pop(removed, None)

    target = replace(report.target, secret=report.target.secret.as_key())
    with httpx.Client(event_hooks={"request": [remove_header]}, timeout=target.timeout or 60.0) as http:
        return _check_access(report, target, http)


def _try_token(report: Report) -> Outcome:
    return _check_access(report, report.target)


def _check_access(report: Report, target: Target, http: object = None) -> Outcome:
    """Whether a credential is accepted: then the service refuses only the empty request, which costs nothing."""
    with target.client(negotiate=False, http_client=http) as client:
        for send in (_empty_chat, _empty_embeddings):
            report.requests += 1
            outcome = _access_outcome(send, client)
            if outcome is not None:
                return outcome
    return Outcome(Verdict.UNCLEAR, "404")


def _access_outcome(send: Callable[[InferenceClient], object], client: InferenceClient) -> Outcome | None:
    """Whether the service accepted the credential, or `None` if the route does not exist."""
    try:
        send(client)
    except (AuthenticationError, PermissionDeniedError) as error:
        return Outcome(Verdict.NO, f"{error.status_code}: {service_message(error)}")
    except NotFoundError as error:  # a missing deployment is only reported to an accepted credential
        return Outcome(Verdict.YES) if error.code == "DeploymentNotFound" else None
    except APIStatusError as error:
        unclear = error.status_code in {405, 429} or error.status_code >= 500 or is_web_page(error)  # noqa: PLR2004
        if unclear:
            return Outcome(Verdict.UNCLEAR, f"{error.status_code}: {service_message(error)}")
    except AzureAIError as error:
        return Outcome(Verdict.UNCLEAR, service_message(error))
    return Outcome(Verdict.YES)


def _empty_chat(client: InferenceClient) -> object:
    return client.complete({"messages": []})


def _empty_embeddings(client: InferenceClient) -> object:
    return client.embed(["-"], extra={"input": []})


def _problem(error: AzureAIError, report: Report) -> Problem:
    """The diagnosis; another api-version is tried first where that costs no tokens."""
    target = report.target
    works = _working_version(error, report)
    if works is not None:
        return wrong_version(error, target, works)
    return diagnose(error, target)


def _working_version(error: AzureAIError, report: Report) -> str | None:
    """The kind's default api-version, if another one is in use and the default gets further."""
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
