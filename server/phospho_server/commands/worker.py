"""`phospho worker`."""

from __future__ import annotations

import os
import threading

import click

from phospho_server import logs
from phospho_server.commands import database_option, opened, phospho


@phospho.command()
@click.option("--json-logs", is_flag=True, help="Log a JSON object a line.")
@database_option
def worker(database: str, *, json_logs: bool) -> None:
    """Look for events, beside any number of servers and workers on the same database.

    It also sends webhooks, looks after alerts, and removes what is no longer kept. One that dies
    is noticed within half a minute, and others do what it had begun.
    """
    # Detectors take a moment to load that other commands do without.
    from phospho.detectors.registry import load_detectors
    from phospho.plugins import Plugins
    from phospho_server.llm.lending import setups_of
    from phospho_server.stopping import leave, stopped_by_signals
    from phospho_server.workers import Workers

    logs.configure(as_json=json_logs)
    with opened(database) as store:
        plugins = Plugins()
        workers = Workers(
            store,
            detectors=load_detectors(plugins),
            plugins=plugins,
            setups=setups_of(store, os.environ),
        )
        workers.start()
        click.echo("Looking for events. Ctrl-C stops it.")
        told = threading.Event()
        with stopped_by_signals(told.set):
            told.wait()
            workers.stop()
        leave(store)
