"""phospho: see what your users talk about in your LLM app.

import phospho

phospho.init()
phospho.log(input="What the user asked", output="What the app answered")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phospho.backlog import Stats
from phospho.client import Client
from phospho.context import session
from phospho.default import (
    flush,
    init,
    log,
    new_session,
    new_task,
    shutdown,
    stats,
    user_feedback,
)
from phospho.version import __version__
from phospho.wrapping import wrap

if TYPE_CHECKING:
    from phospho.extraction import Extracted
    from phospho.hookspecs import hookimpl, hookspec
    from phospho.redaction import Redaction

__all__ = [
    "Client",
    "Extracted",
    "Redaction",
    "Stats",
    "__version__",
    "flush",
    "hookimpl",
    "hookspec",
    "init",
    "log",
    "new_session",
    "new_task",
    "session",
    "shutdown",
    "stats",
    "user_feedback",
    "wrap",
]

# Names whose modules load pluggy, or more than an app that only logs needs.
_LAZY = {
    "Extracted": "phospho.extraction",
    "Redaction": "phospho.redaction",
    "hookimpl": "phospho.hookspecs",
    "hookspec": "phospho.hookspecs",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'phospho' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """List the public names, those not loaded yet included."""
    return sorted({*globals(), *__all__})
