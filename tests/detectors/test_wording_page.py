"""What docs/wording.md says of descriptions is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phospho.detectors.auto import chosen, explain
from phospho.detectors.named_shapes import NAMED_SHAPES, QUESTION
from tests.detectors.builders import event

PAGE = (Path(__file__).parents[2] / "docs" / "wording.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| ((?:looks for|checks) .+?) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("description", "explanation"), ROWS)
def test_a_description_on_the_page_is_understood_as_it_says(
    description: str, explanation: str
) -> None:
    assert explain(event(description)) == explanation


def test_the_page_has_descriptions() -> None:
    assert len(ROWS) > 15


def test_what_the_page_leaves_to_meaning_is_left_to_it() -> None:
    (meant,) = re.findall(r"looked for by meaning:\n(.*?)\. Where both", PAGE, re.DOTALL)
    descriptions = [" ".join(one.split()) for one in re.findall(r"\*(.*?)\*", meant, re.DOTALL)]
    assert len(descriptions) == 3
    assert {chosen(event(description)) for description in descriptions} == {"semantic"}


def test_every_shape_is_on_the_page() -> None:
    page = " ".join(PAGE.split())
    shapes = [QUESTION, *(named.shape for named in NAMED_SHAPES if not named.is_sign)]
    assert [shape.one for shape in shapes if f"{shape.one}," not in page] == []
