"""The newer routes of existing phospho clients: conversations in any language, and figures."""

from __future__ import annotations

from flask import Flask

from phospho_server.api.v3 import export, log


def register(app: Flask) -> None:
    """Add every route."""
    for blueprint in (log.bp, export.bp):
        app.register_blueprint(blueprint, url_prefix="/v3")
