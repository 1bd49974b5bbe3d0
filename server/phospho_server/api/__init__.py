"""What programs call, with an API key: JSON in and out, one module or package per protocol."""

from __future__ import annotations

from flask import Flask

from phospho_server.api import health, otlp, resources, v2, v3

_BLUEPRINTS = (health.bp, otlp.bp)


def register(app: Flask) -> None:
    """Add every API route."""
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    v2.register(app)
    v3.register(app)
    resources.register(app)
