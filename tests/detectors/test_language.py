"""Which language a message is in: told where it is plain, and otherwise not."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phospho.detectors import language
from phospho.detectors.language import detect_language
from phospho.detectors.language_detector import LanguageDetector
from phospho.detectors.language_names import CODES, language_code, language_name
from phospho.detectors.registry import run_detector
from phospho.errors import DetectorError, MissingDependencyError
from tests.detectors.builders import event, turn


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("Can I still change the delivery address?", "en", id="english"),
        pytest.param("¿Puedo cambiar la dirección de envío?", "es", id="spanish"),
        pytest.param("je n'arrive pas à me connecter", "fr", id="french"),
        pytest.param("Die App stürzt bei jedem Start ab", "de", id="german"),
        pytest.param("não consigo entrar na minha conta", "pt", id="portuguese"),
        pytest.param("не могу войти в свой аккаунт", "ru", id="russian"),
        pytest.param("请取消我的订阅", "zh", id="chinese"),
        pytest.param("配送先の住所を変更できますか", "ja", id="japanese"),
        pytest.param("계정에 로그인이 안 돼요", "ko", id="korean"),
        pytest.param("لا أستطيع الدخول إلى حسابي", "ar", id="arabic"),
        pytest.param("I WANT TO TALK TO A PERSON", "en", id="shouted"),
        pytest.param("Why does this fail? ```for i in range(3): print(i)```", "en", id="with-code"),
        pytest.param("Schau mal hier: https://example.com/en/help/how-to", "de", id="with-address"),
    ],
)
def test_a_plain_language_is_told(text: str, code: str) -> None:
    assert detect_language(text) == code


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\t", id="blank"),
        pytest.param("ok", id="too-short"),
        pytest.param("+49 170 1234567", id="number"),
        pytest.param("👍👍 :-)", id="emoji"),
        pytest.param('{"status": "ok", "items": [1, 2, 3]}', id="json"),
        pytest.param("```\nselect name from users\n```", id="code-block"),
        pytest.param("https://example.com/where/is/my/order", id="address"),
        pytest.param("ana.maria.lopez@example.com", id="email"),
        pytest.param("non merci", id="several-languages-have-it"),
        pytest.param(
            "Hello, how are you today my friend? ¿Cómo estás hoy, mi querido amigo del alma?",
            id="mixed",
        ),
        pytest.param("\ud800\udfff\x00", id="surrogates"),
    ],
)
def test_what_is_of_no_one_language_is_none(text: str) -> None:
    assert detect_language(text) is None


@given(st.text())
@settings(deadline=None)
def test_any_text_gives_a_known_language_or_none_and_always_the_same(text: str) -> None:
    first = detect_language(text)
    assert first is None or first in CODES
    language._likeliest.cache_clear()
    assert detect_language(text) == first


def test_a_very_long_text_costs_no_more_than_its_beginning() -> None:
    text = "where is my parcel and why is it late? " * 100_000
    language._likeliest.cache_clear()
    assert detect_language(text) == detect_language(text[: language.MAX_CHARS]) == "en"
    # For both, the same is asked.
    assert language._likeliest.cache_info().misses == 1


def test_threads_may_ask_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_model", language._Model())
    language._likeliest.cache_clear()
    found: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: found.append(detect_language("wo bleibt mein Paket denn")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["de"] * 8


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "is_installed", lambda: False)
    monkeypatch.setattr(language, "_model", language._Model())
    language._likeliest.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"py3langid.*phospho\[language\]"):
        detect_language("where is my parcel")


def test_every_language_has_a_name_that_leads_back_to_it() -> None:
    assert all(language_code(language_name(code)) == code for code in CODES)
    assert (language_code("mandarin  CHINESE"), language_code("Python")) == ("zh", None)
    assert language_name("tlh") == "tlh"


def test_the_detector_answers_with_a_category() -> None:
    asked = event("Which language?", answer="category", detector="language")
    one_of = event("One of two", answer="category", categories=("es", "pt"))
    batch = [
        turn("quiero hablar con una persona", task_id="t1"),
        turn("I want to talk to a person", task_id="t2"),
        turn("👍", task_id="t3"),
    ]
    found = run_detector(LanguageDetector(), batch, [asked, one_of], settles=False)
    assert [(f.value, f.detected) for f in found] == [
        ("es", True), ("es", True), ("en", True), (None, False), (None, False), (None, False),
    ]  # fmt: skip
    assert found[0].score > 0.5
    assert found[4].score == 0


def test_the_detector_asked_yes_or_no_needs_a_language_to_look_for() -> None:
    yes = event("The user writes in Spanish", detector="language")
    (found,) = run_detector(LanguageDetector(), [turn("quiero hablar con una persona")], [yes])
    assert found.detected
    assert found.detector == "language"
    vague = event("The user wants a refund", detector="language")
    with pytest.raises(DetectorError, match=r"names no language.*writes in Spanish"):
        LanguageDetector().detect([turn("hello")], [vague])
