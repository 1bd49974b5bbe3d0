"""All SQL, one module per subject, behind one small protocol.

A `Store` hands out connections to read with, and carries out changes durably. The modules here
are functions over a `Connection`; they hold the SQL, in the subset SQLite and PostgreSQL share.
Data flows: a route reads the request, calls `store.write(lambda db: ...)` or reads within
`with store.read() as db`, and renders the frozen rows (`rows.py`) it gets back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

# Whether what is read now may be some moments old, as a replica has it.
may_be_late: ContextVar[bool] = ContextVar("may_be_late", default=False)

# What a text has in place of a NUL character where the database does not take one.
NO_NUL = "\ufffd"

# A parameter of a statement, or with no `name` what is none: texts and names in quotes.
PARAMETER = re.compile(r"'[^']*'|\"[^\"]*\"|:(?P<name>[A-Za-z_]\w*)")

# Longer lists are rare, and their texts are not worth keeping.
_LONGEST_FILLED = 1_024

Params = Mapping[str, object]
NO_PARAMS: Params = {}
Result = TypeVar("Result")


class Row(Protocol):
    """One row; `dict(row)` gives its columns by name."""

    def __getitem__(self, column: str, /) -> Any:
        """Return the value of a column."""
        ...

    def keys(self) -> Any:
        """Return the names of the columns."""
        ...


class Connection(Protocol):
    """A connection inside a transaction. Parameters are named, as in `:project_id`."""

    def rows(self, sql: str, params: Params = NO_PARAMS) -> Sequence[Row]:
        """Return all rows of a query."""
        ...

    def tuples(self, sql: str, params: Params = NO_PARAMS) -> Sequence[tuple[Any, ...]]:
        """Return all rows of a query without the names of their columns, where there are many."""
        ...

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """Return the first row of a query, or None."""
        ...

    def execute(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Run a statement and return the number of rows it changed."""
        ...

    def execute_many(self, sql: str, params: Iterable[Params]) -> None:
        """Run a statement once for each set of parameters."""
        ...

    def take_ids(self, table: str, count: int) -> Sequence[int]:
        """Return ids for new rows of a table: ascending, above all there are and all there were.

        `removed_ids` knows of those that were removed.
        """
        ...

    @property
    def texts(self) -> TextIndex:
        """The words of interactions."""
        ...

    @property
    def keeps_nul(self) -> bool:
        """Whether a text may have a NUL character; if not, it is kept as `NO_NUL`."""
        ...


@dataclass(frozen=True)
class Found:
    """Interactions that have the words, the newest first.

    Args:
        rows: Each with its `interaction_id` and `session_id`.
        next_before_id: Those below it were not looked at; None where there is nothing left.
    """

    rows: Sequence[Row]
    next_before_id: int | None


class TextIndex(Protocol):
    """Which interactions have which words; kept in the same transaction as they are.

    All words of a text that a person typed have to occur, in the input or the output; side by side
    where they are typed without a space between, as in `step-by-step`. What of a text is a word,
    and whether accents and case matter, is the same in every index: they do not.
    """

    def add(self, ids: Sequence[int]) -> None:
        """Add interactions that were just stored."""
        ...

    def remove(self, ids: Sequence[int]) -> None:
        """Remove interactions that are about to be deleted."""
        ...

    def newest(self, project_id: str, text: str, *, before_id: int, most: int) -> Found:
        """Return the newest that match."""
        ...

    def sessions(
        self, project_id: str, text: str, session_ids: Sequence[str], *, from_id: int
    ) -> Sequence[str]:
        """Return those with a match whose id is `from_id` or above."""
        ...


class Store(Protocol):
    """Where everything is kept."""

    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection that sees one consistent state and cannot change it."""
        ...

    def glance(self) -> AbstractContextManager[Connection]:
        """Give a connection for a single query, which costs less than `read` does."""
        ...

    def write(self, change: Callable[[Connection], Result]) -> Result:
        """Run `change` in a transaction and return its result once it is durable.

        Raises:
            BusyError: The database is locked by another program.
            StorageFullError: The disk is full; nothing was changed.
            Exception: What `change` raised; nothing was changed.
        """
        ...

    @property
    def changes_waiting(self) -> int:
        """How many changes wait to be carried out."""
        ...

    @property
    def is_writing(self) -> bool:
        """Whether the thread that carries out changes lives."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return the bytes that everything takes, by what takes them."""
        ...

    def close(self) -> None:
        """Finish the changes under way and close every connection."""
        ...


def in_list(name: str, values: Sequence[object]) -> tuple[str, dict[str, object]]:
    """Return the text and parameters of `in (...)` for a list of values, which may be empty.

    Its last value is repeated until it has one of few lengths, so that databases come to know the
    texts of statements.

    Args:
        name: Prefix of the parameters' names, unique in the statement.
        values: At most some thousands; SQLite takes 32,766 parameters in a statement.
    """
    if not values:
        return "in (null)", {}
    length = len(values)
    if length > _LONGEST_FILLED:
        text, names = _list_of(name, length)
    else:
        text, names = _kept_list_of(name, 1 << (length - 1).bit_length())
    filled = [*values, *[values[-1]] * (len(names) - length)]
    return text, dict(zip(names, filled, strict=True))


def in_ids(name: str, ids: Sequence[int]) -> tuple[str, dict[str, object]]:
    """Return what `in_list` does for ids of rows; where there is no gap, a range: read faster.

    Args:
        name: Prefix of the parameters' names.
        ids: In any order, none of them twice.
    """
    if len(ids) > 1 and max(ids) - min(ids) == len(ids) - 1:
        first, last = f"{name}_first", f"{name}_last"
        return f"between :{first} and :{last}", {first: min(ids), last: max(ids)}
    return in_list(name, ids)


def _list_of(name: str, length: int) -> tuple[str, Sequence[str]]:
    names = [f"{name}{i}" for i in range(length)]
    return "in (" + ", ".join(f":{each}" for each in names) + ")", names


_kept_list_of = lru_cache(maxsize=256)(_list_of)
