"""Asks the built-in extractors about a value that stands inside another one."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from phospho import lifecycle
from phospho.extraction import Extracted, accept
from phospho.extractors import catalogue

if TYPE_CHECKING:
    from phospho.models import Side

# Values inside values inside values: deeper ones are mistakes, such as a dict that holds itself.
_MAX_DEPTH = 8

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


class _Depth(threading.local):
    now = 0


_depth = _Depth()


def read(value: Any, side: Side) -> Extracted | None:
    """Return what the first extractor that knows a value reads in it, or None."""
    return ask(value, side, catalogue.find(value))


def read_of_source(value: Any, side: Side) -> Extracted | None:
    """Return what an extractor reads that knows a library's format; None for an app's own."""
    return ask(value, side, catalogue.find_of_sources(value))


def ask(value: Any, side: Side, names: Iterable[str]) -> Extracted | None:
    """Return the first answer of these extractors."""
    if type(value) in _PLAIN or _depth.now >= _MAX_DEPTH:
        return None
    _depth.now += 1
    try:
        for name in names:
            hook = getattr(_load(name), f"phospho_extract_{side}", None)
            answer = None if hook is None else hook(value)
            if answer is not None:
                return accept(answer)
    finally:
        _depth.now -= 1
    return None


def _load(name: str) -> Any:
    with lifecycle.loading:
        return importlib.import_module(f"{catalogue.PACKAGE}.{name}")
