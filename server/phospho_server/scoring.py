"""Score a draft against interactions, the newest first, a part at a time, until the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from phospho.detectors import Detector
from phospho.detectors.auto import chosen
from phospho.detectors.registry import find_detector, route, run_detector, study
from phospho.detectors.scopes import firsts, is_of_session
from phospho.models import Cut, Detection, EventDefinition, Turn
from phospho_server.recent_turns import make_turns, place
from phospho_server.store import Store
from phospho_server.store.recent import Recent
from phospho_server.store.turns import load_turns
from phospho_server.store.vectors import with_vectors
from phospho_server.studying import FIRST_AT

# Detectors so fast that thousands of interactions can be asked about while a person types. They
# look at messages alone, so nothing else is loaded.
QUICK = frozenset({"rules", "semantic"})

# Interactions asked about at once: of quick detectors, and of those that may call a model.
_PART, _SLOW_PART = 1_000, 25

Score = Callable[[Sequence[Turn], EventDefinition, Sequence[EventDefinition]], Sequence[Detection]]
"""Gives the verdict on each turn about a draft, in order; the last argument is all it competes
with, itself included."""

Scored = list[tuple[Recent, Detection]]


@dataclass(frozen=True)
class Question:
    """What is to be scored.

    Args:
        draft: The definition.
        context: All definitions it competes with, itself included.
        rows: Interactions, the newest first.
        before: What the sessions of these have besides; only looked at for a draft of sessions.
        words: What people say of these interactions, by row id.
    """

    project_id: str
    draft: EventDefinition
    context: Sequence[EventDefinition]
    rows: Sequence[Recent]
    before: Sequence[Recent] = ()
    words: Mapping[int, bool] = field(default_factory=dict)


def scorer(detectors: Mapping[str, Detector]) -> Score:
    """Return what scores a draft with the detector it chooses.

    As the worker would, it first lets the detector learn about the draft from the newest
    interactions, which are those of the first part.
    """
    studied: dict[str, Cut | None] = {}

    def score(
        turns: Sequence[Turn], draft: EventDefinition, context: Sequence[EventDefinition]
    ) -> Sequence[Detection]:
        name = chosen(draft)
        detector = find_detector(name, detectors)
        rivals = [event for event in route(context)[name] if event.id != draft.id]
        if draft.cut is None and name != "rules":
            if draft.id not in studied:
                is_enough = len(turns) >= FIRST_AT
                learned = study({name: detector}, turns, [draft, *rivals]) if is_enough else {}
                studied[draft.id] = learned.get(draft.id)
            draft = draft.model_copy(update={"cut": studied[draft.id]})
        return run_detector(detector, turns, [draft], rivals=() if name == "rules" else rivals)

    return score


def score_until(store: Store, score: Score, question: Question, *, deadline: float) -> Scored:
    """Return the interactions that were scored by then, each with its verdict.

    Args:
        store: Where the rest of an interaction is, for detectors that look at it.
        score: Gives the verdicts.
        question: What is to be scored.
        deadline: On the clock of `time.monotonic`; the part at hand is ended.

    Raises:
        DetectorError: The detector cannot answer.
    """
    scored: Scored = []
    read = _reader(store, question)
    for part in _parts(question):
        if time.monotonic() >= deadline:
            break
        found = score(read(part), question.draft, question.context)
        scored += zip(part, found, strict=True)
    if is_of_session(question.draft):
        scored = _only_firsts(scored, question.words)
    wanted = {row.id for row in question.rows}
    return [(row, detection) for row, detection in scored if row.id in wanted]


def _parts(question: Question) -> Iterator[list[Recent]]:
    """Yield interactions in parts; a session that is looked at as one is in one part, whole."""
    size = _PART if chosen(question.draft) in QUICK else _SLOW_PART
    if not is_of_session(question.draft):
        for start in range(0, len(question.rows), size):
            yield list(question.rows[start : start + size])
        return
    sessions: dict[str, list[Recent]] = {}
    for row in (*question.rows, *question.before):
        sessions.setdefault(row.session_id, []).append(row)
    part: list[Recent] = []
    for session in sessions.values():
        part += session
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part


def _reader(store: Store, question: Question) -> Callable[[Sequence[Recent]], Sequence[Turn]]:
    """Return what makes turns of a part, in its order."""
    project_id = question.project_id
    if chosen(question.draft) not in QUICK:
        return lambda part: _load(store, project_id, part)
    turns = make_turns([*question.rows, *question.before])
    if chosen(question.draft) != "semantic":
        return lambda part: [turns[row.id] for row in part]
    return lambda part: _with_vectors(store, project_id, [(row.id, turns[row.id]) for row in part])


def _load(store: Store, project_id: str, part: Sequence[Recent]) -> list[Turn]:
    with store.read() as db:
        loaded = dict(load_turns(db, project_id, [row.id for row in part]))
    return [loaded[row.id] for row in part]


def _with_vectors(store: Store, project_id: str, turns: Sequence[tuple[int, Turn]]) -> list[Turn]:
    with store.read() as db:
        return [turn for _, turn in with_vectors(db, project_id, turns)]


def _only_firsts(scored: Scored, words: Mapping[int, bool]) -> Scored:
    """Leave each session its first yes; where people spoke, their word counts."""
    kept = firsts(
        (row.session_id, place(row)) for row, found in scored if words.get(row.id, found.detected)
    )
    return [
        (row, found if place(row) in kept else found.model_copy(update={"detected": False}))
        for row, found in scored
    ]
