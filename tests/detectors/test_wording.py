# Typographic and foreign characters are what is tested.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.auto import chosen
from phospho.detectors.rules import RulesDetector
from phospho.detectors.wording import parse_wording
from phospho.models import Detection
from tests.detectors.builders import event, turn

U = "The user "
A = "The assistant "


def verdict(description: str, input: str, output: str | None) -> Detection:
    (detection,) = RulesDetector().detect([turn(input, output)], [event(description)])
    return detection


# (description, a message that has the wording, one that has not); messages of the side it is about.
ABOUT_THE_USER = [
    ("The user said 'cancel my account'", "Please CANCEL my account now", "Cancel it"),
    ("The user mentioned the word 'invoice'", "Where are my invoices?", "Where is my bill?"),
    ('The user wrote "thanks"', "ok, Thanks!", "I am thankful"),
    ("The user says “refund”, “chargeback” or “money back”", "I want my money back", "money, ack"),
    ("The user mentions 'price' and 'discount'", "Any discount on the price?", "The price?"),
    ("The user mentions either `foo()` or `bar()`", "bar() fails", "bar fails"),
    ("The user used the phrase «à la carte»", "Do you offer À LA CARTE?", "la carte"),
    ("The user says '退款'", "我想退款谢谢", "我想付款"),
    ("The user says 「返金」", "返金してください", "ありがとう"),
    ("The user says '환불'", "환불을 원해요", "안녕하세요"),
    ("The user says 'возврат'", "Мне нужен ВОЗВРАТ.", "возвратный"),
    ("The user mentions '$5.00'", "It costs $5.00!", "It costs $5.000"),
    ("The user mentions 'a+b?('", "why does a+b?( fail", "why does aab fail"),
    ("The user mentions 'C++'", "I like C++.", "I like C."),
    ("The user mentions 'node.js'", "Node.js or Deno", "nodexjs"),
    ("The user said exactly 'yes'", "Yes!", "yes please"),
    ("The user only says 'ok'", "OK.", "ok then"),
    ("The user's message is 'help'", "Help", "help me"),
    ("The user's message starts with 'Hey Siri'", "hey siri, play jazz", "Oh hey siri"),
    ("The user begins their message with 'Dear'", '"Dear team', "Dearest team"),
    (
        "The user's message begins by saying 'I am a lawyer'",
        "I am a lawyer and",
        "he, I am a lawyer",
    ),
    ("The user's input ends with 'asap'", "I need it ASAP!!", "asap, please"),
    ("User's message contains 'don't'", "I don’t know", "I do"),
    ("The user didn't say 'please'", "Do it", "please do it"),
    ('The user never says "thank you"', "bye", "thank you, bye"),
    ("The message of the user does not contain 'order'", "hello", "my order"),
    ("The user asks a question", "Where is it? Tell me", "Tell me"),
    ("The user asked the assistant a question", "Really?", "Really"),
    ("The user's message does not contain a question", "Go.", "Go?"),
    ("The user's message ends with a question mark", "is it?", "is it? yes"),
    ("The user's message contains a number", "room 12", "room twelve"),
    ("The user mentions a URL", "see https://a.example/x?y=1", "see a.example"),
    ("The user sends a link", "www.example.com", "example"),
    ("The user's message contains an email address", "write to a.b@example.org", "@example"),
    ("The user uses an emoji", "nice 😀", "nice"),
    ("The user's message is longer than 5 words", "one two three four five six", "one two"),
    ("The user's message has fewer than three words", "hi there", "hi there you"),
    ("The user writes at least 10 characters", "0123456789", "012345678"),
    ("The user's message is shorter than 1,000 characters", "short", "x" * 1000),
    ("The word 'lawyer' appears in the user's message", "my lawyers say", "my law"),
    ("'unsubscribe' is mentioned by the user", "Unsubscribe me", "subscribe me"),
    ("Detect when the user says 'human'", "a human please", "humanity"),
    ("The user mentions the word refund", "Refund!", "funds"),
    ("The customer used the words 'not working'", "It's  not\nworking", "not really working"),
    ("The user mentions 'state-of-the-art'", "state–of–the–art", "state of the art"),
    ("The user says 'wait...'", "well, wait…", "wait"),
    ("The user's message contains the letter 'z'", "fuzzy", "funny"),
    ("The user's message contains the currency symbol '€'", "12€", "12 euros"),
    ("The user wrote in all caps", "WHERE IS IT?", "Where is IT?"),
    ("The user gave an email address", "me@example.org", "me at example"),
    ("The user's message consists only of 'ok'", "Ok!", "ok then"),
    ("The user's message contains both 'red' and 'blue'", "blue or red", "red"),
]
ABOUT_THE_ASSISTANT = [
    ("The assistant started with 'As an AI model'", "As an AI model, I", "Well, as an AI model"),
    ("The assistant's answer contains the word \"sorry\"", "I'm Sorry.", "I apologize"),
    ("The assistant asked a question", "Which city?", "It is https://x.example/?q=1"),
    ("The bot's reply ends with 'Anything else?'", "Done. Anything else?", "Anything else? Bye"),
    ("The answer does not contain \"I can't\"", "Sure", "I can’t do that"),
    ("The agent replied with 'I don't know'", "Well, I don't know.", "I know"),
    ("The response mentions 'terms of service'", "See our Terms of Service", "our service"),
    ("The assistant opens its reply with 'Great idea'", "**Great idea!** So", "A great idea"),
    ("The phrase 'language model' is used by the bot", "I am a language model", "a model"),
    ("The reply is longer than 3 sentences", "A b. C d. E f. G h.", "A b. C d."),
    ("The assistant's message contains a code block", "```py\n1\n```", "`1`"),
    ("The assistant uses an exclamation mark", "Great!", "Great."),
    ("Find cases where the chatbot says 'unfortunately'", "Unfortunately not", "Fortunately"),
    ("The agent told the user 'please wait'", "Please wait.", "Wait, please"),
    ("The message of the assistant ends with an exclamation mark", "Done!", "Done! Bye."),
    ("The output contains the exact string 'ERROR_42'", "error_42 happened", "ERROR_420"),
]  # fmt: skip
MEANING = [
    "The user asks about the 'Premium' plan",
    "The user says something like 'help me'",
    "The user said 'hi' and then asked for a refund",
    'The user is angry, e.g. "this is terrible"',
    "The user asks a question about billing",
    "The user wants to cancel 'Pro'",
    "The assistant recommends the movie 'Titanic'",
    "The user mentions a competitor such as 'Acme'",
    "The user mentions a number of problems",
    "The user thanked the agent",
    "The user says that they lost their card",
    "The assistant said that the request could not be completed",
    "The user compares 'Basic' with 'Pro'",
    "The user's plan is 'Premium'",
    "The user asks what 'idempotent' means",
    'The assistant refuses, for example with "I can\'t help"',
    "The user wants a shorter answer",
    "The user's order contains the wrong item",
    "The user asks for a link to the invoice",
    "The assistant says sorry in words other than 'sorry'",
]


@pytest.mark.parametrize(("description", "has", "has_not"), ABOUT_THE_USER)
def test_wording_of_the_user_is_found_where_it_stands(
    description: str, has: str, has_not: str
) -> None:
    assert verdict(description, has, "").detected
    assert not verdict(description, has_not, "").detected


@pytest.mark.parametrize(("description", "has", "has_not"), ABOUT_THE_ASSISTANT)
def test_wording_of_the_assistant_is_found_where_it_stands(
    description: str, has: str, has_not: str
) -> None:
    assert verdict(description, has_not, has).detected
    assert not verdict(description, has, has_not).detected


@pytest.mark.parametrize("description", MEANING)
def test_a_description_that_merely_quotes_an_example_is_meaning(description: str) -> None:
    assert parse_wording(description) is None
    assert chosen(event(description)) == "semantic"


@pytest.mark.parametrize(
    "description", ["The message contains 'x1'", "contains 'x1'", "The conversation mentions 'x1'"]
)
def test_wording_of_nobody_in_particular_is_looked_for_on_both_sides(description: str) -> None:
    assert verdict(description, "x1", None).detected
    assert verdict(description, "", "x1").detected


def test_a_missing_answer_lacks_no_wording() -> None:
    assert not verdict("The assistant does not say 'sorry'", "hi", None).detected
    assert verdict("The assistant does not say 'sorry'", "hi", "hello").detected


def test_the_evidence_quotes_the_message_letter_for_letter() -> None:
    evidence = verdict("The user says 'thank you'", "Well, THANK   you!", None).evidence
    assert evidence is not None
    assert (evidence.side, evidence.quote) == ("input", "THANK   you")
    assert evidence.reason == 'contains "thank you"'


def test_decomposed_letters_are_the_same_letters() -> None:
    found = verdict("The user says 'café'", "un cafe\u0301 svp", None)
    assert found.detected
    assert found.evidence is not None
    assert found.evidence.quote == ""


@given(st.text(max_size=200))
def test_any_description_can_be_read(description: str) -> None:
    parse_wording(description)


@given(st.text(min_size=1, max_size=30), st.text(max_size=30))
def test_a_quoted_phrase_is_found_in_a_text_that_is_only_it(phrase: str, rest: str) -> None:
    condition = parse_wording(f"The user says “{phrase}”")
    if condition is not None and condition.phrases == (phrase,):
        assert verdict(f"The user says “{phrase}”", f"{phrase}", rest).detected


def test_many_alternatives_are_read_in_the_time_of_few() -> None:
    # One way too many to match the blank before each "or" doubles the time with every word.
    wording = " or ".join(f'"word{n}"' for n in range(150))
    assert parse_wording(f"The user mentions {wording}") is not None
    assert parse_wording(f"The user mentions {wording} cheese") is None


def test_a_huge_text_takes_no_time() -> None:
    text = "a " * 150_000
    for description in (
        "The user says 'b'", "The user says 'a b'", "The user asks a question",
        "The user sends a link", "The user's message ends with 'b'", "The user sends an emoji",
        "The user's message contains an email address",
    ):  # fmt: skip
        for strange in (text, "a" * 300_000, " " * 300_000, "\u0301" * 300_000, ".@" * 150_000):
            assert not verdict(description, strange, strange).detected
    for strange in (text, "(" * 300_000):
        assert not verdict("The user's message has more than 3 sentences", strange, "").detected
