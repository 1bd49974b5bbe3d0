"""What receivers may do to a webhook: none costs more than its time, or is believed too much."""

from __future__ import annotations

import ssl
import time

import pytest
import trustme

from phospho_server.webhooks import sending
from phospho_server.webhooks.outcomes import Outcome
from phospho_server.webhooks.sending import post
from tests.loopback import Loopback, Reply, free_port, serve_phospho
from tests.waiting import GIVEN_UP_S, PATIENCE_S


def send(server: Loopback, timeout_s: float = PATIENCE_S) -> Outcome:
    return post(f"{server.url}/hook", {"x": "y"}, b"{}", allow_private=True, timeout_s=timeout_s)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_success_is_any_answer_of_2xx(status: int) -> None:
    with serve_phospho() as server:
        server.replies.append(Reply(status=status, body=b""))
        outcome = send(server)
        assert (outcome.status, outcome.error) == (status, None)
        assert server.requests[0].headers["x"] == "y"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        pytest.param(Reply(status=500, body=b"out  of\nbeer"), "500: out of beer", id="500"),
        pytest.param(Reply(status=400, body=b""), "400.", id="400-empty"),
        pytest.param(Reply(status=410), "410", id="410"),
        pytest.param(Reply(status=404, body=b"\xff\x00<b>"), "404", id="junk"),
        pytest.param(Reply(status=500, body=b"x" * 2_000_000), "longer than 1 MB", id="long"),
        pytest.param(Reply(misbehaviour="hang"), "within 0.5 seconds", id="hang"),
        pytest.param(Reply(misbehaviour="trickle_headers"), "within 0.5 seconds", id="drip"),
        pytest.param(
            Reply(status=500, misbehaviour="trickle_body"), "within 0.5 seconds", id="drip-body"
        ),
        pytest.param(Reply(misbehaviour="reset"), "could not be sent", id="reset"),
        pytest.param(Reply(misbehaviour="garbage"), "could not be sent", id="garbage"),
    ],
)
def test_whatever_a_receiver_does_is_an_outcome(reply: Reply, says: str) -> None:
    with serve_phospho() as server:
        server.replies.append(reply)
        started_s = time.monotonic()
        outcome = send(server, timeout_s=0.5 if "within" in says else PATIENCE_S)
        assert time.monotonic() - started_s < GIVEN_UP_S
        assert outcome.error is not None
        assert says in outcome.error
        assert len(outcome.error) < 300


def test_a_success_counts_however_slowly_its_text_comes() -> None:
    with serve_phospho() as server:
        server.replies.append(Reply(misbehaviour="trickle_body"))
        assert send(server).error is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with serve_phospho() as server, serve_phospho() as elsewhere:
        server.replies.append(Reply(status=status, headers={"Location": elsewhere.url}))
        outcome = send(server)
        assert outcome.status == status
        assert "not followed" in (outcome.error or "")
        assert elsewhere.requests == []


def test_nobody_there_is_an_outcome() -> None:
    outcome = post(f"http://127.0.0.1:{free_port()}", {}, b"{}", allow_private=True)
    assert outcome.status is None
    assert "could not be sent" in (outcome.error or "")


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_phospho() as server, serve_phospho() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert send(server).error is None
        assert proxy.requests == []


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Trust this authority, and no other."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(sending, "trusted_certificates", lambda: context)
    return authority


@pytest.mark.parametrize(("name", "is_right"), [("localhost", True), ("other.example", False)])
def test_a_certificate_must_be_of_the_name(
    authority: trustme.CA, name: str, *, is_right: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    asked: list[str | None] = []
    context.sni_callback = lambda _, server_name, __: asked.append(server_name)
    with serve_phospho(tls=context) as server:
        outcome = send(server)
    assert (outcome.error is None) == is_right
    assert asked == ["localhost"]
