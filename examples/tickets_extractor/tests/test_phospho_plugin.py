"""The plugin as apps meet it: through `phospho.log` and `phospho.wrap`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import acme_tickets
import phospho
import phospho.testing
from acme_tickets import Reply, Request, phospho_plugin

REQUEST = Request(ticket="T-7", question="Where is order 1042?", playbook="Be brief.")


@pytest.fixture
def logged() -> Iterator[phospho.testing.Logged]:
    with phospho.testing.capture(raise_errors=True) as logged:
        phospho.init(plugins=[phospho_plugin])
        yield logged


def test_a_request_and_its_reply(logged: phospho.testing.Logged) -> None:
    phospho.log(REQUEST, acme_tickets.answer(REQUEST))
    (interaction,) = logged.interactions
    assert interaction["input"] == "Where is order 1042?"
    assert interaction["output"] == "Your order left on Monday."
    assert interaction["system_prompt"] == "Be brief."
    assert interaction["model"] == "acme-large"
    assert interaction["total_tokens"] == 128
    assert interaction["finish_reason"] == "sent"
    assert interaction["tool_calls"] == [{"name": "notify", "arguments": '{"ticket": "T-7"}'}]
    assert interaction["metadata"] == {"ticket": "T-7", "attachments": 0}


def test_a_failed_reply(logged: phospho.testing.Logged) -> None:
    empty = Request(ticket="T-8", question="")
    phospho.log(empty, acme_tickets.answer(empty))
    (interaction,) = logged.interactions
    assert interaction["status"] == "error"
    assert interaction["error"] == {"type": "no_question", "message": "The ticket is empty."}


def test_a_stream(logged: phospho.testing.Logged) -> None:
    for _piece in phospho.wrap(acme_tickets.stream)(REQUEST):
        assert not logged.interactions
    (interaction,) = logged.interactions
    assert interaction["input"] == "Where is order 1042?"
    assert interaction["output"] == "Your order left on Monday."
    assert interaction["model"] == "acme-large"


def test_a_stream_that_the_app_leaves(logged: phospho.testing.Logged) -> None:
    pieces = phospho.wrap(acme_tickets.stream)(REQUEST)
    next(pieces)
    pieces.close()
    (interaction,) = logged.interactions
    assert interaction["output"] == "Your "
    assert interaction["status"] == "incomplete"


def test_values_of_others_are_left_to_others(logged: phospho.testing.Logged) -> None:
    phospho.log({"question": "Hi"}, {"answer": "Hello"})
    assert (logged.inputs, logged.outputs) == (["Hi"], ["Hello"])


def test_a_reply_without_facts(logged: phospho.testing.Logged) -> None:
    phospho.log("Hi", Reply(body="Hello"))
    (interaction,) = logged.interactions
    assert interaction["output"] == "Hello"
    assert "model" not in interaction
