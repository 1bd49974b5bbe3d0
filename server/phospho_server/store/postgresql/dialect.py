"""The store's SQL as psycopg takes it, and its values as SQLite gives them.

The modules of `store` write SQL that both databases understand. What is left: parameters are named
`:name` there and `%(name)s` here; flags are numbers, never booleans; and a text may hold a NUL
character there, which PostgreSQL does not take and gets as U+FFFD.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from psycopg import Connection
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap, Dumper, Loader
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from phospho_server.store import NO_NUL, PARAMETER

# A connection whose rows are dicts by the names of the columns.
Raw = Connection[dict[str, Any]]

# A plus before a column keeps SQLite from using its index, and others are told to it by name;
# PostgreSQL chooses by its statistics.
_HINT = re.compile(r"(?<=[ (])\+(?=[a-z])| indexed by \w+")


# A parameter that may be null has no type of its own, which PostgreSQL wants to know.
_ASKED_FOR_NULL = re.compile(r":\w+ is (not )?null")


# Statements with lists of every length come and go; those without stay.
@lru_cache(maxsize=4_096)
def translate(sql: str) -> bytes:
    """Return a statement with its parameters named as psycopg names them."""
    named = PARAMETER.sub(
        lambda found: f"%({found['name']})s" if found["name"] else found[0],
        _HINT.sub("", sql).replace("%", "%%"),
    )
    return named.encode()


@lru_cache(maxsize=4_096)
def is_typed(sql: str) -> bool:
    """Tell whether PostgreSQL can know the type of each parameter; else psycopg fills them in."""
    return _ASKED_FOR_NULL.search(sql) is None


def as_kept(value: object) -> object:
    """Return a value as PostgreSQL will have it."""
    return value.replace("\x00", NO_NUL) if isinstance(value, str) else value


class _Text(StrDumper):
    """A text, told to be one: PostgreSQL guesses otherwise, and not always right."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\x00", NO_NUL) if "\x00" in obj else obj)


class _Flag(Dumper):
    """A boolean, as the number that SQLite makes of it."""

    oid = Int8Dumper.oid

    def dump(self, obj: bool) -> Buffer | None:
        return b"1" if obj else b"0"


class _FlagLoader(Loader):
    """The result of a comparison, as the number that SQLite gives."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class _NumericLoader(Loader):
    """A sum of whole numbers is a whole number; everything else a float, as in SQLite."""

    def load(self, data: Buffer) -> int | float:
        value = Decimal(bytes(data).decode())
        return int(value) if value == value.to_integral_value() else float(value)


def adapt(context: AdaptContext) -> None:
    """Have a connection take and give values as SQLite does."""
    adapters: AdaptersMap = context.adapters
    adapters.register_dumper(str, _Text)
    adapters.register_dumper(bool, _Flag)
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_loader("bool", _FlagLoader)
    adapters.register_loader("numeric", _NumericLoader)
