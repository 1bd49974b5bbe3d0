"""The Flask application: its parts put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask

from phospho_server import api, lateness, security, views, watching
from phospho_server.limits import MAX_BODY_BYTES
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.metrics.gathering import METRICS_VARIABLE, Metrics
from phospho_server.running import Running
from phospho_server.services import Services
from phospho_server.store.sign_ins import SIGN_IN_LIFE_MS, get_secret
from phospho_server.store.sqlite import database_file
from phospho_server.webhooks.outcomes import is_private_allowed
from phospho_server.webhooks.worker import Sender

if TYPE_CHECKING:
    from phospho.detectors import Detector
    from phospho_server.store import Store


class _App(Flask):
    """A Flask whose functions are all plain ones, which it need not find out at each request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as it is: one with `async` would have to be awaited here."""
        return func


def create_app(
    store: Store,
    *,
    detectors: Mapping[str, Detector],
    setups: Setups | None = None,
    running: Running | None = None,
    is_behind_proxy: bool = False,
    feedback_from: Collection[str] = (),
    has_replica: bool = False,
    on_new_work: Callable[[], None] = lambda: None,
) -> Flask:
    """Make the application.

    Args:
        store: Where everything is kept.
        detectors: What may decide about events, by name.
        setups: Which LLM each project asks; by default what Settings say, and no environment.
        running: What of the server runs beside the requests; by default nothing does.
        is_behind_proxy: Whether every request comes by a proxy.
        feedback_from: Origins of web pages that may send feedback without a key; `*` is any.
        has_replica: Whether pages may read a replica.
        on_new_work: Called after interactions or definitions were stored, to wake the worker.
    """
    app = _App("phospho_server")
    app.config.update(
        SECRET_KEY=store.write(lambda db: get_secret(db, "cookies")),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="phospho",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SIGN_IN_LIFE_MS // 1000,
        WTF_CSRF_TIME_LIMIT=None,
    )
    setups = setups or Setups(Sealer(database_file(store)), {})
    running = running or Running(store)
    app.extensions["phospho"] = Services(
        store,
        detectors,
        on_new_work,
        running,
        Metrics(running, os.environ.get(METRICS_VARIABLE) or None),
        setups,
        webhooks=Sender(setups.sealer, allow_private=is_private_allowed(os.environ)),
        is_behind_proxy=is_behind_proxy,
        feedback_from=feedback_from,
    )
    watching.watch(app)
    security.protect(app)
    if has_replica:
        lateness.register(app)
    api.register(app)
    views.register(app)
    security.check_declarations(app)
    security.allow_pages(app)
    return app
