"""The brains by name."""

import importlib
from collections.abc import Callable, Mapping

from .base import Answer, Ask, Brain, BrainError, message_text
from .rules import RulesBrain


class EchoBrain:
    """Repeats the last message, for tests of transport."""

    def answer(self, ask: Ask) -> Answer:
        """The text of the last message."""
        return Answer(message_text(ask.messages[-1]))


def _local() -> Brain:
    from .local import local_brain  # noqa: PLC0415 - its libraries come with an extra

    return local_brain()


BRAINS: Mapping[str, Callable[[], Brain]] = {"rules": RulesBrain, "local": _local, "echo": EchoBrain}


def find_brain(name: str) -> Brain:
    """The brain of that name, or the object or class that `package.module:Name` names; else a `BrainError`."""
    if name in BRAINS:
        return BRAINS[name]()
    module, colon, attribute = name.partition(":")
    if not colon:
        raise BrainError(f"no brain {name!r}; allowed are {', '.join(BRAINS)} or package.module:Name.")
    try:
        found = getattr(importlib.import_module(module), attribute)
        brain: Brain = found() if isinstance(found, type) else found
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise BrainError(f"{name!r} cannot be used as a brain ({error}).") from error
    if not callable(getattr(brain, "answer", None)):
        raise BrainError(f"{name!r} cannot be used as a brain (it has no method answer).")
    return brain
