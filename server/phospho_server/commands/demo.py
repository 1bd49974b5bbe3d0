"""`phospho demo`: the whole product on sample conversations."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from phospho_server import logs
from phospho_server.clock import now_ms
from phospho_server.commands import opened, phospho
from phospho_server.commands.serve import PORT, announce
from phospho_server.demo import sample_definitions, sample_interactions
from phospho_server.incoming import read_interaction
from phospho_server.store import Connection
from phospho_server.store.definitions import create_definition
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_key, create_project


@phospho.command()
@click.option("--port", default=8000, show_default=True, type=PORT, help="0 takes a free one.")
def demo(port: int) -> None:
    """Show phospho on sample conversations, in a database that is thrown away at the end."""
    from phospho_server.serving import Server

    logs.configure(as_json=False)
    with (
        tempfile.TemporaryDirectory(prefix="phospho-demo-") as folder,
        opened(str(Path(folder, "demo.db"))) as store,
    ):
        environment, interactions = store.write(_fill)
        server = Server(store, host="127.0.0.1", port=port)
        with click.progressbar(
            length=interactions, label="Looking for events in the sample conversations"
        ) as bar:
            server.workers.detection.run_until_done(bar.update)
        announce(server, environment)
        server.run()


def _fill(db: Connection) -> tuple[dict[str, str], int]:
    """Make the demo's project and return its environment and number of interactions."""
    project = create_project(db, "Demo assistant")
    _, key = create_key(db, project.id, "first key")
    for definition in sample_definitions():
        create_definition(db, project.id, definition)
    now = now_ms()
    samples = list(sample_interactions(now))
    events = [read_interaction(sample, received_at_ms=now) for sample in samples]
    add_interactions(db, project.id, events)
    for sample in samples:
        if sample["notes"]:
            add_feedback(
                db,
                project.id,
                sample["task_id"],
                flag=sample["flag"],
                notes=sample["notes"],
                source="user",
            )
    return {"PHOSPHO_PROJECT_ID": project.id, "PHOSPHO_API_KEY": key}, len(events)
