"""Reading what an address asks for. A value that cannot be meant is named, then left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from flask import request

from phospho.visible import visible

# Longer than any search; an address with more is a mistake.
MAX_LENGTH = 300
_MOST_SHOWN = 40
_MAX_DIGITS = 9


@dataclass
class Choices:
    """Notes, while an address is read, what is wrong with it."""

    problems: list[str] = field(default_factory=list)

    @property
    def notices(self) -> list[str]:
        """The problems, for a page that shows what there is without these values."""
        return [f"Left out: {problem}" for problem in self.problems]

    def say(self, value: str, problem: str) -> None:
        """Note what is wrong with a value."""
        self.problems.append(f"\u201c{visible(value[:_MOST_SHOWN])}\u201d {problem}.")

    def leave_out(self, name: str, value: str, allowed: Collection[str]) -> bool:
        """Note that a value is none of those that may be chosen; it is false."""
        names = ", ".join(allowed) or "none yet"
        self.say(value, f"is not a choice of \u201c{name}\u201d. Choose one of: {names}")
        return False


def read_choice(choices: Choices, name: str, allowed: Collection[str], *, default: str = "") -> str:
    """Return one of the allowed values, or the default with a notice."""
    value = read_text(choices, name)
    if not value or value in allowed:
        return value or default
    choices.leave_out(name, value, allowed)
    return default


def read_text(choices: Choices, name: str, *, most_chars: int = MAX_LENGTH) -> str:
    """Return a text without surrounding space, or nothing with a notice if it is too long."""
    return next(iter(read_texts(choices, name, most=1, most_chars=most_chars)), "")


def read_texts(
    choices: Choices, name: str, *, most: int, most_chars: int = MAX_LENGTH
) -> list[str]:
    """Return the different texts that stand in an address under one name, the first `most`."""
    found = []
    for value in dict.fromkeys(each.strip() for each in request.args.getlist(name)):
        if len(value) > most_chars:
            choices.problems.append(
                f"The value of \u201c{name}\u201d has {len(value):,} characters, "
                f"and {most_chars} are the most."
            )
        elif value:
            found.append(value)
    for value in found[most:]:
        choices.say(value, f"is too much: \u201c{name}\u201d takes {most}")
    return found[:most]


def read_number(name: str, *, default: int, most: int) -> int:
    """Return a number from 1 to `most`; the nearest one, or the default for what is none."""
    return clamp_number(request.args.get(name, ""), default=default, most=most)


def clamp_number(value: str, *, default: int, most: int) -> int:
    """Return a number from 1 to `most`; the nearest one, or the default for what is none."""
    if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
        return default
    return min(max(1, int(value)), max(1, most))
