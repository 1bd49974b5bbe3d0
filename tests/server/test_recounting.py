"""Whatever happens in whatever order: every count equals a recount, and no verdict is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from phospho.detectors.llm import connecting
from phospho.detectors.llm.calling import Caller
from phospho.detectors.llm.client import Reply
from phospho.detectors.llm.cost import Usage
from phospho.detectors.llm.detector import LlmDetector
from phospho.detectors.llm.judge import Judge
from phospho.detectors.llm.ledger import Flights
from phospho.detectors.llm.limits import Pace
from phospho.models import Detection, EventDefinition, Turn
from phospho.plugins import Plugins
from phospho_server import detection as detection_module
from phospho_server.clock import day_of, hour_of, now_ms
from phospho_server.detection import DetectionWorker
from phospho_server.llm import catching_up
from phospho_server.llm import worker as llm_module
from phospho_server.llm.sealing import Sealer
from phospho_server.llm.setup import Setups
from phospho_server.llm.worker import LlmWorker
from phospho_server.store import (
    Connection,
    Store,
    backfills,
    changing,
    definitions,
    erasing,
    feedback,
    jobs,
    llm,
    llm_jobs,
    llm_usage,
    message_facts,
    quality,
    reviews,
    versions,
)
from phospho_server.store.amending import amend_interaction
from phospho_server.store.facts import EVENT, Fact
from phospho_server.store.filters import Filter
from phospho_server.store.postgresql.store import PostgresStore
from phospho_server.store.projects import create_project
from phospho_server.store.review_values import Value
from phospho_server.store.rows import NewInteraction, StoredDetection
from phospho_server.store.sessions import list_sessions
from tests.judges import Asked, honest
from tests.server.builders import HOUR_MS, NOON_MS, add, define, interaction
from tests.server.databases import new_store
from tests.server.postgresql import Databases
from tests.server.roll_ups import check_facts, check_roll_ups

Change = Callable[[Connection], object]

_PLAIN: dict[str, dict[str, Any]] = {
    "meaning": {"description": "The user mentions a banana"},
    "once": {"description": "The user mentions a plum", "scope": "session"},
    "judged": {"description": "The user mentions a cherry", "detector": "llm"},
    "topic": {
        "description": "The fruit is a banana",
        "answer": "category",
        "categories": ("banana", "plum"),
    },
}
_names = st.sampled_from(sorted(_PLAIN))
_WORDS = ("banana", "plum", "cherry", "apple")


# Verdicts of deleted events go later.
_IS_DEFINED = "definition_id in (select id from event_definitions where deleted_at_ms is null)"


_EVENTS_OF_SESSIONS = f"""
select definition_id, session_id, events from (
    select f.value as definition_id, s.session_id, g.interactions as events
    from session_facts g join facts f on f.id = g.fact_id and f.fact = 'event'
    join sessions s on s.id = g.session_row
) where {_IS_DEFINED}
"""


class Scored:
    """Stands in for `semantic`: the score is the number that the text begins with."""

    name = "semantic"

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None
        self.embedder = "one"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        self.before()
        return [
            Detection(
                event_id=event.id,
                task_id=turn.interaction.task_id,
                score=(score := float(turn.interaction.input.split()[0])),
                detected=score >= 0.5,
                embedder=self.embedder,
                value="banana" if event.answer == "category" and score >= 0.5 else None,
            )
            for turn in batch
            for event in events
        ]


class Client:
    """Stands in for an LLM, which tells the truth."""

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None

    def send(self, request: Mapping[str, Any], *, until_s: float) -> Reply:
        self.before()
        answers = honest(Asked(dict(request), {}))
        for answer in answers.values():
            answer["value"] = "plum"
        return Reply(json.dumps({"events": answers}), Usage(100, 10))

    def close(self) -> None:
        pass


class Recounting(RuleBasedStateMachine):
    """People, apps, detectors and an LLM, in any order, and in the midst of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store = self.open()
        self.project = self.store.write(lambda db: create_project(db, "p"))
        self.patched = pytest.MonkeyPatch()
        # Little is done at once, so that much may come between.
        self.patched.setattr(detection_module, "BATCH", 3)
        self.patched.setattr(llm_module, "BATCH", 2)
        self.patched.setattr(llm_jobs, "_SIZE", 2)
        self.patched.setattr(catching_up, "_BATCH", 2)
        self.patched.setattr(connecting, "make_judge", self.make_judge)
        self.scored, self.client = Scored(), Client()
        plugins = Plugins(entry_points=False)
        environment = {"PHOSPHO_LLM_BASE_URL": "http://127.0.0.1:1/v1", "PHOSPHO_LLM_MODEL": "m"}
        setups = Setups(Sealer(None), environment)
        self.local = DetectionWorker(
            self.store,
            {"semantic": self.scored, "llm": LlmDetector(None)},
            plugins,
            llm_is_ready=setups.is_ready,
        )
        self.llm = LlmWorker(self.store, plugins, setups)
        self.tasks = 0
        self.events: dict[str, EventDefinition] = {}
        self.enabled: set[str] = set()
        # Interactions that each event must have a verdict on in the end, by row id.
        self.owed: dict[str, set[int]] = {}
        for name in sorted(_PLAIN):
            self.define(name)

    def open(self) -> Store:
        return new_store(Path(self.folder.name) / "phospho.db")

    def make_judge(self, endpoint: Any, *, budget: Any, ledger: Any, **_: Any) -> Judge:
        caller = Caller(self.client, budget=budget, ledger=ledger, pace=Pace(most=1))
        return Judge(caller, Flights(), base_url=endpoint.base_url, model=endpoint.model)

    def define(self, name: str) -> None:
        self.events[name] = define(self.store, self.project, name=name, **_PLAIN[name])
        self.enabled.add(name)
        self.owed[name] = self.all_ids()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with self.store.read() as db:
            return [dict(row) for row in db.rows(sql)]

    def all_ids(self) -> set[int]:
        return {row["id"] for row in self.rows("select id from interactions")}

    def indexed_ids(self, word: str) -> set[int]:
        with self.store.read() as db:
            found = db.texts.newest(self.project.id, word, before_id=2**62, most=1_000)
        return {row["interaction_id"] for row in found.rows}

    def judged_ids(self, name: str) -> set[int]:
        found = self.rows("select interaction_id, definition_id, detector from detections")
        mine = self.events[name].id
        return {
            row["interaction_id"]
            for row in found
            if row["definition_id"] == mine and row["detector"] != "person"
        }

    def waiting_ids(self, name: str) -> set[int]:
        """Return what waits by itself, and not because the past is looked at."""
        found = self.rows("select definition_id, payload from jobs where kind in ('detect', 'llm')")
        return {
            row_id
            for row in found
            if row["definition_id"] in (None, self.events[name].id)
            for row_id in json.loads(row["payload"])["interaction_ids"]
        }

    @rule(
        score=st.sampled_from(["0.05", "0.4", "0.6", "0.97"]),
        word=st.sampled_from(_WORDS),
        session=st.integers(0, 1),
        hours=st.integers(0, 3),
    )
    def an_app_logs(self, score: str, word: str, session: int, hours: int) -> None:
        self.tasks += 1
        new = interaction(
            f"t{self.tasks}",
            session_id=f"s{session}",
            user_id=f"u{hours % 2}",
            created_at_ms=NOON_MS + hours * 8 * HOUR_MS,
            version_id=f"v{hours}" if hours else None,
            input=f"{score} {word} {self.tasks}",
        )
        add(self.store, self.project, new)
        for name in self.enabled:
            self.owed[name].add(self.tasks)

    @precondition(lambda self: self.all_ids())
    @rule(
        task=st.integers(1, 1_000),
        user=st.sampled_from([None, "u0", "u1", "u2"]),
        version=st.sampled_from([None, "v1", "v4"]),
        tokens=st.integers(0, 2),
        plan=st.sampled_from(["pro", "free", 3]),
    )
    def an_app_says_more_of_an_interaction(
        self, task: int, user: str | None, version: str | None, tokens: int, plan: str | int
    ) -> None:
        (task_id,) = (
            row["task_id"]
            for row in self.rows(f"select task_id from interactions where id = {self.pick(task)}")
        )
        more = {"plan": plan} | ({"usage": {"total_tokens": tokens}} if tokens else {})
        assert self.store.write(
            lambda db: changing.add_metadata(
                db, self.project.id, task_id, more, user_id=user, version_id=version
            )
        )

    @precondition(lambda self: self.all_ids())
    @rule(task=st.integers(1, 1_000), word=st.sampled_from(_WORDS))
    def an_answer_comes_late(self, task: int, word: str) -> None:
        row_id = self.pick(task)
        self.store.write(lambda db: changing.answer(db, self.project.id, row_id, f"a {word}"))
        for name in self.enabled:
            self.owed[name].add(row_id)

    @precondition(lambda self: self.all_ids())
    @rule(
        task=st.integers(1, 1_000),
        score=st.sampled_from(["0.05", "0.6"]),
        word=st.sampled_from(_WORDS),
        user=st.sampled_from(["u0", "u2"]),
        version=st.sampled_from([None, "v1"]),
    )
    def an_interaction_turns_out_to_be_different(
        self, task: int, score: str, word: str, user: str, version: str | None
    ) -> None:
        row_id = self.pick(task)
        (row,) = self.rows(
            f"select task_id, session_id, created_at_ms from interactions where id = {row_id}"
        )
        changed = NewInteraction(
            **row,
            input=f"{score} {word} {row_id}",
            output=f"a {word}",
            user_id=user,
            version_id=version,
            metadata=json.dumps({"usage": {"total_tokens": row_id}}),
        )
        assert self.store.write(
            lambda db: amend_interaction(db, self.project.id, changed.task_id, changed)
        )
        for name in self.enabled:
            self.owed[name].add(row_id)

    @invariant()
    def what_is_searched_for_is_what_is_stored(self) -> None:
        for word in _WORDS:
            indexed = self.indexed_ids(word)
            stored = self.rows(
                "select id from interactions where input || ' ' || coalesce(output, '') "
                f"like '%{word}%'"
            )
            assert indexed == {r["id"] for r in stored}

    @rule()
    def a_detector_works(self) -> None:
        self.local.run_once()

    @rule()
    def an_llm_works(self) -> None:
        self.llm.run_once()

    @precondition(lambda self: self.all_ids())
    @rule(
        task=st.integers(1, 1_000),
        language=st.sampled_from(["en", "es", None]),
        sentiment=st.sampled_from([None, -1, -0.2505, 0.2505, 0.301, 1]),
    )
    def a_detector_tells(self, task: int, language: str | None, sentiment: float | None) -> None:
        row_id = self.pick(task)
        (row,) = self.rows(
            f"select session_id, created_at_ms from interactions where id = {row_id}"
        )
        told = StoredDetection(
            interaction_id=row_id, **row, detected=True, score=1, detector="d", evidence=None
        )
        values = {"language": language, "sentiment": sentiment}
        self.store.write(
            lambda db: message_facts.record(
                db,
                self.project.id,
                {name: [replace(told, value=json.dumps(v))] for name, v in values.items()},
            )
        )

    @rule(embedder=st.sampled_from(["one", "two"]))
    def another_model_of_meaning_is_installed(self, embedder: str) -> None:
        self.scored.embedder = embedder

    @precondition(lambda self: self.all_ids())
    @rule(
        name=_names,
        task=st.integers(1, 1_000),
        occurred=st.booleans(),
        value=st.sampled_from([None, "banana", "plum"]),
    )
    def a_person_speaks(self, name: str, task: int, value: Value, *, occurred: bool) -> None:
        if name == "topic" and occurred:
            value = value or "plum"
        row_id = self.pick(task)
        self.store.write(
            lambda db: reviews.review(
                db,
                self.project.id,
                self.events[name].id,
                row_id,
                occurred=occurred,
                source="audit",
                value=value if occurred else None,
            )
        )

    def pick(self, task: int) -> int:
        ids = sorted(self.all_ids())
        return ids[task % len(ids)]

    @precondition(lambda self: self.all_ids())
    @rule(name=_names, task=st.integers(1, 1_000))
    def a_person_takes_it_back(self, name: str, task: int) -> None:
        row_id = self.pick(task)
        self.store.write(lambda db: reviews.undo(db, self.project.id, self.events[name].id, row_id))

    def edit(self, name: str, *, to_past: bool, **changes: Any) -> None:
        old = self.events[name]
        words = old.description.split()
        number = _WORDS.index(words[-1]) + 1
        changes.setdefault("description", " ".join([*words[:-1], _WORDS[number % 4]]))
        self.adopt(
            name,
            lambda db: definitions.edit_definition(
                db, self.project.id, old.model_copy(update=changes), to_past=to_past
            ),
            to_past=to_past,
        )

    def adopt(
        self, name: str, change: Callable[[Connection], EventDefinition], *, to_past: bool
    ) -> None:
        """Take a new version on, if it is one."""
        # What stood and what waited by itself has a verdict in the end, the rest is left.
        kept = self.judged_ids(name) | self.waiting_ids(name)
        before = self.events[name]
        self.events[name] = self.store.write(change)
        if self.events[name].version == before.version:
            return
        is_all = to_past and name in self.enabled
        self.owed[name] = self.all_ids() if is_all else kept & self.owed[name]

    @rule(name=_names, to_past=st.booleans())
    def somebody_edits(self, name: str, *, to_past: bool) -> None:
        self.edit(name, to_past=to_past)

    @rule(name=_names, to_past=st.booleans(), detector=st.sampled_from(["auto", "llm"]))
    def somebody_chooses_a_detector(self, name: str, detector: str, *, to_past: bool) -> None:
        self.edit(name, to_past=to_past, detector=detector)

    @rule(to_past=st.booleans(), scope=st.sampled_from(["session", "interaction"]))
    def somebody_chooses_a_scope(self, scope: str, *, to_past: bool) -> None:
        self.edit("once", to_past=to_past, scope=scope)

    @rule(name=_names, version=st.integers(1, 10), to_past=st.booleans())
    def somebody_restores(self, name: str, version: int, *, to_past: bool) -> None:
        event = self.events[name]
        self.adopt(
            name,
            lambda db: definitions.restore_version(
                db, self.project.id, event.id, version % event.version + 1, to_past=to_past
            ),
            to_past=to_past,
        )

    @rule(name=_names)
    def somebody_pauses(self, name: str) -> None:
        self.store.write(
            lambda db: backfills.pause_backfill(db, self.project.id, self.events[name].id)
        )

    @rule(name=_names)
    def somebody_resumes(self, name: str) -> None:
        self.store.write(lambda db: jobs.retry_parked(db, self.project.id, self.events[name].id))

    @rule(name=_names, enabled=st.booleans())
    def somebody_switches(self, name: str, *, enabled: bool) -> None:
        self.store.write(
            lambda db: definitions.enable_definition(
                db, self.project.id, self.events[name].id, enabled=enabled
            )
        )
        if enabled:
            self.enabled.add(name)
            self.owed[name] = self.all_ids()
        else:
            self.enabled.discard(name)
            self.owed[name] &= self.judged_ids(name)

    @rule(name=_names)
    def somebody_deletes_and_defines_again(self, name: str) -> None:
        self.store.write(
            lambda db: definitions.delete_definition(db, self.project.id, self.events[name].id)
        )
        self.define(name)

    @rule(is_paused=st.booleans())
    def the_llm_is_paused_or_not(self, *, is_paused: bool) -> None:
        if is_paused:
            self.store.write(lambda db: llm.pause(db, self.project.id, "Look at it."))
        else:
            self.store.write(lambda db: llm.resume(db, self.project.id))

    @rule(
        name=_names,
        by_llm=st.booleans(),
        what=st.sampled_from(
            ["edit", "edit for new", "off", "delete", "yes", "no", "undo", "remove"]
        ),
    )
    def something_happens_in_the_midst_of_work(self, name: str, what: str, *, by_llm: bool) -> None:
        if not self.all_ids():
            return
        happens: dict[str, Callable[[], object]] = {
            "edit": lambda: self.edit(name, to_past=True),
            "edit for new": lambda: self.edit(name, to_past=False),
            "off": lambda: self.somebody_switches(name, enabled=False),
            "delete": lambda: self.somebody_deletes_and_defines_again(name),
            "yes": lambda: self.a_person_speaks(name, -1, "banana", occurred=True),
            "no": lambda: self.a_person_speaks(name, -1, None, occurred=False),
            "undo": lambda: self.a_person_takes_it_back(name, -1),
            "remove": lambda: self.remove(sorted(self.all_ids())[-2:]),
        }
        at_work = self.client if by_llm else self.scored

        def once() -> None:
            at_work.before = lambda: None
            happens[what]()

        at_work.before = once
        (self.llm if by_llm else self.local).run_once()
        at_work.before = lambda: None

    @precondition(lambda self: self.all_ids())
    @rule(share=st.integers(1, 4), last=st.booleans())
    def what_is_old_is_removed(self, share: int, *, last: bool) -> None:
        """Remove the oldest, or for once the newest, interactions."""
        ids = sorted(self.all_ids(), reverse=last)
        self.remove(ids[: max(1, len(ids) // share)])

    def remove(self, ids: Sequence[int]) -> None:
        self.store.write(lambda db: erasing.remove_interactions(db, self.project.id, ids))
        for name in self.owed:
            self.owed[name] -= set(ids)

    @invariant()
    def what_is_removed_is_nowhere(self) -> None:
        left = self.all_ids()
        for table in ("detections", "reviews", "vectors", "llm_unasked"):
            assert {r["interaction_id"] for r in self.rows(f"select * from {table}")} <= left
        assert set().union(*map(self.indexed_ids, _WORDS)) <= left

    @invariant()
    def sessions_and_users_equal_a_recount(self) -> None:
        found = self.rows("select * from interactions order by created_at_ms, id")
        for table, name in (("sessions", "session_id"), ("users", "user_id")):
            expected: dict[str, tuple[int, ...]] = {}
            for row in found:
                first, _, n = expected.get(row[name], (row["created_at_ms"], 0, 0))
                expected[row[name]] = (first, row["created_at_ms"], n + 1)
            rows = self.rows(f"select * from {table}")
            assert {
                r[name]: (r["first_at_ms"], r["last_at_ms"], r["interactions"]) for r in rows
            } == expected
        firsts: dict[str, str] = {}
        for row in found:
            firsts.setdefault(row["session_id"], row["input"])
        shown = self.rows("select session_id, first_input from sessions")
        assert {r["session_id"]: r["first_input"] for r in shown} == firsts
        days = {(r["user_id"], day_of(r["created_at_ms"])) for r in found}
        assert {(r["user_id"], r["day_ms"]) for r in self.rows("select * from user_days")} == days

    @invariant()
    def counters_remember_what_was_removed(self) -> None:
        counted = Counter(
            {
                r["metric"]: r["n"]
                for r in self.rows(
                    "select metric, sum(value) as n, min(value) as least from counters "
                    "where metric <> 'events' group by metric"
                )
            }
        )
        assert counted["interactions"] == self.tasks
        assert counted["interactions"] - counted["removed"] == len(self.all_ids())
        least = self.rows("select coalesce(min(value), 0) as n from counters")
        assert least[0]["n"] >= 0

    @invariant()
    def counts_of_events_equal_a_recount(self) -> None:
        found = self.rows(
            "select e.definition_id, i.session_id, i.created_at_ms, e.reviewed, e.judged "
            "from detections e join interactions i on i.id = e.interaction_id "
            f"where e.detected = 1 and {_IS_DEFINED}"
        )
        by_hour = Counter((r["definition_id"], hour_of(r["created_at_ms"])) for r in found)
        by_session = Counter((r["definition_id"], r["session_id"]) for r in found)
        # What was removed stays counted, in the hour in which it occurred.
        hours = self.rows(
            "select * from (select key, hour_ms, "
            "sum(case metric when 'events' then value else -value end) as value from counters "
            "where metric in ('events', 'removed_events') group by key, hour_ms) where value <> 0"
        )
        sessions = self.rows(_EVENTS_OF_SESSIONS)
        assert {(r["key"], r["hour_ms"]): r["value"] for r in hours} == by_hour
        assert {(r["definition_id"], r["session_id"]): r["events"] for r in sessions} == by_session
        with self.store.read() as db:
            listed = definitions.list_definitions(db, self.project.id)
            for row in listed:
                only = Filter(has=[Fact(EVENT, row.definition.id)])
                shown = {
                    each.session_id for each in list_sessions(db, self.project.id, only).sessions
                }
                assert shown == {s for d, s in by_session if d == row.definition.id}
        totals = Counter(r["definition_id"] for r in found)
        for gone in self.rows("select key, value from counters where metric = 'removed_events'"):
            totals[gone["key"]] += gone["value"]
        assert {row.definition.id: row.events for row in listed if row.events} == +totals

    @invariant()
    def roll_ups_of_the_dashboard_equal_a_recount(self) -> None:
        with self.store.read() as db:
            check_roll_ups(db)
            check_facts(db)

    @precondition(lambda self: self.tasks)
    @rule(task=st.integers(1, 1_000), flag=st.sampled_from(["success", "failure"]))
    def a_user_likes_it_or_not(self, task: int, flag: str) -> None:
        task_id = f"t{task % self.tasks + 1}"
        self.store.write(
            lambda db: feedback.add_feedback(
                db, self.project.id, task_id, flag=flag, notes=None, source="user"
            )
        )

    @invariant()
    def counts_of_verdicts_equal_a_recount(self) -> None:
        found = self.rows(
            "select definition_id, definition_version, detector, coalesce(embedder, '') as model "
            f"from detections where detector <> 'person' and {_IS_DEFINED}"
        )
        with self.store.read() as db:
            counted = versions.list_verdict_counts(db, self.project.id)
        assert {
            (event_id, each.version, each.detector, each.embedder): each.verdicts
            for event_id, counts in counted.items()
            for each in counts
        } == Counter(tuple(row.values()) for row in found)

    @invariant()
    def what_a_detector_says_is_counted_whatever_people_say(self) -> None:
        found = self.rows(
            "select definition_id, "
            "case when reviewed is null then detected else judged end as said from detections"
        )
        said = Counter(row["definition_id"] for row in found if row["said"])
        with self.store.read() as db:
            for event in self.events.values():
                measured = quality.measure(db, self.project.id, event, at_ms=now_ms())
                assert measured.known.found == said[event.id]
                listed = quality.measure_precision(db, self.project.id, event, at_ms=now_ms())
                assert listed.precision == measured.known.precision
                assert (listed.found, listed.confirmed, listed.looked_at) == (
                    measured.known.found,
                    measured.known.confirmed,
                    measured.known.looked_at,
                )

    @invariant()
    def a_word_of_people_stands_wherever_a_review_does(self) -> None:
        spoken = self.rows(
            "select definition_id, interaction_id, reviewed, reviewed_value, detected, repeated "
            f"from detections where reviewed is not null and {_IS_DEFINED}"
        )
        assert all(r["detected"] == r["reviewed"] and r["repeated"] is None for r in spoken)
        stand = self.rows(
            "select r.definition_id, interaction_id, occurred, value from reviews r "
            "join event_definitions d on d.id = r.definition_id and d.deleted_at_ms is null "
            "where undone_at_ms is null"
        )
        assert sorted(tuple(r.values())[:4] for r in spoken) == sorted(
            tuple(r.values()) for r in stand
        )

    @invariant()
    def a_version_finds_an_event_once_in_a_session(self) -> None:
        found = self.rows(
            "select e.definition_id, e.definition_version, i.session_id, e.detected, e.repeated "
            "from detections e join interactions i on i.id = e.interaction_id "
            "join event_definition_versions v on v.definition_id = e.definition_id "
            "and v.version = e.definition_version and v.scope = 'session' "
            "where e.reviewed is null and (e.detected = 1 or e.repeated = 1)"
        )
        once = Counter(
            (r["definition_id"], r["definition_version"], r["session_id"])
            for r in found
            if r["detected"]
        )
        assert set(once.values()) <= {1}

    @invariant()
    def what_the_llm_was_asked_adds_up(self) -> None:
        with self.store.read() as db:
            project = llm_usage.use_of_today(db, self.project.id)
        (events,) = self.rows(
            "select coalesce(sum(verdicts), 0) as verdicts, coalesce(sum(asked), 0) as asked, "
            "coalesce(sum(tokens_in), 0) as tokens from llm_usage where definition_id <> ''"
        )
        assert (project.verdicts, project.asked, project.tokens_in) == tuple(events.values())

    def teardown(self) -> None:
        try:
            self.store.write(lambda db: llm.resume(db, self.project.id))
            self.store.write(lambda db: jobs.retry_parked(db, self.project.id))
            self.local.run_until_done()
            while self.llm.run_once():
                self.local.run_until_done()
            for name in self.events:
                assert self.owed[name] <= self.judged_ids(name), f"lost verdicts of {name}"
            assert self.rows("select kind, payload, error from jobs") == []
            assert self.rows(f"select * from detections where not {_IS_DEFINED}") == []
            gone = "select value as definition_id from facts where fact = 'event'"
            assert self.rows(f"select * from ({gone}) where not {_IS_DEFINED}") == []
            assert self.rows("select * from llm_unasked") == []
        finally:
            self.llm.stop()
            self.store.close()
            self.folder.cleanup()
            self.patched.undo()


TestRecounting = Recounting.TestCase
TestRecounting.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


class RecountingOnPostgresql(Recounting):
    """The same on PostgreSQL."""

    databases: ClassVar[Databases]

    def open(self) -> Store:
        return PostgresStore(self.databases.make())


@pytest.fixture
def on_postgresql(postgresql: Databases) -> None:
    RecountingOnPostgresql.databases = postgresql


TestOnPostgresql = pytest.mark.usefixtures("on_postgresql")(RecountingOnPostgresql.TestCase)
TestOnPostgresql.settings = settings(max_examples=3, stateful_step_count=40, deadline=None)
