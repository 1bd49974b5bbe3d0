"""Keeping what files have in them, a batch at a time.

Ids are made from the rows of a file, so importing it again, or going on after a stop, adds
nothing twice: what is there already is asked for by its id, a batch at once, and goes by quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from phospho.snapshot import clean_text
from phospho_server.errors import InvalidError
from phospho_server.files.forms import Form, Found, recognise
from phospho_server.files.forms.found import Event
from phospho_server.files.reading import READERS, find_format
from phospho_server.files.reading.opening import open_file
from phospho_server.files.rows import Problem, count_chars
from phospho_server.incoming import read_interaction
from phospho_server.limits import MAX_NOTES_LENGTH
from phospho_server.store import Store
from phospho_server.store.interactions import CHUNK, add_interactions, find_ids
from phospho_server.store.rows import NewInteraction

# Interactions that share a transaction. It holds up a server on the same file for as long.
BATCH = 1_000
_BATCH_CHARS = 16_000_000

# Problems that are kept in words; the rest is counted.
MOST_SHOWN = 20


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Args:
        read: Interactions in the file.
        added: Those that were not there before.
        problems: The first rows that were left out.
        rows_left_out: How many there were in all.
        runs_left_out: Calls of traces whose outermost call was not near them.
        counted: What the numbers of problems count: `line` or `row`.
    """

    read: int
    added: int
    problems: Sequence[Problem]
    rows_left_out: int = 0
    runs_left_out: int = 0
    counted: str = "line"


@dataclass
class _Problems:
    """Rows that are left out: the first of them, and how many."""

    first: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, problem: Problem) -> None:
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append(problem)


def import_file(
    store: Store,
    project_id: str,
    path: Path,
    *,
    now_ms: int,
    asked: Mapping[str, str] | None = None,
    on_form: Callable[[Form], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Store the interactions of a file.

    Args:
        store: Where to.
        project_id: Whose they are.
        path: A file in any format of `reading`, of any form of `forms`.
        now_ms: The time of interactions that have none.
        asked: By field, which column it is; guessed where it is not said.
        on_form: Told what the file is, before anything is stored.
        on_progress: Told how much of the file was read since it was last called: in bytes, or in
            rows of a Parquet file.

    Raises:
        OSError: The file cannot be read.
        InvalidError: It is none that is understood; nothing was stored.
        MissingDependencyError: It is Parquet, and pyarrow is not installed.
    """
    problems = _Problems()
    read = added = 0
    with open_file(path, on_progress) as opened:
        format_name = find_format(opened)
        form, rows = recognise(
            READERS[format_name](opened),
            file_name=path.name,
            is_table=format_name in ("csv", "parquet"),
            asked=asked or {},
        )
        on_form(form)
        for batch in _batches(form.read(rows), problems):
            known = _find_known(store, project_id, batch)
            new = [each for each in batch if _id_of(each) not in known]
            interactions = list(_read_events(new, now_ms, problems))
            read += len(batch) - len(new) + len(interactions)
            added += _add(store, project_id, interactions)
    shown = sorted(problems.first, key=lambda problem: problem.number)
    counted = "line" if format_name in ("csv", "jsonl") else "row"
    return ImportReport(read, added, shown, problems.count, form.left_out, counted)


@dataclass(frozen=True)
class _Placed:
    """An event with the row it stands in, and its place among those of the row."""

    number: int
    place: int
    event: Event


def _batches(found: Iterator[Found | Problem], problems: _Problems) -> Iterator[Sequence[_Placed]]:
    """Yield what was found, so much at a time; a row that is left out is noted."""
    batch: list[_Placed] = []
    chars = 0
    for placed in _place(found, problems):
        batch.append(placed)
        chars += count_chars(placed.event)
        if len(batch) == BATCH or chars > _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _place(found: Iterator[Found | Problem], problems: _Problems) -> Iterator[_Placed]:
    for each in found:
        if isinstance(each, Problem):
            problems.add(each)
        else:
            for place, event in enumerate(each.events):
                yield _Placed(each.number, place, event)


def _find_known(store: Store, project_id: str, batch: Sequence[_Placed]) -> set[str]:
    """Return those ids of a batch that are stored."""
    ids = list({_id_of(each) for each in batch})
    known: set[str] = set()
    with store.read() as db:
        for start in range(0, len(ids), CHUNK):
            known |= find_ids(db, project_id, ids[start : start + CHUNK]).keys()
    return known


def _id_of(placed: _Placed) -> str:
    """Return the id of an interaction; what is none is refused later."""
    return str(placed.event["task_id"])


def _read_events(
    batch: Sequence[_Placed], now_ms: int, problems: _Problems
) -> Iterator[NewInteraction]:
    for each in batch:
        try:
            # A millisecond apart, so that interactions without a time keep their order.
            interaction = read_interaction(each.event, received_at_ms=now_ms + each.place)
        except InvalidError as exc:
            problems.add(Problem(each.number, str(exc)))
            continue
        yield _with_notes(interaction, each.event.get("notes"))


def _with_notes(interaction: NewInteraction, notes: Any) -> NewInteraction:
    """Add the notes, which the log protocol does not take with an interaction."""
    if not isinstance(notes, str) or not notes:
        return interaction
    return replace(interaction, notes=clean_text(notes, MAX_NOTES_LENGTH))


def _add(store: Store, project_id: str, batch: Sequence[NewInteraction]) -> int:
    return store.write(lambda db: add_interactions(db, project_id, batch)) if batch else 0
