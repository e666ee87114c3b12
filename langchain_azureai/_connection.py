"""The constructor arguments that all classes share, and the client made from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import signature
from operator import itemgetter
from typing import Any, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_serializer,
    field_validator,
    model_validator,
)

from azureai_core import ExtraParameters, InferenceClient, UnsupportedParameters

from ._arguments import check_arguments, check_client_kwargs

LANGCHAIN_PROVIDER = "azureai"
"""Our name in traces and messages (`ls_provider`, `model_provider`), and of our block translator."""


class Connection(BaseModel):
    """Where requests go and how: the arguments of `azureai_core.InferenceClient`, under LangChain's names too."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
        defer_build=True,  # no objects are made of this class, and of those between it and the models
    )

    endpoint: str | None = Field(default=None, validation_alias=AliasChoices("endpoint", "base_url"))
    """URL as the portal shows it, of any kind; else from `AZURE_INFERENCE_ENDPOINT`."""
    credential: Any = Field(
        default=None, validation_alias=AliasChoices("credential", "api_key"), exclude=True, repr=False
    )
    """A key, a sync or async token credential, or a function that returns a token; else from the environment."""
    model_name: str | None = Field(default=None, alias="model")
    """The deployment's name. Needed where one URL serves many models."""
    api_version: str | None = None
    """Wins over one in the URL."""
    timeout: Any = Field(default=None, validation_alias=AliasChoices("timeout", "request_timeout"))
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

    _client: InferenceClient | None = PrivateAttr(default=None)
    _made_from: tuple[Any, ...] = PrivateAttr(default=())

    @model_validator(mode="before")
    @classmethod
    def _check_argument_names(cls, values: Any) -> Any:
        """Refuses an argument that does not exist: dropped without a word, a misspelt one would never be noticed."""
        if not isinstance(values, dict):
            return values
        spellings = _spellings(cls)
        check_arguments(cls.__name__, values, spellings)
        check_client_kwargs(values.get("client_kwargs") or {}, _CLIENT_ARGUMENTS)
        return _with_model(values)

    @field_validator("credential", mode="before")
    @classmethod
    def _hide_key(cls, value: Any) -> Any:
        return SecretStr(value) if isinstance(value, str) else value

    def model_post_init(self, context: Any) -> None:
        """Goes on to the framework's own, which pydantic would leave out for a class with private attributes."""
        super().model_post_init(context)

    @property
    def client(self) -> InferenceClient:
        """The client of these arguments; made anew when they have changed, as after `model_copy(update=…)`."""
        wanted = _CLIENT_FIELDS(self.__dict__)
        made: dict[str, Any] = self.__pydantic_private__ or {}  # pydantic's own way to it is slow
        known: InferenceClient | None = made.get("_client")
        if known is not None and made.get("_made_from") == (*wanted, self.client_kwargs):
            return known
        client = InferenceClient(**self._client_arguments())
        self._client, self._made_from = client, (*wanted, dict(self.client_kwargs))
        return client

    @property
    def model(self) -> str | None:
        """The deployment's name."""
        return self.model_name

    def close(self) -> None:
        """Closes the connections of sync code."""
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Closes the connections of the running event loop and of sync code."""
        if self._client is not None:
            await self._client.aclose()

    def _client_arguments(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "credential": self.credential,
            "model": self.model_name,
            "api_version": self.api_version,
            "timeout": self.timeout,
            "max_retries": 2 if self.max_retries is None else self.max_retries,
            "extra_parameters": self.extra_parameters,
            "unsupported_parameters": self.unsupported_parameters,
            **self.client_kwargs,
        }

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some arguments changed, under any of their names; it asks the new model, at the new endpoint."""
        spellings = _spellings(type(self))
        changed = {spellings.get(name, name): value for name, value in (update or {}).items()}
        return super().model_copy(update=changed, deep=deep)

    def __repr_args__(self) -> Any:
        return [(name, public_url(v) if name == "endpoint" else v) for name, v in super().__repr_args__()]

    @field_serializer("endpoint")
    def _without_query(self, value: str | None) -> str | None:
        return public_url(value)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy with a client of its own; what `client_kwargs` holds, such as an httpx client, is shared."""
        return self.__copy__()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._client = None  # noqa: SLF001  our own kind
        copied.__dict__.pop("_serialized", None)  # langchain-core caches it, and cache keys stand on it
        return copied

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_serialized", None)

    def __getstate__(self) -> dict[Any, Any]:
        """Pickles the arguments; the client is made anew."""
        state = super().__getstate__()
        private = {**(state.get("__pydantic_private__") or {}), "_client": None, "_made_from": ()}
        return {**state, "__pydantic_private__": private}


@cache
def _spellings(cls: Any) -> dict[str, str]:
    """Each name that the constructor takes, fields and their aliases, and the field it stands for."""
    found: dict[str, str] = {}
    for name, info in cls.model_fields.items():
        choices = info.validation_alias
        aliases = choices.choices if isinstance(choices, AliasChoices) else [choices, info.alias]
        found |= dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))], name)
    return found


def _with_model(values: dict[str, Any]) -> dict[str, Any]:
    """The arguments with `client_kwargs["model"]` in its own place, where caches, traces and profiles look for it."""
    kwargs = values.get("client_kwargs") or {}
    if not kwargs.get("model") or values.get("model") or values.get("model_name"):
        return values
    rest = {name: value for name, value in kwargs.items() if name != "model"}
    return {**values, "client_kwargs": rest, "model_name": kwargs["model"]}


def public_url(url: str | None) -> str | None:
    """A URL without its query, which may hold a gateway's key; only the api-version stays."""
    if url is None or "?" not in url:
        return url
    base, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part.lower().startswith("api-version=")]
    return "?".join([base, *kept])


_CLIENT_FIELDS = itemgetter(
    "endpoint",
    "credential",
    "model_name",
    "api_version",
    "timeout",
    "max_retries",
    "extra_parameters",
    "unsupported_parameters",
)
_CLIENT_ARGUMENTS = frozenset(signature(InferenceClient).parameters)


def stop_list(stop: str | list[str] | None) -> list[str] | None:
    """Stop sequences as the wire wants them: a list, or nothing."""
    return [stop] if isinstance(stop, str) else stop or None
