"""What programs call, with an API key: JSON in and out, one module per protocol."""

from __future__ import annotations

from flask import Flask

from phospho_server.api import feedback, health, log, previews

_BLUEPRINTS = (health.bp, log.bp, feedback.bp, previews.bp)


def register(app: Flask) -> None:
    """Add every API route."""
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
