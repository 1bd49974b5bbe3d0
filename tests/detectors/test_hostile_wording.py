"""No description and no text takes long, whatever strangers write."""

# Typographic and foreign characters are what is tested.

from __future__ import annotations

import pytest

from phospho.detectors.rules import RulesDetector
from phospho.detectors.wording import parse_wording
from tests.detectors.builders import event, turn
from tests.waiting import not_endless


def is_met(description: str, input: str, output: str) -> bool:
    (detection,) = RulesDetector().detect([turn(input, output)], [event(description)])
    return detection.detected


def test_many_alternatives_are_read_in_the_time_of_few() -> None:
    # One way too many to match the blank before each "or" doubles the time with every word.
    wording = " or ".join(f'"word{n}"' for n in range(140))
    assert parse_wording(f"The user mentions {wording}") is not None
    assert parse_wording(f"The user mentions {wording} cheese") is None


HOSTILE = [
    "'", '"', "`", "“", "«", "' ", "'a' ", "'a' or ", "'a', ", "(", "and ", "or ", "the user ",
    "either ", "not ", "not not ", "in the ", "at least ", "the user says ", "between 1 and ",
    "the first word of ", "says 'a' and ", "that ", "both ", "⟦0⟧", "the word a or ", "\u0301",
    "the first word of the last sentence of ", "no ", "is ", "does not ", "'a' but not ", "1 ",
    "starts or ends ", "in the reply in which ", "in the reply, ", "there is ", "with ",
    "messages in which ", "a message with ", "neither ", "the user or the assistant or ",
    "says sorry or ", "says any of these: ", "a price, like $1 or ", "a code like 1-a ", "退款 ",
    "#a ", "/a ", "a_b ", "w/ ", "longer than 3 words or 2 ", "a list of 3 items or ", "GDPR or ",
    "SQL keywords ", "words like ", "{a} ", "is 'a' in ", "a@a.a ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_descriptions_are_read_in_no_time(piece: str) -> None:
    # A grammar that tries everything would take hours.
    with not_endless():
        for start in ("", "The user says 'x' ", "Messages in which the user says "):
            for end in ("", " cheese"):
                parse_wording.__wrapped__(f"{start}{piece * 2_000}"[:1_990] + end)
                parse_wording.__wrapped__(piece * (100_000 // len(piece)) + end)


def test_a_huge_text_takes_no_time() -> None:
    text = "a " * 150_000
    for description in (
        "The user says 'b'", "The user says 'a b'", "The user asks a question",
        "The user sends a link", "The user's message ends with 'b'", "The user sends an emoji",
        "The user's message contains an email address",
    ):  # fmt: skip
        for strange in (text, "a" * 300_000, " " * 300_000, "\u0301" * 300_000, ".@" * 150_000):
            assert not is_met(description, strange, strange)
    for strange in (text, "(" * 300_000):
        assert not is_met("The user's message has more than 3 sentences", strange, "")
