"""Why a call failed: the most likely cause, what to do, and how the command ends. Pure, no I/O."""

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
    Kind,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamError,
)

from ._connect import Exit, Target, clean


@dataclass(frozen=True)
class Problem:
    """What failed, why most likely, and what to do."""

    exit: Exit
    what: str
    cause: str
    fix: str
    status: int | None = None

    def sentence(self) -> str:
        """All of it in a line."""
        said = f"{self.status}: {self.what}" if self.status else self.what
        return f"{self.cause} {self.fix} ({said})" if self.cause else self.what


BASE_URLS = {
    Kind.SERVERLESS: "https://NAME.REGION.models.ai.azure.com",
    Kind.MANAGED: "https://NAME.REGION.inference.ml.azure.com",
    Kind.MODELS: "https://RESOURCE.services.ai.azure.com/models",
    Kind.DEPLOYMENT: "https://RESOURCE.openai.azure.com/openai/deployments/NAME",
    Kind.V1: "https://RESOURCE.openai.azure.com/openai/v1",
    Kind.GITHUB: "https://models.github.ai/inference",
    Kind.COMPATIBLE: "https://HOST/v1",
}
"""What users paste for each kind. Source: 'Endpoints for Azure AI Foundry Models'."""


def diagnose(error: AzureAIError, target: Target) -> Problem:
    """The problem behind an error."""
    rule = next(rule for kind, rule in _RULES if isinstance(error, kind))
    return rule(error, target)


def said(error: Exception, limit: int = 110) -> str:
    """What the service said, in short: its own sentence, without our advice and the address."""
    text = clean(str(error)).split(" [", 1)[0] if isinstance(error, APIStatusError) else clean(str(error))
    text = _ADVICE.split(text)[0]
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


# How the sentences begin that the core adds to the service's own.
_ADVICE = re.compile(
    r" (?:Refused: |Check the |Leave it out|This deployment has no tool|In Python: |The route |Shorten the messages|"
    r"The prompt was filtered|Redirects are not|With Entra ID|Send fewer|The service asks to wait|Raise the deployment)"
)


def _configuration(error: AzureAIError, target: Target) -> Problem:
    if "gave no token" not in error.message:
        return Problem(Exit.USAGE, clean(error.message), "", "")
    scope = target.scope or target.endpoint.token_scope
    return Problem(
        Exit.UNAUTHORISED,
        said(error, 300),
        f"Nobody is signed in here, or not for the scope {scope}.",
        "Sign in (az login), set the environment of a service principal, or use a key.",
    )


def _timeout(error: AzureAIError, target: Target) -> Problem:
    return Problem(
        Exit.UNREACHABLE,
        clean(error.message),
        "A firewall or private network drops the packets, or the model needs longer." + _proxies(),
        f"Open {target.endpoint.base_url} from this machine with another tool, or raise --timeout.",
    )


# What systems and TLS libraries say → cause and fix.
_NETWORK = (
    (
        r"name or service|nodename nor servname|getaddrinfo|name resolution|no address associated",
        "The host name does not exist, or the name server of this network does not know it.",
        "Compare the host with the portal, letter by letter; for a private endpoint, join its network.",
    ),
    (
        r"certificate verify failed|self.signed|unable to get local issuer",
        "The certificate is not one that this machine trusts: often a company proxy that opens TLS.",
        "Set SSL_CERT_FILE to the company's root certificate; do not turn the check off.",
    ),
    (
        r"wrong.version.number|record layer|unexpected.eof|handshake|tlsv1|ssl",
        "What answers there does not speak TLS as https:// needs it: another port, or a proxy in between.",
        "Check scheme and port of the URL.",
    ),
    (r"refused", "Nothing listens at that host and port.", "Check host and port, and that the server runs."),
    (
        r"unreachable|no route",
        "There is no way to that address from this network.",
        "Check the network, VPN and firewall.",
    ),
)


def _connection(error: AzureAIError, _target: Target) -> Problem:
    text = error.message.lower()
    found = next((rule[1:] for rule in _NETWORK if re.search(rule[0], text)), None)
    cause, fix = found or ("The connection broke before an answer came.", "Try again; check proxies and firewalls.")
    return Problem(Exit.UNREACHABLE, clean(error.message), cause + _proxies(), fix)


def _proxies() -> str:
    """A hint, where the environment sends requests through a proxy."""
    names = [name for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if os.environ.get(name) or _lower(name)]
    return f" Requests go through a proxy, since {' and '.join(names)} is set." if names else ""


def _lower(name: str) -> str | None:
    return os.environ.get(name.lower())


def _unauthorised(error: AzureAIError, target: Target) -> Problem:
    if not target.secret.entra:
        cause = f"The key in {target.secret.variable} is not one of this endpoint's: each endpoint has its own."
        return _status_problem(Exit.UNAUTHORISED, error, cause, "Copy the key from the page that shows this very URL.")
    own = target.endpoint.token_scope
    if target.scope and target.scope != own:
        cause = f"The token was asked for the scope {target.scope}; an endpoint of this kind takes {own}."
        return _status_problem(Exit.UNAUTHORISED, error, cause, "Leave --scope out.")
    cause = "The identity has no role on this resource, or the token is for another tenant or scope."
    fix = "Give it the role Cognitive Services User (Azure AI Developer on a serverless endpoint), or use a key."
    return _status_problem(Exit.UNAUTHORISED, error, cause, fix)


def _forbidden(error: AzureAIError, _target: Target) -> Problem:
    network = re.search(r"public access|private endpoint|virtual network|firewall", error.message, re.IGNORECASE)
    if network:
        cause, fix = "The resource takes no calls from this network.", "Join its network, or add this address to it."
    else:
        cause, fix = "The credential is known, but may not do this.", "Give it the role Cognitive Services User."
    return _status_problem(Exit.UNAUTHORISED, error, cause, fix)


def _limited(error: AzureAIError, _target: Target) -> Problem:
    return _status_problem(
        Exit.FAILED, error, "The deployment's quota of requests or tokens is used up.", "Wait, or raise its quota."
    )


def _broken(error: AzureAIError, target: Target) -> Problem:
    if isinstance(error, APIStatusError) and error.status_code == 501:  # noqa: PLR2004  a plain web server on POST
        return _refused(error, target)
    return _status_problem(
        Exit.FAILED, error, "The service or the model's container failed.", "Try again; see the deployment's logs."
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
    return _status_problem(Exit.FAILED, error, "The content filter refused this.", "Change the words, or the filter.")


def _cut(error: AzureAIError, _target: Target) -> Problem:
    return _status_problem(Exit.FAILED, error, "The stream broke off before its end.", "Ask again.")


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
    return Problem(Exit.FAILED, clean(error.message), "The answer is not what was asked for.", "Try again.")


def _by_status(error: APIStatusError, target: Target) -> Problem:
    if 300 <= error.status_code < 400:  # noqa: PLR2004
        cause = "The URL points elsewhere; redirects are not followed, so that the credential stays here."
        return _status_problem(Exit.NOT_FOUND, error, cause, "Use the final URL.")
    if error.context_exceeded:
        return _status_problem(Exit.FAILED, error, "The prompt is longer than the model's context.", "Shorten it.")
    if error.status_code in {405, 501}:
        return _wrong_route(error, target)
    if error.code == "OperationNotSupported":
        return _other_kind(error)
    cause = "The deployment does not take this request."
    return _status_problem(Exit.FAILED, error, cause, "See what it says; `azureai doctor` lists what it takes.")


def blames_version(error: AzureAIError) -> bool:
    """Whether the service says that the api-version is the trouble."""
    return bool(re.search(r"api.version", said(error, 1000), re.IGNORECASE))


def unknown_deployment(error: AzureAIError, target: Target) -> Problem:
    """The resource is right, the deployment's name is not."""
    if target.endpoint.kind is Kind.DEPLOYMENT:
        name = target.endpoint.base_url.rsplit("/", 1)[-1]
        fix = "Correct the name at the end of the URL: it is the deployment's own, often not the model's."
    else:
        name, fix = str(target.model), "Correct --model: it is the deployment's own name, often not the model's."
    return _status_problem(Exit.NOT_FOUND, error, f"This resource has no deployment called {name!r}.", fix)


def wrong_version(error: AzureAIError, target: Target, works: str | None = None) -> Problem:
    """The api-version is not known there; `works` is one that was tried and is."""
    cause = f"The service does not know the api-version {target.endpoint.api_version}."
    fix = f"Use api-version {works}, which it takes." if works else "Leave --api-version out, also in the URL."
    return _status_problem(Exit.NOT_FOUND, error, cause, fix)


def not_the_api(error: AzureAIError, target: Target) -> Problem:
    """Something answers, but not this API."""
    cause = "What answers there is a web server or gateway, not the API."
    return _status_problem(Exit.NOT_FOUND, error, cause, _paste(target))


def is_web_page(error: APIStatusError) -> bool:
    """Whether the body is HTML."""
    return isinstance(error.body, str) and bool(
        re.match(r"\s*<(!doctype|html|head|body|\?xml)", error.body, re.IGNORECASE)
    )


def _wrong_route(error: AzureAIError, target: Target) -> Problem:
    cause = f"The path is not one that is served there (it was read as kind '{target.endpoint.kind}')."
    return _status_problem(Exit.NOT_FOUND, error, cause, _paste(target))


def _other_kind(error: AzureAIError) -> Problem:
    cause = "The deployment holds a model of another kind: chat, where embeddings are asked for, or the reverse."
    return _status_problem(Exit.NOT_FOUND, error, cause, "Choose another deployment, or another command.")


def _paste(target: Target) -> str:
    return (
        f"Copy the target URI from the deployment's page; for this kind it is like {BASE_URLS[target.endpoint.kind]}."
    )


def _status_problem(code: Exit, error: AzureAIError, cause: str, fix: str) -> Problem:
    status = error.status_code if isinstance(error, APIStatusError) else None
    return Problem(code, said(error, 300), cause, fix, status)


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
