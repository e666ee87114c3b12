"""The constructor arguments that all classes share, and the client made from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from inspect import signature
from operator import itemgetter
from typing import Any, NamedTuple, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)

from azureai_core import Endpoint, ExtraParameters, InferenceClient, UnsupportedParameters
from azureai_core.adapters import (
    check_client_kwargs,
    endpoint_argument,
    endpoint_of_environment,
    plain_endpoint,
    public_url,
    resolve_arguments,
)

LANGCHAIN_PROVIDER = "azureai"
"""Our name in traces and messages (`ls_provider`, `model_provider`), and of our block translator."""


class _CachedClient(NamedTuple):
    """A client, and the arguments that it was made from."""

    client: InferenceClient
    arguments: tuple[Any, ...]


class ClientConfig(BaseModel):
    """Where requests go and how: the arguments of `azureai_core.InferenceClient`, under LangChain's names too."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        defer_build=True,  # no objects are made of this class, and of those between it and the models
    )

    endpoint: str | Endpoint | None = Field(default_factory=endpoint_of_environment)
    """A URL as the portal shows it, or an `azureai_core.Endpoint`; by default from `AZURE_INFERENCE_ENDPOINT`."""
    credential: Any = Field(default=None, exclude=True, repr=False)
    """A key, a sync or async token credential, or a function that returns a token; else from the environment."""
    model_name: str | None = Field(default=None, alias="model")
    """The deployment's name. Needed where one URL serves many models."""
    base_model: str | None = None
    """The catalogue's name of the model, where the deployment's name does not tell: a hint, never sent."""
    api_version: str | None = None
    """Takes precedence over one in the URL."""
    timeout: Any = None
    """Seconds, or an `httpx.Timeout`; the read part bounds the gap between two events of a stream. Default 600."""
    max_retries: int | None = None
    """Repeats after the first attempt, on 408, 429, 5xx and connection errors. Default 2."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request body, such as `{"safe_prompt": True}`."""
    extra_parameters: ExtraParameters | None = None
    """What the service does with fields outside its schema; by default they are passed through to the model."""
    unsupported_parameters: UnsupportedParameters = "error"
    """`"drop"`: leave out, with a warning, what the model refuses."""
    client_kwargs: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    """Further arguments of `InferenceClient`: `headers`, `http_client`, `retry`, `limits`, `credential_scopes`, …"""

    @model_validator(mode="before")
    @classmethod
    def _resolve_argument_names(cls, values: Any) -> Any:
        """Refuses an argument that does not exist: dropped without a word, a misspelt one would never be noticed."""
        if not isinstance(values, dict):
            return values
        resolved = resolve_arguments(cls.__name__, values, _field_names(cls), _HINTS)
        check_client_kwargs(resolved.get("client_kwargs") or {}, _CLIENT_ARGUMENTS, _CLIENT_HINTS)
        if resolved.get("endpoint") is None:  # so that the environment's is used
            resolved.pop("endpoint", None)
        return _with_model(resolved)

    @field_validator("endpoint", mode="before")
    @classmethod
    def _check_endpoint(cls, value: Any) -> Any:
        return endpoint_argument(value)

    @field_validator("credential", mode="before")
    @classmethod
    def _hide_key(cls, value: Any) -> Any:
        return _hidden(value)

    @property
    def client(self) -> InferenceClient:
        """The client of these arguments; made anew when they have changed, as after `model_copy(update=…)`."""
        if self._cached.arguments != (*_CLIENT_FIELDS(self.__dict__), self.client_kwargs):
            self._cached = self._new_client()
        return self._cached.client

    @cached_property
    def _cached(self) -> _CachedClient:
        return self._new_client()

    def _new_client(self) -> _CachedClient:
        arguments = (*_CLIENT_FIELDS(self.__dict__), dict(self.client_kwargs))
        return _CachedClient(InferenceClient(**self._client_arguments()), arguments)

    @property
    def model(self) -> str | None:
        """The deployment's name."""
        return self.model_name

    def close(self) -> None:
        """Closes the connections of sync code."""
        self._cached.client.close()

    async def aclose(self) -> None:
        """Closes the connections of the running event loop and of sync code."""
        await self._cached.client.aclose()

    def _client_arguments(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "credential": self.credential,
            "model": self.model_name,
            "base_model": self.base_model,
            "api_version": self.api_version,
            "timeout": self.timeout,
            "max_retries": 2 if self.max_retries is None else self.max_retries,
            "extra_parameters": self.extra_parameters,
            "unsupported_parameters": self.unsupported_parameters,
            **self.client_kwargs,
        }

    # ------------------------------------------------------------------ copies, dumps and pickles

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some arguments changed, under any of their names; it asks the new model, at the new endpoint."""
        names = _field_names(type(self))
        changed = resolve_arguments(type(self).__name__, update or {}, names, _HINTS)
        if "client_kwargs" in changed and "client_kwargs" not in (update or {}):
            changed["client_kwargs"] = {**self.client_kwargs, **changed["client_kwargs"]}
        hidden = {"credential": _hidden(changed["credential"])} if "credential" in changed else {}
        return super().model_copy(update={**changed, **hidden}, deep=deep)

    def __repr_args__(self) -> Any:
        return [(name, public_url(v) if name == "endpoint" else v) for name, v in super().__repr_args__()]

    @field_serializer("endpoint")
    def _plain_endpoint(self, value: str | Endpoint | None) -> Any:
        """As it may be written out. One of the environment whose query may hold a key is left there."""
        return None if self._endpoint_stays_in_environment() else plain_endpoint(value)

    def _endpoint_stays_in_environment(self) -> bool:
        return "endpoint" not in self.model_fields_set and self.endpoint != public_url(self.endpoint)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy with a client of its own; what `client_kwargs` holds, such as an httpx client, is shared."""
        return self.__copy__()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        for name in _CACHED:
            copied.__dict__.pop(name, None)
        return copied

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _hidden(value) if name == "credential" else value)
        self.__dict__.pop("_serialized", None)  # langchain-core caches this dump, and cache keys contain it

    def __getstate__(self) -> dict[Any, Any]:
        """Pickles the arguments; the client is made anew."""
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name not in _CACHED}
        if self._endpoint_stays_in_environment():
            fields["endpoint"] = None
        return {**state, "__dict__": fields}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Takes the state of earlier versions too, which lacks the fields that came later."""
        fields = state["__dict__"]
        later = {
            name: info.get_default(call_default_factory=True, validated_data=fields)
            for name, info in type(self).model_fields.items()
            if name not in fields
        }
        endpoint = endpoint_of_environment() if fields.get("endpoint") is None else fields["endpoint"]
        super().__setstate__({**state, "__dict__": {**later, **fields, "endpoint": endpoint}})


def _hidden(credential: Any) -> Any:
    return SecretStr(credential) if isinstance(credential, str) else credential


@cache
def _field_names(cls: Any) -> dict[str, str]:
    """Each name that the class itself knows, fields and their aliases, and the field it stands for."""
    found: dict[str, str] = {}
    for name, info in cls.model_fields.items():
        choices = info.validation_alias
        aliases = choices.choices if isinstance(choices, AliasChoices) else [choices, info.alias]
        found |= dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))], name)
    return found


def _with_model(values: dict[str, Any]) -> dict[str, Any]:
    """The arguments with `client_kwargs["model"]` in its own place, where caches, traces and profiles look for it."""
    kwargs = values.get("client_kwargs") or {}
    if not kwargs.get("model") or values.get("model_name"):
        return values
    rest = {name: value for name, value in kwargs.items() if name != "model"}
    return {**values, "client_kwargs": rest, "model_name": kwargs["model"]}


_CACHED = ("_cached", "_serialized")
"""What an object makes on first use and its copies must make anew: our client, and langchain-core's dump."""

_HINTS = {"embed_batch_size": "it is 'batch_size'"}
_CLIENT_HINTS = {
    **dict.fromkeys(("tools", "tool_choice"), "bind_tools"),
    "response_format": "with_structured_output, or model_kwargs={'response_format': {…}} of the class itself",
    "input_type": "query_input_type and document_input_type of the embeddings class",
}
_CLIENT_FIELDS = itemgetter(
    "endpoint",
    "credential",
    "model_name",
    "base_model",
    "api_version",
    "timeout",
    "max_retries",
    "extra_parameters",
    "unsupported_parameters",
)
_CLIENT_ARGUMENTS = frozenset(signature(InferenceClient).parameters)
