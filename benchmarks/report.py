"""Print what was measured: where, of which versions, and tables of plain text."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Iterable, Mapping, Sequence

from libraries import LIBRARIES


def describe_machine() -> dict[str, object]:
    """Return the date, the Python and the processors."""
    today = dt.datetime.now(dt.timezone.utc).date()
    return {
        "date": today.isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def print_head(versions: Mapping[str, str], wanted: Iterable[str] = LIBRARIES) -> None:
    """Print where this is measured, what, and in one line what of the `wanted` is absent."""
    where = describe_machine()
    print(
        f"{where['date']}, Python {where['python']}, {where['cpus']} CPUs ({where['machine']}): "
        + ", ".join(
            name if name.endswith(version) else f"{name} {version}"
            for name, version in versions.items()
        )
    )
    absent = [f"{name} ({LIBRARIES[name].how_to_get})" for name in wanted if name not in versions]
    if absent:
        print("Absent: " + "; ".join(absent))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}")
    for first, *others in [header, *rows]:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join(cells))
