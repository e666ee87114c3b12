"""How model families behave on the wire, as data."""

from dataclasses import dataclass
from typing import Literal

from azureai_emulator.wire.errors import Style


@dataclass(frozen=True)
class Profile:
    """How a model family behaves on the wire. The defaults are those of a plain, capable model."""

    name: str
    provider: str
    task: Literal["chat", "embeddings"] = "chat"
    inputs: frozenset[str] = frozenset({"text"})
    """Content the model accepts: `text`, `image`, `audio`, `file`."""
    max_images: int | None = None
    """How many images one message may have."""
    error_style: Style = "azure"
    context_window: int = 128_000
    tools: bool = True
    tools_ignored: bool = False
    """Tools are accepted and never called."""
    parallel_tools: bool = True
    """Whether one answer may have several calls."""
    json_object: bool = True
    json_schema: bool = True
    extras: frozenset[str] = frozenset()
    """Extra parameters that the model accepts when they are passed through."""
    unsupported: frozenset[str] = frozenset()
    """Standard fields the model refuses."""
    tool_delta: Literal["fragments", "whole"] = "fragments"
    """`whole`: one complete call without `index` and `type` in the finish chunk."""
    stream_usage: Literal["finish", "asked"] = "finish"
    """`finish`: usage on the finish chunk, always. `asked`: an extra frame, only on `stream_options.include_usage`."""
    content_filter: bool = False
    """Answers have filter results, streams begin with a frame without choices."""
    usage_details: bool = False
    named_tool_finish: str = "tool_calls"
    """The finish reason when `tool_choice` names a tool."""
    reasoning: Literal["none", "hidden", "visible"] = "none"
    """`visible`: `<think>` in the content, or `reasoning_content` on api-version 2025-04-01."""
    system_as_user: bool = False
    string_content: bool = False
    """Message content must be a string; a list is refused."""
    tool_results_as_json: bool = False
    tool_then_assistant: bool = False
    """After a tool message only an assistant message may follow."""
    leading_space: bool = False
    empty_tool_calls: bool = False
    """`tool_calls: []` on answers without a call."""
    short_call_ids: bool = False
    reasoning_is_null: bool = False
    """`reasoning_content: null` on every answer."""
    counts_audio: bool = False
    """Usage has `audio_prompt_tokens`."""
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
        """The quirks as sentences for people."""
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
        f"Accepts these extra fields when passed through: {extra}." if extra else "",
    ]


def _embedding_sentences(profile: Profile) -> list[str]:
    return [
        f"Vectors have {profile.dimensions} dimensions, {'settable' if profile.dimensions_settable else 'fixed'}.",
        f"At most {profile.batch_limit} inputs per request.",
        "Accepts input_type." if profile.input_type else "Refuses input_type.",
        "Serves /images/embeddings." if profile.images else "",
    ]


_CHAT_QUIRKS = (
    ("tools", False, "No tools."),
    ("tools_ignored", True, "Accepts tools and ignores them: the answer is text."),
    ("json_object", False, "response_format json_object is refused."),
    ("json_schema", False, "response_format json_schema is refused."),
    ("stream_usage", "finish", "Streams usage on the finish chunk, without being asked."),
    ("stream_usage", "asked", "Streams usage only when stream_options.include_usage asks for it."),
    ("content_filter", True, "Answers have content filter results; streams begin with a frame without choices."),
    ("reasoning", "hidden", "Hides its reasoning; reasoning tokens are counted in usage."),
    ("reasoning", "visible", "Reasons in <think> tags; in reasoning_content on api-version 2025-04-01."),
    ("system_as_user", True, "Has no system role: system messages are treated as user messages."),
    ("string_content", True, "Message content must be a string."),
    ("tool_results_as_json", True, "Tool results must be JSON."),
    ("tool_then_assistant", True, "Refuses a user or system message right after a tool message."),
    ("leading_space", True, "Answers begin with a space."),
    ("empty_tool_calls", True, "Answers without a call have `tool_calls: []`."),
    ("reasoning_is_null", True, "Answers have `reasoning_content: null`."),
    ("counts_audio", True, "Usage counts audio separately, as audio_prompt_tokens."),
)
_CALL_QUIRKS = (
    ("parallel_tools", False, "Calls one tool at a time."),
    ("tool_delta", "whole", "Streams a tool call whole, without index and type, in the finish chunk."),
    ("tool_delta", "fragments", "Streams tool arguments in fragments with an index."),
    ("named_tool_finish", "stop", "A named tool_choice finishes with `stop` although a tool is called."),
)
