"""Which column of a file is which field: by option, and by a guess at the usual names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from phospho_server.errors import InvalidError
from phospho_server.files.fields import FIELDS
from phospho_server.files.values import is_flag, is_id, is_thumb, is_time, read_time

# Names that others give to a field, the surest first, without a difference between `chatId`,
# `Chat ID` and `chat_id`. What is not here becomes metadata.
USUAL: Mapping[str, Sequence[str]] = {
    "input": (
        *("prompt", "question", "query", "user_message", "user_input", "user_query"),
        *("user_prompt", "user_text", "human", "request", "instruction"),
    ),
    "output": (
        *("response", "answer", "completion", "assistant", "assistant_message"),
        *("assistant_response", "bot_response", "model_output", "model_response", "reply"),
        *("generation", "bot"),
    ),
    "session_id": (
        *("conversation_id", "thread_id", "chat_id", "dialog_id", "dialogue_id"),
        *("conversation", "thread", "session"),
    ),
    "user_id": ("user", "uid", "email", "user_email", "customer_id"),
    "version_id": ("version", "app_version", "release"),
    "created_at": (
        *("timestamp", "created", "date", "time", "datetime", "created_time", "date_time"),
        *("created_on", "logged_at", "start_time"),
    ),
    "flag": ("feedback", "thumbs", "thumb", "user_feedback", "rating", "vote"),
}

# Guessed only where all values of the sample are such as can be meant. Of stars, nobody knows
# which are good; so numbers are thumbs only where the name says so.
_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "input": lambda value: isinstance(value, str | dict | list),
    "output": lambda value: isinstance(value, str | dict | list),
    **dict.fromkeys(("session_id", "user_id", "version_id"), is_id),
    "created_at": is_time,
    "flag": is_thumb,
}
RATINGS = frozenset({"rating", "vote"})

# Names of our own protocol for a time, which the server reads itself.
_OWN_TIMES = frozenset({"created_at_ms", "client_created_at", "client_created_at_ms"})


@dataclass(frozen=True)
class ColumnMap:
    """Which column of a file is which field.

    Args:
        asked: By field, the column that an option names.
        guessed: By field, a column whose name is usual for it.
    """

    asked: Mapping[str, str] = field(default_factory=dict)
    guessed: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """By field, its column, where that has another name."""
        found = {**self.guessed, **self.asked}
        return {name: column for name, column in found.items() if name != column}


def read_options(options: Sequence[str]) -> dict[str, str]:
    """Return by field the column that `--map FIELD=COLUMN` names.

    Raises:
        InvalidError: An option is no such pair, or names a field twice or one that is none.
    """
    asked: dict[str, str] = {}
    for option in options:
        name, is_pair, column = option.partition("=")
        name, column = name.strip(), column.strip()
        if not is_pair or not column or name not in FIELDS:
            raise InvalidError(
                f"--map {option} cannot be meant. Write --map FIELD=COLUMN, with one of the fields "
                f"{', '.join(FIELDS)}."
            )
        if name in asked:
            raise InvalidError(f"--map names {name} twice. Name one column for it.")
        asked[name] = column
    return asked


def map_columns(
    columns: Sequence[str], sample: Sequence[Mapping[str, Any]], asked: Mapping[str, str]
) -> ColumnMap:
    """Return which column is which field.

    Args:
        columns: Those of the file, in its order.
        sample: Rows of it.
        asked: What options say, which goes before everything else.

    Raises:
        InvalidError: An option names a column that the file does not have.
    """
    for name, column in asked.items():
        if column not in columns:
            raise InvalidError(
                f"--map {name}={column}: there is no column “{column}”. The file has: "
                f"{_join(columns)}."
            )
    guessed: dict[str, str] = {}
    taken = {*asked.values(), *(set(FIELDS) & set(columns))}
    for name in USUAL:
        if name in asked or name in columns:
            continue
        if name == "created_at" and _OWN_TIMES & set(columns):
            continue
        for found in _find_usual(name, columns, sample, taken):
            guessed[name] = found
            taken.add(found)
            break
    return ColumnMap(asked, guessed)


def _find_usual(
    name: str, columns: Sequence[str], sample: Sequence[Mapping[str, Any]], taken: Collection[str]
) -> Iterator[str]:
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(_plain(column), column)
    for usual in (name, *USUAL[name]):
        if usual not in by_name or by_name[usual] in taken:
            continue
        column = by_name[usual]
        values = [row[column] for row in sample if row.get(column) not in (None, "")]
        check = is_flag if usual in RATINGS else _CHECKS[name]
        if values and all(map(check, values)):
            yield column


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAP = re.compile(r"[\W_]+")


def _plain(column: str) -> str:
    return _GAP.sub("_", _HUMP.sub("_", column)).strip("_").lower()


def describe_missing(
    file_name: str, columns: Sequence[str], sample: Sequence[Mapping[str, Any]]
) -> str:
    """Say that no column is what the user said, and what to type."""
    texts = {column: _count_chars(row.get(column) for row in sample) for column in columns}
    likely = sorted(texts, key=lambda column: -texts[column])[:2]
    said, *answered = sorted(likely, key=columns.index) or ["COLUMN"]
    options = [f"input={said}", *(f"output={column}" for column in answered)]
    typed = " ".join(f"--map {_quote(option)}" for option in options)
    return (
        f"No column of {file_name} has a name that tells it is what users said. It has: "
        f"{_join(columns)}. Say which one it is, for example: {typed}"
    )


def _count_chars(values: Iterable[Any]) -> int:
    """Return how long values are together, of which times and numbers are none of."""
    texts = [value for value in values if isinstance(value, str)]
    return sum(len(text) for text in texts if read_time(text) is None)


def _quote(option: str) -> str:
    return option if re.fullmatch(r"[\w=.-]+", option) else f"'{option}'"


# Columns that a message names; a file may have thousands.
_NAMED = 50


def _join(columns: Sequence[str]) -> str:
    rest = len(columns) - _NAMED
    return ", ".join(columns[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
