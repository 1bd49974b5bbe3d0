"""Redaction with the real Presidio, which needs Python 3.11."""

from __future__ import annotations

import sys

import pytest

from phospho import Redaction
from phospho.errors import ConfigurationError, MissingDependencyError
from phospho.redaction import presidio
from tests.test_redaction import text_of

if sys.version_info < (3, 11):
    pytest.skip("Presidio needs Python 3.11", allow_module_level=True)


@pytest.fixture(scope="module")
def with_presidio() -> Redaction:
    return Redaction(analyzer="presidio")


def test_presidio_finds_what_our_rules_do_not(with_presidio: Redaction) -> None:
    bitcoin = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    text = f"SSN 536-90-4399, pay {bitcoin}, mail ada@example.com on 2023-11-24, password=hunter2"
    record = {"project_id": "p", "input": text, "user_id": "536-90-4399", "latency_ms": 7}
    once = with_presidio.phospho_before_send(record)
    assert once == {
        "project_id": "p",
        "input": "SSN [US_SSN], pay [CRYPTO], mail [EMAIL_ADDRESS] on 2023-11-24, "
        "password=[SECRET]",
        "user_id": "536-90-4399",
        "latency_ms": 7,
        "metadata": {"redacted": {"CRYPTO": 1, "EMAIL_ADDRESS": 1, "SECRET": 1, "US_SSN": 1}},
    }
    assert with_presidio.phospho_before_send(once) == once


def test_presidios_kinds_may_be_chosen() -> None:
    text = "SSN 536-90-4399 on 2023-11-24, ada@example.com"
    kinds = ["DATE_TIME", "EMAIL_ADDRESS"]
    assert text_of(text, analyzer="presidio", kinds=kinds) == (
        "SSN 536-90-4399 on [DATE_TIME], [EMAIL_ADDRESS]"
    )
    with pytest.raises(
        ConfigurationError, match=r"does not know PET\. Choose from: CREDIT_CARD, CR"
    ):
        Redaction(analyzer="presidio", kinds=["PET"])


def test_a_long_text_is_looked_through_in_pieces(with_presidio: Redaction) -> None:
    text = "word " * 797 + "536-90-4399 " + "word " * 2_000 + "536-90-4399"
    masked = with_presidio.phospho_before_send({"project_id": "p", "input": text})
    assert masked["input"] == text.replace("536-90-4399", "[US_SSN]")
    assert masked["metadata"] == {"redacted": {"US_SSN": 2}}


class Finding:
    def __init__(self, entity_type: str, start: int, end: int, score: float = 0.85) -> None:
        self.entity_type = entity_type
        self.start = start
        self.end = end
        self.score = score


class NameFinder:
    """Stands for an engine with a language model."""

    def get_supported_entities(self, language: str) -> list[str]:
        assert language == "de"
        return ["PERSON", "LOCATION", "EMAIL_ADDRESS"]

    def analyze(
        self, *, text: str, language: str, entities: list[str], score_threshold: float
    ) -> list[Finding]:
        assert (language, entities) == ("de", ["LOCATION", "PERSON"])
        found = [
            Finding(kind, text.index(name), text.index(name) + len(name))
            for name, kind in (("Ada Lovelace", "PERSON"), ("Lovelace Street", "LOCATION"))
            if name in text
        ]
        return [one for one in found if one.score >= score_threshold]


def test_an_engine_of_the_app_finds_names() -> None:
    text = "Ada Lovelace Street, ada@example.com"
    assert text_of(text, analyzer=NameFinder(), language="de") == "[PERSON], [EMAIL_ADDRESS]"


def test_without_presidio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(MissingDependencyError, match=r"phospho\[presidio\]"):
        Redaction(analyzer="presidio")


def test_presidio_never_fetches_its_list_of_domains(with_presidio: Redaction) -> None:
    assert with_presidio._analyzer is not None
    assert {"EMAIL_ADDRESS", "URL"} & set(with_presidio._analyzer._kinds) == set()
    assert presidio._PIECE_CHARS > presidio._OVERLAP_CHARS
