"""A report as lines of text, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from phospho_server.evaluating.comparing import Difference
from phospho_server.evaluating.intervals import Interval
from phospho_server.evaluating.measures import BINS, Bin, Calibration
from phospho_server.evaluating.report import (
    Confusion,
    EventReport,
    RunReport,
    SuiteReport,
    Summary,
)

MEAN = "mean of suites"
MEAN_OF_MEANING = "mean, without wording"

_MAX_TEXT = 160


def show(reports: Sequence[RunReport]) -> Iterator[str]:
    """Yield the lines of all reports: a summary of each, then its events, the worst first."""
    for report in reports:
        yield from _overview(report)
        yield ""
    for report in reports:
        yield from _events(report)
        yield from _reliability(report.calibration)
        yield ""


def _overview(report: RunReport) -> Iterator[str]:
    yield report.label
    yield from table(
        ["", "F1", "95 %", "precision", "recall", "AP", "95 %", "best F1", "ECE", "Brier"],
        [_summary_row(name, summary) for name, summary in _summaries(report)],
    )
    if report.per_cpu_s is not None:
        yield f"  {report.per_cpu_s:.0f} interactions a second of CPU, each for all its events"
    if report.peak_mb is not None:
        yield f"  peak memory of the process: {report.peak_mb:.0f} MB"
    if report.comparison is not None:
        yield f"  F1 against {report.versus!r}, the same interactions:"
        for name, difference in report.comparison.suites.items():
            yield f"    {_short(name)}: {difference_of(difference)}"
        if len(report.comparison.suites) > 1:
            yield f"    {MEAN}: {difference_of(report.comparison.mean)}"


def _summaries(report: RunReport) -> list[tuple[str, Summary]]:
    rows = [(suite.name, suite.summary) for suite in report.suites]
    if len(report.suites) > 1:
        rows.append((MEAN, report.mean))
    if report.mean_of_meaning is not None:
        rows.append((MEAN_OF_MEANING, report.mean_of_meaning))
    return rows


def _summary_row(name: str, summary: Summary) -> list[str]:
    return [
        _short(name),
        number(summary.f1),
        interval(summary.f1_interval),
        number(summary.precision),
        number(summary.recall),
        number(summary.ap),
        interval(summary.ap_interval),
        number(summary.best_f1),
        number(summary.ece),
        number(summary.brier),
    ]


def _events(report: RunReport) -> Iterator[str]:
    for suite in report.suites:
        yield f"{report.label}: events of {_short(suite.name)}, the worst first"
        yield from table(
            ["", "support", "F1", "95 %", "precision", "recall", "AP", "best F1"],
            [_event_row(event) for event in worst_first(suite)],
        )
        for event in worst_first(suite):
            for what, wrong in (("yes", event.wrong_yes), ("no", event.wrong_no)):
                for confusion in wrong:
                    yield from _confusion(event, what, confusion)


def worst_first(suite: SuiteReport) -> list[EventReport]:
    """Return the events of a suite by F1, then by average precision."""
    return sorted(suite.events, key=lambda e: (e.figures.f1, e.figures.ap or 0.0, e.name))


def _event_row(event: EventReport) -> list[str]:
    figures = event.figures
    return [
        _short(event.name),
        str(figures.support),
        number(figures.f1),
        interval(event.f1_interval),
        number(figures.precision),
        number(figures.recall),
        number(figures.ap),
        number(figures.best_f1),
    ]


def _confusion(event: EventReport, what: str, confusion: Confusion) -> Iterator[str]:
    where = f"({number(confusion.score)}) on {_short(confusion.task_id)}"
    yield f"  {_short(event.name)}: a wrong {what} {where}"
    yield f"    user: {_short(confusion.input)}"
    if confusion.output:
        yield f"    assistant: {_short(confusion.output)}"
    evidence = confusion.evidence
    if evidence is not None:
        quote = f' "{_short(evidence.quote)}"' if evidence.quote else ""
        yield f"    because:{quote} {_short(evidence.reason)}".rstrip()


def _reliability(calibration: Calibration) -> Iterator[str]:
    if calibration.count:
        yield f"Scores as probabilities, over {calibration.count} pairs in {BINS} bins:"
        yield from table(
            ["score", "pairs", "mean score", "occurred"],
            [bin_row(place, each) for place, each in enumerate(calibration.bins) if each.count],
        )


def bin_row(place: int, each: Bin) -> list[str]:
    """Return the cells of one line of a reliability table."""
    ends = f"{place / BINS:.2f}-{(place + 1) / BINS:.2f}"
    return [ends, str(each.count), number(each.score), number(each.share)]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines in columns; all but the first are aligned to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(headings, *rows, strict=True)]
    for row in [headings, *rows]:
        first, *others = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join([first, *others])


def number(value: float | None) -> str:
    """Return a figure as people read it."""
    return "-" if value is None else f"{value:.3f}"


def interval(value: Interval | None) -> str:
    """Return an interval as people read it."""
    return "-" if value is None else f"{value.low:.2f}-{value.high:.2f}"


def difference_of(difference: Difference) -> str:
    """Return a difference with its interval, and say when it may be chance."""
    low, high = difference.interval.low, difference.interval.high
    if low == high == 0:
        return "no difference"
    remark = "" if difference.is_certain else ", may be chance"
    return f"{difference.f1:+.3f} ({low:+.3f} to {high:+.3f}{remark})"


def _short(text: str) -> str:
    """Return a text on one line, cut, with nothing in it that a terminal would obey."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(line.split())
    return line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 1] + "…"
