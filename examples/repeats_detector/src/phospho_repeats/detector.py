"""The `repeats` detector: a message that says what an earlier one of the session said.

Messages are compared by their runs of three letters, so that spelling, case and punctuation
matter little, and no language needs a list of its words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phospho.errors import DetectorError
from phospho.models import Detection, EventDefinition, Evidence, Interaction, Side, Turn

RUN = 3

# "yes please" is said again and again, and means something new each time.
MIN_LETTERS = 12

# A longer message repeats another if its beginning does.
MAX_CHARS = 2_000

MAX_QUOTE_CHARS = 300

Runs = Counter[str]


@dataclass(frozen=True)
class Settings:
    """What a definition may set.

    Args:
        least: How alike two messages must be, above 0 to 1, which is the same runs.
        within: How many interactions to look back.
    """

    least: float = 0.7
    within: int = 20


def read_settings(definition: EventDefinition) -> Settings:
    """Read the settings of a definition.

    Raises:
        DetectorError: When one is unknown or out of range; people read it in Settings.
    """
    given = {"least": Settings.least, "within": Settings.within, **definition.settings}
    least, within = given.pop("least"), given.pop("within")
    if given:
        name = next(iter(given))
        raise DetectorError(f"The detector 'repeats' has no setting {name!r}, only least, within.")
    if not _is_number(least) or not 0 < least <= 1:
        raise DetectorError(f"The setting least is {least!r}. Set a number above 0, up to 1.")
    if not isinstance(within, int) or not _is_number(within) or within < 1:
        raise DetectorError(f"The setting within is {within!r}. Set a whole number from 1.")
    return Settings(float(least), within)


class RepeatsDetector:
    """Finds messages that were said before: of the assistant where the scope says so."""

    name = "repeats"

    def detect(self, batch: Sequence[Turn], events: Sequence[EventDefinition]) -> list[Detection]:
        """Return one detection for each pair of turn and definition.

        Raises:
            DetectorError: When the settings of a definition cannot be used.
        """
        settings = {event.id: read_settings(event) for event in events}
        return [
            _judge(turn, event, settings[event.id], likenesses[_side_of(event)])
            for turn in batch
            for likenesses in (_likenesses(turn, {_side_of(event) for event in events}),)
            for event in events
        ]


def _judge(
    turn: Turn, event: EventDefinition, settings: Settings, likenesses: Sequence[float]
) -> Detection:
    """Judge by the likeness to each earlier message, the newest first."""
    near = likenesses[: settings.within]
    score = max(near, default=0.0)
    detected = score >= settings.least
    side = _side_of(event)
    return Detection(
        event_id=event.id,
        task_id=turn.interaction.task_id,
        detected=detected,
        score=score,
        evidence=_evidence(turn, side, back=near.index(score) + 1) if detected else None,
    )


def _evidence(turn: Turn, side: Side, *, back: int) -> Evidence:
    """Quote the message, and say where it was said before."""
    where = "just before" if back == 1 else f"{back} interactions before"
    quote = _said(turn.interaction, side)[:MAX_QUOTE_CHARS]
    return Evidence(side=side, quote=quote, reason=f"said {where}")


def _side_of(event: EventDefinition) -> Side:
    return "output" if event.scope == "assistant_message" else "input"


def _said(interaction: Interaction, side: Side) -> str:
    return (interaction.input if side == "input" else interaction.output) or ""


def _likenesses(turn: Turn, sides: set[Side]) -> Mapping[Side, Sequence[float]]:
    """Return, for each side, how alike each earlier message is, the newest first."""
    return {side: list(_compare(turn, side)) for side in sides}


def _compare(turn: Turn, side: Side) -> Iterator[float]:
    runs = runs_of(_said(turn.interaction, side))
    for earlier in reversed(turn.history):
        yield likeness(runs, runs_of(_said(earlier, side))) if runs else 0.0


def runs_of(text: str) -> Runs:
    """Return the runs of letters of a text, each with how often it occurs; none of a short one."""
    words = "".join(c if c.isalnum() else " " for c in text[:MAX_CHARS].casefold()).split()
    if sum(map(len, words)) < MIN_LETTERS:
        return Counter()
    line = f" {' '.join(words)} "
    return Counter(line[i : i + RUN] for i in range(len(line) - RUN + 1))


def likeness(one: Runs, other: Runs) -> float:
    """Return the share of runs that two texts have in common, 0 to 1 (Dice's coefficient)."""
    both = sum((one & other).values())
    total = one.total() + other.total()
    return 2 * both / total if total else 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
