"""What this process knows of each deployment: its endpoint and profile, what it refused, and when it may be asked.

One registry, bounded and shared by all clients, threads and event loops. `reset_deployments` empties it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from .endpoints import Endpoint
from .limits import Pause, RateLimit, Throttle
from .profiles import ModelProfile, profile_for

MAX_DEPLOYMENTS = 1024
"""Deployments that are remembered; the one that was used least recently is forgotten first."""
_MAX_THROTTLES = 16
"""Limits that the clients of one deployment may set side by side."""


@dataclass
class RouteState:
    """What one route of a deployment has refused so far."""

    withdrawn: set[str] = field(default_factory=set)
    """Our own additions that it does not take."""
    dropped: set[str] = field(default_factory=set)
    """Parameters of callers that it does not take."""
    limit_field: str | None = None
    """How it wants the output limit to be spelt."""
    max_batch: int | None = None
    """How many inputs of one embeddings request it takes."""


class DeploymentState:
    """What was learnt of a deployment; shared by all that use it."""

    def __init__(self) -> None:
        self.pause = Pause()
        self.refused_modes: set[str] = set()
        """Mechanisms of structured output that the model does not have."""
        self._routes: dict[tuple[str | None, str], RouteState] = {}
        self._throttles: OrderedDict[RateLimit | None, Throttle] = OrderedDict()
        self.renew_lock()

    def renew_lock(self) -> None:
        """At first, and in a forked child: a thread that held the lock is not there to release it."""
        self._lock = Lock()
        self.pause.lock = Lock()

    def route(self, route: str, api_version: str | None) -> RouteState:
        """What a route has refused at an api-version."""
        with self._lock:
            return self._routes.setdefault((api_version, route), RouteState())

    def throttle(self, limit: RateLimit | None) -> Throttle:
        """The one throttle of this process for a limit on this deployment."""
        with self._lock:
            throttle = self._throttles.get(limit)
            if throttle is None:
                throttle = self._throttles[limit] = Throttle(limit, self.pause)
            self._throttles.move_to_end(limit)
            if len(self._throttles) > _MAX_THROTTLES:
                self._throttles.popitem(last=False)
            return throttle


@dataclass(frozen=True)
class Deployment:
    """A model behind an endpoint."""

    endpoint: Endpoint
    model: str | None
    """The deployment's name, as it is sent; `None` where the URL serves one model."""
    base_model: str | None
    """The catalogue's name of the model, where the deployment's name does not tell. A hint, never sent."""
    profile: ModelProfile
    state: DeploymentState

    def route(self, route: str) -> RouteState:
        """What a route of the deployment has refused so far."""
        return self.state.route(route, self.endpoint.api_version)


_Key = tuple[str, str | None]
_states: OrderedDict[_Key, DeploymentState] = OrderedDict()
_states_lock = Lock()


def deployment_for(endpoint: Endpoint, model: str | None, base_model: str | None = None) -> Deployment:
    """The deployment of this name at an endpoint, with what this process has learnt of it."""
    profile = profile_for(base_model or model or endpoint.model_in_url)
    return Deployment(endpoint, model, base_model, profile, _state_of((endpoint.base_url, model)))


def _state_of(key: _Key) -> DeploymentState:
    with _states_lock:
        state = _states.get(key)
        if state is None:
            state = _states[key] = DeploymentState()
        _states.move_to_end(key)
        if len(_states) > MAX_DEPLOYMENTS:
            _states.popitem(last=False)
        return state


def reset_deployments() -> None:
    """Forgets what deployments have refused, their pauses and limits: for tests, and for redeployed models."""
    with _states_lock:
        _states.clear()


def _after_fork() -> None:
    """In the child: a thread that held one of the locks is not there to release it."""
    global _states_lock  # noqa: PLW0603
    _states_lock = Lock()
    for state in _states.values():
        state.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
