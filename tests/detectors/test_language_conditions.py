"""Conditions on a language: read out of a description, met by what is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors import language_wording
from phospho.detectors.auto import chosen, explain
from phospho.detectors.language_wording import parse_language
from phospho.detectors.rules import RulesDetector, check_definition
from phospho.errors import MissingDependencyError
from phospho.models import Interaction, Turn
from tests.detectors.builders import event, turn
from tests.waiting import not_endless

USER, ASSISTANT = "the user's message", "the assistant's message"

ENGLISH = "I would like to change the delivery address"
SPANISH = "Me gustaría cambiar la dirección de entrega"
FRENCH = "Je voudrais changer l'adresse de livraison"
GERMAN = "Ich möchte gerne die Lieferadresse ändern"


# What is understood, and descriptions that say so.
UNDERSTOOD = {
    f"{USER} is in Spanish": [
        "The user writes in Spanish",
        "The user wrote in Spanish.",
        "The user speaks Spanish",
        "Detect when the customer is writing in Spanish",
        "The user asks a question in spanish",
        "The user asked the assistant something in Spanish",
        "The user sends a message in Spanish",
        "User messages in Spanish",
        "A user message in Spanish",
        "The user's message is Spanish",
        "The user only writes in Spanish",
        "The user starts speaking Spanish",
        "The user writes in Spanish instead of English",
        "The user's language is Spanish",
        "The language of the user's message is Spanish",
        "Spanish messages from the user",
    ],
    f"{USER} is in French, German or Dutch": [
        "The user\u2019s message is written in French, German, or Dutch",
        "The user writes in either French, German or Flemish",
    ],
    f"{USER} is in another language than English": [
        "The user does not write in English",
        "The user doesn't speak English",
        "The user writes in another language than English",
        "The user's message is in any language except English",
        "The user writes in anything but English",
        "The user writes something that isn't in English",
        "The user sends a non-English message",
        "The user's message is non-English",
    ],
    f"{USER} is in English": ["The user does not write in a language other than English"],
    f"{USER} is in Chinese": ["The user writes in Mandarin", "The user uses Simplified Chinese"],
    f"{USER} is in Persian": ["The user chats in Farsi"],
    "either message is in French or German": ["The message is in French or German"],
    "either message is in another language than English": [
        "A message not in English",
        "Non-English messages",
    ],
    "either message is in another language than French or German": [
        "The message is in neither French nor German"
    ],
    f"{ASSISTANT} is in French": [
        "The assistant answers in French",
        "The assistant responds to the user in French",
        "The assistant answered the user in French",
        "The reply is in French",
    ],
    f"{ASSISTANT} is in another language than English": [
        "The assistant responds in a language other than English"
    ],
    f"{ASSISTANT} is in another language than the user's": [
        "The assistant answered in a different language than the user",
        "The assistant replies in a language other than the user's",
        "The assistant does not respond in the same language as the user",
        "The assistant does not answer in the user's language",
        "The assistant does not reply in the language the user wrote in",
        "The user and the assistant speak different languages",
    ],
    f"{ASSISTANT} is in the same language as the user's": [
        "The assistant answers in the same language as the user"
    ],
    f"{USER} switches to another language": [
        "The user switches language",
        "The user changes the language",
        "The user is changing language",
        "The user switches to another language",
        "The user switches from one language to another during the conversation",
    ],
    f"{USER} switches from English to Spanish": ["The user switches from English to Spanish"],
    f"{USER} switches from English to another language": ["The user switches from English"],
    f"{ASSISTANT} switches to English": ["The assistant switches to English"],
}


@pytest.mark.parametrize(
    ("description", "understood"),
    [(each, what) for what, descriptions in UNDERSTOOD.items() for each in descriptions],
)
def test_a_description_of_a_language_is_understood(description: str, understood: str) -> None:
    definition = event(description)
    assert explain(definition) == f"checks that {understood}"
    assert chosen(definition) == "rules"


@pytest.mark.parametrize(
    "description",
    [
        "The user asks to translate something into Spanish",
        "The user asks for a translation from English to Spanish",
        "The user is learning French",
        "The user wants a Spanish-speaking agent",
        "The user asks for an answer in German",
        "The user asks the assistant to answer in German",
        "The user asks whether the assistant speaks French",
        "The user complains that the answer is in English",
        "The user is Spanish",
        "The user asks about English grammar",
        "The user wants to order Chinese",
        "The user writes a poem in Spanish",
        "The user asks for a French restaurant",
        "The user uses Turkish Airlines",
        "The user writes in bad English",
        "The user writes in capital letters",
        "The assistant wrote code in Python",
        "The user changes their mind",
        "The user switches to another one",
        "A Spanish restaurant",
        "The user switches to a cheaper plan",
        "The user switches between topics",
        "The user speaks to a human",
        "The user speaks Spanish and wants a refund",
        "The user says 'hola'",
        "The bot's message is not a question",
        "The assistant's answer is anything but the user's question",
        "The assistant's reply is in the wrong language",
        "The user uses offensive language",
    ],
)
def test_what_only_mentions_a_language_is_no_condition_on_one(description: str) -> None:
    assert parse_language(description) is None


_WORDS = st.sampled_from(
    ["the", "user", "assistant", "message", "is", "not", "in", "English", "or", "writes", "ever",
     "language", "other", "than", "neither", "switches", "to", "a", "different", "same", "that"]
)  # fmt: skip


@given(st.text(max_size=300) | st.lists(_WORDS, max_size=80).map(" ".join))
def test_any_description_is_read_in_time(description: str) -> None:
    with not_endless():
        condition = parse_language(description)
    if condition is not None:
        assert condition.explain("the message").startswith("checks that ")


def found_in(description: str, *turns: Turn, **fields: object) -> list[str | None]:
    """Return for each turn the reason it is an event, or None."""
    detections = RulesDetector().detect(turns, [event(description, **fields)])
    return [d.evidence.reason if d.evidence else None for d in detections]


def test_a_message_is_in_a_language_or_in_another() -> None:
    turns = [turn(SPANISH), turn(ENGLISH), turn("ok"), turn("")]
    assert found_in("The user writes in Spanish", *turns) == ["is in Spanish", None, None, None]
    assert found_in("The user does not write in English", *turns) == [
        "is in Spanish", None, None, None,
    ]  # fmt: skip
    assert found_in("The user writes in Spanish or English", *turns)[:2] == [
        "is in Spanish", "is in English",
    ]  # fmt: skip


def test_a_condition_looks_at_the_side_it_names_or_that_the_scope_says() -> None:
    mixed = turn(ENGLISH, SPANISH)
    assert found_in("The assistant answers in Spanish", mixed) == ["is in Spanish"]
    assert found_in("The user writes in Spanish", mixed) == [None]
    assert found_in("The message is in Spanish", mixed) == ["is in Spanish"]
    assert found_in("The message is in Spanish", mixed, scope="user_message") == [None]


def test_the_assistant_answers_in_the_users_language_or_not() -> None:
    description = "The assistant answered in a different language than the user"
    history = (Interaction(task_id="t0", session_id="s1", input=FRENCH),)
    short = Turn(
        interaction=Interaction(task_id="t1", session_id="s1", input="ok", output=ENGLISH),
        history=history,
    )
    reasons = found_in(description, turn(SPANISH, ENGLISH), turn(SPANISH, SPANISH), turn(SPANISH))
    assert reasons == ["is in English, the user's message is in Spanish", None, None]
    assert found_in(description, short) == ["is in English, the user's message is in French"]
    assert found_in(description, turn("ok", ENGLISH)) == [None]
    same = "The assistant answers in the same language as the user"
    assert found_in(same, turn(SPANISH, SPANISH)) == [
        "is in Spanish, the user's message is in Spanish"
    ]


def test_a_switch_is_from_what_was_said_before() -> None:
    def said(*texts: str) -> Turn:
        *before, last = (
            Interaction(task_id=f"t{i}", session_id="s1", input=text)
            for i, text in enumerate(texts)
        )
        return Turn(interaction=last, history=before)

    turns = [
        said(ENGLISH, "ok", SPANISH),
        said(ENGLISH, ENGLISH),
        said(SPANISH),
        said("ok", GERMAN),
    ]
    assert found_in("The user switches language", *turns) == [
        "switches from English to Spanish", None, None, None,
    ]  # fmt: skip
    assert found_in("The user switches to German", turns[0]) == [None]
    assert found_in("The user switches from French to Spanish", turns[0]) == [None]


def test_without_the_package_a_definition_is_refused_by_the_name_of_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(language_wording, "is_installed", lambda: False)
    for detector in ("auto", "rules"):
        with pytest.raises(MissingDependencyError, match=r"phospho\[language\]"):
            check_definition(event("The user writes in Spanish", detector=detector))
    check_definition(event("The user says 'hola'"))
    check_definition(event("The user writes in Spanish", keywords=("hola",)))
    check_definition(event("The user writes in Spanish", detector="llm"))
