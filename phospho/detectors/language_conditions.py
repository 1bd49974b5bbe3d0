"""Conditions on the language of a message, and whether a turn meets them.

Each is met by a language that is known: a message of which it cannot be told ("ok") is neither in
English nor in another language than English.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from phospho.detectors.language import detect_language
from phospho.detectors.language_names import language_name
from phospho.detectors.texts import evidence, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.models import Evidence, Interaction, Side, Turn

Relation = Literal["in", "as_user", "switch"]


@dataclass(frozen=True)
class LanguageCondition:
    """A condition on the language of a message.

    Args:
        relation: `in` one of `languages`; in the same language `as_user`, for the assistant; or a
            `switch` away from the language of the message before.
        sides: The messages in which it may be met.
        languages: ISO 639-1 codes. For a switch: to which; empty for any.
        is_negated: Whether the language has to be another one.
        before: For a switch: from which; empty for any.
    """

    relation: Relation
    sides: tuple[Side, ...]
    languages: tuple[str, ...] = ()
    is_negated: bool = False
    before: tuple[str, ...] = ()

    def evidence(self, turn: Turn) -> Evidence | None:
        """Return why the event occurred in this turn, or None if it did not.

        Raises:
            MissingDependencyError: When no package that tells languages is installed.
        """
        for side in self.sides:
            spoken = detect_language(text_of(turn, side))
            reason = spoken and self._reason(turn, side, spoken)
            if reason:
                return evidence(side, "", reason)
        return None

    def explain(self, message: str) -> str:
        """Say in plain English what is looked for in a message, given what people call it."""
        if self.relation == "in":
            other = "another language than " if self.is_negated else ""
            return f"checks that {message} is in {other}{_listed(self.languages)}"
        if self.relation == "as_user":
            same = "another language than" if self.is_negated else "the same language as"
            return f"checks that {message} is in {same} the user's"
        start = f"from {_listed(self.before)} " if self.before else ""
        to = _listed(self.languages) if self.languages else "another language"
        return f"checks that {message} switches {start}to {to}"

    def _reason(self, turn: Turn, side: Side, spoken: str) -> str | None:
        if self.relation == "in":
            is_met = (spoken in self.languages) != self.is_negated
            return f"is in {language_name(spoken)}" if is_met else None
        if self.relation == "as_user":
            before = _last_known(turn, "input", with_this=True)
        else:
            before = _last_known(turn, side, with_this=False)
        if before is None:
            return None
        if self.relation == "as_user":
            is_met = (spoken == before) != self.is_negated
            user = f"the user's message is in {language_name(before)}"
            return f"is in {language_name(spoken)}, {user}" if is_met else None
        is_met = (
            spoken != before
            and (not self.languages or spoken in self.languages)
            and (not self.before or before in self.before)
        )
        change = f"switches from {language_name(before)} to {language_name(spoken)}"
        return change if is_met else None


def _last_known(turn: Turn, side: Side, *, with_this: bool) -> str | None:
    """Return the newest language of a side that can be told, or None."""
    said: list[Interaction] = [*turn.history, *([turn.interaction] if with_this else [])]
    for interaction in reversed(said):
        text = interaction.input if side == "input" else interaction.output
        spoken = detect_language(text or "")
        if spoken is not None:
            return spoken
    return None


def _listed(codes: Sequence[str]) -> str:
    names = [language_name(code) for code in codes]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
