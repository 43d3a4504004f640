"""A history in two shapes: one row for each epoch, or, as the guide has it, a list by quantity."""

from collections.abc import Mapping
from typing import Any

HistoryRow = dict[str, Any]


def columns(rows: list[HistoryRow]) -> dict[str, list[Any]]:
    """Return a list for each quantity, None where a row lacks it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def rows(columns: Mapping[str, list[Any]]) -> list[HistoryRow]:
    """Read back what `columns` made; a user's own history may have other shapes in it."""
    lists = {name: column for name, column in columns.items() if isinstance(column, list)}
    length = max(map(len, lists.values()), default=0)
    cells = [
        {n: column[i] for n, column in lists.items() if i < len(column)} for i in range(length)
    ]
    return [{name: value for name, value in row.items() if value is not None} for row in cells]
