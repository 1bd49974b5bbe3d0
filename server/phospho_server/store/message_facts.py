"""Facts that detectors tell of a message, its language and its sentiment, and their roll-ups.

A sentiment is kept as a number, and counted as `negative`, `neutral` or `positive`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from phospho.detectors.sentiment import FEELINGS, feeling_of
from phospho_server.clock import hour_of
from phospho_server.store import Connection, counters, facts, in_list, jobs
from phospho_server.store.facts import Fact, FactChange
from phospho_server.store.rows import FactCount, Series, StoredDetection
from phospho_server.store.time_steps import TimeSteps

# The metric of `counters` under which each fact is counted.
METRICS = {"language": "languages", "sentiment": "sentiment"}

# Sentiments of a session are summed up in whole millionths: exact when some are taken out again.
SENTIMENT_UNITS = 1_000_000
_DECIMALS = 6

# A code with script and region, as plugins may give: "zh-Hant-TW".
_MAX_CODE_CHARS = 35


class ToldChange(NamedTuple):
    """A fact of a message that is new, or no longer true.

    Args:
        sentiment: What is told, where it is a sentiment.
        difference: 1 for one that is new, -1 for one that was.
    """

    session_id: str
    sentiment: float | None
    difference: int


def record(db: Connection, project_id: str, told: Mapping[str, Sequence[StoredDetection]]) -> None:
    """Keep facts of interactions, and let the roll-ups follow what is new of them.

    Doing it twice is the same as doing it once.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        told: By the name of the fact, the answer to it for each interaction.
    """
    changes: list[ToldChange] = []
    for fact, answers in told.items():
        changes += _record_one(db, project_id, fact, answers)
    follow_in_sessions(db, project_id, changes)


def _record_one(
    db: Connection, project_id: str, fact: str, answers: Sequence[StoredDetection]
) -> list[ToldChange]:
    """Keep one fact of interactions, and return what changed, each once for what it was and is."""
    known = _known(db, project_id, fact, [answer.interaction_id for answer in answers])
    changes: list[dict[str, object]] = []
    moved: list[FactChange] = []
    told: list[ToldChange] = []
    by_hour: Counter[tuple[str, str, int]] = Counter()
    for answer in answers:
        value = _read_value(fact, answer.value)
        if answer.interaction_id not in known or known[answer.interaction_id] == value:
            continue
        changes.append({"id": answer.interaction_id, "value": value})
        for each, difference in ((known[answer.interaction_id], -1), (value, 1)):
            if each is not None:
                moved.append(
                    FactChange(
                        answer.session_id,
                        [Fact(fact, counted_as(each))],
                        difference,
                        [answer.interaction_id],
                    )
                )
                sentiment = None if isinstance(each, str) else each
                told.append(ToldChange(answer.session_id, sentiment, difference))
                hour_ms = hour_of(answer.created_at_ms)
                by_hour[METRICS[fact], counted_as(each), hour_ms] += difference
    db.execute_many(f"update interactions set {fact} = :value where id = :id", changes)
    counters.add(db, project_id, by_hour)
    facts.move(db, project_id, moved)
    return told


def _most_common(fact: str) -> str:
    """Return SQL for the most frequent value of a fact of a session; of two, the first by name."""
    return (
        "(select f.value from session_facts g join facts f on f.id = g.fact_id "
        f"where g.session_row = sessions.id and f.fact = '{fact}' "
        "order by g.interactions desc, f.value limit 1)"
    )


_FOLLOW = f"""
update sessions set
    sentiments = sentiments + :n, sentiment_sum = sentiment_sum + :sum,
    sentiment_size = sentiment_size + :size,
    language = {_most_common("language")}, feeling = {_most_common("sentiment")}
where project_id = :project_id and session_id = :session_id
"""


def follow_in_sessions(db: Connection, project_id: str, changes: Iterable[ToldChange]) -> None:
    """Let sessions say what is told of their messages.

    Args:
        db: A connection in a write transaction.
        project_id: The project, whose facts have moved already.
        changes: What is true of the messages from now on, or no longer.
    """
    sums: dict[str, tuple[int, int, int]] = {}
    for session_id, sentiment, difference in changes:
        n, total, size = sums.get(session_id, (0, 0, 0))
        if sentiment is not None:
            units = round(sentiment * SENTIMENT_UNITS) * difference
            n, total, size = n + difference, total + units, size + abs(units) * difference
        sums[session_id] = n, total, size
    db.execute_many(
        _FOLLOW,
        [
            {"project_id": project_id, "session_id": name, "n": n, "sum": total, "size": size}
            for name, (n, total, size) in sorted(sums.items())
        ],
    )


def counted_as(value: str | float) -> str:
    """Return the value under which an interaction is counted and found."""
    return value if isinstance(value, str) else feeling_of(value)


def _known(
    db: Connection, project_id: str, fact: str, ids: Sequence[int]
) -> dict[int, str | float | None]:
    text, params = in_list("i", ids)
    rows = db.rows(
        f"select id, {fact} as value from interactions "
        f"where project_id = :project_id and id {text}",
        {"project_id": project_id, **params},
    )
    return {row["id"]: row["value"] for row in rows}


def _read_value(fact: str, answer: str | None) -> str | float | None:
    """Return what a detector, which may be a stranger's, answered; None for what is no answer."""
    value = json.loads(answer) if answer else None
    if fact == "language":
        return value[:_MAX_CODE_CHARS] or None if isinstance(value, str) else None
    if isinstance(value, (int, float)) and -1 <= value <= 1:
        return round(float(value), _DECIMALS)
    return None


def count_in_session(
    db: Connection, project_id: str, session_id: str
) -> Mapping[str, Sequence[FactCount]]:
    """Return what is known of a session's interactions, by fact, the most frequent first."""
    known = facts.list_of_session(db, project_id, session_id)
    return {
        name: [FactCount(fact.value, n) for fact, n in known if fact.name == name]
        for name in METRICS
    }


# One step through the index for each value there is, however many interactions have it.
_VALUES = """
with recursive vals (value) as (
    select min(key) from counters where project_id = :project_id and metric = :metric
    union all
    select (select min(c.key) from counters c where c.project_id = :project_id
        and c.metric = :metric and c.key > vals.value)
    from vals where vals.value is not null
)
"""


def list_values(db: Connection, project_id: str, fact: str) -> Sequence[str]:
    """Return the values a fact has had in a project, for a filter to offer."""
    rows = db.rows(
        _VALUES + "select value from vals where value is not null order by value",
        {"project_id": project_id, "metric": METRICS[fact]},
    )
    return [row["value"] for row in rows]


def count_values(
    db: Connection, project_id: str, fact: str, *, since_ms: int, until_ms: int
) -> Sequence[FactCount]:
    """Return of how many interactions of a period each value is true, the most frequent first."""
    of = counters.counted(
        "metric = :metric and key in (select vals.value from vals)", since_ms, until_ms
    )
    rows = db.rows(
        _VALUES + f"select key as value, sum(c.value) as interactions from {of.table} c "
        "group by key having sum(c.value) > 0 order by interactions desc, key",
        {"project_id": project_id, "metric": METRICS[fact], **of.params},
    )
    return [FactCount(row["value"], row["interactions"]) for row in rows]


def get_sentiment_series(
    db: Connection, project_id: str, *, since_ms: int, until_ms: int, step_ms: int
) -> Series:
    """Return over time how many messages sounded negative, neutral and positive."""
    steps = TimeSteps(since_ms, until_ms, step_ms)
    feelings, params = in_list("f", FEELINGS)
    of = counters.counted_in(f"metric = 'sentiment' and key {feelings}", steps)
    rows = db.rows(
        "select key, (hour_ms - :origin) / :step as step, sum(value) as value "
        f"from {of.table} c group by key, step",
        {"project_id": project_id, **of.params, **params},
    )
    values: dict[str, list[int]] = {feeling: [0] * steps.count for feeling in FEELINGS}
    for row in rows:
        values[row["key"]][row["step"]] = row["value"]
    return Series(steps.starts_ms, values)


def note_kept(db: Connection, project_id: str, names: Sequence[str]) -> None:
    """Note which facts are told of each new interaction of a project."""
    db.execute_many(
        "insert into kept_facts values (:project_id, :fact) on conflict do nothing",
        [{"project_id": project_id, "fact": name} for name in names],
    )


def plan_past(db: Connection, names: Sequence[str]) -> None:
    """Have facts told of the past of every project that has not had them so far.

    Called when a server starts, whose detectors tell facts of these names. Those it does not tell
    are forgotten as kept: should their detector come back, it begins again.
    """
    text, params = in_list("f", sorted(set(METRICS) - set(names)))
    db.execute(f"delete from kept_facts where fact {text}", params)
    kept = {(row["project_id"], row["fact"]) for row in db.rows("select * from kept_facts")}
    for row in db.rows("select id from projects order by id"):
        new = [name for name in names if (row["id"], name) not in kept]
        if new:
            _plan_past_of(db, row["id"], new)


def _plan_past_of(db: Connection, project_id: str, names: Sequence[str]) -> None:
    newest = db.row("select max(id) as id from interactions")
    size = counters.count_stored(db, project_id)
    if newest and size:
        jobs.add_past_facts(db, project_id, names, before_id=newest["id"] + 1, size=size)
    note_kept(db, project_id, names)
