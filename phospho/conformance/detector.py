"""`check_detector`: does a detector keep the promises of `phospho.detectors.Detector`?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from phospho.conformance import samples
from phospho.conformance.verdicts import Asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.conformance.verdicts import Verdicts
    from phospho.detectors import Detector
    from phospho.models import EventDefinition, Turn

THREADS = 2

# Rounds that each thread asks: what threads do to each other does not show in each.
_ROUNDS = 5


def check_detector(
    detector: Detector,
    *,
    definitions: Sequence[EventDefinition] | None = None,
    turns: Sequence[Turn] | None = None,
    deterministic: bool = True,
    batch_independent: bool = True,
    thread_safe: bool = True,
) -> None:
    """Fail the test unless the detector keeps its promises.

    It is asked about plain conversations and about what strangers send: long, empty and broken
    texts, many definitions, each setting of a definition. What it cannot judge of the latter it may
    refuse with `DetectorError`. How long it takes is not checked.

    Args:
        detector: A detector, ready to be asked.
        definitions: Some that it can judge; by default three that describe events by meaning.
        turns: Plain ones that it can judge; by default a short conversation.
        deterministic: Whether the same question has the same answer each time.
        batch_independent: Whether the answer is the same whatever else is in the batch.
        thread_safe: Whether two threads may ask at once, as server and commands do.

    Raises:
        AssertionError: With the promise that is broken, and what to do.
    """
    asked = Asked(detector)
    _check_protocol(detector)
    definitions = samples.plain_definitions() if definitions is None else list(definitions)
    turns = samples.plain_turns() if turns is None else list(turns)
    if not definitions or not turns:
        raise ValueError("Give at least one definition and one turn, or leave them out.")
    plain = _ask_plain(asked, turns, definitions)
    _check_nothing_asked(asked, turns, definitions)
    if deterministic:
        asked.compare(plain, asked.ask(turns, definitions, "again"), "again")
    if deterministic and batch_independent:
        _check_batches(asked, turns, definitions, plain)
    _check_hostile(asked, definitions)
    _check_definitions(asked, turns, definitions)
    if thread_safe:
        known = plain if deterministic and batch_independent else None
        _check_threads(asked, turns, definitions, known)


def _check_protocol(detector: Detector) -> None:
    name: object = getattr(detector, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise AssertionError(
            f"{detector!r} has the name {name!r}. Give it a `name`: definitions choose a detector "
            "by it."
        )
    if not callable(getattr(detector, "detect", None)):
        raise AssertionError(  # noqa: TRY004 - a promise that is broken, as any other
            f"The detector {name!r} has no method `detect`. See phospho.detectors.Detector."
        )


def _ask_plain(
    asked: Asked, turns: Sequence[Turn], definitions: Sequence[EventDefinition]
) -> Verdicts:
    from phospho.errors import PhosphoError

    when = "about plain turns"
    try:
        return asked.ask(turns, definitions, when)
    except PhosphoError as exc:
        raise asked.broken(
            when,
            f"refused: {exc}",
            "Hand in definitions and turns that it can judge, as check_detector(..., "
            "definitions=[...], turns=[...])",
        ) from exc


def _check_nothing_asked(
    asked: Asked, turns: Sequence[Turn], definitions: Sequence[EventDefinition]
) -> None:
    asked.ask([], definitions, "about no turn")
    asked.ask(turns, [], "about no definition")


def _check_batches(
    asked: Asked,
    turns: Sequence[Turn],
    definitions: Sequence[EventDefinition],
    plain: Verdicts,
) -> None:
    """Ask about the same in the other order, one by one, and among others."""
    others = list(samples.hostile_turns().values())[:3]
    batches = [
        (list(reversed(turns)), "in another order"),
        *(([turn], "about one turn alone") for turn in turns),
    ]
    for batch, when in batches:
        asked.compare(plain, asked.ask(batch, definitions, when), when)
    when = "with other turns in the batch"
    found = _ask_if_it_can(asked, [*others, *turns], definitions, when) or plain
    asked.compare(plain, {pair: found[pair] for pair in plain}, when)
    when = "with the definitions in another order"
    asked.compare(plain, asked.ask(turns, definitions[::-1], when), when)


def _check_hostile(asked: Asked, definitions: Sequence[EventDefinition]) -> None:
    turns = samples.hostile_turns()
    for what, turn in turns.items():
        _ask_if_it_can(asked, [turn], definitions, f"about {what}")
    _ask_if_it_can(asked, list(turns.values()), definitions, "about hostile texts together")


def _check_definitions(
    asked: Asked, turns: Sequence[Turn], definitions: Sequence[EventDefinition]
) -> None:
    variants = samples.variants(definitions)
    for what, definition in variants.items():
        _ask_if_it_can(asked, turns, [definition], f"with {what}")
    _ask_if_it_can(asked, turns, list(variants.values()), "with all kinds of definitions together")
    when = f"with {samples.MANY} definitions"
    _ask_if_it_can(asked, turns, samples.many(definitions), when)


def _ask_if_it_can(
    asked: Asked, turns: Sequence[Turn], definitions: Sequence[EventDefinition], when: str
) -> Verdicts | None:
    """Return verdicts, or None where the detector says that it cannot judge this."""
    from phospho.errors import PhosphoError

    try:
        return asked.ask(turns, definitions, when)
    except PhosphoError:
        return None


def _check_threads(
    asked: Asked,
    turns: Sequence[Turn],
    definitions: Sequence[EventDefinition],
    plain: Verdicts | None,
) -> None:
    when = f"by {THREADS} threads at once"
    failures: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(batch: Sequence[Turn]) -> None:
        try:
            start.wait()
            for _ in range(_ROUNDS):
                found = asked.ask(batch, definitions, when)
                if plain is not None:
                    asked.compare(plain, found, when)
        except BaseException as exc:  # noqa: BLE001 - raised below, in the thread of the test
            failures.append(exc)

    # Each thread has a turn that the other has not, where there are several.
    batches = [list(turns[:-1]) or list(turns), list(turns[:0:-1]) or list(turns)]
    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
