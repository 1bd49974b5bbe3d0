"""Cells of our CSV, which a spreadsheet must not compute, and which must come back as they were.

What a spreadsheet would take for a formula gets an apostrophe before it, and so does an empty text,
which a CSV file cannot tell from none. The column `phospho_guarded` names the cells of its row
where that was done, so that it is undone there, and never in a file of somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence

# How what a spreadsheet takes for a formula begins; the last are the same in wide letters.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_GUARD = "'"


def guard(columns: Sequence[str], values: Sequence[object]) -> list[object]:
    """Return the cells of a row, with the names of those that were guarded behind them."""
    guarded = [
        name
        for name, value in zip(columns, values, strict=True)
        if isinstance(value, str) and (not value or value.startswith(FORMULA))
    ]
    if not guarded:
        return [*values, None]
    cells: list[object] = [
        f"{_GUARD}{value}" if name in guarded else value
        for name, value in zip(columns, values, strict=True)
    ]
    return [*cells, " ".join(guarded)]


def unguard(row: dict[str, object], guarded: str) -> None:
    """Take the apostrophes away from the cells that are named."""
    for name in guarded.split():
        cell = row.get(name)
        if isinstance(cell, str) and _is_guarded(cell):
            row[name] = cell[len(_GUARD) :]


def unguard_pages(row: dict[str, object]) -> None:
    """Do the same for a row that the pages exported, which do not name the cells."""
    for name, cell in row.items():
        if isinstance(cell, str) and len(cell) > 1 and _is_guarded(cell):
            row[name] = cell[len(_GUARD) :]


def _is_guarded(cell: str) -> bool:
    return cell == _GUARD or (cell.startswith(_GUARD) and cell.startswith(FORMULA, len(_GUARD)))
