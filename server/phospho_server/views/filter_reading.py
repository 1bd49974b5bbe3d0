"""Reading the filters of a list: what there is to choose from, and what an address asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from flask import request

from phospho.detectors.language_names import language_name
from phospho.detectors.sentiment import FEELINGS
from phospho.snapshot import MAX_ID_CHARS
from phospho.visible import visible
from phospho_server.clock import DAY_MS, now_ms
from phospho_server.store import Connection, facts
from phospho_server.store.definitions import list_defined
from phospho_server.store.facts import EVENT, METADATA, NOTES, Fact
from phospho_server.store.filters import Filter
from phospho_server.store.message_facts import list_values
from phospho_server.views import periods
from phospho_server.views.filters import FLAGS, Asked, ListKind, Offered, write_query
from phospho_server.views.query import Choices, read_choice, read_text, read_texts

# Values that one filter may be given several times.
_MOST_VALUES = 10

_RANGES = {
    "length": re.compile(r"([0-9]{1,6})(?:(-)([0-9]{1,6})?)?", re.ASCII),
    "position": re.compile(r"([1-9][0-9]{0,2})(?:(-)([1-9][0-9]{0,2})?)?", re.ASCII),
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


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


def read_span(choices: Choices) -> tuple[int | None, int | None]:
    """Return where the period of an address begins and ends, in UTC milliseconds.

    None where it is open; a period that cannot be meant is left out, with a notice.
    """
    return _span({name: [v for v in each if v] for name, each in _read_period(choices).items()})


def _to_ms(value: str, *, ends: bool = False) -> int | None:
    """Return a day or a time in UTC milliseconds; where it ends something, a day is over then."""
    if not _DAY.match(value):
        return None
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
    since_ms, until_ms = _span(used)
    return replace(wanted, since_ms=since_ms, until_ms=until_ms)


def _span(used: Mapping[str, Sequence[str]]) -> tuple[int | None, int | None]:
    """Return where a period begins and ends, in UTC milliseconds; None where it is open."""
    since_ms = until_ms = None
    for name in used.get("period", ()):
        period = periods.get_period(name, now_ms())
        since_ms, until_ms = period.since_ms, period.until_ms
    for day in used.get("since", ()):
        since_ms = _to_ms(day)
    for day in used.get("until", ()):
        until_ms = _to_ms(day, ends=True)
    return since_ms, until_ms


def _bounds(name: str, value: str) -> tuple[int, int | None]:
    """Return the least and the most of a range: `3`, `3-5` or `3-`."""
    found = _RANGES[name].fullmatch(value)
    least, is_range, most = found.groups() if found else ("1", "-", None)
    return int(least), int(most) if most else None if is_range else int(least)
