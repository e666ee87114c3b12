"""The columns of a batch, whatever carries them: a dict of arrays, a data frame or a table. None is imported."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from azureai_core.errors import AzureAIError, ConfigurationError

Vectors = Literal["list", "float32"]
"""How vectors stand in a column: lists of floats (32 bytes a value), or float32 arrays (4 bytes)."""
ColumnType = Literal["vector", "count", "text"]
"""What a result column holds."""


def read_column(batch: Any, name: str, option: str) -> list[Any]:
    """The values of a column as plain Python objects. Raises `ConfigurationError` when the batch has no such column."""
    names = column_names(batch)
    if name not in names:
        raise ConfigurationError(
            f"The batch has no column {name!r}, it has {', '.join(map(repr, names)) or 'none'}: "
            f"pass {option}='<the name of the column>'."
        )
    if names.count(name) > 1:
        raise ConfigurationError(f"The batch has {names.count(name)} columns {name!r}: give each a name of its own.")
    return _listed(batch[name], name)


def _listed(column: Any, name: str) -> list[Any]:
    """The values. A text or a generator would go through character by character, or be used up in what comes back."""
    whole = isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__")
    if whole or getattr(column, "ndim", 1) == 0:
        raise ConfigurationError(
            f"The column {name!r} is {type(column).__name__}: pass a list or an array with a value for each row."
        )
    return plain(column)


def column_names(batch: Any) -> list[Any]:
    """The names of the columns. Raises `ConfigurationError` for what is no batch."""
    if isinstance(batch, Mapping):
        return list(batch)
    if _is_frame(batch):
        return list(batch.columns)
    if _is_table(batch):
        return list(batch.column_names)
    raise ConfigurationError(
        f"The batch is {type(batch).__name__}: pass a dict of columns, a pandas data frame or a pyarrow table, one "
        "batch after the other, as map_batches, mapInPandas and map_partitions do."
    )


def with_columns(batch: Any, columns: Mapping[str, Sequence[Any]], kinds: Sequence[ColumnType]) -> Any:
    """A batch of the same type with further columns, of these kinds; the given one is not changed."""
    if isinstance(batch, Mapping):
        return {**batch, **columns}
    if _is_frame(batch):
        return batch.assign(**_typed(batch, columns, kinds))
    return _appended(batch, columns, kinds)


_FRAME_TYPES: Mapping[ColumnType, str] = {"vector": "object", "count": "int64", "text": "object"}


def _typed(frame: Any, columns: Mapping[str, Sequence[Any]], kinds: Sequence[ColumnType]) -> dict[str, Any]:
    """The columns with stated types: pandas 3 would make NaN, which is true, of the None among texts."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame):
        return dict(columns)
    typed = zip(columns.items(), kinds, strict=True)
    return {name: pandas.Series(v, index=frame.index, dtype=_FRAME_TYPES[kind]) for (name, v), kind in typed}


def _appended(table: Any, columns: Mapping[str, Sequence[Any]], kinds: Sequence[ColumnType]) -> Any:
    """The table with columns of stated types: those of a column of nothing but nulls could not be inferred."""
    arrow = sys.modules["pyarrow"]  # the table is one of its
    types = {"vector": arrow.list_(arrow.float32()), "count": arrow.int64(), "text": arrow.string()}
    for (name, values), kind in zip(columns.items(), kinds, strict=True):
        table = table.append_column(name, arrow.array(values, types[kind]))
    return table


def plain(values: Any) -> list[Any]:
    """A list of the values of a list, a numpy or pyarrow array, or a data frame's column."""
    for method in ("to_pylist", "tolist"):
        convert = getattr(values, method, None)
        if callable(convert):
            return list(convert())
    return list(values)


def _is_frame(batch: Any) -> bool:
    """Whether it is like a pandas data frame; those of Dask and Spark are plans, and have no rows to go through."""
    return all(hasattr(batch, name) for name in ("columns", "assign", "index")) and not hasattr(batch, "compute")


def _is_table(batch: Any) -> bool:
    """Whether it is like a pyarrow table."""
    return all(hasattr(batch, name) for name in ("column_names", "append_column"))


def encoded(vectors: Iterable[list[float]], kind: Vectors) -> list[Any]:
    """The vectors as `kind` says; float32 ones are numpy arrays where numpy is loaded, as it is in every engine.

    Raises `AzureAIError` when one of them holds what is no number.
    """
    if kind == "list":
        return list(vectors)
    try:
        floats = [array("f", vector) for vector in vectors]
    except (TypeError, OverflowError) as error:
        raise AzureAIError(f"The service gave a vector that is not made of numbers: {error}.") from None
    numpy = sys.modules.get("numpy")
    return floats if numpy is None else [numpy.frombuffer(vector, dtype="float32") for vector in floats]


def shares(total: int, sizes: Sequence[int]) -> list[int]:
    """Whole numbers that add up to `total`, in proportion to `sizes`.

    >>> shares(10, [1, 1, 2]), shares(2, [5, 5, 5]), shares(0, [])
    ([3, 2, 5], [1, 0, 1], [])
    """
    whole, before, so_far = sum(sizes) or 1, 0, 0
    parts = []
    for size in sizes:
        so_far += size
        until = (2 * total * so_far + whole) // (2 * whole)
        parts.append(until - before)
        before = until
    return parts
