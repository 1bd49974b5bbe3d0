"""Tell plugins of alerts."""

from __future__ import annotations

from phospho.plugins import Plugins
from phospho_server.alerts.wording import to_model
from phospho_server.store import Connection, Store, alerts, jobs
from phospho_server.store.definitions import get_definition
from phospho_server.store.deleting import unless_gone
from phospho_server.store.rows import Job


def tell_of_alert(store: Store, plugins: Plugins, job: Job) -> int:
    """Tell the plugin that a job names of an alert, or plan to tell every one; return 1.

    Whoever fires and ends alerts knows no plugins: there may be none in its process.
    """
    if job.payload["plugin"] is None:
        store.write(unless_gone(job.project_id, lambda db: _plan(db, plugins, job)))
        return job.size
    problem = _tell(store, plugins, job)

    def finish(db: Connection) -> None:
        if problem is None:
            jobs.finish(db, job)
        else:
            jobs.fail(db, job, f"The plugin {job.payload['plugin']!r} failed: {problem}")

    store.write(unless_gone(job.project_id, finish))
    return job.size


def _plan(db: Connection, plugins: Plugins, job: Job) -> None:
    alert_id, hook = job.payload["alert_id"], job.payload["hook"]
    for plugin in plugins.implementers(hook):
        jobs.add_alert(db, job.project_id, job.definition_id or "", alert_id, hook, plugin=plugin)
    jobs.finish(db, job)


def _tell(store: Store, plugins: Plugins, job: Job) -> Exception | None:
    """Return what went wrong; of an alert whose event was deleted nothing is told."""
    with store.read() as db:
        alert = alerts.find_alert(db, job.project_id, job.payload["alert_id"])
        if alert is None:
            return None
        definition = get_definition(db, job.project_id, alert.definition_id)
    return plugins.tell(
        job.payload["plugin"], job.payload["hook"], alert=to_model(alert), definition=definition
    )
