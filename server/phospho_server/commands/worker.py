"""`phospho worker`."""

from __future__ import annotations

import os
import threading

import click

from phospho_server import logs
from phospho_server.commands import database_option, opened, phospho


@phospho.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Answer /healthz, /readyz and /metrics there; 0 takes a free one. By default it listens "
    "nowhere.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--json-logs", is_flag=True, help="Log a JSON object a line.")
@database_option
def worker(port: int | None, host: str, database: str, *, json_logs: bool) -> None:
    """Look for events, beside any number of servers and workers on the same database.

    It also sends webhooks, looks after alerts, and removes what is no longer kept. One that dies
    is noticed within half a minute, and others do what it had begun.
    """
    # Detectors take a moment to load that other commands do without.
    from phospho.detectors.registry import load_detectors
    from phospho.plugins import Plugins
    from phospho_server.llm.setup import setups_of
    from phospho_server.metrics.gathering import METRICS_VARIABLE
    from phospho_server.probes import Probes
    from phospho_server.running import Running
    from phospho_server.stopping import leave, stopped_by_signals
    from phospho_server.workers import Workers

    logs.configure(as_json=json_logs)
    with logs.errors_told(as_json=json_logs), opened(database) as store:
        plugins = Plugins()
        workers = Workers(
            store,
            detectors=load_detectors(plugins),
            plugins=plugins,
            setups=setups_of(store, os.environ),
        )
        if port is not None:
            token = os.environ.get(METRICS_VARIABLE) or None
            probes = Probes(Running(store, workers.all), token=token, host=host, port=port)
            click.echo(f"http://{host}:{probes.port} tells how it is.")
            probes.start()
        workers.start()
        click.echo("Looking for events. Ctrl-C stops it.")
        told = threading.Event()
        with stopped_by_signals(told.set):
            told.wait()
            workers.stop()
        leave(store)
