"""The protocol of existing phospho clients, which our SDK speaks too.

Observed from phospho 0.3.45 and its last backend, which served it under two prefixes.
"""

from __future__ import annotations

from flask import Flask

from phospho_server.api.v2 import feedback, log, me, projects, sessions, tasks

PREFIXES = ("v2", "v0")

_BLUEPRINTS = (log.bp, feedback.bp, tasks.bp, sessions.bp, projects.bp, me.bp)


def register(app: Flask) -> None:
    """Add every route under every prefix; the endpoints of an older one begin with it."""
    for prefix in PREFIXES:
        for blueprint in _BLUEPRINTS:
            name = blueprint.name if prefix == PREFIXES[0] else f"{prefix}_{blueprint.name}"
            app.register_blueprint(blueprint, url_prefix=f"/{prefix}", name=name)
