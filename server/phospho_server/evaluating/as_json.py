"""A report as JSON, for programs; `docs/evaluation.md` says what the names mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phospho_server.evaluating.comparing import Difference
from phospho_server.evaluating.intervals import Interval
from phospho_server.evaluating.measures import Calibration
from phospho_server.evaluating.report import (
    Confusion,
    EventReport,
    RunReport,
    SuiteReport,
    Summary,
)

# Beyond it a figure is noise.
_DECIMALS = 6

Object = dict[str, Any]


def to_json(reports: Sequence[RunReport]) -> Object:
    """Return `{"runs": [...]}`."""
    return {"runs": [_run(report) for report in reports]}


def _run(report: RunReport) -> Object:
    comparison = report.comparison
    return {
        "label": report.label,
        "suites": {suite.name: _suite(suite) for suite in report.suites},
        "mean_of_suites": _summary(report.mean),
        "mean_without_wording": report.mean_of_meaning and _summary(report.mean_of_meaning),
        "reliability": _bins(report.calibration),
        "embedders": list(report.embedders),
        "interactions_per_cpu_s": _rounded(report.per_cpu_s),
        "peak_mb": _rounded(report.peak_mb),
        "versus": report.versus,
        "difference": comparison
        and {
            "suites": {name: _difference(each) for name, each in comparison.suites.items()},
            "mean_of_suites": _difference(comparison.mean),
        },
    }


def _suite(suite: SuiteReport) -> Object:
    return {
        "interactions": suite.interactions,
        **_summary(suite.summary),
        "events": {event.name: _event(event) for event in suite.events},
    }


def _summary(summary: Summary) -> Object:
    return {
        "macro_precision": _rounded(summary.precision),
        "macro_recall": _rounded(summary.recall),
        "macro_f1": _rounded(summary.f1),
        "macro_f1_interval": _interval(summary.f1_interval),
        "micro_f1": _rounded(summary.micro_f1),
        "macro_ap": _rounded(summary.ap),
        "macro_ap_interval": _interval(summary.ap_interval),
        "macro_auroc": _rounded(summary.auroc),
        "macro_best_f1": _rounded(summary.best_f1),
        "ece": _rounded(summary.ece),
        "ece_interval": _interval(summary.ece_interval),
        "brier": _rounded(summary.brier),
    }


def _event(event: EventReport) -> Object:
    figures = event.figures
    return {
        "description": event.description,
        "support": figures.support,
        "negatives": figures.fp + figures.tn,
        "tp": figures.tp,
        "fp": figures.fp,
        "fn": figures.fn,
        "precision": _rounded(figures.precision),
        "recall": _rounded(figures.recall),
        "f1": _rounded(figures.f1),
        "f1_interval": _interval(event.f1_interval),
        "auroc": _rounded(figures.auroc),
        "ap": _rounded(figures.ap),
        "best_f1": _rounded(figures.best_f1),
        "ece": _rounded(event.calibration.error),
        "brier": _rounded(event.calibration.brier),
        "wrong_yes": [_confusion(each) for each in event.wrong_yes],
        "wrong_no": [_confusion(each) for each in event.wrong_no],
    }


def _confusion(confusion: Confusion) -> Object:
    return {
        "id": confusion.task_id,
        "input": confusion.input,
        "output": confusion.output,
        "score": confusion.score,
        "evidence": confusion.evidence and confusion.evidence.model_dump(),
    }


def _bins(calibration: Calibration) -> list[Object]:
    return [
        {"pairs": each.count, "score": _rounded(each.score), "occurred": _rounded(each.share)}
        for each in calibration.bins
    ]


def _difference(difference: Difference) -> Object:
    return {"f1": _rounded(difference.f1), "interval": _interval(difference.interval)}


def _interval(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [_rounded(interval.low), _rounded(interval.high)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
