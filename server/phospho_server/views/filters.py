"""The filters of lists: what an address asks for, what a page offers, and how that is said.

The names in the address are the same on every page: `q` (words), `event` and `without` (names of
events), `flag`, `notes`, `user`, `version`, `model`, `language`, `sentiment`, `metadata`
(`key=value`), `period` or `since` and `until`, `length` of a session and `position` in it. `event`,
`without` and `metadata` may be given several times; everything that is asked for has to hold.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import ClassVar, Literal
from urllib.parse import urlencode

from flask import request

from phospho.detectors.language_names import language_name
from phospho.detectors.sentiment import FEELINGS
from phospho.snapshot import MAX_ID_CHARS
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.store import Connection, facts
from phospho_server.store.definitions import list_defined
from phospho_server.store.facts import EVENT, METADATA, NOTES, Fact
from phospho_server.store.filters import Filter
from phospho_server.store.message_facts import list_values
from phospho_server.views import periods
from phospho_server.views.formats import visible
from phospho_server.views.query import Choices, read_choice, read_text, read_texts

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

# Values that one filter may be given several times.
_MOST_VALUES = 10

_RANGES = {
    "length": re.compile(r"([0-9]{1,6})(?:(-)([0-9]{1,6})?)?", re.ASCII),
    "position": re.compile(r"([1-9][0-9]{0,2})(?:(-)([1-9][0-9]{0,2})?)?", re.ASCII),
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


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


def list_choices(db: Connection, project_id: str) -> Offered:
    """Return what the filters of a project offer."""
    # What cannot be seen whole cannot be told apart in a list of choices.
    recent = [
        f
        for f in facts.list_recent(db, project_id)
        if visible(f.name + f.value) == f.name + f.value
    ]
    languages = {code: language_name(code) for code in list_values(db, project_id, "language")}
    felt = list_values(db, project_id, "sentiment")
    return Offered(
        events={each.name: each.id for each in list_defined(db, project_id)},
        languages=dict(sorted(languages.items(), key=lambda choice: choice[1])),
        sentiments={feeling: feeling.capitalize() for feeling in FEELINGS if felt},
        versions=[fact.value for fact in recent if fact.name == "version"],
        models=[fact.value for fact in recent if fact.name == "model"],
        metadata=[
            f"{fact.name.removeprefix(METADATA)}={fact.value}"
            for fact in recent
            # A key ends at the first equals sign.
            if fact.name.startswith(METADATA) and "=" not in fact.name
        ],
    )


def read_filter(choices: Choices, kind: ListKind, offered: Offered) -> Asked:
    """Return what the address asks for; what cannot be meant is left out, with a notice."""
    values: dict[str, Sequence[str]] = {
        "q": [read_text(choices, "q")],
        "event": _read_names(choices, "event", offered.events),
        "without": _read_names(choices, "without", offered.events),
        "flag": [read_choice(choices, "flag", FLAGS)],
        "notes": [read_choice(choices, "notes", ["yes"])],
        "language": [read_choice(choices, "language", offered.languages)],
        "sentiment": [read_choice(choices, "sentiment", offered.sentiments)],
        "user": [read_text(choices, "user", most_chars=MAX_ID_CHARS)],
        "version": [read_text(choices, "version", most_chars=MAX_ID_CHARS)],
        "model": [read_text(choices, "model")],
        "metadata": _read_metadata(choices),
        "length": [_read_range(choices, "length")],
        "position": [_read_range(choices, "position")],
        **_read_period(choices),
    }
    used = {name: kept for name in values if (kept := [v for v in values[name] if v])}
    for name in sorted(set(kind.lacks) & set(used)):
        choices.say(name, f"is no filter of {kind.page}")
        del used[name]
    return Asked(
        kind,
        used,
        _to_filter(kind, used, offered),
        read_choice(choices, "sort", kind.sorts, default=next(iter(kind.sorts))),
        write_query(request.args.items(multi=True)),
    )


def _read_names(choices: Choices, name: str, events: Collection[str]) -> list[str]:
    return [
        value
        for value in read_texts(choices, name, most=_MOST_VALUES)
        if value in events or choices.leave_out(name, value, events)
    ]


def _read_metadata(choices: Choices) -> list[str]:
    found = []
    for value in read_texts(choices, "metadata", most=_MOST_VALUES):
        key, is_pair, _ = value.partition("=")
        if key and is_pair:
            found.append(value)
        else:
            choices.say(value, "needs a key and a value, as in plan=pro")
    return found


def _read_range(choices: Choices, name: str) -> str:
    value = read_text(choices, name)
    if value and _RANGES[name].fullmatch(value) is None:
        choices.say(value, f"is no {name}. Write a number, or two as in 3-5")
        return ""
    return value


def _read_period(choices: Choices) -> dict[str, list[str]]:
    """Return a period by its name, or by its first and last day; days go before a name."""
    days = {}
    for name in ("since", "until"):
        value = read_text(choices, name)
        if value and _to_ms(value) is None:
            choices.say(value, "is no day. Write it as in 2026-11-27")
        elif value:
            days[name] = [value]
    period = read_choice(choices, "period", [*periods.NAMES, "custom"])
    return days or {"period": [] if period in ("all", "custom") else [period]}


def _to_ms(value: str, *, ends: bool = False) -> int | None:
    """Return a day or a time in UTC milliseconds; where it ends something, a day is over then."""
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    at_ms = (at - _EPOCH).total_seconds() * 1000
    return int(at_ms) + (DAY_MS if ends and _DAY.fullmatch(value) else 0)


def _to_filter(kind: ListKind, used: Mapping[str, Sequence[str]], offered: Offered) -> Filter:
    has = [Fact(EVENT, offered.events[name]) for name in used.get("event", ())]
    for name in ("flag", "language", "sentiment", "user", "version", "model"):
        has += [Fact(name, value) for value in used.get(name, ())]
    has += [Fact(NOTES, value) for value in used.get("notes", ())]
    for pair in used.get("metadata", ()):
        key, _, value = pair.partition("=")
        has.append(Fact("model" if key == "model" else METADATA + key, value))
    lacks = [Fact(EVENT, offered.events[name]) for name in used.get("without", ())]
    words = used.get("q", ()) if kind.searches == "messages" else ()
    wanted = Filter(has=has, lacks=lacks, text=next(iter(words), None))
    for value in used.get("length", ()):
        shortest, longest = _bounds("length", value)
        wanted = replace(wanted, shortest=shortest, longest=longest)
    for value in used.get("position", ()):
        earliest, latest = _bounds("position", value)
        wanted = replace(wanted, earliest=earliest, latest=latest)
    for name in used.get("period", ()):
        period = periods.get_period(name, now_ms())
        wanted = replace(wanted, since_ms=period.since_ms, until_ms=period.until_ms)
    for day in used.get("since", ()):
        wanted = replace(wanted, since_ms=_to_ms(day))
    for day in used.get("until", ()):
        wanted = replace(wanted, until_ms=_to_ms(day, ends=True))
    return wanted


def _bounds(name: str, value: str) -> tuple[int, int | None]:
    """Return the least and the most of a range: `3`, `3-5` or `3-`."""
    found = _RANGES[name].fullmatch(value)
    least, is_range, most = found.groups() if found else ("1", "-", None)
    return int(least), int(most) if most else None if is_range else int(least)


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
