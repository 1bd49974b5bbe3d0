"""What is sent, and its signature, as a receiver reads them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from phospho.models import Detection, EventDefinition, Evidence, Interaction
from phospho_server.store.rows import Project
from phospho_server.webhooks.messages import (
    Told,
    make_body,
    make_headers,
    make_secret,
    make_test_body,
    sign,
)
from tests.server.builders import NOON_MS

PROJECT = Project("proj_1", "Support & more", NOON_MS)


def told(**fields: Any) -> Told:
    said = {"input": "Book a flight", "output": "Which date?", "session_id": "s 1/2", **fields}
    interaction = Interaction(task_id="t1", created_at_ms=NOON_MS, **said)
    evidence = Evidence(side="input", quote="flight")
    event = Detection(
        event_id="event_1", task_id="t1", detected=True, score=0.9, detector="rules",
        evidence=evidence,
    )  # fmt: skip
    definition = EventDefinition(id="event_1", name="book<ing>", description="d")
    return Told(PROJECT, event, interaction, definition, "http://here:8000")


def test_a_message_says_all_there_is_to_know() -> None:
    body = json.loads(make_body(told(), "json"))
    assert body["type"] == "event.detected"
    assert body["timestamp"] == "2026-11-20T12:00:00.000Z"
    data = body["data"]
    assert data["project"] == {"id": "proj_1", "name": "Support & more"}
    assert data["event"]["name"] == "book<ing>"
    assert data["detection"]["score"] == 0.9
    assert data["detection"]["evidence"]["quote"] == "flight"
    assert data["interaction"]["input"] == "Book a flight"
    assert data["interaction"]["is_cut"] is False
    assert data["url"] == "http://here:8000/projects/proj_1/session?id=s%201%2F2"


def test_long_texts_are_cut_and_it_says_so() -> None:
    data = json.loads(make_body(told(output="x" * 1_000_000), "json"))["data"]
    assert len(data["interaction"]["output"]) == 10_000
    assert data["interaction"]["is_cut"] is True


def test_slack_is_told_in_a_message_in_which_nothing_comes_alive() -> None:
    text = json.loads(make_body(told(input="<!channel> & <http://evil|click>"), "slack"))["text"]
    link = "<http://here:8000/projects/proj_1/session?id=s%201%2F2|open the conversation>"
    assert text.splitlines() == [
        f"*book&lt;ing&gt;* was detected in Support &amp; more: {link}",
        "> *User:* &lt;!channel&gt; &amp; &lt;http://evil|click&gt;",
        "> *Assistant:* Which date?",
    ]


@given(text=st.text(), name=st.sampled_from(["json", "slack"]))
def test_any_text_can_be_sent(text: str, name: str) -> None:
    body = make_body(told(input=text, output=text), name)
    assert json.loads(body)
    assert len(make_body(told(input=text * 100), "slack")) < 20_000


@pytest.mark.parametrize("name", ["json", "slack"])
def test_a_test_says_that_it_is_one(name: str) -> None:
    assert b"test" in make_test_body(PROJECT, "http://here", name, NOON_MS)


@given(body=st.binary(), message_id=st.from_regex(r"\Amsg_[0-9a-z]{16}\Z"))
def test_the_library_of_receivers_accepts_the_signature(body: bytes, message_id: str) -> None:
    secret = make_secret()
    content = json.dumps({"data": body.hex()}).encode()
    headers = make_headers(secret, message_id, int(time.time()), content)
    assert Webhook(secret).verify(content, headers) == {"data": body.hex()}
    for changed in (
        {**headers, "webhook-id": "msg_other"},
        {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(content, changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(content, headers)


def test_the_signature_is_that_of_the_specification() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
