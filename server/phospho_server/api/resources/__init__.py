"""The JSON API under `/api`: one module per resource, described by `/api/openapi.json`.

A route declares who may call it, then what it takes and answers (`operations.operation`): its
document and its checks are made of that.
"""

from __future__ import annotations

from flask import Flask

from phospho_server.api.resources import (
    definitions,
    document,
    erasures,
    events,
    exports,
    feedback,
    interactions,
    previews,
    projects,
    reviews,
    search,
    sessions,
    stats,
    users,
)

_RESOURCES = (
    projects,
    sessions,
    interactions,
    users,
    events,
    definitions,
    previews,
    reviews,
    feedback,
    stats,
    search,
    exports,
    erasures,
    document,
)


def register(app: Flask) -> None:
    """Add every route of the JSON API."""
    app.url_map.converters["definition"] = definitions.DefinitionId
    for resource in _RESOURCES:
        app.register_blueprint(resource.bp)
