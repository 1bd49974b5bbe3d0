"""Asks detectors about suites, once for each setting that is compared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from phospho.detectors import Detector
from phospho.errors import ConfigurationError
from phospho_server.evaluating.clicks import HALVES, click, join
from phospho_server.evaluating.judged import Judged, judge_suite
from phospho_server.evaluating.suites import Suite

DetectorsFor = Callable[[Suite], Mapping[str, Detector]]
"""Returns all detectors by name, as they may be used on a suite."""

MakeDetectors = Callable[[Sequence[Suite]], Mapping[str, Detector]]
"""Returns all detectors by name, with weights fitted on these suites."""

Progress = Callable[[int], None]
"""Told how many interactions more are judged."""


def peak_mb() -> float | None:
    """Return the most memory this process has held, in megabytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@dataclass(frozen=True)
class Run:
    """One way to judge, and what it said of each suite.

    Args:
        label: The setting in a few words, for tables.
        judged: The verdicts, one for each suite.
        versus: Place, in the list of runs, of the run to compare it with; None for none.
        per_cpu_s: Interactions a second of CPU, each judged for all events of its suite; None
            where detectors had seen the texts before, and may have kept what they learned.
        peak_mb: Most memory the process had held when the run was over; None where that is
            unknown.
    """

    label: str
    judged: Sequence[Judged]
    versus: int | None = None
    per_cpu_s: float | None = None
    peak_mb: float | None = field(default_factory=peak_mb)

    @property
    def embedders(self) -> list[str]:
        """Ids of the embedders that scores were computed with."""
        return sorted({name for each in self.judged for name in each.embedders})


def run_settings(
    suites: Sequence[Suite],
    detectors_for: DetectorsFor,
    *,
    detectors: Sequence[str | None] = (None,),
    examples: Sequence[int | None] = (0,),
    clicks: int = 0,
    earlier: Sequence[Run] = (),
    is_timed: bool = True,
    on_progress: Progress = lambda _: None,
) -> list[Run]:
    """Judge all suites in every combination of settings.

    Args:
        suites: What to judge.
        detectors_for: What may decide about each of them.
        detectors: Names of detectors; None lets each definition name its own.
        examples: How many examples of each definition to use; None for all.
        clicks: How many interactions of each event a person reviews after each run. Two more runs
            follow it, over the same interactions: as before, and with what the reviews taught.
        earlier: Runs over the same suites that come first; the first of all is what the others
            are compared with.
        is_timed: Whether the detectors have not seen the texts, so that the first run says how
            fast they are.
        on_progress: Told how many interactions more are judged.

    Raises:
        DetectorError: When a detector is unknown or fails.
    """
    runs = list(earlier)
    for detector in detectors:
        for number in examples:
            many = "all examples" if number is None else _count(number, "example")
            label = f"{detector or 'as defined'}, {many}"
            shown = suites if number is None else [each.with_examples(number) for each in suites]
            judged = _judge(shown, detectors_for, detector, on_progress)
            speed = _per_cpu_s(judged) if is_timed else None
            is_timed = False
            runs.append(Run(label, judged, versus=0 if runs else None, per_cpu_s=speed))
            if clicks:
                before, after = _click(judged, clicks, detectors_for, detector, on_progress)
                runs.append(Run(f"{label}, without clicks", before))
                reviewed = f"{label}, {_count(clicks, 'click')}"
                runs.append(Run(reviewed, after, versus=len(runs) - 1))
    return runs


def leave_one_out(suites: Sequence[Suite], make: MakeDetectors) -> DetectorsFor:
    """Return what decides about each suite: detectors fitted on all the others.

    Raises:
        ConfigurationError: When nothing is left to fit on.
    """
    made: dict[str, Mapping[str, Detector]] = {}

    def detectors_for(suite: Suite) -> Mapping[str, Detector]:
        if suite.name not in made:
            others = [
                each for each in suites if each.name != suite.name and not each.is_about_wording
            ]
            if not others:
                raise ConfigurationError(
                    "To leave one suite out, there must be others to fit weights on. Give a folder "
                    "of at least two suites about meaning."
                )
            made[suite.name] = make(others)
        return made[suite.name]

    return detectors_for


def _judge(
    suites: Sequence[Suite], detectors_for: DetectorsFor, detector: str | None, report: Progress
) -> list[Judged]:
    return [
        judge_suite(suite, detectors_for(suite), detector=detector, on_progress=_steps(report))
        for suite in suites
    ]


def _click(
    judged: Sequence[Judged],
    clicks: int,
    detectors_for: DetectorsFor,
    detector: str | None,
    report: Progress,
) -> tuple[list[Judged], list[Judged]]:
    """Return what is said without reviews and with them, of what no review gives away."""
    before: list[Judged] = []
    after: list[Judged] = []
    for each in judged:
        reviewed = [click(each, clicks, half) for half in HALVES]
        taught = _judge([half.suite for half in reviewed], detectors_for, detector, report)
        before.append(join([half.others(each) for half in reviewed]))
        after.append(join([h.others(t) for h, t in zip(reviewed, taught, strict=True)]))
    return before, after


def _steps(report: Progress) -> Progress:
    """Return what is told how many are done so far, and reports how many more."""
    before = 0

    def on_progress(done: int) -> None:
        nonlocal before
        report(done - before)
        before = done

    return on_progress


def _per_cpu_s(judged: Sequence[Judged]) -> float | None:
    cpu_s = sum(each.cpu_s for each in judged)
    return sum(len(each.suite.turns) for each in judged) / cpu_s if cpu_s else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
