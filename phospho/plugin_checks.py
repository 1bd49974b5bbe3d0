"""Looks at plugins before they are asked: which are left out, refused, or may redact."""

from __future__ import annotations

import importlib.util
import inspect
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pluggy


def disabled_names() -> frozenset[str]:
    """Read `PHOSPHO_DISABLE_PLUGINS`: names of entry points, or `all`, separated by commas."""
    names = os.environ.get("PHOSPHO_DISABLE_PLUGINS", "").split(",")
    return frozenset("all" if n.strip().lower() in _EVERY else n.strip() for n in names)


_EVERY = frozenset({"all", "1", "true"})


def names_sending(plugin: object) -> bool:
    """Tell whether a plugin that was refused may have meant to change what is sent."""
    return any("send" in name for name in dir(plugin))


def speaks_of_sending(entry_point: metadata.EntryPoint) -> bool:
    """Tell whether a module that cannot be loaded may change what is sent, as its text says."""
    try:
        spec = importlib.util.find_spec(entry_point.module)
        return spec is None or "send" in Path(str(spec.origin)).read_text(encoding="utf-8")
    except Exception:  # noqa: BLE001 - a module that cannot be looked at may do anything
        return True


def fault_of(implementation: pluggy.HookImpl) -> str | None:
    """Return why a function would not do what its author means, or None."""
    function = implementation.function
    if implementation.wrapper or implementation.hookwrapper:
        return "asks for wrapper=True"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is async: nobody would await it"
    return None
