"""The sample conversations that `phospho demo` shows, and the events it looks for in them.

`conversations.jsonl` holds one session a line, written for this project; its times are relative
to "now", so that the dashboard always shows the last 30 days. `events.json` holds the definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from typing import Any

from phospho.models import EventDefinition

_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6
_OLDEST_DAY = timedelta(days=30)

# About as many characters as a token has.
_TOKEN_CHARS = 4


def sample_definitions() -> list[EventDefinition]:
    """Return the event definitions that the demo project starts with, ids `demo_<name>`."""
    definitions = json.loads(_text("events.json"))
    return [EventDefinition(id=f"demo_{each['name']}", **each) for each in definitions]


def sample_interactions(now_ms: int) -> Iterator[dict[str, Any]]:
    """Yield the sample interactions in time order, none later than `now_ms`.

    The texts and ids are the same in every call; only the times depend on `now_ms`.

    Args:
        now_ms: The end of the 30 days to fill, in UTC milliseconds.

    Yields:
        `{"task_id", "session_id", "user_id", "version_id", "input", "output", "metadata", "flag",
        "notes", "client_created_at_ms"}`, the names `POST /v2/log` reads; `output`, `flag` and
        `notes` may be None.
    """
    now = datetime.fromtimestamp(now_ms / 1000, tz=timezone.utc)
    rows = [row for session, start in _placed(_sessions(), now) for row in _rows(session, start)]
    rows.sort(key=lambda row: (row["client_created_at_ms"], row["task_id"]))
    yield from rows


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _sessions() -> list[dict[str, Any]]:
    """Return the lines of the file, oldest session first."""
    # Split at line feeds only: the conversations may hold other line separators.
    return [json.loads(line) for line in _text("conversations.jsonl").split("\n") if line]


def _placed(
    sessions: Iterable[Mapping[str, Any]], now: datetime
) -> Iterator[tuple[Mapping[str, Any], datetime]]:
    """Give each session its start: one not over by `now` took place on the working day before."""
    for session in sessions:
        start = _start(session["start"], now)
        if start + _duration(session) > now:
            start -= timedelta(days=1)
            start -= timedelta(days=max(0, start.weekday() - _FRIDAY))
        yield session, start


def _start(start: Mapping[str, Any], now: datetime) -> datetime:
    """Return the planned start, moved off the weekend where the session keeps working days."""
    time = datetime.strptime(start["time"], "%H:%M:%S").time()  # noqa: DTZ007 (a time of day)
    day = now.date() - timedelta(days=start["days_ago"])
    if start.get("working_day"):
        day += _to_working_day(day.weekday(), room=now.date() - day)
    return datetime.combine(day, time, tzinfo=timezone.utc)


def _to_working_day(weekday: int, *, room: timedelta) -> timedelta:
    """Return the step from a weekend day to the next Friday or Monday within the 30 days.

    Args:
        weekday: Monday is 0.
        room: How far the day lies in the past.
    """
    if weekday == _SATURDAY:
        is_oldest = room + timedelta(days=1) >= _OLDEST_DAY
        return timedelta(days=2 if is_oldest else -1)
    if weekday == _SUNDAY:
        return timedelta(days=1 if room else -2)
    return timedelta()


def _duration(session: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=session["interactions"][-1]["after_s"])


def _rows(session: Mapping[str, Any], start: datetime) -> Iterator[dict[str, Any]]:
    """Yield the interactions of one session as log events."""
    prompt_chars = 0
    for position, interaction in enumerate(session["interactions"], start=1):
        at = start + timedelta(seconds=interaction["after_s"])
        prompt_chars += len(interaction["input"])
        answer_chars = len(interaction["output"] or "")
        usage = {"usage": _usage(prompt_chars, answer_chars)}
        prompt_chars += answer_chars
        yield {
            "task_id": f"{session['session_id']}_{position:02}",
            "session_id": session["session_id"],
            "user_id": session["user_id"],
            "version_id": session["version_id"],
            "input": interaction["input"],
            "output": interaction["output"],
            "metadata": {**session["metadata"], **usage, **interaction.get("metadata", {})},
            "flag": interaction.get("flag"),
            "notes": interaction.get("notes"),
            "client_created_at_ms": int(at.timestamp() * 1000),
        }


def _usage(prompt_chars: int, answer_chars: int) -> dict[str, int]:
    """Return the tokens of one call of a model, which is sent all that was said before."""
    prompt, answer = (-(-chars // _TOKEN_CHARS) for chars in (prompt_chars, answer_chars))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }
