"""What the chat and the text-completion class share: the sampling fields, and what is known of the model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llama_index.core.bridge.pydantic import Field

from azureai_core.adapters import stop_list

from ._config import ClientConfig, Json

_logger = logging.getLogger(__name__)

DEFAULT_CONTEXT_WINDOW = 128_000
"""Tokens assumed of a model that nothing is known of; most models on the service have at least that many."""


class Generation(ClientConfig):
    """The fields of a model that writes. What is not set is not sent: the service has its own defaults."""

    model: str | None = Field(default=None, description="Deployment name; not needed where the URL serves one model.")
    temperature: float | None = Field(default=None, ge=0, description="Not sent unless set: some models refuse it.")
    top_p: float | None = Field(default=None, description="Share of the probability mass to sample from, 0 to 1.")
    max_tokens: int | None = Field(default=None, gt=0, description="Most tokens of an answer.")
    presence_penalty: float | None = Field(default=None, description="-2 to 2.")
    frequency_penalty: float | None = Field(default=None, description="-2 to 2.")
    stop: list[str] | str | None = Field(default=None, description="Texts that end the answer.")
    seed: int | None = Field(default=None, description="For answers that can be repeated, where the model can.")
    stream_usage: bool | None = Field(
        default=None, description="True asks for token counts of streams also where that is not done unasked."
    )
    context_window: int | None = Field(
        default=None, gt=0, description="Tokens of prompt and answer; else what is known of the model, else 128,000."
    )
    num_output: int | None = Field(
        default=None, description="Tokens that prompts leave free for the answer; else max_tokens."
    )

    @property
    def model_name(self) -> str | None:
        """`model`, under the name of the retired vendor adapter."""
        return self.model

    def _model_name(self) -> str | None:
        return self.model

    def _known_name(self) -> str:
        return self.model or self.base_model or self._client.endpoint.host

    def _known_window(self) -> int:
        """The user's, else the model family's; else an assumed one, and a log line says so once."""
        known = self.context_window or self._deployment().profile.max_input_tokens
        if known is None:
            _warn_of_window(self._known_name())
        return known or DEFAULT_CONTEXT_WINDOW

    def _known_output(self) -> int:
        """-1 for unknown: the model's real maximum would be taken off the window of each prompt."""
        return self.num_output or self.max_tokens or -1

    def _sampling(self) -> Json:
        """The sampling fields that the user set."""
        fields = self.__dict__
        return {name: fields[name] for name in _SAMPLING if fields[name] is not None}

    def _body(self, options: Mapping[str, Any]) -> Json:
        """The fields of a request body: the model's own, then `model_kwargs`, then those of the call."""
        return {"model": self.model, **self._sampling(), **flat(self.model_kwargs), **flat(options)}

    def _stream_fields(self) -> Json:
        return {"stream_options": {"include_usage": True}} if self.stream_usage else {}

    def _described(self) -> dict[str, Any]:
        """What traces may know beside the metadata."""
        return {"model": self._known_name(), **self._sampling(), **self._address()}


_SAMPLING = ("temperature", "top_p", "max_tokens", "presence_penalty", "frequency_penalty", "stop", "seed")
_BODY_WRAPPERS = ("model_kwargs", "model_extras", "extra_body")
"""Where other classes keep further body fields; their contents go to the root of the body."""


def flat(options: Mapping[str, Any]) -> Json:
    """The body fields among the options, those in wrappers too.

    >>> flat({"seed": 1, "extra_body": {"safe_prompt": True}})
    {'seed': 1, 'safe_prompt': True}
    """
    inner = [options[name] for name in _BODY_WRAPPERS if options.get(name)] if options else []
    plain = {name: value for name, value in options.items() if name not in _BODY_WRAPPERS}
    return {**plain, **{name: value for wrapper in inner for name, value in wrapper.items()}}


def checked_body(body: Mapping[str, Any]) -> Json:
    """The body with `stop` as a list, without what is `None`, and no trace of tools without tools.

    >>> checked_body({"stop": "END", "seed": None, "tools": [], "tool_choice": "auto"})
    {'stop': ['END']}
    """
    without = () if body.get("tools") else ("tools", "tool_choice", "parallel_tool_calls")
    named = {**body, "stop": stop_list(body["stop"])} if "stop" in body else body
    return {name: value for name, value in named.items() if value is not None and name not in without}


@lru_cache(maxsize=256)  # once for each name
def _warn_of_window(name: str) -> None:
    _logger.warning(
        "The context window of %s is not known; %s tokens are assumed. Pass context_window or base_model.",
        name,
        DEFAULT_CONTEXT_WINDOW,
    )
