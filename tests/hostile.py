"""Values that loggers choke on, for every place where a host may hand one over."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable
from typing import Any


class Colour(enum.Enum):
    RED = "red"


class Loud:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def model_dump(self) -> dict[str, Any]:
        raise RuntimeError("no dump")


class Nothing:
    pass


class Bad(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")


def make_cycle() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    return cycle


def make_depth(levels: int = 2000) -> Any:
    deep: Any = 1
    for _ in range(levels):
        deep = [deep]
    return deep


class RaisingMapping(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("items")

    def copy(self) -> Any:
        raise RuntimeError("copy")


class NoTruth:
    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


HOSTILE: dict[str, Callable[[], Any]] = {
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "lone-surrogate": lambda: "a\ud800b",
    "nul": lambda: "a\0b",
    "cycle": make_cycle,
    "2000-levels": make_depth,
    "bytes": lambda: b"\xff\x00",
    "set": lambda: {1, "a"},
    "datetime": lambda: dt.datetime.now(dt.timezone.utc),
    "uuid": uuid.uuid4,
    "enum": lambda: Colour.RED,
    "decimal": lambda: decimal.Decimal("NaN"),
    "raising-object": Loud,
    "raising-mapping": lambda: RaisingMapping(a=1),
    "no-truth": NoTruth,
    "generator": lambda: (i for i in range(3)),
    "huge-text": lambda: "x" * 100_000_000,
    "huge-int": lambda: 10**6000,
    "keys": lambda: {(1, 2): 3, None: 4, Nothing(): 5},
    "str-subclass": lambda: Bad("text"),
    "function": lambda: print,
    "type": lambda: int,
    "exception": lambda: ValueError("bad"),
    "module": lambda: asyncio,
    "plain-object": object,
}
