"""Why a call failed: the most likely cause, what to do, and the exit code. No I/O."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from azureai_core import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    AzureAIError,
    ConfigurationError,
    ContentFilterError,
    EndpointKind,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
)

from ._connect import ExitCode, Target, printable


@dataclass(frozen=True)
class Problem:
    """What failed, why most likely, and what to do."""

    exit_code: ExitCode
    what: str
    cause: str
    fix: str
    status: int | None = None

    def sentence(self) -> str:
        """All of it in one line."""
        what = f"{self.status}: {self.what}" if self.status else self.what
        return f"{self.cause} {self.fix} ({what})" if self.cause else self.what


BASE_URLS = {
    EndpointKind.SERVERLESS: "https://NAME.REGION.models.ai.azure.com",
    EndpointKind.MANAGED: "https://NAME.REGION.inference.ml.azure.com",
    EndpointKind.MODELS: "https://RESOURCE.services.ai.azure.com/models",
    EndpointKind.DEPLOYMENT: "https://RESOURCE.openai.azure.com/openai/deployments/NAME",
    EndpointKind.V1: "https://RESOURCE.openai.azure.com/openai/v1",
    EndpointKind.GITHUB: "https://models.github.ai/inference",
    EndpointKind.COMPATIBLE: "https://HOST/v1",
}
"""The form of the URL for each kind. Source: 'Endpoints for Azure AI Foundry Models'."""


def diagnose(error: AzureAIError, target: Target) -> Problem:
    """The problem that an error indicates."""
    rule = next(rule for kind, rule in _RULES if isinstance(error, kind))
    return rule(error, target)


def service_message(error: Exception, limit: int = 110) -> str:
    """The service's own sentence, shortened, without our advice and the URL."""
    text = printable(str(error)).split(" [", 1)[0] if isinstance(error, APIStatusError) else printable(str(error))
    text = _ADVICE.split(text)[0]
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


# The beginnings of the sentences that the core adds to the service's message.
_ADVICE = re.compile(
    r" (?:Refused: |Check the |Leave it out|This deployment has no tool|In Python: |The route |Shorten the messages|"
    r"The prompt was filtered|Redirects are not|With Entra ID|Send fewer|The service asks to wait|Raise the deployment)"
)


def _configuration(error: AzureAIError, target: Target) -> Problem:
    if "gave no token" not in error.message:
        return Problem(ExitCode.USAGE, printable(error.message), "", "")
    scope = target.scope or target.endpoint.token_scope
    return Problem(
        ExitCode.UNAUTHORISED,
        service_message(error, 300),
        f"No user is signed in, or not for the scope {scope}.",
        "Sign in (az login), set the environment of a service principal, or use a key.",
    )


def _timeout(error: AzureAIError, target: Target) -> Problem:
    return Problem(
        ExitCode.UNREACHABLE,
        printable(error.message),
        "A firewall or private network drops the packets, or the model takes longer." + _proxies(),
        f"Open {target.endpoint.base_url} from this machine with another tool, or raise --timeout.",
    )


# Messages of operating systems and TLS libraries → cause and fix.
_NETWORK = (
    (
        r"name or service|nodename nor servname|getaddrinfo|name resolution|no address associated",
        "The host name does not exist, or the name server of this network does not know it.",
        "Compare the host with the portal, letter by letter; for a private endpoint, join its network.",
    ),
    (
        r"certificate verify failed|self.signed|unable to get local issuer",
        "This machine does not trust the certificate: often a company proxy decrypts TLS.",
        "Set SSL_CERT_FILE to the company's root certificate; do not disable verification.",
    ),
    (
        r"wrong.version.number|record layer|unexpected.eof|handshake|tlsv1|ssl",
        "The server there does not speak TLS, which https:// needs: a wrong port, or a proxy in between.",
        "Check scheme and port of the URL.",
    ),
    (r"refused", "Nothing listens at that host and port.", "Check host and port, and that the server is running."),
    (
        r"unreachable|no route",
        "There is no route to that address from this network.",
        "Check the network, VPN and firewall.",
    ),
)


def _connection(error: AzureAIError, _target: Target) -> Problem:
    text = error.message.lower()
    found = next((rule[1:] for rule in _NETWORK if re.search(rule[0], text)), None)
    cause, fix = found or ("The connection broke before the response began.", "Try again; check proxies and firewalls.")
    return Problem(ExitCode.UNREACHABLE, printable(error.message), cause + _proxies(), fix)


def _proxies() -> str:
    """A hint, if the environment names a proxy."""
    names = [name for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if os.environ.get(name) or _lower(name)]
    return f" Requests go through a proxy, because {' and '.join(names)} is set." if names else ""


def _lower(name: str) -> str | None:
    return os.environ.get(name.lower())


def _unauthorised(error: AzureAIError, target: Target) -> Problem:
    if not target.secret.entra:
        cause = f"The key in {target.secret.variable} does not belong to this endpoint: each endpoint has its own keys."
        return _status_problem(
            ExitCode.UNAUTHORISED, error, cause, "Copy the key from the portal page that shows this URL."
        )
    own = target.endpoint.token_scope
    if target.scope and target.scope != own:
        cause = f"The token is for the scope {target.scope}; an endpoint of this kind expects {own}."
        return _status_problem(ExitCode.UNAUTHORISED, error, cause, "Omit --scope.")
    cause = "The identity has no role on this resource, or the token is for another tenant or scope."
    fix = "Give it the role Cognitive Services User (Azure AI Developer on a serverless endpoint), or use a key."
    return _status_problem(ExitCode.UNAUTHORISED, error, cause, fix)


def _forbidden(error: AzureAIError, _target: Target) -> Problem:
    network = re.search(r"public access|private endpoint|virtual network|firewall", error.message, re.IGNORECASE)
    if network:
        cause, fix = (
            "The resource accepts no calls from this network.",
            "Join its network, or allow this address there.",
        )
    else:
        cause, fix = "The credential is valid, but not allowed to do this.", "Give it the role Cognitive Services User."
    return _status_problem(ExitCode.UNAUTHORISED, error, cause, fix)


def _limited(error: AzureAIError, _target: Target) -> Problem:
    return _status_problem(
        ExitCode.FAILED, error, "The deployment's quota of requests or tokens is used up.", "Wait, or raise its quota."
    )


def _broken(error: AzureAIError, target: Target) -> Problem:
    if isinstance(error, APIStatusError) and error.status_code == 501:  # noqa: PLR2004  a plain web server on POST
        return _refused(error, target)
    return _status_problem(
        ExitCode.FAILED, error, "The service or the model's container failed.", "Try again; see the deployment's logs."
    )


def _missing(error: AzureAIError, target: Target) -> Problem:
    if not isinstance(error, APIStatusError) or is_web_page(error):
        return not_the_api(error, target)
    if error.code in {"DeploymentNotFound", "unknown_model"}:
        return unknown_deployment(error, target)
    if "ms-azureml-model-error-statuscode" in error.response.headers:  # the model's own container says so (E7)
        return _other_kind(error)
    return _wrong_route(error, target)


def _filtered(error: AzureAIError, _target: Target) -> Problem:
    return _status_problem(
        ExitCode.FAILED, error, "The content filter refused this.", "Change the text, or the filter."
    )


def _cut(error: AzureAIError, _target: Target) -> Problem:
    return _status_problem(ExitCode.FAILED, error, "The stream was interrupted.", "Ask again.")


def _refused(error: AzureAIError, target: Target) -> Problem:
    if not isinstance(error, APIStatusError):
        return not_the_api(error, target) if "answered" in error.message else _incomplete(error)
    if is_web_page(error):
        return not_the_api(error, target)
    if error.code == "unknown_model":
        return unknown_deployment(error, target)
    if blames_version(error):
        return wrong_version(error, target)
    return _by_status(error, target)


def _incomplete(error: AzureAIError) -> Problem:
    return Problem(ExitCode.FAILED, printable(error.message), "The response is not what was requested.", "Try again.")


def _by_status(error: APIStatusError, target: Target) -> Problem:
    if 300 <= error.status_code < 400:  # noqa: PLR2004
        cause = "The URL redirects; redirects are not followed, so that the credential is not sent elsewhere."
        return _status_problem(ExitCode.NOT_FOUND, error, cause, "Use the final URL.")
    if error.context_exceeded:
        return _status_problem(ExitCode.FAILED, error, "The prompt is longer than the model's context.", "Shorten it.")
    if error.status_code in {405, 501}:
        return _wrong_route(error, target)
    if error.code == "OperationNotSupported":
        return _other_kind(error)
    cause = "The deployment does not accept this request."
    return _status_problem(ExitCode.FAILED, error, cause, "Read its message; `azureai doctor` lists what it accepts.")


def blames_version(error: AzureAIError) -> bool:
    """Whether the service's message is about the api-version."""
    return bool(re.search(r"api.version", service_message(error, 1000), re.IGNORECASE))


def unknown_deployment(error: AzureAIError, target: Target) -> Problem:
    """The resource exists, but it has no deployment of that name."""
    if target.endpoint.kind is EndpointKind.DEPLOYMENT:
        name = target.endpoint.base_url.rsplit("/", 1)[-1]
        fix = (
            "Correct the name at the end of the URL: it is the deployment's name, which often differs from the model's."
        )
    else:
        name, fix = (
            str(target.model),
            "Correct --model: it is the deployment's name, which often differs from the model's.",
        )
    return _status_problem(ExitCode.NOT_FOUND, error, f"This resource has no deployment called {name!r}.", fix)


def wrong_version(error: AzureAIError, target: Target, works: str | None = None) -> Problem:
    """The service does not know the api-version; `works` is one that was tried successfully."""
    cause = f"The service does not know the api-version {target.endpoint.api_version}."
    fix = f"Use api-version {works}, which it accepts." if works else "Omit the api-version, also in the URL."
    return _status_problem(ExitCode.NOT_FOUND, error, cause, fix)


def not_the_api(error: AzureAIError, target: Target) -> Problem:
    """Something answered, but it is not this API."""
    cause = "A web server or gateway answered, not the API."
    return _status_problem(ExitCode.NOT_FOUND, error, cause, _url_hint(target))


def is_web_page(error: APIStatusError) -> bool:
    """Whether the body is HTML."""
    return isinstance(error.body, str) and bool(
        re.match(r"\s*<(!doctype|html|head|body|\?xml)", error.body, re.IGNORECASE)
    )


def _wrong_route(error: AzureAIError, target: Target) -> Problem:
    cause = f"The server does not serve this path (the URL was recognised as kind '{target.endpoint.kind}')."
    return _status_problem(ExitCode.NOT_FOUND, error, cause, _url_hint(target))


def _other_kind(error: AzureAIError) -> Problem:
    cause = "The deployment's model is of another kind: a chat model where embeddings are needed, or the reverse."
    return _status_problem(ExitCode.NOT_FOUND, error, cause, "Choose another deployment, or another command.")


def _url_hint(target: Target) -> str:
    example = BASE_URLS[target.endpoint.kind]
    return f"Copy the target URI from the deployment's page; for this kind it looks like {example}."


def _status_problem(code: ExitCode, error: AzureAIError, cause: str, fix: str) -> Problem:
    status = error.status_code if isinstance(error, APIStatusError) else None
    return Problem(code, service_message(error, 300), cause, fix, status)


_RULES: tuple[tuple[type[AzureAIError], Callable[[AzureAIError, Target], Problem]], ...] = (
    (ConfigurationError, _configuration),
    (APITimeoutError, _timeout),
    (APIConnectionError, _connection),
    (ContentFilterError, _filtered),
    (StreamError, _cut),
    (AuthenticationError, _unauthorised),
    (PermissionDeniedError, _forbidden),
    (NotFoundError, _missing),
    (RateLimitError, _limited),
    (ServerError, _broken),
    (AzureAIError, _refused),
)
