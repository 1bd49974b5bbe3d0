"""The pages, one blueprint per subject. A view reads the request, asks the store, renders."""

from __future__ import annotations

from flask import Flask

from phospho_server.views import (
    dashboard,
    events,
    formats,
    frame,
    llm,
    projects,
    pulse,
    sessions,
    settings,
    sign_in,
)

_BLUEPRINTS = (
    sign_in.bp,
    projects.bp,
    dashboard.bp,
    sessions.bp,
    settings.bp,
    events.bp,
    llm.bp,
    pulse.bp,
)


def register(app: Flask) -> None:
    """Add every page."""
    formats.register(app)
    frame.register(app)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
