"""Parameters of SQLite by their place: by name, it looks each one up among all of a statement's.

That takes longer than to store a narrow row, and for a list it grows with the list's square.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from phospho_server.store import PARAMETER, Params

# A list of hundreds of values; longer ones seldom have the same length.
_LONGEST_KEPT = 16_000


class Placed(NamedTuple):
    """A statement whose parameters have numbers.

    Args:
        sql: The statement.
        values: Returns the values of parameters that have names, in the order of the numbers.
    """

    sql: str
    values: Callable[[Params], tuple[object, ...]]


def place(sql: str) -> Placed:
    """Return a statement with numbers for the names of its parameters."""
    return _known(sql) if len(sql) <= _LONGEST_KEPT else _place(sql)


def _place(sql: str) -> Placed:
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found["name"]
        return f"?{numbers.setdefault(name, len(numbers) + 1)}" if name else found[0]

    text = PARAMETER.sub(number, sql)
    return Placed(text, _getter(tuple(numbers)))


_known = lru_cache(maxsize=1_024)(_place)


def _getter(names: tuple[str, ...]) -> Callable[[Params], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda params: tuple(params[name] for name in names)
