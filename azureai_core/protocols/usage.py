"""Token counts of an answer."""

from __future__ import annotations

from azureai_core.types import Usage

from .reading import count_of, first_count, mapping


def parse_usage(value: object) -> Usage | None:
    """The token counts of a `usage` object, or `None` when there is none."""
    if not isinstance(value, dict) or not value:
        return None
    prompt, completion = count_of(value.get("prompt_tokens")) or 0, count_of(value.get("completion_tokens")) or 0
    total = count_of(value.get("total_tokens")) or prompt + completion
    if value.keys() <= _TOTALS:
        return Usage(prompt, completion, total)
    into, out = mapping(value.get("prompt_tokens_details")), mapping(value.get("completion_tokens_details"))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cached_tokens=count_of(into.get("cached_tokens")),
        prompt_audio_tokens=first_count(into.get("audio_tokens"), value.get("audio_prompt_tokens")),
        prompt_image_tokens=count_of(value.get("image_prompt_tokens")),
        reasoning_tokens=count_of(out.get("reasoning_tokens")),
        completion_audio_tokens=count_of(out.get("audio_tokens")),
        accepted_prediction_tokens=count_of(out.get("accepted_prediction_tokens")),
        rejected_prediction_tokens=count_of(out.get("rejected_prediction_tokens")),
        images=count_of(value.get("images")),
    )


_TOTALS = {"prompt_tokens", "completion_tokens", "total_tokens"}
