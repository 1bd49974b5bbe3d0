"""Tell what a draft of a definition would find among the newest interactions. Nothing is stored."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from phospho.detectors import Detector
from phospho.detectors.auto import chosen, explain
from phospho.detectors.llm.detector import LlmDetector
from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Evidence, Side
from phospho_server.errors import BusyError, InvalidError, NotFoundError
from phospho_server.scoring import Question, Scored, score_until, scorer
from phospho_server.store import Connection, Store, recent
from phospho_server.store.definitions import get_definition, is_same, list_enabled
from phospho_server.store.labels import list_words
from phospho_server.store.learning import with_reviews
from phospho_server.store.recent import Recent

# How many interactions are looked at unless asked otherwise, and at the most.
USUAL, MOST = 1_000, 10_000

# Longer is no preview any more; what was looked at by then is shown.
LIMIT_S = 5.0

# How long a preview waits for another one to end.
_PATIENCE_S = 3.0

# Interactions of each kind that are listed, and as much of a text as tells what it is about.
_LISTED, _MISSES, _TEXT_CHARS, _BEFORE_QUOTE_CHARS = 20, 5, 200, 60

# Above those of all definitions.
_draft_versions = itertools.count(1_000_000_000)

# Two at once would take the time from each other, and from the requests that log.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Seen:
    """An interaction that a preview names, with the draft's verdict on it.

    The texts are shortened; what is quoted as evidence stays in them.
    """

    task_id: str
    session_id: str
    created_at_ms: int
    input: str
    output: str | None
    score: float
    value: float | str | None
    evidence: Evidence | None


@dataclass(frozen=True)
class Group:
    """Interactions that have something in common: how many, and the newest of them."""

    count: int = 0
    seen: Sequence[Seen] = ()


@dataclass(frozen=True)
class Preview:
    """What a draft would find.

    Args:
        understood: How the draft is looked for, in a sentence.
        detector: Name of the detector that decides.
        looked_at: Interactions it was scored against, the newest ones.
        matches: Those in which the event would occur.
        is_new: Whether there is no present version to compare with.
        new_yes: Those in which it does not occur now; for a new definition all matches.
        new_no: Those in which it occurs now and would not any more.
        misses: The nearest to a yes among the others, where there is a nearest.
        values: For a category: how often each was given, the most frequent first.
        mean: For a score: the mean over all interactions.
        reviewed: Interactions a person has spoken about; they stay as they are.
        is_cut_short: Whether the time was up before all were looked at.
        took_ms: How long it took.
    """

    understood: str
    detector: str
    looked_at: int = 0
    matches: int = 0
    is_new: bool = True
    new_yes: Group = field(default_factory=Group)
    new_no: Group = field(default_factory=Group)
    misses: Sequence[Seen] = ()
    values: Mapping[str, int] = field(default_factory=dict)
    mean: float | None = None
    reviewed: int = 0
    is_cut_short: bool = False
    took_ms: int = 0


@dataclass(frozen=True)
class Material:
    """What there is to score and to compare with."""

    question: Question
    present_ids: set[int]
    is_new: bool


def preview(
    store: Store,
    detectors: Mapping[str, Detector],
    project_id: str,
    draft: EventDefinition,
    *,
    most: int = USUAL,
    limit_s: float = LIMIT_S,
) -> Preview:
    """Return what a draft would find among the newest interactions.

    Args:
        store: Where interactions and verdicts are.
        detectors: What decides about events, by name.
        project_id: The project.
        draft: A definition that was checked. Where a definition of the project has its id, the
            draft is compared with what that one found.
        most: Interactions to look at, up to `MOST`.
        limit_s: When to stop, after the part at hand.

    Raises:
        BusyError: Another preview is under way.
        InvalidError: The detector cannot answer, or is an LLM; the message says why.
    """
    refuse_llm(detectors, draft)
    if not _one_at_a_time.acquire(timeout=_PATIENCE_S):
        raise BusyError("Another preview is under way. Try again in a moment.")
    try:
        started = time.monotonic()
        with store.read() as db:
            material = load_material(db, project_id, draft, min(most, MOST))
        try:
            scored = score_until(
                store, scorer(detectors), material.question, deadline=started + limit_s
            )
        except DetectorError as error:
            raise InvalidError(str(error)) from error
        took_ms = round((time.monotonic() - started) * 1000)
        return compare(material, scored, took_ms)
    finally:
        _one_at_a_time.release()


def refuse_llm(detectors: Mapping[str, Detector], draft: EventDefinition) -> None:
    """Refuse to ask an LLM: it is slow, and each look would cost.

    Raises:
        InvalidError: The draft is decided by an LLM.
    """
    if isinstance(detectors.get(chosen(draft)), LlmDetector):
        raise InvalidError(
            "What an LLM says costs money, so it is asked when the event is saved. Save it to "
            "see, or choose another detector to preview."
        )


def load_material(db: Connection, project_id: str, draft: EventDefinition, most: int) -> Material:
    """Read the newest interactions and what stands about them, in a handful of queries."""
    enabled = list_enabled(db, project_id)
    others = [event for event in enabled if event.id != draft.id]
    draft = _as_judged(db, project_id, draft, enabled)
    rows = recent.list_recent(db, project_id, most=most)
    oldest_id = rows[-1].id if rows else 0
    before: Sequence[Recent] = ()
    if draft.scope == "session":
        before = recent.list_before(db, project_id, rows, most=MOST)
    words = list_words(
        db, project_id, draft.id, oldest_id=min((row.id for row in before), default=oldest_id)
    )
    return Material(
        question=Question(project_id, draft, [*others, draft], rows, before, words),
        present_ids=recent.list_event_ids(db, project_id, draft.id, oldest_id=oldest_id, most=most),
        is_new=not _exists(db, project_id, draft.id),
    )


def _as_judged(
    db: Connection, project_id: str, draft: EventDefinition, enabled: Sequence[EventDefinition]
) -> EventDefinition:
    """Return a draft with what is learned about the event it replaces, as saving would leave it.

    A new draft gets a version of its own: detectors may remember what they worked out for one.
    """
    for current in enabled:
        if current.id == draft.id and is_same(draft, current):
            return current
    (taught,) = with_reviews(db, project_id, [draft])
    return taught.model_copy(update={"cut": None, "version": next(_draft_versions)})


def _exists(db: Connection, project_id: str, definition_id: str) -> bool:
    try:
        get_definition(db, project_id, definition_id)
    except NotFoundError:
        return False
    return True


def compare(material: Material, scored: Scored, took_ms: int) -> Preview:
    """Tell the verdicts on a draft from what stands now."""
    draft, present = material.question.draft, material.present_ids
    words = material.question.words
    changing = [(row, d) for row, d in scored if row.id not in words]
    would = sum(d.detected for _, d in changing)
    stays = sum(row.id in present and row.id in words for row, _ in scored)
    text = explain(draft)
    return Preview(
        understood=text[:1].upper() + text[1:],
        detector=chosen(draft),
        looked_at=len(scored),
        matches=would + stays,
        is_new=material.is_new,
        new_yes=_group((r, d) for r, d in changing if d.detected and r.id not in present),
        new_no=_group((r, d) for r, d in changing if not d.detected and r.id in present),
        misses=_nearest(scored),
        values=_count_values(scored) if draft.answer == "category" else {},
        mean=_mean(scored) if draft.answer == "score" else None,
        reviewed=len(scored) - len(changing),
        is_cut_short=len(scored) < len(material.question.rows),
        took_ms=took_ms,
    )


def _group(found: Iterable[tuple[Recent, Detection]]) -> Group:
    listed = list(found)
    listed.sort(key=lambda pair: pair[0].id, reverse=True)
    return Group(len(listed), [_show(row, detection) for row, detection in listed[:_LISTED]])


def _nearest(scored: Scored) -> list[Seen]:
    """Return the surest of the noes; certain ones are near to nothing."""
    near = heapq.nlargest(
        _MISSES,
        # One with evidence would be a yes if its session did not have the event already.
        ((r, d) for r, d in scored if not (d.detected or d.evidence) and 0.0 < d.score < 1.0),
        key=lambda pair: pair[1].score,
    )
    return [_show(row, detection) for row, detection in near]


def _count_values(scored: Scored) -> dict[str, int]:
    return dict(Counter(str(d.value) for _, d in scored if d.value is not None).most_common())


def _mean(scored: Scored) -> float | None:
    values = [d.value for _, d in scored if isinstance(d.value, int | float)]
    return sum(values) / len(values) if values else None


def _show(row: Recent, detection: Detection) -> Seen:
    return Seen(
        task_id=row.task_id,
        session_id=row.session_id,
        created_at_ms=row.created_at_ms,
        input=_shorten(row.input, detection.evidence, "input"),
        output=row.output and _shorten(row.output, detection.evidence, "output"),
        score=detection.score,
        value=detection.value,
        evidence=detection.evidence,
    )


def _shorten(text: str, evidence: Evidence | None, side: Side) -> str:
    """Return the part of a text that holds the evidence, else its beginning."""
    quote = evidence.quote if evidence and evidence.side == side else ""
    at = max(0, text.find(quote) - _BEFORE_QUOTE_CHARS) if quote else 0
    if at + _BEFORE_QUOTE_CHARS <= _TEXT_CHARS // 2:
        at = 0
    part = text[at : at + _TEXT_CHARS + len(quote)]
    return f"{'…' if at else ''}{part}{'…' if at + len(part) < len(text) else ''}"
