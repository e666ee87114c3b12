"""The routes of each endpoint kind, and what they answer."""

from collections.abc import Callable, Mapping

from azureai_emulator.catalog.deployments import Catalog
from azureai_emulator.catalog.kinds import Kind
from azureai_emulator.wire import errors
from azureai_emulator.wire.errors import Refusal, Reply, ServiceError
from azureai_emulator.wire.stream import Stream

from . import fields, request
from .chat import chat
from .embeddings import embeddings, image_embeddings
from .request import Incoming, Task
from .text_completions import text

_ROUTES: Mapping[Kind, frozenset[str]] = {
    "serverless": frozenset({"chat/completions", "completions", "embeddings", "images/embeddings"}),
    "models": frozenset({"chat/completions", "embeddings", "images/embeddings"}),
    "openai-deployment": frozenset({"chat/completions", "completions", "embeddings"}),
    "openai-v1": frozenset({"chat/completions", "completions", "embeddings"}),
    "github": frozenset({"chat/completions", "embeddings"}),
}


def find_task(incoming: Incoming, catalog: Catalog) -> Task | Reply:
    """The task for a deployment, or the reply of a route without one."""
    special = _SPECIAL_ROUTES.get((incoming.kind, incoming.route))
    if special is not None:
        return special(incoming, catalog)
    if incoming.route not in _ROUTES[incoming.kind]:
        return errors.resource_not_found()
    if incoming.method != "POST":
        return errors.method_not_allowed("POST")
    version = request.api_version(incoming)
    body = request.parse_body(incoming)
    deployment = request.find_deployment(incoming, body, catalog)
    return Task(incoming.kind, incoming.route, deployment, body, version, bool(body.get("model")))


def _info(incoming: Incoming, catalog: Catalog) -> Reply:
    """`GET /info`. Source: recorded serverless answer."""
    if incoming.method != "GET":
        return errors.method_not_allowed("GET")
    request.api_version(incoming)
    deployment = request.find_deployment(incoming, {}, catalog)
    body = {
        "model_name": deployment.profile.served_name or deployment.name,
        "model_type": "chat-completion" if deployment.profile.task == "chat" else "embedding",
        "model_provider_name": deployment.profile.provider,
    }
    return Reply(200, body)


def _model_list(incoming: Incoming, catalog: Catalog) -> Reply:
    if incoming.method != "GET":
        return errors.method_not_allowed("GET")
    served = [item for item in catalog.deployments if "openai-v1" in item.kinds]
    return Reply(200, {"object": "list", "data": [{"id": item.name, "object": "model"} for item in served]})


def _github_catalogue(incoming: Incoming, catalog: Catalog) -> Reply:
    """Source: GitHub, 'REST API endpoints for models catalog'."""
    if incoming.method != "GET":
        return errors.method_not_allowed("GET")
    return Reply(200, [item.in_catalogue() for item in catalog.deployments if "github" in item.kinds])


_SPECIAL_ROUTES = {
    ("serverless", "info"): _info,
    ("openai-v1", "models"): _model_list,
    ("github", "catalog/models"): _github_catalogue,
}


def answer(incoming: Incoming, task: Task) -> Reply | Stream:
    """The deployment's answer or error body; a defect of the emulator as a 500 that says so."""
    try:
        fields.check_field_versions(task)
        body = fields.accepted_fields(incoming, task.body, task.profile)
        return _serve(request.with_body(task, body))
    except Refusal as refusal:
        return errors.refusal_reply(refusal, task.style)
    except ServiceError as error:
        return error.reply
    except RecursionError:
        return errors.refusal_reply(Refusal("The request body is nested too deeply."), task.style)
    except Exception as error:  # noqa: BLE001 - whatever happens, the caller gets an answer
        return errors.emulator_defect(error)


Service = Callable[[Task], Reply | Stream]
POST_ROUTES: Mapping[str, tuple[str, Service]] = {
    "chat/completions": ("chat", chat),
    "completions": ("chat", text),
    "embeddings": ("embeddings", embeddings),
    "images/embeddings": ("embeddings", image_embeddings),
}
"""Route → the task that a deployment must have, and the function that answers."""

_OPERATIONS = {
    "chat/completions": "chatCompletion",
    "completions": "completion",
    "images/embeddings": "imageEmbeddings",
}


def _serve(task: Task) -> Reply | Stream:
    """The answer of the deployment; a `Refusal` or `ServiceError` when it refuses."""
    wanted, service = POST_ROUTES[task.route]
    if task.profile.task != wanted or (task.route == "images/embeddings" and not task.profile.images):
        raise ServiceError(_not_served(task))
    return service(task)


def _not_served(task: Task) -> Reply:
    if task.kind == "serverless":
        return errors.route_not_served()
    return errors.operation_not_supported(_OPERATIONS.get(task.route, "embeddings"), task.deployment.name)
