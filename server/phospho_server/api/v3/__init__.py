"""The newer routes of existing phospho clients: conversations in any language."""

from __future__ import annotations

from flask import Flask

from phospho_server.api.v3 import log


def register(app: Flask) -> None:
    """Add every route."""
    app.register_blueprint(log.bp, url_prefix="/v3")
