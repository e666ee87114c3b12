"""The kit of the adapters: decisions that both frameworks share."""

from .history import repair_history
from .templates import fast_constructor

__all__ = ["fast_constructor", "repair_history"]
