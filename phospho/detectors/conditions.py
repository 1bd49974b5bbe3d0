"""Conditions on the wording of messages: trees that can be tested, negated and told in English.

`find` says where messages meet a condition, `told` says in words what it asks for. A new kind of
condition is a class with these two methods.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from phospho.detectors.description import where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phospho.models import Side

Said = tuple["Side", str]
"""A text and whose it is."""

Place = Literal["anywhere", "start", "end", "whole"]

# No message that a person reads is longer; what comes after is not looked at.
MAX_CHARS = 100_000

_HARDLY_ANY = 2


class Found(NamedTuple):
    """Where a condition is met.

    Args:
        side: Whose message meets it.
        quote: Words of that message; empty where no words in particular meet it.
        reason: What was asked for, for people: 'contains "refund"'.
    """

    side: Side
    quote: str
    reason: str


class Condition(Protocol):
    """What messages must be like."""

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return where the messages meet the condition; one that is empty was never written."""

    def told(self, *, negated: bool = False) -> str:
        """Return what is asked of a message: 'contains "a"', negated 'does not contain "a"'."""


class Wanted(Protocol):
    """What can stand in a message: a phrase, or whatever has a certain shape.

    Args:
        one: What people call it: `a number`, `"refund"`.
        many: What people call several.
        named: The same with what it is: `the wording 'refund'`.
    """

    @property
    def one(self) -> str:
        """What people call it."""

    @property
    def many(self) -> str:
        """What people call several."""

    @property
    def named(self) -> str:
        """The same as `one`, with what it is."""

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where it stands in a text."""

    def at(self, place: Place, text: str) -> str | None:
        """Return the words at one place of a text that are it; empty if they cannot be told."""


_VERBS: dict[Place, tuple[str, str]] = {
    "anywhere": ("contains", "does not contain"),
    "start": ("starts with", "does not start with"),
    "end": ("ends with", "does not end with"),
    "whole": ("is nothing but", "is not just"),
}


@dataclass(frozen=True)
class Occurs:
    """Something stands in a message.

    Args:
        what: What is looked for.
        place: Where in the message.
        least: How often at least.
        most: How often at most; None for any number of times.
    """

    what: Wanted
    place: Place = "anywhere"
    least: int = 1
    most: int | None = None

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the first message that has it."""
        for side, text in said:
            quote = self._quote(text[:MAX_CHARS])
            if quote is not None:
                return Found(side, quote, self.told())
        return None

    def told(self, *, negated: bool = False) -> str:
        """Return "contains 'a'"."""
        return f"{_VERBS[self.place][negated]} {self.object()}"

    def object(self, *, is_named: bool = False) -> str:
        """Return what is looked for, and how often, without the verb."""
        one = self.what.named if is_named else self.what.one
        if (self.least, self.most) == (1, None):
            return one
        times = told_range(self.least, self.most)
        is_single = times.endswith(" 1")
        if one.startswith(("a ", "an ")):
            return f"{times} {one.partition(' ')[2] if is_single else self.what.many}"
        return f"{one} {times} {'time' if is_single else 'times'}"

    def _quote(self, text: str) -> str | None:
        if self.place != "anywhere":
            return self.what.at(self.place, text)
        if (self.least, self.most) == (1, None):
            return self.what.at("anywhere", text)
        first, count = "", 0
        for start, end in self.what.spans(text):
            first = first or text[start:end]
            count += 1
            if count > (self.least if self.most is None else self.most):
                break
        is_met = count >= self.least and (self.most is None or count <= self.most)
        return first if is_met else None


@dataclass(frozen=True)
class Not:
    """What is there does not meet a condition; messages that were never written prove nothing."""

    part: Condition

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return the first message where none meets the condition."""
        written = [one for one in said if one[1].strip()]
        if not written or self.part.find(said):
            return None
        return Found(written[0][0], "", self.told())

    def told(self, *, negated: bool = False) -> str:
        """Return "does not contain 'a'"."""
        return self.part.told(negated=not negated)


@dataclass(frozen=True)
class AllOf:
    """Every one of several conditions."""

    parts: tuple[Condition, ...]

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return where the messages, taken together, meet all; quoting the first with words."""
        found = []
        for part in self.parts:
            one = part.find(said)
            if one is None:
                return None
            found.append(one)
        first = next((one for one in found if one.quote), found[0])
        return first._replace(reason=self.told())

    def told(self, *, negated: bool = False) -> str:
        """Return "contains 'a' and is longer than 3 words"."""
        return _joined(self.parts, "or" if negated else "and", negated=negated)


@dataclass(frozen=True)
class Together(AllOf):
    """Several conditions said to belong together: what has not both may have one."""


@dataclass(frozen=True)
class AnyOf:
    """At least one of several conditions."""

    parts: tuple[Condition, ...]

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return where the first condition is met that is."""
        return next((found for part in self.parts if (found := part.find(said))), None)

    def told(self, *, negated: bool = False) -> str:
        """Return "contains 'a' or a link"."""
        return _joined(self.parts, "and" if negated else "or", negated=negated)


@dataclass(frozen=True)
class In:
    """Messages of certain sides meet a condition.

    Args:
        sides: Whose messages are looked at.
        part: The condition.
        is_one: Whether one message alone must meet all of it.
    """

    sides: tuple[Side, ...]
    part: Condition
    is_one: bool = False

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return where they do."""
        heard = [(side, text) for side, text in said if side in self.sides]
        if not self.is_one:
            return self.part.find(heard)
        return next((found for one in heard if (found := self.part.find([one]))), None)

    def told(self, *, negated: bool = False) -> str:
        """Return "the user's message contains 'a'"."""
        inner = self.part.part if isinstance(self.part, Not) else self.part
        if len(self.sides) > 1 and isinstance(self.part, Not) is not negated:
            return f"neither message {inner.told()}"
        return f"{where(self.sides)} {self.part.told(negated=negated)}"


@dataclass(frozen=True)
class Opening:
    """The first interaction of a session meets a condition; whoever asks knows which that is."""

    part: Condition

    def find(self, said: Sequence[Said]) -> Found | None:
        """Return where the messages, taken to be the first ones, meet it."""
        return self.part.find(said)

    def told(self, *, negated: bool = False) -> str:
        """Return "when a session begins, the user's message contains 'a'"."""
        return f"when a session begins, {self.part.told(negated=negated)}"


def told_range(least: int, most: int | None) -> str:
    """Return "more than 2", "at most 3", "between 2 and 3" or "exactly 2"."""
    if most is None:
        return f"at least {least:,}"
    if least == most:
        return f"exactly {least:,}"
    return f"at most {most:,}" if least <= 0 else f"between {least:,} and {most:,}"


def listed(words: Sequence[str], joint: str) -> str:
    """Return "a, b or c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def on_sides(condition: Condition, sides: tuple[Side, ...]) -> Condition:
    """Return the condition on the messages of other sides."""
    if isinstance(condition, In):
        return replace(condition, sides=sides)
    if isinstance(condition, Not):
        return Not(on_sides(condition.part, sides))
    if isinstance(condition, Opening):
        return Opening(on_sides(condition.part, sides))
    if isinstance(condition, AllOf | AnyOf):
        return replace(condition, parts=tuple(on_sides(part, sides) for part in condition.parts))
    return condition


def things_of(condition: Condition) -> tuple[str, Place] | None:
    """Return what is looked for and where, of a condition that only names things in one place."""
    if isinstance(condition, Occurs):
        return condition.object(is_named=True), condition.place
    if not isinstance(condition, AllOf | AnyOf):
        return None
    occurring = [part for part in condition.parts if isinstance(part, Occurs)]
    places = {part.place for part in occurring}
    if len(occurring) < len(condition.parts) or len(places) != 1:
        return None
    joint = "or" if isinstance(condition, AnyOf) else "and"
    return _once([part.object(is_named=True) for part in occurring], joint), places.pop()


def _once(objects: Sequence[str], joint: str) -> str:
    """List things, with what they begin with in common said once."""
    lead = "the wording "
    first, *others = objects
    return listed([first, *(other.removeprefix(lead) for other in others)], joint)


def _joined(parts: Sequence[Condition], joint: str, *, negated: bool) -> str:
    """Join conditions, naming what they have in common once: "contains 'a' or 'b'"."""
    places = {part.place for part in parts if isinstance(part, Occurs)}
    if len(places) == 1 and all(isinstance(part, Occurs) for part in parts):
        positive = {"and": "or", "or": "and"}[joint] if negated else joint
        objects = [part.object() for part in parts if isinstance(part, Occurs)]
        verb = _VERBS[places.pop()][negated]
        both = "both " if negated and positive == "and" and len(parts) == _HARDLY_ANY else ""
        return f"{verb} {both}{_once(objects, positive)}"
    return listed([_bracketed(part, joint, negated=negated) for part in parts], joint)


def _bracketed(part: Condition, joint: str, *, negated: bool) -> str:
    told = part.told(negated=negated)
    is_group = isinstance(part, AllOf | AnyOf) and things_of(part) is None
    inner = "and" if isinstance(part, AllOf) is not negated else "or"
    return f"({told})" if is_group and inner != joint else told
