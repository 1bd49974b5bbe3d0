"""`phospho detect`: judge a file of interactions or a project, without a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from phospho.detectors.llm.connecting import detector_from_environment
from phospho.detectors.registry import load_detectors
from phospho.errors import ConfigurationError, DetectorError
from phospho.plugins import Plugins
from phospho_server.commands import database_option, opened, phospho
from phospho_server.detect_files import detect_files
from phospho_server.detect_stored import count_work, detect_and_keep, detect_to_file, plan_again
from phospho_server.llm.lending import lent_detector
from phospho_server.llm.setup import setups_of
from phospho_server.store import Store
from phospho_server.store.counters import count_stored

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@phospho.command()
@click.option("--definitions", type=_FILE, help="JSON: [{name, description}, ...].")
@click.option("--interactions", type=_FILE, help="JSONL: {id, input, output}.")
@click.option("--project", help="Judge what this project has stored, instead of files.")
@click.option(
    "--predictions",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSONL to write: {id, event, detected, score}.",
)
@click.option(
    "--examples",
    type=click.IntRange(0),
    help="Use the first N examples of each definition of the file.  [default: 0]",
)
@click.option("--detector", help="Let this detector decide about every event.")
@click.option(
    "--definition",
    "names",
    multiple=True,
    help="Look for this event of the project alone; repeatable.",
)
@click.option(
    "--store", "keeps", is_flag=True, help="Do what waits in the project, keep it, and exit."
)
@click.option(
    "--again", is_flag=True, help="With --store: judge anew what has verdicts already, too."
)
@database_option
def detect(
    definitions: Path | None,
    interactions: Path | None,
    project: str | None,
    predictions: Path | None,
    examples: int | None,
    detector: str | None,
    names: tuple[str, ...],
    database: str,
    *,
    keeps: bool,
    again: bool,
) -> None:
    """Look for events in this process: in a file of interactions, or in a project.

    Of a project, verdicts are written to a file with --predictions, or kept with --store.

    Nothing is sent anywhere, unless PHOSPHO_LLM_BASE_URL, PHOSPHO_LLM_MODEL and
    PHOSPHO_LLM_API_KEY, or the settings of the project, name an LLM: it decides about events whose
    detector is `llm`, and where `auto` is not sure; or unless PHOSPHO_EMBEDDINGS_BASE_URL and
    PHOSPHO_EMBEDDINGS_MODEL name an embedder.
    """
    if project is None:
        if names or keeps or again:
            raise ConfigurationError(
                "--definition, --store and --again are about a project. Give its id with --project."
            )
        _detect_in_files(definitions, interactions, predictions, examples or 0, detector)
        return
    if definitions or interactions or examples is not None:
        raise ConfigurationError(
            "A project has its own definitions, examples and interactions. Leave out "
            "--definitions, --interactions and --examples, or --project."
        )
    if (predictions is None) != keeps:
        raise ConfigurationError(
            "Say where the verdicts go: to a file with --predictions, or into the database with "
            "--store. Give one of the two."
        )
    with opened(database) as store:
        if predictions is not None:
            _refuse(again, "--again is about verdicts that are kept. Leave it out, or use --store.")
            _detect_to_file(store, project, predictions, names, detector)
            return
        _refuse(
            detector is not None,
            "What is kept is judged by the detector of each event. Choose it in Settings, and "
            "leave out --detector.",
        )
        _refuse(
            bool(names) and not again,
            "With --store, --definition says what to judge anew. Add --again, or leave it out.",
        )
        _detect_and_keep(store, project, names, again=again)


def _refuse(is_wrong: bool, message: str) -> None:
    if is_wrong:
        raise ConfigurationError(message)


def _detect_in_files(
    definitions: Path | None,
    interactions: Path | None,
    predictions: Path | None,
    examples: int,
    detector: str | None,
) -> None:
    if definitions is None or interactions is None or predictions is None:
        raise ConfigurationError(
            "Give three files, --definitions, --interactions and --predictions, or a project with "
            "--project."
        )
    with _progress(_count_lines(interactions)) as on_progress:
        judged = detect_files(
            definitions,
            interactions,
            predictions,
            examples=examples,
            detector=detector,
            detectors=load_detectors(Plugins(), detector_from_environment()),
            on_progress=on_progress,
        )
    click.echo(f"Verdicts on {judged} interactions written to {predictions}.")


def _detect_to_file(
    store: Store, project: str, predictions: Path, names: tuple[str, ...], detector: str | None
) -> None:
    with store.read() as db:
        length = count_stored(db, project)
    with lent_detector(store, project, os.environ) as llm, _progress(length) as on_progress:
        judged = detect_to_file(
            store,
            project,
            predictions,
            names=names,
            detector=detector,
            detectors=load_detectors(Plugins(), llm),
            on_progress=on_progress,
        )
    click.echo(f"Verdicts on {judged} interactions written to {predictions}.")


def _detect_and_keep(store: Store, project: str, names: tuple[str, ...], *, again: bool) -> None:
    if again:
        plan_again(store, project, names)
    plugins = Plugins()
    with click.progressbar(length=count_work(store, project), label="Detecting") as bar:
        left = detect_and_keep(
            store,
            project,
            detectors=load_detectors(plugins),
            plugins=plugins,
            llm_is_ready=setups_of(store, os.environ).is_ready,
            on_progress=bar.update,
        )
    if left.problem is not None:
        raise DetectorError(
            f"Verdicts on {left.pending} interactions could not be given: {left.problem} Correct "
            "that and run the command again; a running server tries by itself."
        )
    if left.pending:
        click.echo(f"Another process is looking at the last {left.pending} interactions.")
    else:
        click.echo("Everything is looked at.")
    if left.for_llm:
        click.echo(f"{left.for_llm} verdicts are left to the LLM, which a running server asks.")


@contextmanager
def _progress(length: int) -> Iterator[Callable[[int], None]]:
    """Show a bar; yield what is told how many interactions are done so far."""
    with click.progressbar(length=length, label="Detecting") as bar:
        yield lambda done: bar.update(done - bar.pos)


def _count_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())
