"""Everything `phospho evaluate` says, as one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phospho.models import Evidence
from phospho_server.evaluating.comparing import Comparison, compare
from phospho_server.evaluating.intervals import (
    Interval,
    interval_of,
    over_events,
    resampled_f1,
)
from phospho_server.evaluating.judged import Judged, Pair
from phospho_server.evaluating.measures import (
    Calibration,
    Figures,
    calibrate,
    f1_of,
    joined,
    mean,
    measure,
)
from phospho_server.evaluating.running import Run


@dataclass(frozen=True)
class Confusion:
    """A verdict that is wrong, with what it was given on."""

    task_id: str
    input: str
    output: str
    score: float | None
    evidence: Evidence | None


@dataclass(frozen=True)
class EventReport:
    """The figures of one event.

    Args:
        f1_interval: Over other conversations.
        wrong_yes: Found and not real, the surest first.
        wrong_no: Real and not found, the surest first.
    """

    name: str
    description: str
    figures: Figures
    f1_interval: Interval
    calibration: Calibration
    wrong_yes: Sequence[Confusion] = ()
    wrong_no: Sequence[Confusion] = ()


@dataclass(frozen=True)
class Summary:
    """Means over events, in each suite, then over suites; intervals over other events.

    An event without scores, or without both kinds of interactions, has no average precision and is
    left out of its mean.
    """

    precision: float
    recall: float
    f1: float
    f1_interval: Interval
    micro_f1: float
    ap: float | None
    ap_interval: Interval | None
    auroc: float | None
    best_f1: float | None
    ece: float | None
    ece_interval: Interval | None
    brier: float | None


@dataclass(frozen=True)
class SuiteReport:
    """The figures of one suite."""

    name: str
    interactions: int
    is_about_wording: bool
    events: Sequence[EventReport]
    summary: Summary


@dataclass(frozen=True)
class RunReport:
    """The figures of one setting.

    Args:
        mean: The mean of the suites.
        mean_of_meaning: The mean of those suites that wording alone does not decide, where there
            are such and others.
        calibration: Over all pairs of all suites.
        versus: Label of the run it is compared with.
    """

    label: str
    suites: Sequence[SuiteReport]
    mean: Summary
    mean_of_meaning: Summary | None
    calibration: Calibration
    embedders: Sequence[str]
    per_cpu_s: float | None
    peak_mb: float | None
    versus: str | None = None
    comparison: Comparison | None = None


def make_report(runs: Sequence[Run], *, show: int = 0) -> list[RunReport]:
    """Return the figures of each run.

    Args:
        runs: As `run_settings` returns them.
        show: How many wrong verdicts of each kind and event to include.
    """
    reports = []
    for run in runs:
        suites = [_suite_report(judged, show) for judged in run.judged]
        meaning = [suite.events for suite in suites if not suite.is_about_wording]
        other = None if run.versus is None else runs[run.versus]
        reports.append(
            RunReport(
                label=run.label,
                suites=suites,
                mean=summarize([suite.events for suite in suites]),
                mean_of_meaning=summarize(meaning) if 0 < len(meaning) < len(suites) else None,
                calibration=joined([e.calibration for suite in suites for e in suite.events]),
                embedders=run.embedders,
                per_cpu_s=run.per_cpu_s,
                peak_mb=run.peak_mb,
                versus=other.label if other else None,
                comparison=compare(other.judged, run.judged) if other else None,
            )
        )
    return reports


def summarize(suites: Sequence[Sequence[EventReport]]) -> Summary:
    """Return the means of suites, given the events of each."""
    return Summary(
        precision=_macro(suites, lambda e: e.figures.precision) or 0.0,
        recall=_macro(suites, lambda e: e.figures.recall) or 0.0,
        f1=_macro(suites, _f1) or 0.0,
        f1_interval=over_events(suites, lambda drawn: _macro(drawn, _f1)) or Interval(0.0, 0.0),
        micro_f1=mean(_micro_f1(events) for events in suites) or 0.0,
        ap=_macro(suites, _ap),
        ap_interval=over_events(suites, lambda drawn: _macro(drawn, _ap)),
        auroc=_macro(suites, lambda e: e.figures.auroc),
        best_f1=_macro(suites, lambda e: e.figures.best_f1),
        ece=_ece(suites),
        ece_interval=over_events(suites, _ece),
        brier=mean(joined([e.calibration for e in events]).brier for events in suites),
    )


def _macro(
    suites: Sequence[Sequence[EventReport]], figure: Callable[[EventReport], float | None]
) -> float | None:
    return mean(mean(figure(event) for event in events) for events in suites)


def _f1(event: EventReport) -> float:
    return event.figures.f1


def _ap(event: EventReport) -> float | None:
    return event.figures.ap


def _ece(suites: Sequence[Sequence[EventReport]]) -> float | None:
    return mean(joined([event.calibration for event in events]).error for events in suites)


def _micro_f1(events: Sequence[EventReport]) -> float:
    figures = [event.figures for event in events]
    return f1_of(sum(f.tp for f in figures), sum(f.fp for f in figures), sum(f.fn for f in figures))


def _suite_report(judged: Judged, show: int) -> SuiteReport:
    resampled = resampled_f1(judged.pairs)
    events = []
    for definition in judged.suite.definitions:
        if definition.name not in judged.pairs:
            continue
        pairs = judged.pairs[definition.name]
        wrong = [pair for pair in pairs if pair.occurred != pair.detected]
        by_score = sorted(wrong, key=lambda pair: pair.score or 0.0)
        events.append(
            EventReport(
                name=definition.name,
                description=definition.description,
                figures=measure(pairs),
                f1_interval=interval_of(resampled[definition.name]),
                calibration=calibrate(pairs),
                wrong_yes=_shown(judged, [p for p in reversed(by_score) if p.detected][:show]),
                wrong_no=_shown(judged, [p for p in by_score if p.occurred][:show]),
            )
        )
    return SuiteReport(
        name=judged.suite.name,
        interactions=len(judged.suite.turns),
        is_about_wording=judged.suite.is_about_wording,
        events=events,
        summary=summarize([events]),
    )


def _shown(judged: Judged, pairs: Sequence[Pair]) -> list[Confusion]:
    if not pairs:
        return []
    interactions = {turn.interaction.task_id: turn.interaction for turn in judged.suite.turns}
    return [
        Confusion(
            pair.task_id,
            interactions[pair.task_id].input,
            interactions[pair.task_id].output or "",
            pair.score,
            pair.evidence,
        )
        for pair in pairs
    ]
