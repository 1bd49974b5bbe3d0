"""The pages, one blueprint per subject. A view reads the request, asks the store, renders."""

from __future__ import annotations

from flask import Flask

from phospho_server import addresses
from phospho_server.views import (
    account,
    alerts,
    audit,
    audit_log,
    dashboard,
    data,
    drawing,
    event_pages,
    events,
    exports,
    feedback,
    first_steps,
    formats,
    frame,
    icon,
    interactions,
    llm,
    members,
    parts,
    previews,
    projects,
    pulse,
    reviews,
    saved_views,
    search,
    sessions,
    settings,
    sign_in,
    sign_up,
    users,
    versions,
    webhooks,
)

_BLUEPRINTS = (
    sign_in.bp,
    sign_up.bp,
    account.bp,
    icon.bp,
    projects.bp,
    dashboard.bp,
    first_steps.bp,
    sessions.bp,
    interactions.bp,
    users.bp,
    search.bp,
    saved_views.bp,
    exports.bp,
    feedback.bp,
    settings.bp,
    events.bp,
    alerts.bp,
    previews.bp,
    versions.bp,
    event_pages.bp,
    reviews.bp,
    audit.bp,
    llm.bp,
    members.bp,
    audit_log.bp,
    data.bp,
    webhooks.bp,
    pulse.bp,
)


def register(app: Flask) -> None:
    """Add every page."""
    formats.register(app)
    drawing.register(app)
    parts.register(app)
    frame.register(app)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    addresses.register(app)
