"""Time the preview of a draft by its parts, over a database of real conversations.

    python benchmarks/preview.py FILE [--interactions 10000] [--semantic]

The file holds JSON lines `{"session_id": ..., "turns": [{"role", "content"}, ...]}`, plain or
gzipped; its conversations are repeated until there are enough interactions.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phospho.detectors.registry import load_detectors
from phospho.models import EventDefinition
from phospho.plugins import Plugins
from phospho_server.detection import DetectionWorker
from phospho_server.embedding import Embedding
from phospho_server.previewing import compare, load_material, preview
from phospho_server.scoring import score_until, scorer
from phospho_server.store.definitions import create_definition
from phospho_server.store.interactions import add_interactions
from phospho_server.store.projects import create_project
from phospho_server.store.rows import NewInteraction
from phospho_server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phospho.detectors import Detector

DRAFTS: Mapping[str, Mapping[str, Any]] = {
    "wording": {"description": "The user says 'refund', 'money back' or 'cancel'"},
    "keywords": {"description": "Price", "keywords": ("price", "cost", "expensive", "cheap")},
    "pattern": {"description": "An amount", "pattern": r"\$\s?\d+"},
    "session": {"description": "The user says 'thanks' or 'thank you'", "scope": "session"},
}
MEANING = {"meaning": {"description": "The user complains about the price"}}

REPEATS = 5


def interactions(path: Path, most: int) -> Iterator[NewInteraction]:
    """Yield that many interactions, each a user's message with the answer to it."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    conversations = [json.loads(line) for line in text.splitlines() if line]
    numbers = itertools.count()
    for lap in itertools.count():
        for conversation in conversations:
            turns = conversation["turns"]
            for asked, answered in zip(turns[::2], turns[1::2], strict=False):
                number = next(numbers)
                if number == most:
                    return
                yield NewInteraction(
                    task_id=f"t{number}",
                    session_id=f"{conversation['session_id']}-{lap}",
                    created_at_ms=1_795_176_000_000 + number * 1_000,
                    input=asked["content"],
                    output=answered["content"],
                )


def measure(
    store: SqliteStore, detectors: Mapping[str, Detector], project_id: str, draft: EventDefinition
) -> dict[str, float]:
    """Return the milliseconds of each part, and what was found."""
    start = time.process_time()
    with store.read() as db:
        material = load_material(db, project_id, draft, 10_000)
    loaded = time.process_time()
    scored = score_until(
        store, scorer(detectors), material.question, deadline=time.monotonic() + 60
    )
    judged = time.process_time()
    found = compare(material, scored, 0)
    compared = time.process_time()
    preview(store, detectors, project_id, draft, most=10_000, limit_s=60)
    parts = {
        "load": loaded - start,
        "score": judged - loaded,
        "compare": compared - judged,
        "all": time.process_time() - compared,
    }
    return {**{name: s * 1000 for name, s in parts.items()}, "matches": found.matches}


def main() -> None:
    """Fill a database, and print the shortest of several runs for each draft."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--interactions", type=int, default=10_000)
    parser.add_argument("--semantic", action="store_true", help="preview a draft of meaning too")
    options = parser.parse_args()
    detectors = load_detectors(Plugins())
    drafts = {**DRAFTS, **(MEANING if options.semantic else {})}
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "preview.db"))
        project = store.write(lambda db: create_project(db, "Preview"))
        rows = list(interactions(options.file, options.interactions))
        store.write(lambda db: add_interactions(db, project.id, rows))
        present = EventDefinition(
            id="new", name="present", description="The user says 'refund' or 'thanks'"
        )
        event = store.write(lambda db: create_definition(db, project.id, present))
        DetectionWorker(store, detectors, Plugins()).run_until_done()
        if options.semantic:
            embedding = Embedding(store, detectors)
            while embedding.run_once():
                pass
            # A server that was started again has the vectors, and nothing else in memory.
            detectors = load_detectors(Plugins())
        print(
            f"{len(rows):,} interactions; CPU milliseconds, the best of {REPEATS}; `first` is the"
        )
        print("score before anything is remembered")
        for name, fields in drafts.items():
            draft = EventDefinition(id=event.id, name="draft", version=2, **fields)
            runs = [measure(store, detectors, project.id, draft) for _ in range(REPEATS)]
            best = {part: min(run[part] for run in runs) for part in runs[0]}
            best["first"] = runs[0]["score"]
            print(f"{name:10}", "  ".join(f"{part} {value:7.0f}" for part, value in best.items()))
        store.close()


if __name__ == "__main__":
    main()
