"""What all classes share: where requests go, with what credential, and how that is kept out of everything shown."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

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

from azureai_core import ConfigurationError, Deployment, Endpoint, InferenceClient, ModelInfo
from azureai_core.adapters import (
    CLIENT_OPTIONS,
    check_client_kwargs,
    endpoint_argument,
    plain_endpoint,
    public_url,
    resolve_arguments,
)

_logger = logging.getLogger(__name__)

Json = dict[str, Any]

_OF_CLIENT = frozenset(
    {"endpoint", "credential", "credential_factory", "api_version", "timeout", "max_retries", "extra_parameters"}
    | {"unsupported_parameters", "client_kwargs", "model", "model_name", "base_model"}
)
"""Fields that the client is made of."""


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


class ClientConfig(BaseComponent):
    """The fields and the client that the chat, text and embedding classes have in common.

    Raises `ConfigurationError` at construction when the endpoint or the credential is missing or malformed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True, protected_namespaces=())

    endpoint: str | Endpoint | None = Field(
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
    max_retries: int = Field(default=2, ge=0, description="Retries after the first attempt.")
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

    _hints: ClassVar[Mapping[str, str]] = {}
    """What to say about arguments that the class does not have, beside what the core says of them."""

    def __init__(self, endpoint: str | Endpoint | None = None, credential: Any = None, **options: Any) -> None:
        given = {"endpoint": endpoint, "credential": credential}
        named = {**{name: value for name, value in given.items() if value is not None}, **options}
        fields = {name: name for name in type(self).model_fields}
        resolved = resolve_arguments(type(self).__name__, named, fields, self._hints)
        super().__init__(**{name: value for name, value in resolved.items() if value is not None})

    @field_validator("endpoint", mode="before")
    @classmethod
    def _checked_endpoint(cls, endpoint: Any) -> Any:
        """A URL or an `Endpoint`, which keeps its kind. Raises `ConfigurationError`, as the core does."""
        return endpoint_argument(endpoint)

    @field_validator("credential")
    @classmethod
    def _hide_key(cls, credential: Any) -> Any:
        return SecretStr(credential) if isinstance(credential, str) else credential

    @field_validator("client_kwargs", "model_kwargs", mode="before")
    @classmethod
    def _own_copy(cls, value: Any) -> Any:
        return dict(value or {})

    @field_serializer("endpoint")
    def _without_query(self, endpoint: str | Endpoint | None) -> str | dict[str, str | None] | None:
        """Gateways take keys in the query, so only the api-version of it is ever dumped."""
        return self._public_url() if isinstance(endpoint, str) else plain_endpoint(endpoint)

    @field_serializer("timeout")
    def _plain(self, timeout: Any) -> Any:
        return timeout if isinstance(timeout, int | float) else None

    @model_validator(mode="after")
    def _connect(self) -> Self:
        """Makes the client: it checks its arguments, and opens nothing before its first call."""
        self._client = self._new_client()
        if self.endpoint is None:  # from the environment: kept, so that dumps and worker processes have it
            self._from_environment = self._client.endpoint.url("")
            vars(self)["endpoint"] = self._from_environment  # assigning it would make another client
        return self

    def _new_client(self) -> InferenceClient:
        check_client_kwargs(self.client_kwargs, CLIENT_OPTIONS | {"api_version"})
        options = {**self.client_kwargs, **({"api_version": self.api_version} if self.api_version else {})}
        return InferenceClient(
            self.endpoint,
            self._token_source(),
            model=self._model_name(),
            base_model=self.base_model,
            timeout=self.timeout,
            max_retries=self.max_retries,
            extra_parameters=self.extra_parameters,  # type: ignore[arg-type]  # the client checks the choice
            unsupported_parameters=self.unsupported_parameters,  # type: ignore[arg-type]  # likewise
            **options,
        )

    def _model_name(self) -> str | None:
        """The deployment's name, or `None`."""
        raise NotImplementedError

    def _token_source(self) -> Any:
        if self.credential is not None and self.credential_factory is not None:
            raise ConfigurationError("Both credential and credential_factory were given: pass one of them.")
        return LazyCredential(self.credential_factory) if self.credential_factory is not None else self.credential

    # ------------------------------------------------------------------ what is known

    @property
    def client(self) -> InferenceClient:
        """The client that sends the requests."""
        return self._client

    def _deployment(self, model: str | None = None) -> Deployment:
        """What is known of a deployment, by default this model's; `base_model` says more than a name."""
        return self._client.deployment(model)

    def _public_url(self) -> str:
        """The endpoint without a query, except for an api-version that the URL gave."""
        if isinstance(self.endpoint, Endpoint):
            return public_url(self.endpoint) or ""
        url = self.endpoint or ""
        given = Endpoint.parse(url)
        return given.base_url + (f"?api-version={given.api_version}" if "api-version=" in url.lower() else "")

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
        super().__setattr__(name, _hidden(name, value))
        if name in _OF_CLIENT:
            self._client = self._new_client()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; where the address or credential is another one, with a client of its own."""
        values = {name: _hidden(name, value) for name, value in (update or {}).items()}
        copied = super().model_copy(update=values, deep=deep)
        if not _OF_CLIENT.isdisjoint(values):
            copied._client = copied._new_client()  # noqa: SLF001
        return copied

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What the user set, without secrets; the address without its query."""
        yield "endpoint", self._public_url()
        for name in sorted(self.model_fields_set - {"endpoint", "callback_manager"}):
            field = type(self).model_fields.get(name)
            if field is not None and field.repr and not field.exclude:
                yield name, getattr(self, name)

    # ------------------------------------------------------------------ pickling

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the fields. Raises `TypeError` when the credential or a client option cannot be pickled.

        As a key from the environment, an endpoint from there whose query may hold one is left to the other process's.
        """
        for name in ("credential", "credential_factory"):
            _check_picklable(name, getattr(self, name))
        for name, value in self.client_kwargs.items():
            _check_picklable(name, value)
        fields = {name: vars(self)[name] for name in type(self).model_fields if self._travels(name)}
        if self.endpoint == self._from_environment and self._client.endpoint.query:
            del fields["endpoint"]
        return _restored, (type(self), fields)

    def _travels(self, name: str) -> bool:
        """Whether a field can be sent to another process; what its owner will miss there is logged."""
        value = vars(self)[name]
        if value is None or _is_picklable(value):
            return value is not None
        if name in self.model_fields_set:
            _logger.warning("%s (%s) cannot be sent to another process: left out.", name, type(value).__name__)
        return False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Loads a pickle of version 0.1."""
        ClientConfig.__init__(self, **state["__dict__"])


def _restored(kind: type[ClientConfig], fields: dict[str, Any]) -> ClientConfig:
    """A model of the fields; a subclass's own constructor may take other arguments."""
    model = kind.__new__(kind)
    ClientConfig.__init__(model, **fields)
    return model


def _hidden(name: str, value: Any) -> Any:
    return SecretStr(value) if name == "credential" and isinstance(value, str) else value


def _is_picklable(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001  whatever its own reduction raises
        return False
    return True


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
