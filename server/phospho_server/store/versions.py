"""Versions of a definition: what each was, and which verdicts it has given that still stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.models import EventDefinition
from phospho_server.errors import NotFoundError
from phospho_server.store import Connection, in_list
from phospho_server.store.rows import PERSON, StoredDetection

# The newest versions that a page shows.
MOST_VERSIONS = 100


@dataclass(frozen=True)
class VersionRow:
    """A version of a definition.

    Args:
        definition: As it was at this version; under today's name.
        from_id: It decides about interactions with this id and later ones.
        verdicts: Interactions it decides about now.
    """

    definition: EventDefinition
    created_at_ms: int
    from_id: int
    verdicts: int


@dataclass(frozen=True)
class VerdictCount:
    """How many interactions one version of a definition decides about, by one detector."""

    version: int
    detector: str
    embedder: str
    verdicts: int


_COUNT = """
insert into verdict_counts (project_id, definition_id, definition_version, detector, embedder,
    verdicts)
values (:project_id, :definition_id, :version, :detector, :embedder, :n)
on conflict (project_id, definition_id, definition_version, detector, embedder)
do update set verdicts = verdict_counts.verdicts + excluded.verdicts
"""


def count_verdicts(
    db: Connection, mine: Mapping[str, str], version: int, verdicts: Sequence[StoredDetection]
) -> None:
    """Count verdicts that are about to be kept, and no longer those whose place they take.

    What a person said where no detector has looked yet is no verdict of a version.

    Args:
        db: A connection in a write transaction.
        mine: `project_id` and `definition_id`.
        version: Of the definition.
        verdicts: At most one for each interaction.
    """
    text, params = in_list("i", [verdict.interaction_id for verdict in verdicts])
    replaced = db.rows(
        "select definition_version, detector, coalesce(embedder, '') as embedder, count(*) as n "
        "from detections where project_id = :project_id and definition_id = :definition_id "
        f"and interaction_id {text} and detector <> :person group by 1, 2, 3",
        {**mine, "person": PERSON, **params},
    )
    changes = Counter((version, v.detector, v.embedder or "") for v in verdicts)
    for row in replaced:
        changes[row["definition_version"], row["detector"], row["embedder"]] -= row["n"]
    db.execute_many(
        _COUNT,
        [
            {**mine, "version": version, "detector": detector, "embedder": embedder, "n": n}
            for (version, detector, embedder), n in changes.items()
            if n
        ],
    )
    db.execute(
        "delete from verdict_counts where project_id = :project_id "
        "and definition_id = :definition_id and verdicts = 0",
        mine,
    )


def uncount_verdicts(
    db: Connection, project_id: str, removed: Mapping[tuple[str, int, str, str], int]
) -> None:
    """Count verdicts no longer that are removed with their interactions.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        removed: How many, by definition, version, detector and embedder.
    """
    names = ("definition_id", "version", "detector", "embedder")
    db.execute_many(
        "update verdict_counts set verdicts = verdicts - :n where project_id = :project_id "
        "and definition_id = :definition_id and definition_version = :version "
        "and detector = :detector and embedder = :embedder",
        [
            {"project_id": project_id, "n": n, **dict(zip(names, of, strict=True))}
            for of, n in removed.items()
        ],
    )
    db.execute(
        "delete from verdict_counts where project_id = :project_id and verdicts = 0",
        {"project_id": project_id},
    )


def list_verdict_counts(db: Connection, project_id: str) -> dict[str, list[VerdictCount]]:
    """Return for each definition who decides about how many interactions, the newest first."""
    rows = db.rows(
        "select definition_id, definition_version, detector, embedder, verdicts "
        "from verdict_counts where project_id = :project_id "
        "order by definition_version desc, verdicts desc, detector, embedder",
        {"project_id": project_id},
    )
    counts: dict[str, list[VerdictCount]] = {}
    for row in rows:
        counts.setdefault(row["definition_id"], []).append(
            VerdictCount(
                row["definition_version"], row["detector"], row["embedder"], row["verdicts"]
            )
        )
    return counts


def decides_alone(db: Connection, project_id: str, definition: EventDefinition) -> bool:
    """Tell whether this version has given verdicts, and none that stand are of another one."""
    row = db.row(
        "select min(definition_version) as oldest, max(definition_version) as newest "
        "from verdict_counts where project_id = :project_id and definition_id = :id",
        {"project_id": project_id, "id": definition.id},
    )
    return row is not None and row["oldest"] == row["newest"] == definition.version


def list_present_versions(db: Connection, project_id: str) -> dict[str, int]:
    """Return the newest version of each definition."""
    rows = db.rows(
        "select id, version from event_definitions "
        "where project_id = :project_id and deleted_at_ms is null",
        {"project_id": project_id},
    )
    return {row["id"]: row["version"] for row in rows}


def list_versions(db: Connection, project_id: str, current: EventDefinition) -> list[VersionRow]:
    """Return the versions of a definition, the newest first."""
    rows = db.rows(
        "select v.version, v.description, v.scope, v.detector, v.settings, v.created_at_ms, "
        "v.from_id, (select coalesce(sum(c.verdicts), 0) from verdict_counts c "
        " where c.project_id = :project_id and c.definition_id = v.definition_id "
        " and c.definition_version = v.version) as verdicts "
        "from event_definition_versions v where v.definition_id = :id "
        "order by v.version desc limit :limit",
        {"project_id": project_id, "id": current.id, "limit": MOST_VERSIONS},
    )
    return [
        VersionRow(
            definition=EventDefinition(
                id=current.id,
                name=current.name,
                **{name: row[name] for name in ("version", "description", "scope", "detector")},
                **json.loads(row["settings"]),
            ),
            created_at_ms=row["created_at_ms"],
            from_id=row["from_id"],
            verdicts=row["verdicts"],
        )
        for row in rows
    ]


def get_version(
    db: Connection, project_id: str, current: EventDefinition, version: int
) -> EventDefinition:
    """Return a definition as it was at a version.

    Raises:
        NotFoundError: It has no such version, or one too old to be listed.
    """
    for row in list_versions(db, project_id, current):
        if row.definition.version == version:
            return row.definition
    raise NotFoundError("There is no such version. The list shows those there are.")


def get_scope(db: Connection, definition_id: str, version: int) -> str:
    """Return where a version of a definition looks; a version that is unknown looks nowhere."""
    row = db.row(
        "select scope from event_definition_versions "
        "where definition_id = :id and version = :version",
        {"id": definition_id, "version": version},
    )
    return row["scope"] if row else ""


def note_reach(db: Connection, definition: EventDefinition, *, from_id: int) -> None:
    """Note that a version now decides about interactions with this id and later ones."""
    db.execute(
        "update event_definition_versions set from_id = :from_id "
        "where definition_id = :id and version = :version and from_id > :from_id "
        "and version = (select d.version from event_definitions d where d.id = :id)",
        {"id": definition.id, "version": definition.version, "from_id": from_id},
    )


def list_starts(db: Connection, project_id: str) -> dict[tuple[str, int], int]:
    """Return when the first interaction came about that a version decides, in UTC milliseconds.

    Versions that decide about all interactions, or about none yet, are left out.
    """
    rows = db.rows(
        "select v.definition_id, v.version, (select i.created_at_ms from interactions i "
        " where i.project_id = :project_id and i.id >= v.from_id order by i.id limit 1) as at_ms "
        "from event_definition_versions v join event_definitions d on d.id = v.definition_id "
        "where d.project_id = :project_id and d.deleted_at_ms is null and v.from_id > 0 "
        "and exists (select 1 from verdict_counts c where c.project_id = d.project_id "
        " and c.definition_id = d.id and c.definition_version = v.version)",
        {"project_id": project_id},
    )
    return {
        (row["definition_id"], row["version"]): row["at_ms"]
        for row in rows
        if row["at_ms"] is not None
    }
