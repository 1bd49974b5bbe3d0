"""Asks a judge about many turns, several at once, until it seems to be away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phospho.detectors.llm.answer import Answer
from phospho.detectors.llm.client import TryAgainError
from phospho.detectors.llm.limits import MOST_AT_ONCE, GivenUpError
from phospho.detectors.llm.pool import run_all
from phospho.detectors.llm.prompt import Passage, looked_at, make_passage
from phospho.errors import LlmError, LlmUnusableError

if TYPE_CHECKING:
    from phospho.detectors.llm.judge import Judge
    from phospho.models import Detection, EventDefinition, Turn

Pair = tuple[str, str]
"""A task and an event definition, by their ids."""

# Where the messages that count are empty, nothing occurred.
_NOTHING_SAID = Answer(occurred=False, evidence="", confidence=100.0)

# After so many failed calls in a row the judge is taken to be away.
_MAX_FAILURES = 3


@dataclass(frozen=True)
class Question:
    """A turn, and the events that are asked about it."""

    turn: Turn
    events: Sequence[EventDefinition]

    @property
    def pairs(self) -> list[Pair]:
        """What is to be decided."""
        return [(self.turn.interaction.task_id, event.id) for event in self.events]


@dataclass
class Outcome:
    """What asking gave. Each pair that was asked for is in one of the first four.

    Args:
        found: Verdicts, those that something else can be kept instead of included.
        void: Pairs among `found` whose answer is not believed: another verdict is better.
        failed: Pairs whose answer cannot be used, with the reason.
        unasked: Pairs that nobody was asked about, as it was stopped.
        stopped_by: Why it was stopped: the judge is away, paused, or its budget is spent.
        called: Pairs that calls were made for; the others were remembered or need no model.
    """

    found: dict[Pair, Detection] = field(default_factory=dict)
    void: set[Pair] = field(default_factory=set)
    failed: dict[Pair, str] = field(default_factory=dict)
    unasked: set[Pair] = field(default_factory=set)
    stopped_by: LlmError | None = None
    called: set[Pair] = field(default_factory=set)


def ask(
    judge: Judge, questions: Sequence[Question], give_up: Callable[[], bool] = lambda: False
) -> Outcome:
    """Ask about each turn, several at once, and return what came of it.

    Args:
        judge: Whom to ask.
        questions: Each of a turn of its own.
        give_up: Whether to begin no further call.
    """
    judge.caller.begin()
    batch = _Batch(judge, give_up)
    run_all(batch.ask, questions, threads=MOST_AT_ONCE)
    return batch.end()


class _Batch:
    """One batch of questions, asked from several threads, until the judge seems to be away."""

    def __init__(self, judge: Judge, give_up: Callable[[], bool]) -> None:
        self._judge = judge
        self._give_up = give_up
        self._failures = 0
        self._has_answered = False
        self._trouble: LlmError | None = None
        self._late: dict[Pair, str] = {}
        self._lock = threading.Lock()
        self.outcome = Outcome()

    def ask(self, question: Question) -> None:
        """Ask about one turn and note what came of it."""
        turn, task_id = question.turn, question.turn.interaction.task_id
        if self._is_over():
            self._note_unasked(question.pairs)
            return
        passage = make_passage(turn, question.events)
        events = [e for e in question.events if any(map(passage.text, looked_at(e)))]
        called: set[Pair] = set()
        try:
            answers = self._judge.answer(
                passage,
                events,
                self._is_over,
                lambda asked: called.update((task_id, event.id) for event in asked),
            )
        except GivenUpError:
            self._note_unasked(question.pairs)
        except LlmUnusableError as exc:
            self._note_failed({pair: str(exc) for pair in question.pairs}, called, exc)
        except LlmError as exc:
            self._note_trouble(question.pairs, exc)
        else:
            self._note_answers(question, passage, answers, called)

    def end(self) -> Outcome:
        """Return what came of it: what failed is nobody's own failure while the judge is away."""
        with self._lock:
            if self._late and not self._has_answered:
                self.outcome.stopped_by = self.outcome.stopped_by or self._trouble
            if self.outcome.stopped_by is None:
                self.outcome.failed.update(self._late)
            else:
                self.outcome.unasked.update(self._late)
            return self.outcome

    def _is_over(self) -> bool:
        return self.outcome.stopped_by is not None or self._give_up()

    def _note_answers(
        self,
        question: Question,
        passage: Passage,
        answers: Mapping[str, Answer],
        called: set[Pair],
    ) -> None:
        found: dict[Pair, Detection] = {}
        void: set[Pair] = set()
        failed: dict[Pair, str] = {}
        unusable = LlmUnusableError(
            f"{self._judge.model} gave no answer that can be used, asked twice. Choose another "
            "model, or another detector for this event."
        )
        for pair, event in zip(question.pairs, question.events, strict=True):
            answer = answers.get(event.id)
            if answer is None and any(map(passage.text, looked_at(event))):
                failed[pair] = str(unusable)
                continue
            found[pair], is_believed = self._judge.verdict(
                question.turn, passage, event, answer or _NOTHING_SAID
            )
            if not is_believed:
                void.add(pair)
        with self._lock:
            self.outcome.found |= found
            self.outcome.void |= void
            if answers:
                self._failures = 0
                self._has_answered = True
                self.outcome.failed.update(self._late)
                self._late.clear()
        self._note_failed(failed, called, unusable if failed and not answers else None)

    def _note_failed(
        self, failed: Mapping[Pair, str], called: set[Pair], exc: LlmError | None
    ) -> None:
        with self._lock:
            self.outcome.failed.update(failed)
            self.outcome.called |= called
            if exc is not None:
                self._count_failure(exc)

    def _note_unasked(self, pairs: Iterable[Pair]) -> None:
        with self._lock:
            self.outcome.unasked.update(pairs)

    def _note_trouble(self, pairs: Sequence[Pair], exc: LlmError) -> None:
        """Stop where the judge is away; one failure among answers is that question's own.

        A budget that is spent, or a refusal, is no question's own, whoever is answered after it.
        """
        with self._lock:
            if isinstance(exc, TryAgainError) and self._judge.caller.stopped_by is None:
                self._trouble = exc
                self._late.update({pair: str(exc) for pair in pairs})
                self._count_failure(exc)
            else:
                self.outcome.unasked.update(pairs)
                self.outcome.stopped_by = self.outcome.stopped_by or exc

    def _count_failure(self, exc: LlmError) -> None:
        self._failures += 1
        if self._failures >= _MAX_FAILURES:
            self.outcome.stopped_by = self.outcome.stopped_by or exc
