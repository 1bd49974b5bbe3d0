"""The self-hosted server: stores interactions, looks for events in them, shows both.

`create_app` makes the Flask application; `phospho serve` runs it (`serving.py`). Requests come in
by `api/` (programs, API keys) and `views/` (people, signed in); both read and change what
`store/` keeps, and so does `files/`, for commands. `detection.py` works through what was stored,
outside of any request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phospho_server.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    """Load the application when asked for: without Flask the command must start, to say so."""
    if name != "create_app":
        raise AttributeError(f"module 'phospho_server' has no attribute {name!r}")
    from phospho_server.app import create_app

    return create_app
