"""`phospho detect` over files: definitions and interactions in, one verdict a line out.

Formats: definitions are a JSON list of `{name, description, examples?}`, where examples are
`{input, output}`; interactions are JSON lines `{id, session_id, input, output}`; predictions are
JSON lines `{id, event, detected, score}`, one for each interaction and definition; `value` is
there too where a definition asks for a score or a category.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from pydantic import ValidationError

from phospho.detectors.rules import check_definition
from phospho.errors import ConfigurationError, DefinitionError
from phospho.models import Detection, EventDefinition, Example, Interaction, Turn
from phospho_server.judging_files import judge_all
from phospho_server.store.turns import MAX_HISTORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from phospho.detectors import Detector

# The history of the oldest sessions is forgotten beyond so many.
MAX_SESSIONS = 10_000

# Examples are counted out; what is learned is no part of a file.
_DEFINITION_KEYS = EventDefinition.model_fields.keys() - {"examples", "reviews", "cut"}


def detect_files(
    definitions: Path,
    interactions: Path,
    predictions: Path,
    *,
    examples: int = 0,
    detector: str | None = None,
    detectors: Mapping[str, Detector],
    on_progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Detect every event of `definitions` in every row of `interactions`.

    `predictions` is replaced only when all is done.

    Args:
        definitions: A JSON file.
        interactions: A JSON-lines file; rows of a session are in order.
        predictions: The file to write.
        examples: How many of each definition's examples to use; 0 for the description alone.
        detector: Name of the detector that decides all of them, instead of their own.
        detectors: All detectors by name, as `load_detectors` returns them.
        on_progress: Called with the number of interactions done so far, after each batch.

    Returns:
        The number of interactions.

    Raises:
        ConfigurationError: When a file is missing or a line cannot be read; names the line.
        DefinitionError: When a definition cannot be used.
        DetectorError: When a detector is unknown or fails.
    """
    events = read_definitions(definitions, examples=examples, detector=detector)
    turns = list(read_turns(interactions))
    found = judge_all(turns, events, detectors, on_progress=on_progress)
    write_predictions(predictions, events, found)
    return len(turns)


def write_predictions(
    path: Path, definitions: Sequence[EventDefinition], found: Iterable[Detection]
) -> None:
    """Write one verdict a line; the file is replaced when all is written, or not at all.

    Raises:
        ConfigurationError: When the folder cannot be written in.
    """
    by_id = {definition.id: definition for definition in definitions}
    # A program may read the predictions while we write: it finds the old ones or the new ones.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _opened_for_writing(unfinished) as out:
            for detection in found:
                out.write(_verdict_line(detection, by_id[detection.event_id]))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_definitions(
    path: Path, *, examples: int = 0, detector: str | None = None
) -> list[EventDefinition]:
    """Read and check a file of definitions.

    Raises:
        ConfigurationError: When the file is missing or not JSON.
        DefinitionError: When a definition cannot be used; says which one.
    """
    if examples < 0:
        raise ConfigurationError("The number of examples must be 0 or more.")
    try:
        listed = json.loads(_text_of(path))
    except json.JSONDecodeError as exc:
        raise ConfigurationError(f"{path} is not JSON: {exc}. Correct the file.") from exc
    if not isinstance(listed, list) or not listed:
        raise ConfigurationError(
            f'{path} must hold a list of events, as in [{{"name": ..., "description": ...}}].'
        )
    events = [_definition(path, i, entry, examples, detector) for i, entry in enumerate(listed, 1)]
    names = [event.name for event in events]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"{path} defines {name!r} twice. Rename one of them.")
    return events


def read_turns(path: Path) -> Iterator[Turn]:
    """Yield each interaction with the earlier ones of its session.

    Raises:
        ConfigurationError: When the file is missing or a line cannot be read.
    """
    for _, _, turn in read_rows(path):
        yield turn


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any], Turn]]:
    """Yield number and JSON object of each line, and its interaction with what was said before.

    Raises:
        ConfigurationError: When the file is missing or a line cannot be read.
    """
    history: OrderedDict[str, tuple[Interaction, ...]] = OrderedDict()
    seen: set[str] = set()
    for number, row in read_objects(path):
        interaction = _interaction(path, number, row)
        if interaction.task_id in seen:
            raise ConfigurationError(
                f"{path}, line {number}: the id {interaction.task_id!r} occurs twice. Ids must be "
                "unique."
            )
        seen.add(interaction.task_id)
        earlier = history.pop(interaction.session_id, ())
        yield number, row, Turn(interaction=interaction, history=earlier)
        history[interaction.session_id] = (*earlier, interaction)[-MAX_HISTORY:]
        if len(history) > MAX_SESSIONS:
            history.popitem(last=False)


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and JSON object of each line; each must have an `id`.

    Raises:
        ConfigurationError: When the file is missing or a line cannot be read.
    """
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as exc:
            raise ConfigurationError(
                f"{path}, line {number}: not a JSON object: {exc}. Correct or remove the line."
            ) from exc
        if not isinstance(row, dict) or row.get("id") in (None, ""):
            raise ConfigurationError(
                f'{path}, line {number}: needs an object with an "id". Correct or remove the line.'
            )
        yield number, row


def _verdict_line(detection: Detection, definition: EventDefinition) -> str:
    verdict: dict[str, object] = {
        "id": detection.task_id,
        "event": definition.name,
        "detected": detection.detected,
        "score": detection.score,
    }
    if definition.answer != "yes_no":
        verdict["value"] = detection.value
    return json.dumps(verdict, ensure_ascii=False) + "\n"


def _definition(
    path: Path, number: int, entry: Any, examples: int, detector: str | None
) -> EventDefinition:
    if not isinstance(entry, dict):
        raise DefinitionError(f"{path}, event {number}: must be an object with name, description.")
    known = {key: value for key, value in entry.items() if key in _DEFINITION_KEYS}
    try:
        shown = tuple(_example(example) for example in (entry.get("examples") or ())[:examples])
        # An empty id would be no id; two definitions must not share one.
        event = EventDefinition.model_validate(
            {**known, "id": f"event-{number}", "examples": shown}
        )
        if detector is not None:
            event = event.model_copy(update={"detector": detector})
        check_definition(event)
    except ValidationError as exc:
        raise DefinitionError(f"{path}, event {number}: {_first_problem(exc)}") from exc
    except (TypeError, AttributeError, KeyError) as exc:
        raise DefinitionError(
            f"{path}, event {number}: examples must be a list of objects with input and output."
        ) from exc
    except DefinitionError as exc:
        raise DefinitionError(f"{path}, event {number}: {exc}") from exc
    return event


def _example(entry: Any) -> Example:
    return Example(input=entry.get("input") or "", output=entry.get("output") or "")


def _interaction(path: Path, number: int, row: Mapping[str, Any]) -> Interaction:
    try:
        return Interaction(
            task_id=str(row["id"]),
            session_id=str(row.get("session_id") or row["id"]),
            input="" if row.get("input") is None else row["input"],
            output=row.get("output"),
        )
    except ValidationError as exc:
        raise ConfigurationError(f"{path}, line {number}: {_first_problem(exc)}") from exc


def _first_problem(exc: ValidationError) -> str:
    problem = exc.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}. Correct it."


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank; only a line feed ends a line."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as exc:
        raise ConfigurationError(
            f"{path}, after line {number}: not UTF-8 ({exc.reason}). Save the file as UTF-8."
        ) from exc
    except OSError as exc:
        raise ConfigurationError(f"Cannot read {path}: {exc.strerror}. Check the path.") from exc


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path} is not UTF-8. Save the file as UTF-8.") from exc
    except OSError as exc:
        raise ConfigurationError(f"Cannot read {path}: {exc.strerror}. Check the path.") from exc


@contextmanager
def _opened_for_writing(path: Path) -> Iterator[IO[str]]:
    try:
        # What halves of characters become is how JSON escapes them.
        out = path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise ConfigurationError(
            f"Cannot write in {path.parent}: {exc.strerror}. "
            "Choose a folder that exists and may be written to."
        ) from exc
    with out:
        yield out
