"""A database of any size, filled through the store's own functions: what pages are measured on.

Sessions of ten interactions on average, over the last 90 days, with users, versions, models,
metadata, feedback, notes, languages and sentiments, and the verdicts of ten events, which occur in
15 of 100 interactions. What is rare is as rare in a small database as in a large one.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from phospho.models import EventDefinition
from phospho_server.store import Connection, detections, message_facts
from phospho_server.store.alert_rules import Terms, add_rule
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions, find_ids
from phospho_server.store.matches import list_matches
from phospho_server.store.projects import create_project
from phospho_server.store.reviews import review
from phospho_server.store.rows import NewInteraction, Project, StoredDetection
from phospho_server.store.sqlite import SqliteStore

# Interactions a session: ten on average.
LENGTHS = (1, 2, 4, 6, 8, 10, 12, 15, 18, 24)
LONG_SESSION = "s-long"
LONG = 500

# In how many of 1,000 sessions an event occurs at each message, 150 together; `old` only in the
# first fiftieth of all sessions.
EVENTS = {
    "common": 60,
    "often": 30,
    "sometimes": 20,
    "seldom": 10,
    "one": 10,
    "two": 8,
    "three": 6,
    "four": 4,
    "rare": 1,
    "old": 50,
}
DAYS = 90

# One session in ten is of this user.
HEAVY_USER = "user-heavy"

# A word that stands in 20 sessions, and two of which each stands in half of all sessions, never
# both in one.
RARE_WORD, ONE_HALF, OTHER_HALF = "zanzibar", "monday", "tuesday"

# Each in many messages, some in most.
_COMMON = (
    *("the", "a", "my", "please", "thanks", "how", "when", "flight", "refund", "account", "card"),
    *("hotel", "order", "cancel", "change", "booking", "late", "train", "price", "seat", "luggage"),
    *("meal", "pin", "code", "app", "error", "login", "invoice"),
)
# Syllables of words that are not: as many different ones as a vocabulary has.
_SYLLABLES = ("ba", "ke", "li", "mo", "nu", "pra", "ste", "vi", "zo", "fa", "dri", "hu")
# Texts to choose from: each is used in many interactions, as its words would be.
_TEXTS = 4_000
_INPUT_CHARS, _OUTPUT_CHARS = 200, 600

# Interactions that share a transaction.
_BATCH = 20_000


def find_or_fill(folder: Path, interactions: int) -> Path:
    """Return a database of a size, made where there is none."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{interactions}.db"
    if file.exists():
        return file
    started, making = time.process_time(), folder / f"{interactions}.part"
    store = SqliteStore(making)
    fill(store, interactions)
    store.close()
    making.rename(file)
    spent_s = time.process_time() - started
    print(f"{interactions:,} interactions filled in {spent_s:.0f} s of CPU", file=sys.stderr)
    return file


def fill(store: SqliteStore, interactions: int) -> Project:
    """Fill an empty database, which takes about a minute of CPU for 100,000 interactions."""
    chance = random.Random(7)
    project = store.write(lambda db: create_project(db, "Benchmark"))
    definitions = [
        store.write(partial(create_definition, project_id=project.id, definition=_define(name)))
        for name in EVENTS
    ]

    def keep(batch: Sequence[NewInteraction]) -> None:
        store.write(lambda db: _keep(db, project.id, definitions, batch, chance))

    batch: list[NewInteraction] = []
    for session in _make_sessions(interactions, chance):
        batch += session
        if len(batch) >= _BATCH:
            keep(batch)
            batch = []
    keep(batch)
    store.write(lambda db: _review_some(db, project.id, definitions))
    store.write(lambda db: add_rule(db, project.id, definitions[0].id, Terms(60, 1_000, 3)))
    # Verdicts are given: nothing waits to be looked at.
    store.write(lambda db: db.execute("delete from jobs"))
    return project


def make_interactions(interactions: int, *, prefix: str) -> list[NewInteraction]:
    """Return interactions like those of a database, of sessions that are not in it."""
    sessions = _make_sessions(interactions, random.Random(11))
    return [
        replace(each, task_id=prefix + each.task_id, session_id=prefix + each.session_id)
        for session in sessions
        for each in session
    ]


def _define(name: str) -> EventDefinition:
    return EventDefinition(
        id="new",
        name=name,
        description=f"The user mentions {name}",
        detector="rules",
        keywords=[name],
    )


def _make_sessions(interactions: int, chance: random.Random) -> Iterator[list[NewInteraction]]:
    """Yield sessions in the order in which they began."""
    inputs = [_make_text(chance, _INPUT_CHARS) for _ in range(_TEXTS)]
    outputs = [_make_text(chance, _OUTPUT_CHARS) for _ in range(_TEXTS)]
    sessions = interactions // 10
    now_ms = int(time.time() * 1000)
    step_ms = DAYS * 24 * 3_600_000 // sessions
    left, number = interactions, 0
    while left > 0:
        name = LONG_SESSION if number == sessions // 2 else f"s{number}"
        length = min(left, LONG if name == LONG_SESSION else chance.choice(LENGTHS))
        begun_ms = now_ms - max(1, sessions - number) * step_ms
        user = HEAVY_USER if number % 10 == 3 else f"user-{chance.randrange(sessions // 3 + 1)}"
        version = f"v{number % 4}"
        words = ONE_HALF if number % 2 else OTHER_HALF
        if number % max(1, sessions // 20) == 0:
            words += f" {RARE_WORD}"
        yield [
            NewInteraction(
                task_id=f"t{number}-{turn}",
                session_id=name,
                created_at_ms=min(begun_ms + turn * 60_000, now_ms),
                input=f"{words} {chance.choice(inputs)}",
                output=chance.choice(outputs),
                user_id=user,
                version_id=version,
                flag=chance.choice(("success", "failure")) if chance.random() < 0.05 else None,
                notes="Somebody wrote this" if chance.random() < 0.01 else None,
                metadata=_make_metadata(f"r{number}-{turn}", version, chance),
            )
            for turn in range(length)
        ]
        left -= length
        number += 1


def _make_text(chance: random.Random, chars: int) -> str:
    words: list[str] = []
    while sum(map(len, words)) + len(words) < chars:
        is_common = chance.random() < 0.6
        words.append(
            chance.choice(_COMMON) if is_common else "".join(chance.choices(_SYLLABLES, k=4))
        )
    return " ".join(words)


def _make_metadata(request: str, version: str, chance: random.Random) -> str:
    return json.dumps(
        {
            "model": "model-a" if version == "v1" else "model-b",
            "plan": chance.choice(("free", "free", "free", "pro")),
            "channel": chance.choice(("web", "ios", "android")),
            "request": request,
            "usage": {"total_tokens": chance.randrange(100, 2_000)},
        }
    )


def _keep(
    db: Connection,
    project_id: str,
    definitions: Sequence[EventDefinition],
    batch: Sequence[NewInteraction],
    chance: random.Random,
) -> None:
    """Store interactions with the verdicts and facts that detectors would give them."""
    add_interactions(db, project_id, batch)
    for start in range(0, len(batch), 1_000):
        part = batch[start : start + 1_000]
        ids = find_ids(db, project_id, [each.task_id for each in part])
        verdicts = [_verdict(each, ids[each.task_id]) for each in part]
        for definition in definitions:
            detections.record(
                db,
                project_id,
                definition,
                [
                    _verdict(each, ids[each.task_id], detected=_occurs(definition, each, chance))
                    for each in part
                ],
            )
        languages = chance.choices(("en", "de", "fr", "es", "ja"), (70, 12, 9, 8, 1), k=len(part))
        told = {
            "language": [
                _told(v, language) for v, language in zip(verdicts, languages, strict=True)
            ],
            "sentiment": [_told(v, round(chance.uniform(-1, 1), 2)) for v in verdicts],
        }
        message_facts.record(db, project_id, told)


def _occurs(definition: EventDefinition, each: NewInteraction, chance: random.Random) -> bool:
    is_known = definition.name != "old" or each.created_at_ms < _end_of_old()
    return is_known and chance.random() * 1_000 < EVENTS[definition.name]


def _end_of_old() -> int:
    return int(time.time() * 1000) - (DAYS - 2) * 24 * 3_600_000


def _verdict(each: NewInteraction, row_id: int, *, detected: bool = False) -> StoredDetection:
    quote = each.input[:30]
    return StoredDetection(
        interaction_id=row_id,
        session_id=each.session_id,
        created_at_ms=each.created_at_ms,
        detected=detected,
        score=0.9 if detected else 0.1,
        detector="rules",
        evidence=json.dumps({"side": "input", "quote": quote}) if detected else None,
    )


def _told(verdict: StoredDetection, value: str | float) -> StoredDetection:
    return StoredDetection(**{**vars(verdict), "value": json.dumps(value)})


def _review_some(db: Connection, project_id: str, definitions: Sequence[EventDefinition]) -> None:
    """Let people speak about the newest hundred verdicts of each event."""
    for definition in definitions:
        matches = list_matches(db, project_id, definition.id, limit=100).matches
        for number, match in enumerate(matches):
            review(
                db,
                project_id,
                definition.id,
                match.interaction_id,
                occurred=number % 5 > 0,
                source="events",
            )
