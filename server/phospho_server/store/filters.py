"""What a list is asked for, and how to find it: by the rarest fact, then by asking for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from phospho_server.store import Connection
from phospho_server.store.facts import Fact, KnownFact, find_facts


@dataclass(frozen=True)
class Filter:
    """Which sessions or interactions a list shows; by default all.

    Of a session a fact is true if it is of one of its interactions.

    Args:
        has: Facts that are true.
        lacks: Facts that are not.
        since_ms: An interaction is not older; of a session the last one.
        until_ms: It is older than this.
        text: Words that all occur in one interaction.
        shortest: Interactions a session has at least; a list of interactions does not ask.
        longest: Interactions a session has at most.
        earliest: Place in its session, from 1, that an interaction has at least; only a list of
            interactions asks.
        latest: Place that it has at most.
    """

    has: Sequence[Fact] = ()
    lacks: Sequence[Fact] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    text: str | None = None
    shortest: int | None = None
    longest: int | None = None
    earliest: int | None = None
    latest: int | None = None


@dataclass(frozen=True)
class Asked:
    """A filter as SQL can ask for it.

    Args:
        lead: The rarest fact that has to be true, if any has to.
        has: The other ones.
        lacks: Those that must not be.
    """

    lead: KnownFact | None
    has: Sequence[KnownFact] = field(default=())
    lacks: Sequence[KnownFact] = field(default=())

    def without_lead(self) -> Asked:
        """Return the same with all facts alike, for a list that something else leads."""
        return Asked(None, [*([self.lead] if self.lead else []), *self.has], self.lacks)


def resolve(db: Connection, project_id: str, wanted: Filter, *, by: str) -> Asked | None:
    """Return how to ask for what is wanted; None where nothing can match.

    Args:
        db: A connection.
        project_id: The project.
        wanted: What is wanted.
        by: The number by which facts are rare: `sessions` or `interactions`.
    """
    known = find_facts(db, project_id, [*wanted.has, *wanted.lacks])
    if any(fact not in known or known[fact].interactions <= 0 for fact in wanted.has):
        return None
    has = sorted({known[fact] for fact in wanted.has}, key=lambda each: int(getattr(each, by)))
    lacks = [known[fact] for fact in wanted.lacks if fact in known]
    return Asked(has[0] if has else None, has[1:], lacks)


def name_facts(asked: Asked, params: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield of each fact, but the lead, `exists` or `not exists`, and the parameter with its id."""
    for word, facts in (("exists", asked.has), ("not exists", asked.lacks)):
        for number, known in enumerate(facts):
            name = f"{word.replace(' ', '_')}_{number}"
            params[name] = known.id
            yield word, name
