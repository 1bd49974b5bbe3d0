"""The filters of lists: what an address asks for, what a page offers, and how that is said.

The names in the address are the same on every page: `q` (words), `event` and `without` (names of
events), `flag`, `notes`, `user`, `version`, `model`, `language`, `sentiment`, `metadata`
(`key=value`), `period` or `since` and `until`, `length` of a session and `position` in it. `event`,
`without` and `metadata` may be given several times; everything that is asked for has to hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal
from urllib.parse import urlencode

from phospho.detectors.language_names import language_name
from phospho_server.store.filters import Filter
from phospho_server.views import periods

FLAGS = {"success": "Positive", "failure": "Negative"}

# Lengths of sessions, and places in them, that a page offers; any two numbers will do.
LENGTHS = {"1": "1", "2": "2", "3-5": "3 to 5", "6-10": "6 to 10", "11-": "11 or more"}

# Every name that an address may give a list, besides the place in it.
NAMES = frozenset(
    {
        *("q", "event", "without", "flag", "notes", "user", "version", "model", "language"),
        *("sentiment", "metadata", "period", "since", "until", "length", "position", "sort"),
    }
)


@dataclass(frozen=True)
class ListKind:
    """A list that filters apply to.

    Args:
        page: Its name, in addresses and of its saved views.
        endpoint: Its page.
        sorts: What may order it, each with what it is called, the default first.
        lacks: Filters that it does not have.
        searches: What `q` is there: the words of a message, or the beginning of an id.
    """

    page: str
    endpoint: str
    sorts: Mapping[str, str]
    lacks: Collection[str]
    searches: Literal["messages", "ids"] = "messages"


_BY_TIME = {"newest": "Newest first", "oldest": "Oldest first"}
SESSIONS = ListKind(
    "sessions", "sessions.index", {**_BY_TIME, "longest": "Longest first"}, lacks=("position",)
)
INTERACTIONS = ListKind("interactions", "interactions.index", _BY_TIME, lacks=("length",))
SEARCH = ListKind("search", "search.show", {"newest": "Newest first"}, lacks=("length",))
USERS = ListKind(
    "users",
    "users.index",
    {"newest": "Last seen first", "oldest": "Longest unseen first", "most": "Most interactions"},
    lacks=("length", "position", "user"),
    searches="ids",
)
# Those that have saved views and exports.
KINDS = {kind.page: kind for kind in (SESSIONS, INTERACTIONS, USERS)}


@dataclass(frozen=True)
class Offered:
    """What there is to choose from; empty where nothing of the kind has been seen.

    Args:
        events: Names of the events that are defined, with their ids.
        languages: By code, what they are called.
        sentiments: The same.
        versions: Of the newest sessions.
        models: The same.
        metadata: The same, as `key=value`.
    """

    events: Mapping[str, str]
    languages: Mapping[str, str]
    sentiments: Mapping[str, str]
    versions: Sequence[str]
    models: Sequence[str]
    metadata: Sequence[str]

    flags: ClassVar = FLAGS
    lengths: ClassVar = LENGTHS
    periods: ClassVar = {name: said for name, said in periods.NAMES.items() if name != "all"}


@dataclass(frozen=True)
class Asked:
    """What an address asks of a list.

    Args:
        kind: The list.
        values: By name in the address, what is asked for; nothing else is.
        wanted: The same for the store.
        sort: What orders the list.
        typed: The filters of the address, also those that were left out, as `write_query` says.
    """

    kind: ListKind
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    wanted: Filter = field(default_factory=Filter)
    sort: str = "newest"
    typed: str = ""

    @property
    def events(self) -> Sequence[str]:
        """The names of events that have to have occurred."""
        return self.values.get("event", ())

    def first(self, name: str) -> str:
        """Return the value of a filter that has one; empty where it is not asked for."""
        return next(iter(self.values.get(name, ())), "")

    @property
    def query(self) -> str:
        """The filters as they stand in an address, in one order whatever was typed."""
        return write_query((name, v) for name, values in self.args.items() for v in values)

    @property
    def starts_with(self) -> str:
        """What ids begin with, in a list that is searched for ids."""
        return self.first("q") if self.kind.searches == "ids" else ""

    @property
    def args(self) -> dict[str, list[str]]:
        """The filters and the sort order for `url_for`."""
        sort = {"sort": [self.sort]} if self.sort != next(iter(self.kind.sorts)) else {}
        return {name: list(values) for name, values in sorted(self.values.items())} | sort

    @property
    def other_sorts(self) -> dict[str, str]:
        """What else than the default may order the list, with what it is called."""
        return dict(itertools.islice(self.kind.sorts.items(), 1, None))

    def sorted_by(self, sort: str) -> dict[str, list[str]]:
        """Return the filters with another order."""
        return replace(self, sort=sort).args

    @property
    def chips(self) -> list[tuple[str, dict[str, list[str]]]]:
        """What is asked for, in words, each with the filters that remain without it."""
        found = []
        for name, values in self.values.items():
            for value in values:
                left = [each for each in values if each != value]
                others = {other: kept for other, kept in self.args.items() if other != name}
                found.append(
                    (_say(self.kind, name, value), others | ({name: left} if left else {}))
                )
        return found


def write_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return those of the pairs that are filters as a query, in one order."""
    return urlencode(sorted((name, v) for name, v in pairs if name in NAMES and v))


_SAID = {
    "q": "\u201c{}\u201d",
    "event": "with {}",
    "without": "without {}",
    "notes": "with notes",
    "user": "user {}",
    "version": "version {}",
    "model": "model {}",
    "metadata": "{}",
    "since": "from {}",
    "until": "to {}",
    "length": "length {}",
    "position": "position {}",
}


def _say(kind: ListKind, name: str, value: str) -> str:
    if name == "q" and kind.searches == "ids":
        return f"id begins with {value}"
    if name == "flag":
        return f"{FLAGS[value].lower()} feedback"
    if name == "language":
        return language_name(value)
    if name == "period":
        return f"last {periods.NAMES[value]}"
    return _SAID.get(name, "{}").format(value)
