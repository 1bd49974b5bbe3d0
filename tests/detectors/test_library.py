from __future__ import annotations

from pathlib import Path

import pytest

from phospho.detectors.description import BOTH_SIDES, side_of
from phospho.detectors.library import library
from phospho.detectors.packing import unpack
from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.use_encoder import UseEncoder
from phospho.detectors.words import rarity, telling_words
from phospho.detectors.yardstick import describe, find_lenders, make_yardstick
from phospho.models import Side
from tests.detectors.builders import event, turn


def lenders(semantic: SemanticDetector, description: str, side: Side) -> list[str]:
    assert isinstance(semantic.embedder, UseEncoder)
    yardstick = make_yardstick(semantic.embedder, side)
    return [entry.name for entry in find_lenders(semantic.embedder, yardstick, description)[0]]


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("The customer is grateful for the assistance", "user_thanks"),
        ("The bot refuses the request of the customer", "assistant_refuses"),
        ("The customer wants to talk to a human agent", "user_wants_human"),
        ("The agent says that it is sorry", "assistant_apologises"),
    ],
)
def test_an_everyday_event_lends_its_phrases(
    semantic: SemanticDetector, description: str, name: str
) -> None:
    assert name in lenders(semantic, description, side_of(description))


@pytest.mark.parametrize(
    "description",
    [
        "The user wants to know the opening hours of a zoo",
        "The user asks about the ingredients of a sauce",
        "The assistant explained photosynthesis",
        # Nearly the words of an event that is the opposite.
        "The assistant could not carry out what the user had confirmed",
    ],
)
def test_an_event_of_one_product_borrows_nothing_wrong(
    semantic: SemanticDetector, description: str
) -> None:
    wrong = {"user_asks_about_price", "assistant_confirms_done", "user_asks_to_repeat"}
    assert not wrong & set(lenders(semantic, description, side_of(description)))


@pytest.mark.parametrize("side", BOTH_SIDES)
def test_the_library_is_whole(side: Side) -> None:
    entries = library(side).entries
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names) > 30
    for entry in entries:
        assert entry.name.startswith("user_" if side == "input" else "assistant_")
        assert len(entry.descriptions) >= 10
        assert len(entry.phrases) >= 15
        assert all(text.strip() == text != "" for text in (*entry.descriptions, *entry.phrases))
    assert len(library(side).plain) > 100


def test_rare_words_tell_more_than_common_ones() -> None:
    assert telling_words("The user asks about the warranty") == ["warranty"]
    assert rarity("warranty") > rarity("please")


def test_a_yardstick_has_a_centre_for_descriptions_and_phrases_of_each_entry(
    semantic: SemanticDetector,
) -> None:
    assert semantic.embedder is not None
    yardstick = make_yardstick(semantic.embedder, "output")
    assert yardstick.centres.shape == (2 * len(library("output").entries), 512)


def test_the_vectors_that_are_shipped_are_those_of_the_library(semantic: SemanticDetector) -> None:
    assert isinstance(semantic.embedder, UseEncoder)
    for side in BOTH_SIDES:
        shipped = make_yardstick(semantic.embedder, side)
        texts = [text for entry in library(side).entries for text in entry.descriptions]
        assert len(shipped.descriptions) == len(texts)
        for place in range(0, len(texts), 200):
            own = describe(semantic.embedder, texts[place], side=side)
            assert unpack(shipped.descriptions[place : place + 1])[0] @ own > 0.999
        plain = semantic.embedder.encode(library(side).plain[:5])
        assert ((unpack(shipped.plain[:5]) * plain).sum(axis=1) > 0.999).all()


def test_the_library_has_the_events_that_the_changelog_says() -> None:
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    number = sum(len(library(side).entries) for side in BOTH_SIDES)
    assert f"a library of {number} everyday events" in changelog


def test_evidence_never_names_a_borrowed_phrase(semantic: SemanticDetector) -> None:
    thanks = event("The customer is grateful for the assistance")
    assert lenders(semantic, thanks.description, "input")
    (found,) = semantic.detect([turn("Thanks a lot, you are great!")], [thanks])
    assert found.evidence
    assert found.evidence.reason == 'close to "is grateful for the assistance"'
