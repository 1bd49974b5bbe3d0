"""Keep verdicts, whoever has given them, and have plugins and webhooks told of what is new."""

from __future__ import annotations

from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.errors import NotFoundError
from phospho_server.judging import Verdicts
from phospho_server.metrics.instruments import EVENTS
from phospho_server.store import Connection, definitions, detections, jobs, telling

EVENT_HOOK = "phospho_event_detected"


def keep_verdicts(db: Connection, plugins: Plugins, project_id: str, verdicts: Verdicts) -> bool:
    """Keep verdicts and have others told of new events, unless the definition has changed.

    Returns:
        Whether the definition is still as it was.
    """
    if not _is_current(db, project_id, verdicts.definition):
        return False
    new_events = detections.record(db, project_id, verdicts.definition, verdicts.found)
    if new_events:
        # A transaction that is taken back counts too: that is rare, and they are found again.
        EVENTS.add(by=len(new_events))
        for plugin in plugins.implementers(EVENT_HOOK):
            jobs.add_notify(db, project_id, verdicts.definition.id, plugin, new_events)
        telling.plan_deliveries(db, project_id, verdicts.definition, new_events)
    return True


def _is_current(db: Connection, project_id: str, definition: EventDefinition) -> bool:
    """Tell whether verdicts of this version may be kept; a newer one has its own job."""
    try:
        return (
            definitions.get_definition(db, project_id, definition.id).version == definition.version
        )
    except NotFoundError:
        return False
