"""What a deployment is: a wire profile, quirks as data, over a brain that answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ._brain import Brain
    from ._errors import Style

Kind = Literal["serverless", "models", "openai-deployment", "openai-v1", "github"]
KINDS: tuple[Kind, ...] = ("serverless", "models", "openai-deployment", "openai-v1", "github")
OPENAI_KINDS = frozenset({"openai-deployment", "openai-v1"})


@dataclass(frozen=True)
class Profile:
    """How a model family behaves on the wire. The defaults are those of a plain, capable model."""

    name: str
    provider: str
    task: Literal["chat", "embeddings"] = "chat"
    inputs: frozenset[str] = frozenset({"text"})
    """Content the model reads: `text`, `image`, `audio`, `file`."""
    max_images: int | None = None
    """How many images one message may have."""
    error_style: "Style" = "azure"
    context_window: int = 128_000
    tools: bool = True
    tools_ignored: bool = False
    """Tools are taken, and never called."""
    parallel_tools: bool = True
    """Whether one answer may have several calls."""
    json_object: bool = True
    json_schema: bool = True
    extras: frozenset[str] = frozenset()
    """Fields outside the standard body that the model takes when they are passed through."""
    unsupported: frozenset[str] = frozenset()
    """Standard fields the model refuses."""
    tool_delta: Literal["fragments", "whole"] = "fragments"
    """`whole`: one complete call without `index` and `type` in the finish chunk."""
    stream_usage: Literal["finish", "asked"] = "finish"
    """`finish`: usage on the finish chunk, unasked. `asked`: an extra frame, only on `stream_options.include_usage`."""
    content_filter: bool = False
    """Answers carry filter results, streams begin with a frame without choices."""
    usage_details: bool = False
    named_tool_finish: str = "tool_calls"
    """The finish reason when `tool_choice` names a tool."""
    reasoning: Literal["none", "hidden", "visible"] = "none"
    """`visible`: `<think>` in the content, or `reasoning_content` on api-version 2025-04-01."""
    system_as_user: bool = False
    string_content: bool = False
    """Message content has to be a string; a list is refused."""
    tool_results_as_json: bool = False
    tool_then_assistant: bool = False
    """After a tool message only the assistant may speak."""
    leading_space: bool = False
    empty_tool_calls: bool = False
    """`tool_calls: []` on answers without a call."""
    short_call_ids: bool = False
    reasoning_is_null: bool = False
    """`reasoning_content: null` on every answer."""
    counts_audio: bool = False
    """Usage says `audio_prompt_tokens`."""
    served_name: str | None = None
    """The `model` in answers where it differs from the deployment name."""
    dimensions: int = 0
    dimensions_settable: bool = False
    input_type: bool = False
    batch_limit: int = 2048
    images: bool = False
    """Serves `/images/embeddings`."""
    image_model: str | None = None
    """The `model` in answers of `/images/embeddings`."""
    notes: tuple[str, ...] = ()
    """Further quirks, as sentences."""

    @property
    def publisher(self) -> str:
        """The maker's name in a model's id on GitHub Models. Source: its catalogue."""
        slug = self.provider.lower().replace(" ", "-")
        return _PUBLISHERS.get(slug, slug)

    @property
    def calls_tools(self) -> bool:
        """Whether an answer may have tool calls."""
        return self.tools and not self.tools_ignored

    def quirks(self) -> list[str]:
        """The quirks as sentences a reader can act on."""
        return [sentence for sentence in _sentences(self) if sentence] + list(self.notes)


_PUBLISHERS = {"mistral": "mistral-ai"}


def _sentences(profile: Profile) -> list[str]:
    return _embedding_sentences(profile) if profile.task == "embeddings" else _chat_sentences(profile)


def _chat_sentences(profile: Profile) -> list[str]:
    quirks = _CHAT_QUIRKS + (_CALL_QUIRKS if profile.calls_tools else ())
    lines = {sentence: getattr(profile, flag) == value for flag, value, sentence in quirks}
    refused = ", ".join(sorted(profile.unsupported))
    extra = ", ".join(sorted(profile.extras))
    return [
        f"Context window: {profile.context_window} tokens.",
        *(sentence for sentence, applies in lines.items() if applies),
        f"At most {profile.max_images} image(s) in a message." if profile.max_images else "",
        f"Refuses {refused}." if refused else "",
        f"Takes these extra fields when passed through: {extra}." if extra else "",
    ]


def _embedding_sentences(profile: Profile) -> list[str]:
    return [
        f"Vectors have {profile.dimensions} dimensions, {'settable' if profile.dimensions_settable else 'fixed'}.",
        f"At most {profile.batch_limit} inputs per request.",
        "Takes input_type." if profile.input_type else "Refuses input_type.",
        "Serves /images/embeddings." if profile.images else "",
    ]


_CHAT_QUIRKS = (
    ("tools", False, "No tools."),
    ("tools_ignored", True, "Takes tools and ignores them: the answer is text."),
    ("json_object", False, "response_format json_object is refused."),
    ("json_schema", False, "response_format json_schema is refused."),
    ("stream_usage", "finish", "Streams usage on the finish chunk, unasked."),
    ("stream_usage", "asked", "Streams usage only when stream_options.include_usage asks for it."),
    ("content_filter", True, "Answers carry content filter results; streams begin with a frame without choices."),
    ("reasoning", "hidden", "Reasons out of sight; reasoning tokens are counted in usage."),
    ("reasoning", "visible", "Reasons in <think> tags; apart as reasoning_content on api-version 2025-04-01."),
    ("system_as_user", True, "Has no system role: system messages are read as the user's."),
    ("string_content", True, "Message content has to be a string."),
    ("tool_results_as_json", True, "Tool results have to be JSON."),
    ("tool_then_assistant", True, "Refuses a user or system message right after a tool message."),
    ("leading_space", True, "Answers begin with a space."),
    ("empty_tool_calls", True, "Answers without a call carry `tool_calls: []`."),
    ("reasoning_is_null", True, "Answers carry `reasoning_content: null`."),
    ("counts_audio", True, "Usage counts audio apart, as audio_prompt_tokens."),
)
_CALL_QUIRKS = (
    ("parallel_tools", False, "Calls one tool at a time."),
    ("tool_delta", "whole", "Streams a tool call whole, without index and type, in the finish chunk."),
    ("tool_delta", "fragments", "Streams tool arguments in fragments with an index."),
    ("named_tool_finish", "stop", "A named tool_choice finishes with `stop` although a tool is called."),
)


@dataclass(frozen=True)
class Deployment:
    """A name under which a profile is served, and the endpoint kinds it is served under."""

    name: str
    profile: Profile
    kinds: tuple[Kind, ...] = KINDS
    brain: "Brain | None" = None
    """Who answers; `None` is the built-in rule-based brain."""
    requests_per_minute: int | None = None
    """How many requests are let in before 429; `None` is no limit."""
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        for field_name in ("requests_per_minute", "tokens_per_minute"):
            limit = getattr(self, field_name)
            if limit is not None and limit < 1:
                raise ValueError(f"{field_name} of {self.name!r} has to be at least 1, or None for no limit.")

    def urls(self, base: str) -> dict[str, str]:
        """Base URL per endpoint kind."""
        return {kind: endpoint_url(base, kind, self.name) for kind in self.kinds}

    def describe(self, base: str) -> dict[str, object]:
        """This deployment's entry in `GET /deployments`."""
        return {
            "name": self.name,
            "kind": self.kinds[0],
            "kinds": list(self.kinds),
            "urls": self.urls(base),
            "profile": self.profile.name,
            "task": self.profile.task,
            "quirks": [*self.profile.quirks(), *self._limit_sentences()],
        }

    def in_catalogue(self) -> dict[str, object]:
        """This deployment's entry in the catalogue of GitHub Models."""
        profile, answers = self.profile, self.profile.task == "chat"
        able = {
            "streaming": answers,
            "tool-calling": answers and profile.tools,
            "reasoning": profile.reasoning != "none",
        }
        return {
            "id": f"{profile.publisher}/{self.name}",
            "name": self.name,
            "publisher": profile.provider,
            "summary": " ".join(profile.quirks()),
            "rate_limit_tier": "custom",
            "supported_input_modalities": sorted(profile.inputs | ({"image"} if profile.images else set())),
            "supported_output_modalities": ["text" if answers else "embeddings"],
            "tags": [name for name, has in able.items() if has],
        }

    def _limit_sentences(self) -> list[str]:
        limits = {"requests": self.requests_per_minute, "tokens": self.tokens_per_minute}
        return [f"At most {limit} {what} per minute." for what, limit in limits.items() if limit is not None]


_PATHS: Mapping[Kind, str] = {
    "serverless": "/serverless/{name}",
    "models": "/models",
    "openai-deployment": "/openai/deployments/{name}",
    "openai-v1": "/openai/v1",
    "github": "/github/inference",
}


def endpoint_url(base: str, kind: Kind, name: str) -> str:
    """The base URL a client is given for a deployment under an endpoint kind."""
    return base + _PATHS[kind].format(name=name)


@dataclass(frozen=True)
class Catalog:
    """The deployments a server has, found by name."""

    deployments: tuple[Deployment, ...]
    _by_name: dict[str, Deployment] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {item.name: item for item in self.deployments})

    def find(self, name: str, kind: Kind) -> Deployment | None:
        """The deployment of that name, if it is served under that kind.

        Names match exactly, except on `/models`. Source: Azure AI Foundry, 'Endpoints': routing ignores case.
        On GitHub Models they are `publisher/name`, or the name alone as on its former host.
        """
        publisher, slash, plain = name.partition("/")
        found = self._by_name.get(plain if slash and kind == "github" else name)
        if found is not None and slash and kind == "github" and found.profile.publisher != publisher:
            return None
        if found is None and kind == "models":
            found = next((item for item in self.deployments if item.name.lower() == name.lower()), None)
        return found if found is not None and kind in found.kinds else None
