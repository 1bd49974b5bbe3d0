"""What a request needs of the running server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from phospho.detectors import Detector
from phospho_server.known_keys import KnownKeys
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.metrics.gathering import Metrics
from phospho_server.running import Running
from phospho_server.store import Store
from phospho_server.trying import Tries
from phospho_server.webhooks.worker import Sender


@dataclass(frozen=True)
class Services:
    """The parts of the server that requests use.

    Args:
        store: Where everything is kept.
        detectors: What may decide about events, by name.
        on_new_work: Wakes the workers.
        running: What of the server runs beside the requests.
        metrics: What it tells of itself.
        setups: Which LLM each project asks.
        is_behind_proxy: Whether requests come by a proxy, so never from this machine itself.
        tries: How often passwords were tried.
        webhooks: Sends what webhooks are told.
        keys: Those that were looked up a moment ago.
        feedback_from: Origins of web pages that may send feedback without a key; `*` is any.
    """

    store: Store
    detectors: Mapping[str, Detector]
    on_new_work: Callable[[], None]
    running: Running
    metrics: Metrics
    setups: Setups = field(default_factory=lambda: Setups(Sealer(None), {}))
    is_behind_proxy: bool = False
    tries: Tries = field(default_factory=Tries)
    webhooks: Sender = field(default_factory=lambda: Sender(Sealer(None)))
    keys: KnownKeys = field(default_factory=KnownKeys)
    feedback_from: Collection[str] = ()


def services() -> Services:
    """Return the services of the application that handles this request."""
    return cast("Services", current_app.extensions["phospho"])
