"""`phospho detect` over a project: its stored interactions, judged in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phospho.detectors import Detector
from phospho.errors import ConfigurationError
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.detect_files import write_predictions
from phospho_server.detection import DetectionWorker
from phospho_server.judging_files import judge_all
from phospho_server.llm.planning import IsReady, never_ready
from phospho_server.store import Connection, Store, llm_jobs
from phospho_server.store.definitions import list_definitions, list_enabled, look_again
from phospho_server.store.jobs import count_all_pending
from phospho_server.store.projects import get_project
from phospho_server.store.turns import load_all_turns

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Left:
    """What is still to do when the work has ended.

    Args:
        pending: Verdicts on interactions that are still to be given.
        problem: Why something failed; None where another process is at it.
        for_llm: Verdicts that an LLM is still to be asked for.
    """

    pending: int
    problem: str | None
    for_llm: int = 0


def detect_to_file(
    store: Store,
    project_id: str,
    predictions: Path,
    *,
    names: Sequence[str] = (),
    detector: str | None = None,
    detectors: Mapping[str, Detector],
    on_progress: Progress = lambda _: None,
) -> int:
    """Judge every stored interaction for the project's events, and write verdicts to a file.

    Nothing is stored. The events are judged together, whichever are written: they may compete.

    Args:
        store: Where the project is.
        project_id: The project.
        predictions: The file to write; see `detect_files`.
        names: Names of the events to write verdicts of; all that are looked for if empty.
        detector: Name of the detector that decides all of them, instead of their own.
        detectors: All detectors by name.
        on_progress: Called with the number of interactions done so far, after each batch.

    Returns:
        The number of interactions.

    Raises:
        NotFoundError: There is no such project.
        ConfigurationError: When an event is not looked for, or the file cannot be written.
        DetectorError: When a detector is unknown or fails.
    """
    with store.read() as db:
        definitions = list_enabled(db, project_id)
        wanted = {each.id for each in _chosen(db, project_id, names)}
        turns = load_all_turns(db, project_id)
    if detector is not None:
        definitions = [each.model_copy(update={"detector": detector}) for each in definitions]
    found = judge_all(turns, definitions, detectors, on_progress=on_progress)
    write_predictions(predictions, definitions, (one for one in found if one.event_id in wanted))
    return len(turns)


def plan_again(store: Store, project_id: str, names: Sequence[str] = ()) -> None:
    """Have all that is stored looked at again for these events, or for all that are looked for.

    Raises:
        NotFoundError: There is no such project.
        ConfigurationError: When an event is not looked for.
    """

    def plan(db: Connection) -> None:
        for definition in _chosen(db, project_id, names):
            look_again(db, project_id, definition.id)

    store.write(plan)


def count_work(store: Store, project_id: str) -> int:
    """Return how many interactions wait, counted once for each event of the past.

    Raises:
        NotFoundError: There is no such project.
    """
    with store.read() as db:
        get_project(db, project_id)
        return count_all_pending(db, project_id)


def detect_and_keep(
    store: Store,
    project_id: str,
    *,
    detectors: Mapping[str, Detector],
    plugins: Plugins,
    llm_is_ready: IsReady = never_ready,
    on_progress: Progress = lambda _: None,
) -> Left:
    """Do what waits in a project, as the server does; return what could not be done.

    A server may run beside it: they take work in turn.

    Args:
        store: Where the project is.
        project_id: The project.
        detectors: All detectors by name.
        plugins: Whom to tell of events.
        llm_is_ready: Whether the project has an LLM that uncertain verdicts are left to.
        on_progress: Told the number of interactions of each batch that is done.
    """
    worker = DetectionWorker(
        store, detectors, plugins, project_id=project_id, llm_is_ready=llm_is_ready
    )
    worker.run_until_done(on_progress)
    with store.read() as db:
        problems = [row.problem for row in list_definitions(db, project_id) if row.problem]
        return Left(
            pending=count_all_pending(db, project_id),
            problem=problems[0] if problems else None,
            for_llm=llm_jobs.count(db, project_id),
        )


def _chosen(db: Connection, project_id: str, names: Sequence[str]) -> list[EventDefinition]:
    project = get_project(db, project_id)
    enabled = {definition.name: definition for definition in list_enabled(db, project_id)}
    if not enabled:
        raise ConfigurationError(
            f"{project.name!r} looks for no event. Define one: "
            "phospho events create PROJECT_ID NAME DESCRIPTION"
        )
    for name in names:
        if name not in enabled:
            raise ConfigurationError(
                f"{project.name!r} does not look for {name!r}. It looks for: {', '.join(enabled)}."
            )
    return [enabled[name] for name in names or enabled]
