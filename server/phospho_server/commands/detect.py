"""`phospho detect`: judge a file of interactions, without a server."""

from __future__ import annotations

from pathlib import Path

import click

from phospho.detectors.llm.connecting import detector_from_environment
from phospho.detectors.registry import load_detectors
from phospho.plugins import Plugins
from phospho_server.commands import phospho
from phospho_server.detect_files import detect_files

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@phospho.command()
@click.option("--definitions", required=True, type=_FILE, help="JSON: [{name, description}, ...].")
@click.option("--interactions", required=True, type=_FILE, help="JSONL: {id, input, output}.")
@click.option(
    "--predictions",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSONL to write: {id, event, detected, score}.",
)
@click.option(
    "--examples",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Use the first N examples of each definition.",
)
@click.option("--detector", help="Let this detector decide about every event.")
def detect(
    definitions: Path, interactions: Path, predictions: Path, examples: int, detector: str | None
) -> None:
    """Look for events in a file of interactions, in this process.

    Nothing is sent anywhere, unless PHOSPHO_LLM_BASE_URL, PHOSPHO_LLM_MODEL and
    PHOSPHO_LLM_API_KEY name an LLM: it decides about events whose detector is `llm`, and where
    `auto` is not sure.
    """
    with click.progressbar(length=_count_lines(interactions), label="Detecting") as bar:
        written = detect_files(
            definitions,
            interactions,
            predictions,
            examples=examples,
            detector=detector,
            detectors=load_detectors(Plugins(), detector_from_environment()),
            on_progress=lambda done: bar.update(done - bar.pos),
        )
    click.echo(f"{written} verdicts written to {predictions}.")


def _count_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())
