"""Keeping interactions: rows, roll-ups, search and pending detection in one transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from phospho_server.clock import hour_of, minute_of, now_ms
from phospho_server.errors import NotFoundError
from phospho_server.store import (
    NO_NUL,
    Connection,
    app_versions,
    facts,
    in_list,
    interaction_days,
    users,
)
from phospho_server.store import counters as counter_store
from phospho_server.store import jobs as job_store
from phospho_server.store import search as search_store
from phospho_server.store.facts import Fact, FactChange
from phospho_server.store.projects import get_project
from phospho_server.store.rows import NewInteraction
from phospho_server.store.users import Said

# Rows handled by one set of statements, and by one job. The time that SQLite takes to read a list
# of parameters with names grows with its square.
CHUNK = 200

# Interactions whose words are indexed by one statement: each makes a part of the index, which is
# merged with others later. As many texts are in memory at once.
_INDEXED = 1_000

# Of what was said first in a session, which lists show.
PREVIEW_LENGTH = 200

_TOKEN_KEYS = ("total_tokens", "prompt_tokens", "completion_tokens")

# No answer has cost as many; sums of it fit a column.
_MOST_TOKENS = 10**12

_INSERT = """
insert into interactions (id, project_id, task_id, session_id, user_id, version_id, created_at_ms,
    received_at_ms, input, output, flag, notes, metadata, raw_input, raw_output, steps, tokens)
values (:id, :project_id, :task_id, :session_id, :user_id, :version_id, :created_at_ms,
    :received_at_ms, :input, :output, :flag, :notes, :metadata, :raw_input, :raw_output,
    :steps, :tokens)
"""


def add_interactions(
    db: Connection, project_id: str, interactions: Sequence[NewInteraction]
) -> int:
    """Keep those interactions whose `task_id` is new to the project; return how many were.

    A repeated `task_id` is ignored, so a client may send again what it has no answer for.

    Raises:
        NotFoundError: The project was deleted meanwhile.
    """
    return len(add_new(db, project_id, as_kept(db, interactions)))


def as_kept(db: Connection, interactions: Sequence[NewInteraction]) -> Sequence[NewInteraction]:
    """Return interactions with their ids as the database will have them."""
    if db.keeps_nul or not any("\0" in name for i in interactions for name in _names(i)):
        return interactions
    return [
        replace(
            i,
            task_id=i.task_id.replace("\0", NO_NUL),
            session_id=i.session_id.replace("\0", NO_NUL),
            user_id=i.user_id and i.user_id.replace("\0", NO_NUL),
            version_id=i.version_id and i.version_id.replace("\0", NO_NUL),
        )
        for i in interactions
    ]


def _names(interaction: NewInteraction) -> Sequence[str]:
    i = interaction
    return i.task_id, i.session_id, i.user_id or "", i.version_id or ""


def add_new(db: Connection, project_id: str, interactions: Sequence[NewInteraction]) -> list[str]:
    """Keep interactions that are `as_kept`, and return the ids of those that were new."""
    get_project(db, project_id)
    added: list[str] = []
    for start in range(0, len(interactions), _INDEXED):
        added += _add_indexed(db, project_id, interactions[start : start + _INDEXED])
    return added


class _Metadata(NamedTuple):
    """What is kept of a metadata object besides its text."""

    tokens: int | None
    facts: list[Fact]


class _Chunk(NamedTuple):
    """Interactions that were inserted.

    Args:
        ids: Of their rows, by their `task_id`.
        metadata: What each text of it says.
    """

    new: Sequence[NewInteraction]
    ids: Mapping[str, int]
    metadata: Mapping[str | None, _Metadata]


def _add_indexed(
    db: Connection, project_id: str, interactions: Sequence[NewInteraction]
) -> list[str]:
    chunks = [
        _insert(db, project_id, interactions[start : start + CHUNK])
        for start in range(0, len(interactions), CHUNK)
    ]
    ids = {task_id: row_id for chunk in chunks for task_id, row_id in chunk.ids.items()}
    if ids:
        search_store.add_to_index(db, list(ids.values()))
    for chunk in chunks:
        if chunk.new:
            _roll_up(db, project_id, chunk)
    return list(ids)


def _insert(db: Connection, project_id: str, interactions: Sequence[NewInteraction]) -> _Chunk:
    """Insert the interactions that are new, and nothing that is made of them."""
    new = _without_known(db, project_id, interactions)
    if not new:
        return _Chunk([], {}, {})
    new = _with_feedback(db, project_id, new)
    more = {"project_id": project_id, "received_at_ms": now_ms()}
    metadata = _read_metadata(new)
    row_ids = db.take_ids("interactions", len(new))
    db.execute_many(
        _INSERT,
        (
            {**vars(i), **more, "tokens": metadata[i.metadata].tokens, "id": row_id}
            for i, row_id in zip(new, row_ids, strict=True)
        ),
    )
    ids = {i.task_id: row_id for i, row_id in zip(new, row_ids, strict=True)}
    return _Chunk(new, ids, metadata)


def _roll_up(db: Connection, project_id: str, chunk: _Chunk) -> None:
    new, ids, metadata = chunk
    counted: Counter[tuple[str, str, int]] = Counter()
    went_on = _roll_up_sessions(db, project_id, new, counted)
    facts.follow_sessions(db, project_id, went_on)
    facts.move(db, project_id, _list_facts(chunk))
    users.roll_up(
        db,
        project_id,
        [
            Said(i.user_id, i.created_at_ms, metadata[i.metadata].tokens or 0)
            for i in new
            if i.user_id
        ],
    )
    interaction_days.roll_up(db, project_id, ((i.created_at_ms, ids[i.task_id]) for i in new))
    # By the minute, the least that is counted by: most of a batch is of one.
    counted.update(("interactions", "", minute_of(i.created_at_ms)) for i in new)
    counted.update(("feedback", i.flag, i.created_at_ms) for i in new if i.flag)
    counter_store.add(db, project_id, counted)
    app_versions.add_interactions(db, project_id, new)
    job_store.add_detect(db, project_id, sorted(ids.values()))


def tokens_of(metadata: Mapping[str, Any]) -> int | None:
    """Return how many tokens a model read and wrote for an answer, where that was logged.

    Args:
        metadata: `usage` in it is as the SDK sends it: `total_tokens`, or `prompt_tokens` and
            `completion_tokens`. Existing clients send these beside everything else.
    """
    usage = metadata.get("usage", metadata)
    if not isinstance(usage, dict):
        return None
    total, *parts = (
        count if type(count) is int and 0 <= count <= _MOST_TOKENS else None
        for count in (usage.get(name) for name in _TOKEN_KEYS)
    )
    if total is not None or None in parts:
        return total
    return sum(count for count in parts if count is not None)


def note_removed(db: Connection, ids: Sequence[int]) -> None:
    """Note ids of interactions that are removed, so that none is given twice."""
    if ids:
        db.execute(
            "insert into removed_ids values ('interactions', :id) on conflict (table_name) "
            "do update set highest_id = excluded.highest_id "
            "where removed_ids.highest_id < excluded.highest_id",
            {"id": max(ids)},
        )


def _without_known(
    db: Connection, project_id: str, interactions: Sequence[NewInteraction]
) -> list[NewInteraction]:
    """Return the interactions to keep; of two with one id the first stands."""
    by_id: dict[str, NewInteraction] = {}
    for interaction in interactions:
        by_id.setdefault(interaction.task_id, interaction)
    for task_id in find_ids(db, project_id, list(by_id)):
        del by_id[task_id]
    return list(by_id.values())


def find_ids(db: Connection, project_id: str, task_ids: Sequence[str]) -> dict[str, int]:
    """Return the row ids of those tasks that are kept."""
    text, params = in_list("t", task_ids)
    rows = db.rows(
        f"select task_id, id from interactions where project_id = :project_id and task_id {text}",
        {"project_id": project_id, **params},
    )
    return {row["task_id"]: row["id"] for row in rows}


def no_such_interaction() -> NotFoundError:
    """Return what to raise for an interaction that a project does not have."""
    return NotFoundError(
        "This project has no interaction with this task_id. One that was just logged may "
        "still be on its way: try again in a second."
    )


def _with_feedback(
    db: Connection, project_id: str, new: Sequence[NewInteraction]
) -> list[NewInteraction]:
    """Return the interactions with the newest flag and notes of feedback that came before them."""
    text, params = in_list("t", [i.task_id for i in new])
    rows = db.rows(
        "select task_id, flag, notes from feedback "
        f"where project_id = :project_id and task_id {text} order by created_at_ms, id",
        {"project_id": project_id, **params},
    )
    by_id = {i.task_id: i for i in new}
    for row in rows:
        known = by_id[row["task_id"]]
        by_id[row["task_id"]] = replace(
            known, flag=row["flag"] or known.flag, notes=row["notes"] or known.notes
        )
    return list(by_id.values())


@dataclass
class _Session:
    """A row of `sessions` while a batch is added to it."""

    session_id: str
    first_at_ms: int
    last_at_ms: int
    interactions: int
    successes: int
    failures: int
    user_id: str | None
    version_id: str | None
    first_input: str
    counted_hour_ms: int | None = None

    def add(self, interaction: NewInteraction) -> None:
        at_ms = interaction.created_at_ms
        if at_ms < self.first_at_ms or not self.interactions:
            self.first_at_ms = at_ms
            self.first_input = interaction.input[:PREVIEW_LENGTH]
        self.last_at_ms = max(at_ms, self.last_at_ms)
        self.interactions += 1
        self.successes += interaction.flag == "success"
        self.failures += interaction.flag == "failure"
        self.user_id = interaction.user_id or self.user_id
        self.version_id = interaction.version_id or self.version_id


_UPSERT_SESSION = """
insert into sessions (project_id, session_id, first_at_ms, last_at_ms, interactions, successes,
    failures, user_id, version_id, first_input)
values (:project_id, :session_id, :first_at_ms, :last_at_ms, :interactions, :successes,
    :failures, :user_id, :version_id, :first_input)
on conflict (project_id, session_id) do update set
    first_at_ms = excluded.first_at_ms, last_at_ms = excluded.last_at_ms,
    interactions = excluded.interactions, successes = excluded.successes,
    failures = excluded.failures, user_id = excluded.user_id,
    version_id = excluded.version_id, first_input = excluded.first_input,
    counted_hour_ms = case when excluded.first_at_ms < sessions.counted_hour_ms then null
        else sessions.counted_hour_ms end
"""


def _roll_up_sessions(
    db: Connection,
    project_id: str,
    new: Sequence[NewInteraction],
    counted: Counter[tuple[str, str, int]],
) -> Sequence[str]:
    """Add a batch to its sessions, and to `counted` each session in the hour it began.

    Returns:
        The sessions there were before that were heard of again.
    """
    sessions = _load_sessions(db, project_id, list({i.session_id for i in new}))
    before = {session.session_id: session.last_at_ms for session in sessions.values()}
    for interaction in new:
        session = sessions.get(interaction.session_id)
        if session is None:
            at_ms = interaction.created_at_ms
            session = _Session(interaction.session_id, at_ms, at_ms, 0, 0, 0, None, None, "")
            sessions[interaction.session_id] = session
        session.add(interaction)
    db.execute_many(
        _UPSERT_SESSION, ({**vars(s), "project_id": project_id} for s in sessions.values())
    )
    for session in sessions.values():
        hour_ms = hour_of(session.first_at_ms)
        # What a session began with may have been removed: it stays counted where it was.
        if session.counted_hour_ms is None or hour_ms < session.counted_hour_ms:
            counted["sessions", "", hour_ms] += 1
            if session.counted_hour_ms is not None:
                counted["sessions", "", session.counted_hour_ms] -= 1
    return [name for name, last_at_ms in before.items() if sessions[name].last_at_ms != last_at_ms]


def _load_sessions(
    db: Connection, project_id: str, session_ids: Sequence[str]
) -> dict[str, _Session]:
    text, params = in_list("s", session_ids)
    rows = db.rows(
        "select session_id, first_at_ms, last_at_ms, interactions, successes, failures, user_id, "
        "version_id, first_input, counted_hour_ms from sessions "
        f"where project_id = :project_id and session_id {text}",
        {"project_id": project_id, **params},
    )
    sessions = {row["session_id"]: _Session(**dict(row)) for row in rows}
    for session in sessions.values():
        if session.counted_hour_ms is None:
            session.counted_hour_ms = hour_of(session.first_at_ms)
    return sessions


def _read_metadata(new: Sequence[NewInteraction]) -> dict[str | None, _Metadata]:
    """Return what each text of metadata says: those of a session mostly say the same."""
    texts = list(dict.fromkeys(i.metadata for i in new))
    # Read as one text: to begin takes longer than to read a small object.
    objects = json.loads(f"[{','.join(text or '{}' for text in texts)}]")
    return {
        text: _Metadata(tokens_of(each), facts.facts_of_metadata(each))
        for text, each in zip(texts, objects, strict=True)
    }


def _list_facts(chunk: _Chunk) -> list[FactChange]:
    """Return the facts of interactions; those of a session that have the same ones are together."""
    alike: dict[Hashable, list[NewInteraction]] = {}
    for i in chunk.new:
        same = (i.session_id, i.user_id, i.version_id, i.flag, i.notes is None, i.metadata)
        alike.setdefault(same, []).append(i)
    return [
        FactChange(
            these[0].session_id,
            facts.facts_of(these[0], chunk.metadata[these[0].metadata].facts),
            1,
            [chunk.ids[i.task_id] for i in these],
        )
        for these in alike.values()
    ]
