"""Administrative acts of people on the pages: allowed, carried out and noted in one transaction."""

from __future__ import annotations

from collections.abc import Callable

from phospho_server import signing_in
from phospho_server.security import make_recheck
from phospho_server.services import services
from phospho_server.store import Connection, Result, audit_log


def act(
    action: str,
    change: Callable[[Connection], Result],
    *,
    project_id: str | None,
    what: str | Callable[[Result], str] = "",
) -> Result:
    """Carry out a change for whoever is signed in and still may, and note it in the audit log.

    Args:
        action: As in the audit log: `key created`.
        change: What is done; when it raises, nothing is noted.
        project_id: The project that is changed; None for accounts and the whole server.
        what: What it is done to; may be taken from what `change` returns.
    """
    by, recheck = signing_in.who(), make_recheck()

    def both(db: Connection) -> Result:
        recheck(db)
        result = change(db)
        named = what if isinstance(what, str) else what(result)
        audit_log.record(db, project_id, who=by, action=action, what=named)
        return result

    return services().store.write(both)
