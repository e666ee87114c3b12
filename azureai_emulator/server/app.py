"""The ASGI application: paths and what answers them."""

from starlette.routing import Route, Router

from azureai_emulator.page import files
from azureai_emulator.wire import errors
from azureai_emulator.wire.asgi import Receive, Scope, Send, send_reply

from . import control
from .gateway import Gateway
from .state import State
from .tape_route import TapeRoute


def create_app(state: State) -> Router:
    """The application that serves the deployments of `state`."""
    if state.tape is not None:
        routes = [*_control_routes(state), Route("/{path:path}", TapeRoute(state, state.tape))]
        return Router(routes, redirect_slashes=False)
    return Router(
        [
            Route("/serverless/{name}/{route:path}", Gateway(state, "serverless")),
            Route("/models/{route:path}", Gateway(state, "models")),
            Route("/openai/deployments/{name}/{route:path}", Gateway(state, "openai-deployment")),
            Route("/openai/v1/{route:path}", Gateway(state, "openai-v1")),
            Route("/github/inference/{route:path}", Gateway(state, "github")),
            Route("/github/orgs/{org}/inference/{route:path}", Gateway(state, "github")),
            Route("/github/{route:path}", Gateway(state, "github")),
            *_control_routes(state),
        ],
        default=_not_found,
        redirect_slashes=False,
    )


def _control_routes(state: State) -> list[Route]:
    def route(path: str, **actions: control.Action) -> Route:
        return Route(path, control.Control(state.sessions, state.catalog, state.url, **actions))

    return [
        Route("/", files.File("index.html", "text/html; charset=utf-8")),
        Route("/_emulator/page.css", files.File("page.css", "text/css; charset=utf-8")),
        Route("/_emulator/page.js", files.File("page.js", "text/javascript; charset=utf-8")),
        route("/_emulator/exchanges", GET=control.list_exchanges, DELETE=control.clear_exchanges),
        route("/_emulator/exchanges/{number}", GET=control.show_exchange),
        Route("/health", control.Health()),
        route("/deployments", GET=control.list_deployments),
        route("/_emulator/faults", GET=control.list_faults, POST=control.add_faults, DELETE=control.clear_faults),
    ]


async def _not_found(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_reply(send, errors.resource_not_found(), {})
