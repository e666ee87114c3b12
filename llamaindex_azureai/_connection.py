"""What all four classes share: where requests go, with what credential, and how that is kept out of everything seen."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from llama_index.core.bridge.pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)
from llama_index.core.schema import BaseComponent

from azureai_core import ConfigurationError, Endpoint, InferenceClient, Kind, ModelInfo, ModelProfile, profile_for

ALIASES = {"api_key": "credential", "base_url": "endpoint", "api_base": "endpoint", "azure_endpoint": "endpoint"}
"""The customary names of other LlamaIndex classes → ours."""

_CLIENT_OPTIONS = frozenset(
    {"headers", "http_client", "async_http_client", "credential_scopes", "limits", "retry", "allow_http_token"}
)
"""Arguments of `InferenceClient` that are no fields here; taken directly or inside `client_kwargs`."""

_OF_THE_SDK: Mapping[str, str] = {
    **dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), "max_retries of the class itself"),
    **dict.fromkeys(
        ("retry_policy", "retry_mode", "retry_backoff_factor", "retry_backoff_max"),
        "retry=azureai_core.RetryPolicy(…)",
    ),
    **dict.fromkeys(
        ("timeout", "read_timeout", "connection_timeout"), "timeout of the class itself, seconds or an httpx.Timeout"
    ),
    **dict.fromkeys(
        [
            "transport",
            "policies",
            "per_call_policies",
            "per_retry_policies",
            "proxies",
            "connection_verify",
            "connection_cert",
        ],
        "http_client=httpx.Client(…) and async_http_client",
    ),
    **dict.fromkeys(
        ("logging_enable", "logging_policy"), "Python's logging; the logger azureai_core tells of each request"
    ),
    **dict.fromkeys(
        ("frequency_penalty", "presence_penalty", "temperature", "top_p", "max_tokens", "stop", "seed"),
        "an argument of the class itself",
    ),
    **dict.fromkeys(("dimensions", "encoding_format"), "an argument of the embeddings class itself"),
    **dict.fromkeys(("model", "model_name"), "model of the class itself"),
    **dict.fromkeys(("model_extras", "response_format", "tools", "tool_choice"), "model_kwargs of the class itself"),
    "input_type": "query_input_type and text_input_type of the embeddings class",
    "user_agent": 'headers={"User-Agent": …}',
    "enforce_https": "allow_http_token",
    "connection_cert": "http_client=httpx.Client(cert=…) and async_http_client",
}
"""Arguments of the retired SDK's client, which `client_kwargs` used to take → what to use instead."""

_OF_CLIENT = frozenset(
    {"endpoint", "credential", "credential_factory", "api_version", "timeout", "max_retries", "extra_parameters"}
    | {"unsupported_parameters", "client_kwargs"}
)
"""Fields that the client is made of."""

_SINGLE_MODEL = {Kind.SERVERLESS, Kind.MANAGED, Kind.DEPLOYMENT}


class LazyCredential:
    """A token credential that its factory makes on first use, so that only the factory has to be pickled."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._made: Any = None

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """What the credential's own `get_token` gives: a token, or an awaitable of one."""
        if self._made is None:
            self._made = self._factory()
        return self._made.get_token(*scopes, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the factory, not the credential."""
        return LazyCredential, (self._factory,)


class Connection(BaseComponent):
    """The fields and the client that the chat, text and embedding classes have in common.

    Raises `ConfigurationError` at construction when the endpoint or the credential is missing or malformed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=())

    endpoint: str | None = Field(
        default=None, description="URL of the endpoint as the portal shows it; else AZURE_INFERENCE_ENDPOINT."
    )
    credential: Any = Field(
        default=None,
        exclude=True,
        repr=False,
        description="A key, a token credential, or a function that returns a token; else AZURE_INFERENCE_CREDENTIAL.",
    )
    credential_factory: Callable[[], Any] | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Makes the token credential on first use, in each process anew: a class, or functools.partial.",
    )
    api_version: str | None = Field(default=None, description="Wins over an api-version in the URL.")
    timeout: Any = Field(default=None, description="Seconds to wait for each read, or an httpx.Timeout; default 600.")
    max_retries: int = Field(default=2, ge=0, description="Repeats after the first attempt.")
    extra_parameters: str | None = Field(
        default=None, description="What the service does with fields outside its schema: error, drop or pass-through."
    )
    unsupported_parameters: str = Field(
        default="error", description="error, or drop: leave out a parameter that the model refused, with a warning."
    )
    client_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        exclude=True,
        repr=False,
        description="Further arguments of azureai_core.InferenceClient, such as headers or http_client.",
    )
    model_kwargs: dict[str, Any] = Field(default_factory=dict, description="Further fields of each request body.")
    base_model: str | None = Field(
        default=None, description="The model behind the deployment, where its name does not say: a hint, never sent."
    )

    _client: InferenceClient = PrivateAttr()
    _from_environment: str | None = PrivateAttr(default=None)
    """The endpoint, where it was not given but found in the environment."""

    _names: ClassVar[Mapping[str, str]] = ALIASES
    """Other names of arguments → the field's; a subclass adds its own."""

    def __init__(self, endpoint: str | None = None, credential: Any = None, **options: Any) -> None:
        given = {"endpoint": endpoint, "credential": credential}
        named = _renamed(options, self._names, set(type(self).model_fields))
        super().__init__(**named, **{k: v for k, v in given.items() if v is not None})

    @field_validator("endpoint", mode="before")
    @classmethod
    def _as_url(cls, endpoint: Any) -> Any:
        """Takes an `Endpoint` too. Raises `ConfigurationError` for what is no URL, as the core does."""
        if endpoint is None or isinstance(endpoint, str):
            return endpoint
        return endpoint.url("") if isinstance(endpoint, Endpoint) else Endpoint.parse(endpoint)

    @field_validator("credential")
    @classmethod
    def _hide_key(cls, credential: Any) -> Any:
        return SecretStr(credential) if isinstance(credential, str) else credential

    @field_validator("client_kwargs", "model_kwargs", mode="before")
    @classmethod
    def _own_copy(cls, value: Any) -> Any:
        return dict(value or {})

    @field_serializer("endpoint")
    def _without_query(self, endpoint: str | None) -> str | None:
        """Gateways take keys in the query, so only the api-version of it is ever dumped."""
        return self._public_url() if endpoint else None

    @field_serializer("timeout")
    def _plain(self, timeout: Any) -> Any:
        return timeout if isinstance(timeout, int | float) else None

    @model_validator(mode="after")
    def _connect(self) -> Self:
        """Makes the client: it checks its arguments, and opens nothing before its first call."""
        self._client = self._new_client()
        if self.endpoint is None:  # from the environment: kept, so that dumps and worker processes have it
            object.__setattr__(self, "endpoint", self._client.endpoint.url(""))  # unvalidated
            self._from_environment = self.endpoint
        return self

    def _new_client(self) -> InferenceClient:
        options = dict(self.client_kwargs)
        unknown = set(options) - _CLIENT_OPTIONS - {"api_version"}
        if unknown:
            raise ConfigurationError(_unknown_client_options(sorted(unknown)))
        return InferenceClient(
            self.endpoint,
            self._token_source(),
            api_version=self.api_version or options.pop("api_version", None),
            timeout=self.timeout,
            max_retries=self.max_retries,
            extra_parameters=self.extra_parameters,  # type: ignore[arg-type]  # the client checks the choice
            unsupported_parameters=self.unsupported_parameters,  # type: ignore[arg-type]  # likewise
            **{name: value for name, value in options.items() if name != "api_version"},
        )

    def _token_source(self) -> Any:
        if self.credential is not None and self.credential_factory is not None:
            raise ConfigurationError("Both credential and credential_factory were given: pass one of them.")
        return LazyCredential(self.credential_factory) if self.credential_factory is not None else self.credential

    # ------------------------------------------------------------------ facts

    @property
    def client(self) -> InferenceClient:
        """The client that sends the requests."""
        return self._client

    def _profile(self, model: str | None) -> ModelProfile:
        """What is known of the model family; the user's `base_model` says more than a deployment's name."""
        return profile_for(self.base_model or model or _name_in(self._client.endpoint))

    def _public_url(self) -> str:
        """The endpoint without a query, except for an api-version that the URL gave."""
        given = Endpoint.parse(self.endpoint or "")
        version = f"?api-version={given.api_version}" if "api-version=" in (self.endpoint or "").lower() else ""
        return given.base_url + version

    def _address(self) -> dict[str, Any]:
        """What traces may know of the endpoint."""
        return {"endpoint_host": self._client.endpoint.host, "endpoint_kind": str(self._client.endpoint.kind)}

    def get_model_info(self) -> ModelInfo:
        """What `GET /info` says of the model; asked only here. Raises `NotFoundError` where there is no such route."""
        return self._client.info()

    async def aget_model_info(self) -> ModelInfo:
        """`get_model_info` without blocking the event loop."""
        return await self._client.ainfo()

    # ------------------------------------------------------------------ life cycle

    def close(self) -> None:
        """Closes the connections of sync code; a later call opens new ones."""
        self._client.close()

    async def aclose(self) -> None:
        """Closes the connections of the running event loop and of sync code."""
        await self._client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets the field; a change of address or credential, such as a new key, makes a new client."""
        hidden = name == "credential" and isinstance(value, str)
        super().__setattr__(name, SecretStr(value) if hidden else value)
        if name in _OF_CLIENT and "_client" in (self.__pydantic_private__ or {}):
            self._client = self._new_client()

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What the user set, without secrets; the address without its query."""
        yield "endpoint", self._public_url()
        for name in sorted(self.model_fields_set - {"endpoint", "callback_manager"}):
            field = type(self).model_fields.get(name)
            if field is not None and field.repr and not field.exclude:
                yield name, getattr(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """The fields. Raises `TypeError` when the credential or a client option cannot be pickled.

        As a key from the environment, an endpoint from there whose query may hold one is left to the other process's.
        """
        _check_picklable("credential", self.credential)
        _check_picklable("credential_factory", self.credential_factory)
        for name, value in self.client_kwargs.items():
            _check_picklable(name, value)
        state: dict[str, Any] = super().__getstate__()
        found = self.endpoint == self._from_environment and self._client.endpoint.query
        fields = {**state["__dict__"], "endpoint": None} if found else state["__dict__"]
        return {**state, "__dict__": fields, "__pydantic_private__": None}  # `__setstate__` makes them anew

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The base class would take any error for a reason to restore an object without a client.
        self.__init__(**state["__dict__"])  # type: ignore[misc]


def _renamed(options: Mapping[str, Any], names: Mapping[str, str], fields: set[str]) -> dict[str, Any]:
    """The options under their fields' names. Raises `ConfigurationError` for an unknown one."""
    named: dict[str, Any] = {"client_kwargs": dict(options.get("client_kwargs") or {})}
    for given, value in options.items():
        name = names.get(given, "headers" if given == "default_headers" else given)
        if name in _CLIENT_OPTIONS:
            named["client_kwargs"][name] = value
        elif name not in fields:
            raise ConfigurationError(_unknown_option(given, fields | set(names) | _CLIENT_OPTIONS))
        elif name != "client_kwargs" and value is not None:
            named[name] = value
    return named


def _unknown_client_options(names: list[str]) -> str:
    instead = [f"for {name} use {_OF_THE_SDK[name]}" for name in names if name in _OF_THE_SDK]
    rest = f"It takes {', '.join(sorted(_CLIENT_OPTIONS))}."
    return (
        f"client_kwargs has {', '.join(names)}: {'; '.join(instead)}. {rest}"
        if instead
        else (f"client_kwargs has {', '.join(names)}. {rest}")
    )


def _unknown_option(name: str, known: set[str]) -> str:
    close = get_close_matches(name, known, 1)
    guess = f" Did you mean {close[0]}?" if close else ""
    return f"There is no argument {name}.{guess} A field of the request body belongs into model_kwargs."


def _check_picklable(name: str, value: Any) -> None:
    if value is None or isinstance(value, SecretStr):
        return
    try:
        pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            f"{name} ({type(value).__name__}) cannot be sent to another process. For a token credential pass "
            "credential_factory, such as DefaultAzureCredential itself or functools.partial(ManagedIdentityCredential, "
            "client_id=…), or nothing, to use the default one; the process then makes its own."
        ) from error


def _name_in(endpoint: Endpoint) -> str | None:
    """What may be a model's name in the URL of a single-model endpoint: the last part of its path, or its host's."""
    if endpoint.kind not in _SINGLE_MODEL:
        return None
    return urlsplit(endpoint.base_url).path.rpartition("/")[2] or endpoint.host.split(".", 1)[0]
