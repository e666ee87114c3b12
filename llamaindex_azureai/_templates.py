"""What is made once because each token of a stream needs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

# The places where pydantic keeps an object's state; `__setattr__`, also object's own, looks for them each time.
_new = object.__new__
_put_values = BaseModel.__dict__["__dict__"].__set__
_put_given, _put_extra, _put_private = (
    BaseModel.__dict__[f"__pydantic_{name}__"].__set__ for name in ("fields_set", "extra", "private")
)


def copier(template: Model) -> Callable[..., Model]:
    """A function that makes objects with the template's values where it is given none, at a fifth of the usual cost.

    Nothing is checked, and containers are shared: the values have to be valid, and each list or dict that its owner
    may change has to be given anew. The same as `model_copy(update=values)`, without copying what is replaced.
    """
    kind, known, given = type(template), template.__dict__, template.__pydantic_fields_set__
    takes_extra, all_known = template.__pydantic_extra__ is not None, len(known)

    def copied(**values: Any) -> Model:
        made = _new(kind)
        _put_values(made, values if len(values) == all_known else known | values)
        _put_given(made, given.copy())
        _put_extra(made, {} if takes_extra else None)
        _put_private(made, None)
        return made

    return copied
